-- Claiming is a plain read: owning the shard is the claim.

create function webhooks_private.read_problem(event_id uuid)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Plans are cached per session, perhaps since there was one event: only index look-ups are right.
set enable_seqscan = off
as $$
declare
    most constant bigint := 67108864;
    event record;
begin
    select e.* into event from webhooks.event_logs e where e.id = read_problem.event_id limit 1;
    perform octet_length(concat(event.event_type, event.event_category, event.event_name, event.event_version,
                                event.resource_type, event.session_id, event.request_id, event.source_ip,
                                event.traceparent));
    -- What is larger is none of this function's business: sum_text_size() tells it.
    if webhooks_private.json_text_size(event.event_data, most) is not null then
        perform octet_length(event.event_data::text);
    end if;
    if webhooks_private.json_text_size(event.resource_data, most) is not null then
        perform octet_length(event.resource_data::text);
    end if;
    return null;
-- Reading a damaged row fails in many ways: damaged pages and TOAST values, values that are none of their type,
-- missing files, a compression that this server lacks, sizes that no memory suffices for. A lock that was not granted
-- in time says nothing about the row.
exception when internal_error or system_error or data_exception or syntax_error_or_access_rule_violation
               or program_limit_exceeded or insufficient_resources or feature_not_supported then
    return format('its data can''t be read (SQLSTATE %s)', sqlstate);
end
$$;
comment on function webhooks_private.read_problem is
    'Why an event can''t be read, if its row is damaged: it reads it as a claim does, by itself. Null if it can. '
    'Part of claim_deliveries().';

create type webhooks_private.claimed_delivery as (
    delivery_id uuid, is_fresh boolean, shard smallint, subscription_id uuid, subscription_version bigint,
    attempt integer, lane bigint, expires_in_ms bigint, over_budget boolean, event_id uuid, tenant_id uuid,
    event_type text, event_category text, event_name text, event_version text, created_at_us bigint,
    event_data text, resource_type text, resource_id uuid, user_id uuid, session_id text, request_id text,
    source_ip text, resource_data text, scan_us bigint, problem text, traceparent text
);
comment on type webhooks_private.claimed_delivery is
    'A delivery and its event, as claim_deliveries() returns them. Without delivery_id: the subscription has more '
    'lanes than were looked at. over_budget: beyond max_bytes of event data as text, which is not read. problem: why '
    'the event''s data can''t be sent and is not there: it is larger than 64 MiB as text, or its row is damaged '
    '(found if the claim is careful). An event that is gone, or not of the subscription''s tenant, has null columns. '
    'scan_us: how long it took to find the deliveries of the claim, in microseconds, without their events.';

create function webhooks_private.claim_deliveries(request webhooks_private.claim_request)
returns setof webhooks_private.claimed_delivery
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- One plan for all calls: to plan this costs ten times what a small claim does. The queue is often never analysed, or
-- was when it was empty or one subscription's: only index scans in index order are right, and no other index may give
-- the order.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    found webhooks_private.found_delivery[];
    first_event uuid;
    last_event uuid;
    max_age constant interval := make_interval(secs => webhooks_private.setting('max_delivery_age_seconds'));
    began constant timestamptz := clock_timestamp();
    took_us bigint;
begin
    -- An assignment is no query.
    found := webhooks_private.find_deliveries(request);
    if found is null then
        return;
    end if;
    took_us := extract(epoch from clock_timestamp() - began) * 1000000;

    -- Known before the statement begins, they keep it from opening every partition there is. A row that only says
    -- that there are more lanes has no event.
    select e.ids[1], e.ids[cardinality(e.ids)] into first_event, last_event
    from (select array_agg(f.event_log_id order by f.event_log_id) as ids from unnest(found) f
          where f.event_log_id is not null) e;
    return query
    -- What is over the budget is not read, not even to measure it.
    with priced as (
        select c.id, c.is_fresh, c.shard, c.subscription_id, c.version, c.attempt, c.lane, c.expires_at,
               c.event_log_id, e.tenant_id, e.event_type, e.event_category, e.event_name, e.event_version,
               e.event_data, e.resource_type, e.resource_id, e.resource_data, e.user_id, e.session_id, e.request_id,
               e.source_ip, e.deliver_after, e.traceparent,
               coalesce(e.created_at, e.processed_at, 'epoch') as created_at,
               x.damage,
               webhooks_private.sum_text_size(e.event_data, e.resource_data,
                                              request.max_bytes) over (rows unbounded preceding) as bytes,
               row_number() over (rows unbounded preceding) as n
        from unnest(found) c
        cross join lateral (
            select case when request.is_careful then webhooks_private.read_problem(c.event_log_id) end as damage
        ) x
        left join lateral (
            select * from webhooks.event_logs e
            where e.id = c.event_log_id and e.id between first_event and last_event and x.damage is null limit 1
        -- A deleted subscription's id may be another tenant's by now: what was left for the old one is not sent to it.
        ) e on e.tenant_id = c.tenant_id
    ),
    judged as (
        select p.*, p.bytes > request.max_bytes and p.n > 1 as over_budget,
               coalesce(p.damage, case when p.bytes <= 0 and p.tenant_id is not null
                                          then 'its data is larger than 64 MiB as text, or damaged' end) as problem
        from priced p
    )
    select p.id, p.is_fresh, p.shard, p.subscription_id, p.version, p.attempt, p.lane,
           -- Old is what has waited long, not what was back-dated or meant for later.
           -- Bounded, whatever an UPDATE made of the times: an error here would stop all deliveries.
           (extract(epoch from greatest(least(p.expires_at,
                                              least(greatest(webhooks.uuid_v7_time(p.id), p.deliver_after),
                                                    '9999-12-31') + max_age), 'epoch')
                               - clock_timestamp()) * 1000)::bigint,
           coalesce(p.over_budget, false), p.event_log_id, p.tenant_id, p.event_type::text, p.event_category::text,
           p.event_name::text, p.event_version::text,
           (extract(epoch from least(greatest(p.created_at, 'epoch'), '9999-12-31')) * 1000000)::bigint,
           case when p.over_budget or p.problem is not null then null else p.event_data::text end,
           p.resource_type::text, p.resource_id,
           p.user_id, p.session_id::text, p.request_id::text, abbrev(p.source_ip),
           case when p.over_budget or p.problem is not null then null else p.resource_data::text end, took_us,
           p.problem, p.traceparent::text
    from judged p;
end
$$;
comment on function webhooks_private.claim_deliveries is
    'Ready deliveries with their events: the fresh ones first. Shards from shard_count() on are those of tests, which '
    'come also of subscriptions that are not active and enabled.';
grant execute on function webhooks_private.claim_deliveries to webhooks_sidecar;
