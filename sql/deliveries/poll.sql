-- Pull: receivers that can't be reached fetch their deliveries and acknowledge them by a cursor.
--
-- A cursor names a batch, and the batch lists its deliveries: acknowledging it ends these and nothing else, whatever
-- was committed meanwhile with a smaller id. A subscription has one batch at a time. Until it is acknowledged every
-- poll gets it, with the same cursor: after an answer that was lost, and two pollers at the same time.

create function webhooks_private.render_delivery(
    payload_format text, payload_template text, payload_content_type text, template_secrets text,
    max_payload_size_kb integer, webhook_headers text, auth_type text, auth_config text, retired_secrets text[],
    delivery_id uuid, attempt integer, attempted_at bigint, traceparent text, event_id uuid, tenant_id uuid,
    event_type text, event_category text, event_name text, event_version text, created_at_us bigint, event_data text,
    resource_type text, resource_id uuid, resource_data text, user_id uuid, session_id text, request_id text,
    source_ip text
)
returns table (headers text, body text, payload_sha256 bytea, problem text)
language c volatile
as 'MODULE_PATHNAME', 'render_delivery_wrapper';
comment on function webhooks_private.render_delivery is
    'The request of a delivery, byte for byte as the sidecar sends it, with secrets and signatures; attempted_at is in '
    'seconds since 1970. problem: why there is none. Part of poll_deliveries().';

create function webhooks_private.polled_batch_id(cursor text, subscription_id uuid)
returns uuid
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    if polled_batch_id.cursor !~ '^[0-9a-f]{64}$' then
        raise exception 'invalid cursor: "%"', left(polled_batch_id.cursor, 100)
            using errcode = 'invalid_parameter_value',
                  hint = 'Give next_cursor of the last poll as it is, or null to acknowledge nothing.';
    end if;
    if left(polled_batch_id.cursor, 32)::uuid <> subscription_id then
        raise exception 'the cursor is of another subscription than %', subscription_id
            using errcode = 'invalid_parameter_value',
                  hint = 'Give next_cursor of the last poll of this subscription, or null to acknowledge nothing.';
    end if;
    return right(polled_batch_id.cursor, 32)::uuid;
end
$$;
comment on function webhooks_private.polled_batch_id is
    'The batch that a cursor names, or an error: it is none, or another subscription''s. Part of poll_deliveries().';

create function webhooks_private.poll_subscription(subscription_id uuid)
returns webhooks.webhook_subscriptions
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription webhooks.webhook_subscriptions := webhooks_private.own_subscription(subscription_id);
begin
    -- A row, not an advisory lock: nobody else can hold what stands for it.
    select s.* into subscription
    from webhooks.webhook_subscriptions s where s.id = subscription.id for no key update;
    if not found then
        subscription := webhooks_private.own_subscription(subscription_id);
    end if;
    if subscription.delivery <> 'poll' then
        raise exception 'subscription % is not polled: its deliveries are sent to its webhook_url', subscription.id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = format('Change it: select webhooks.update_subscription(%L, ''{"delivery": "poll"}'');',
                                subscription.id);
    end if;
    perform webhooks_private.check_adopted();
    return subscription;
end
$$;
comment on function webhooks_private.poll_subscription is
    'A subscription that is polled and that the caller may access, locked against other pollers, or an error.';

create function webhooks.acknowledge_deliveries(subscription_id uuid, cursor text)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.poll_subscription(subscription_id);
    batch_id constant uuid := webhooks_private.polled_batch_id(acknowledge_deliveries.cursor, subscription_id);
    batch webhooks_private.poll_batches;
    late bigint;
begin
    delete from webhooks_private.poll_batches b
    where b.subscription_id = subscription.id and b.id = batch_id
    returning b.* into batch;
    if not found then
        return 0;
    end if;
    select count(*) into late
    from webhooks_private.record_attempts(array(
        select row(d.id, subscription.id, d.attempt, 'delivered', null, null, null, null,
                   (extract(epoch from batch.handed_out_at) * 1000000)::bigint,
                   (extract(epoch from greatest(clock_timestamp() - batch.handed_out_at, '0')) * 1000000)::bigint,
                   null, d.size, d.hash, null, null, null, null, null)::webhooks_private.attempt_result
        from unnest(batch.delivery_ids, batch.attempts, batch.payload_sizes, batch.payload_hashes)
            d (id, attempt, size, hash)));
    return cardinality(batch.delivery_ids) - late;
end
$$;
comment on function webhooks.acknowledge_deliveries is
    'Ends the deliveries that were handed out with a cursor of poll_deliveries(): they are delivered. Returns their '
    'number; 0: they were acknowledged before.';
grant execute on function webhooks.acknowledge_deliveries to webhooks_manager;

create function webhooks_private.next_polled(
    subscription_id uuid, batch webhooks_private.poll_batches, max_deliveries integer
)
returns uuid[]
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    home constant smallint := webhooks_private.poll_shard_of(subscription_id);
    -- A variable: what is volatile can't be looked up in an index.
    due_until constant timestamptz := clock_timestamp();
    ids uuid[];
begin
    if batch.id is not null then
        ids := array(
            select q.id from webhooks.delivery_queue q
            where q.id = any (batch.delivery_ids) and q.subscription_id = next_polled.subscription_id
            order by q.id);
        if ids <> '{}' then
            return ids;
        end if;
    end if;
    -- Of this subscription alone: others must not wait for the transaction of who polls.
    update webhooks.delivery_queue q
    set next_attempt_at = null
    where q.id = any (array(
        select d.id from webhooks.delivery_queue d
        where d.shard = home and d.subscription_id = next_polled.subscription_id and d.lane is null
          and d.next_attempt_at is not null and d.next_attempt_at <= due_until
        order by d.id limit next_polled.max_deliveries
        for no key update skip locked));
    return array(
        select q.id from webhooks.delivery_queue q
        -- Rows compared, not columns: see find_deliveries().
        where (q.shard, q.subscription_id, q.id) > (home, next_polled.subscription_id,
                                                    '00000000-0000-0000-0000-000000000000'::uuid)
          and (q.shard, q.subscription_id) <= (home, next_polled.subscription_id)
          and q.next_attempt_at is null and q.lane is null
        order by q.shard, q.subscription_id, q.id limit next_polled.max_deliveries);
end
$$;
comment on function webhooks_private.next_polled is
    'The deliveries of a batch that are still outstanding; if there are none, the next that are ready, in the order of '
    'publication. Part of poll_deliveries().';

create type webhooks_private.polled_event as (
    event_type text, event_category text, event_name text, event_version text, created_at_us bigint, event_data text,
    resource_type text, resource_id uuid, resource_data text, user_id uuid, session_id text, request_id text,
    source_ip text, traceparent text, deliver_after timestamptz, problem text
);
comment on type webhooks_private.polled_event is
    'An event as it is sent, or why it can''t be. Part of poll_deliveries().';

create function webhooks_private.polled_event(event_id uuid, tenant_id uuid)
returns webhooks_private.polled_event
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- The id decides which partition is opened.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
declare
    most constant bigint := 67108864;
    event webhooks_private.polled_event;
begin
    -- As claim_deliveries() has it.
    select e.event_type, e.event_category, e.event_name, e.event_version,
           (extract(epoch from least(greatest(coalesce(e.created_at, e.processed_at, 'epoch'), 'epoch'),
                                     '9999-12-31')) * 1000000)::bigint,
           case when s.fits then e.event_data::text end, e.resource_type, e.resource_id,
           case when s.fits then e.resource_data::text end, e.user_id, e.session_id, e.request_id,
           abbrev(e.source_ip), e.traceparent, e.deliver_after,
           case when not s.fits then 'its data is larger than 64 MiB as text, or damaged' end
    into event
    from webhooks.event_logs e
    cross join lateral (
        select coalesce(webhooks_private.json_text_size(e.event_data, most)
                        + case when e.resource_data is null then 0
                              else webhooks_private.json_text_size(e.resource_data, most) end <= most, false) as fits
    ) s
    where e.id = polled_event.event_id and e.tenant_id = polled_event.tenant_id limit 1;
    if not found then
        event.problem := 'the event is no longer there';
    end if;
    return event;
exception when internal_error or system_error or data_exception or syntax_error_or_access_rule_violation
               or program_limit_exceeded or insufficient_resources or feature_not_supported then
    event := null;
    event.problem := format('its data can''t be read (SQLSTATE %s)', sqlstate);
    return event;
end
$$;
comment on function webhooks_private.polled_event is
    'An event of a tenant as it is sent; problem: why it can''t be. Part of poll_deliveries().';

create function webhooks.poll_deliveries(
    subscription_id uuid, cursor text default null, max_deliveries integer default 100
)
returns table (
    next_cursor text, delivery_id uuid, event_id uuid, event_type text, attempt integer, headers json, body text
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    -- Of all bodies of an answer together, unless the first alone is larger.
    max_bytes constant bigint := 4194304;
    -- Templates take their time, and the connection serves others, too.
    max_time constant interval := '2 s';
    max_age constant interval := make_interval(secs => webhooks_private.setting('max_delivery_age_seconds'));
    subscription webhooks.webhook_subscriptions;
    retired text[];
    batch webhooks_private.poll_batches;
    handed webhooks_private.poll_batches;
    attempted_at timestamptz;
    ids uuid[];
    queued record;
    event webhooks_private.polled_event;
    request record;
    unsent text;
    bytes bigint := 0;
    results webhooks_private.attempt_result[];
begin
    if (poll_deliveries.max_deliveries between 1 and 1000) is not true then
        raise exception 'max_deliveries is %', coalesce(poll_deliveries.max_deliveries::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 to 1000.';
    end if;
    if poll_deliveries.cursor is not null then
        perform webhooks.acknowledge_deliveries(poll_deliveries.subscription_id, poll_deliveries.cursor);
    end if;
    subscription := webhooks_private.poll_subscription(poll_deliveries.subscription_id);
    if (subscription.is_active and subscription.is_enabled) is not true then
        return;
    end if;
    if subscription.auth_type = 'signature' then
        select s.secrets into retired
        from webhooks_private.secrets_in_overlap(
            subscription.id, make_interval(secs => webhooks_private.setting('secret_overlap_seconds'))) s;
    end if;
    select b.* into batch from webhooks_private.poll_batches b where b.subscription_id = subscription.id;
    attempted_at := clock_timestamp();
    handed := row(subscription.id, null, attempted_at, '{}', '{}', '{}', '{}');

    -- Again, if all that were found can't be handed out.
    for round in 1..10 loop
        ids := webhooks_private.next_polled(subscription.id, batch, poll_deliveries.max_deliveries);
        -- What was not handed out with a cursor must never be acknowledged by it.
        handed.id := case when ids <@ batch.delivery_ids then batch.id else webhooks.uuid_v7() end;
        results := '{}';
        for queued in
            select q.id, q.attempt, q.event_log_id, q.expires_at from webhooks.delivery_queue q
            where q.id = any (ids) order by q.id
        loop
            event := webhooks_private.polled_event(queued.event_log_id, subscription.tenant_id);
            exit when handed.delivery_ids <> '{}' and (bytes + octet_length(event.event_data) > max_bytes
                                                       or clock_timestamp() > attempted_at + max_time);
            unsent := null;
            request := null;
            if least(queued.expires_at,
                     least(greatest(webhooks.uuid_v7_time(queued.id), event.deliver_after),
                           '9999-12-31') + max_age) <= attempted_at then
                unsent := 'expires_at or max_delivery_age_seconds has passed; nothing was sent';
            elsif event.problem is not null then
                unsent := event.problem || '; nothing was sent';
            else
                select r.* into request
                from webhooks_private.render_delivery(
                    subscription.payload_format, subscription.payload_template, subscription.payload_content_type,
                    subscription.template_secrets::text, coalesce(subscription.max_payload_size_kb, 1024),
                    subscription.webhook_headers::text, coalesce(subscription.auth_type, 'none'),
                    subscription.auth_config::text, retired, queued.id, queued.attempt + 1,
                    extract(epoch from attempted_at)::bigint, event.traceparent, queued.event_log_id,
                    subscription.tenant_id, event.event_type, event.event_category, event.event_name,
                    event.event_version, event.created_at_us, event.event_data, event.resource_type,
                    event.resource_id, event.resource_data, event.user_id, event.session_id, event.request_id,
                    event.source_ip) r;
                unsent := request.problem;
            end if;
            if unsent is not null then
                results := results || row(
                    queued.id, subscription.id, queued.attempt,
                    case when unsent like 'expires_at or %' then 'expired' else 'failed' end, null, null, null, unsent,
                    (extract(epoch from attempted_at) * 1000000)::bigint, 0, null, null, null, null, null, null, null,
                    null)::webhooks_private.attempt_result;
                continue;
            end if;
            exit when handed.delivery_ids <> '{}' and bytes + octet_length(request.body) > max_bytes;
            bytes := bytes + octet_length(request.body);
            handed.delivery_ids := handed.delivery_ids || queued.id;
            handed.attempts := handed.attempts || queued.attempt;
            handed.payload_sizes := handed.payload_sizes || octet_length(request.body);
            handed.payload_hashes := handed.payload_hashes || request.payload_sha256;
            next_cursor := encode(uuid_send(subscription.id) || uuid_send(handed.id), 'hex');
            delivery_id := queued.id;
            event_id := queued.event_log_id;
            event_type := event.event_type;
            attempt := queued.attempt + 1;
            headers := request.headers;
            body := request.body;
            return next;
        end loop;
        if results <> '{}' then
            perform from webhooks_private.record_attempts(results);
        end if;
        exit when handed.delivery_ids <> '{}' or results = '{}';
    end loop;

    if handed.delivery_ids <> '{}' then
        insert into webhooks_private.poll_batches as b select (handed).*
        on conflict on constraint poll_batches_pkey do update
        set id = excluded.id, handed_out_at = excluded.handed_out_at, delivery_ids = excluded.delivery_ids,
            attempts = excluded.attempts, payload_sizes = excluded.payload_sizes,
            payload_hashes = excluded.payload_hashes;
    elsif batch.id is not null then
        delete from webhooks_private.poll_batches b where b.subscription_id = subscription.id;
    end if;
end
$$;
comment on function webhooks.poll_deliveries is
    'Acknowledges the deliveries that were handed out with a cursor, and returns the next ones of a subscription with '
    'delivery poll, in the order of publication: up to max_deliveries, with 4 MiB of bodies, and what is rendered in 2 seconds. headers and body are those '
    'of the request that would be sent, signatures included. Until next_cursor is given back, every call returns the '
    'same deliveries: each is handed out at least once. A cursor that was acknowledged before acknowledges nothing. '
    'While the subscription is inactive or disabled, nothing is handed out.';
grant execute on function webhooks.poll_deliveries to webhooks_manager;
