-- A condition on time opens every partition of webhook_delivery_logs, since it is divided by ids. Here times become ids
-- before the query is planned, a day at a time. The view is read by ids alone: in the order of ids each of its parts
-- can be read, but not all of them together.

--
-- In the order of ids the deliveries of all tenants are read up to a page of one. That is quick for a tenant that has
-- many of them, and for one that has few they are looked up by its subscriptions.

create function webhooks_private.listed_subscriptions(tenant_id uuid, since timestamptz)
returns uuid[]
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- Ids are constants of the plan, so that only the partitions since then are opened.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
declare
    most constant integer := 200;
    -- The clocks of transactions may differ from those of ids.
    begins constant timestamptz := greatest(since - interval '1 day', '1970-01-02 00:00Z');
    first_id constant uuid := webhooks.uuid_v7_floor(begins);
    months constant integer := webhooks_private.setting('audit_retention_months');
    found_ids uuid[];
begin
    if not webhooks_private.may_access_tenant(tenant_id)
        or months > 0 and begins < now() - make_interval(months => months) then
        return null;
    end if;
    found_ids := array(
        select f.id
        from (
            select s.id from webhooks.webhook_subscriptions s where s.tenant_id = listed_subscriptions.tenant_id
            union
            -- What is deleted has deliveries in the log.
            select a.object_id::uuid
            from webhooks.audit_log a
            where a.tenant_id = listed_subscriptions.tenant_id and a.id >= first_id
              and a.object_type = 'subscription' and a.action = 'deleted'
        ) f
        limit most + 1);
    return case when cardinality(found_ids) <= most then found_ids end;
end
$$;
comment on function webhooks_private.listed_subscriptions is
    'Subscriptions that a tenant has, or has deleted since a time; null: more than 200, or it is not known which it '
    'has deleted. Part of list_deliveries().';
grant execute on function webhooks_private.listed_subscriptions to webhooks_manager;

create function webhooks_private.few_outstanding(subscription_ids uuid[], max_deliveries integer)
returns uuid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Each of the conditions below finds its index, and is read up to the limit.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    found_ids uuid[];
begin
    found_ids := array(
        select f.id
        from unnest(subscription_ids) s (id)
        cross join lateral (
            -- One query for each index, as in outstanding_deliveries().
            select q.id from webhooks.delivery_queue q
            where q.shard = webhooks_private.shard_of(s.id) and q.subscription_id = s.id and q.lane is not null
            union all
            select q.id from webhooks.delivery_queue q
            where q.shard = webhooks_private.shard_of(s.id) and q.subscription_id = s.id and q.lane is null
              and q.next_attempt_at is null
            union all
            select q.id from webhooks.delivery_queue q
            where q.shard = webhooks_private.shard_of(s.id) and q.subscription_id = s.id and q.lane is null
              and q.next_attempt_at is not null
            union all
            select q.id from webhooks.delivery_queue q
            where q.shard = webhooks_private.test_shard_of(s.id) and q.subscription_id = s.id and q.lane is null
              and q.next_attempt_at is null
            union all
            select q.id from webhooks.delivery_queue q
            where q.shard = webhooks_private.poll_shard_of(s.id) and q.subscription_id = s.id and q.lane is null
              and q.next_attempt_at is null
            union all
            select q.id from webhooks.delivery_queue q
            where q.shard = webhooks_private.poll_shard_of(s.id) and q.subscription_id = s.id and q.lane is null
              and q.next_attempt_at is not null
            limit max_deliveries + 1
        ) f
        limit max_deliveries + 1);
    return case when cardinality(found_ids) <= max_deliveries then found_ids end;
end
$$;
comment on function webhooks_private.few_outstanding is
    'What is outstanding to some subscriptions; null: more than so many. Part of list_deliveries().';
grant execute on function webhooks_private.few_outstanding to webhooks_manager;

create function webhooks_private.few_attempted(
    subscription_ids uuid[], first_id uuid, end_id uuid, max_deliveries integer
)
returns uuid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Each of the conditions below finds its index, and is read up to the limit.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    found_ids uuid[];
begin
    found_ids := array(
        select f.id
        from unnest(subscription_ids) s (id)
        cross join lateral (
            select a.delivery_id as id from webhooks.delivery_attempts a
            where a.subscription_id = s.id and a.delivery_id >= first_id and a.delivery_id < end_id
            limit max_deliveries + 1
        ) f
        limit max_deliveries + 1);
    return case when cardinality(found_ids) <= max_deliveries then found_ids end;
end
$$;
comment on function webhooks_private.few_attempted is
    'Deliveries of some subscriptions that have attempts, and ids from first_id on and before end_id; null: there are '
    'more than so many attempts. Part of list_deliveries().';
grant execute on function webhooks_private.few_attempted to webhooks_manager;

create function webhooks.list_deliveries(
    tenant_id uuid, since timestamptz default now() - interval '1 day', until timestamptz default 'infinity',
    statuses text[] default null, subscription_id uuid default null, max_rows integer default 100,
    after_id uuid default null
)
returns setof webhooks.webhook_delivery_logs
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Ids are constants of the plan, so that only the partitions of a day are opened; conditions that are not given vanish.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    unknown_status text;
    -- Ids are made by clock_timestamp().
    ends timestamptz := least(until, clock_timestamp() + interval '1 minute');
    page_end constant uuid := coalesce(after_id, 'ffffffff-ffff-7fff-bfff-ffffffffffff');
    begins timestamptz;
    first_id uuid;
    end_id uuid;
    last_id uuid;
    ids uuid[];
    missing integer := max_rows;
    listed uuid[];
    few_outstanding uuid[];
    few_attempted uuid[];
begin
    if since is null or until is null then
        raise exception 'since or until is null'
            using errcode = 'null_value_not_allowed',
                  hint = 'Give the time in which the deliveries were made, for example since => now() - interval '
                         '''7 days'', or leave them out: the last day.';
    end if;
    if since < greatest('1970-01-01 00:00Z', ends - interval '366 days') then
        raise exception 'the period from % until % is longer than 366 days', since, until
            using errcode = 'invalid_parameter_value',
                  hint = 'Each day has a partition that is opened. Call the function for a year at a time.';
    end if;
    if max_rows is null or max_rows not between 1 and 10000 then
        raise exception 'max_rows is %, not between 1 and 10000', coalesce(max_rows::text, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'For more, give the id of the last row as after_id.';
    end if;
    if after_id is not null then
        ends := least(ends, webhooks.uuid_v7_time(after_id) + interval '1 ms');
    end if;
    perform webhooks_private.check_count('statuses', cardinality(statuses), 1000);
    select s.status into unknown_status
    from unnest(statuses) s (status)
    where s.status is null
       or s.status <> all ('{pending,retrying,delivered,failed,expired,cancelled}'::text[])
    limit 1;
    if found then
        raise exception 'statuses has %, which is no status',
            coalesce('"' || left(unknown_status, 200) || '"', 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Statuses are pending, retrying, delivered, failed, expired and cancelled.';
    end if;

    listed := case when subscription_id is not null then array[subscription_id]
                   else webhooks_private.listed_subscriptions(tenant_id, since) end;
    if listed is not null then
        few_outstanding := webhooks_private.few_outstanding(listed, greatest(1000, 3 * max_rows));
    end if;

    while ends > since and missing > 0 loop
        -- The last day first; of a time at midnight it is the day before.
        begins := greatest(date_trunc('day', ends - interval '1 microsecond', 'UTC'), since);
        first_id := webhooks.uuid_v7_floor(begins);
        end_id := least(webhooks.uuid_v7_floor(ends), page_end);
        -- All of the day, not of the page: how many are read before it is known that they are many is bounded.
        if listed is not null then
            few_attempted := webhooks_private.few_attempted(
                listed, webhooks.uuid_v7_floor(date_trunc('day', begins, 'UTC')),
                webhooks.uuid_v7_floor(date_trunc('day', begins, 'UTC') + interval '1 day'),
                greatest(1000, 3 * missing));
        end if;
        ids := array(
            select distinct f.id
            from (
                (select q.id
                 from webhooks.delivery_queue q
                 where q.id >= first_id and q.id < end_id and q.tenant_id = list_deliveries.tenant_id
                   and (few_outstanding is null or q.id = any (few_outstanding))
                   and (list_deliveries.subscription_id is null
                        or q.subscription_id = list_deliveries.subscription_id)
                   and (list_deliveries.statuses is null
                        or case when q.attempt = 0 then 'pending' else 'retrying' end = any (list_deliveries.statuses))
                 order by q.id desc limit missing)
                union all
                (select a.delivery_id
                 from webhooks.delivery_attempts a
                 where a.delivery_id >= first_id and a.delivery_id < end_id
                   and a.tenant_id = list_deliveries.tenant_id and a.delivery_status <> 'retrying'
                   and (few_attempted is null or a.delivery_id = any (few_attempted))
                   and (list_deliveries.subscription_id is null
                        or a.subscription_id = list_deliveries.subscription_id)
                   and (list_deliveries.statuses is null or a.delivery_status = any (list_deliveries.statuses))
                 order by a.delivery_id desc limit missing)
            ) f
            order by f.id desc
            limit missing);
        -- Of an empty array as bound every partition would be opened.
        if ids <> '{}' then
            last_id := ids[1];
            first_id := ids[cardinality(ids)];
            return query
            select l.* from webhooks.webhook_delivery_logs l
            where l.id = any (ids) and l.id between first_id and last_id
            order by l.id desc;
        end if;
        missing := missing - cardinality(ids);
        ends := begins;
    end loop;
end
$$;
comment on function webhooks.list_deliveries is
    'Returns the deliveries of a tenant that were made from since on and before until, newest first, as '
    'webhook_delivery_logs shows them: all, or those of some statuses or of a subscription. A delivery is made when '
    'its event is published, retried or replayed; attempts may be later. For the next page give the id of the last '
    'row as after_id; the order of deliveries does not change. Without since, the period is the last day; it has at '
    'most 366 days. The function opens the partitions of one day after the other, until it has max_rows.';
grant execute on function webhooks.list_deliveries to webhooks_manager;
