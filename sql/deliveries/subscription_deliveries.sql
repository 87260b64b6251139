-- Pages of a subscription's deliveries, in the order of their ids, which never changes. list_deliveries() is for
-- periods and for all subscriptions of a tenant.

create function webhooks_private.newest_outstanding(
    subscription_id uuid, tenant_id uuid, statuses text[], first_id uuid, end_id uuid, max_deliveries integer
)
returns uuid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Each of the conditions below finds its index.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_variable
declare
    home constant smallint := webhooks_private.queue_shard_of(subscription_id);
    home_of_tests constant smallint := webhooks_private.test_shard_of(subscription_id);
    numbers constant integer[] := case
        when statuses is null or statuses @> '{pending,retrying}' then array[0, 2147483647]
        when 'pending' = any (statuses) then array[0, 0]
        else array[1, 2147483647] end;
begin
    -- One query for each index, as in outstanding_deliveries(). A deleted subscription's id may be another tenant's
    -- by now.
    return array(
        select f.id
        from (
            (select q.id from webhooks.delivery_queue q
             where q.shard = home and q.subscription_id = subscription_id and q.lane is null
               and q.next_attempt_at is null and q.tenant_id = tenant_id and q.id >= first_id and q.id < end_id
               and q.attempt between numbers[1] and numbers[2]
             order by q.id desc limit max_deliveries)
            union all
            (select q.id from webhooks.delivery_queue q
             where q.shard = home and q.subscription_id = subscription_id and q.lane is null
               and q.next_attempt_at is not null and q.tenant_id = tenant_id and q.id >= first_id and q.id < end_id
               and q.attempt between numbers[1] and numbers[2]
             order by q.id desc limit max_deliveries)
            union all
            (select q.id from webhooks.delivery_queue q
             where q.shard = home and q.subscription_id = subscription_id and q.lane is not null
               and q.tenant_id = tenant_id and q.id >= first_id and q.id < end_id
               and q.attempt between numbers[1] and numbers[2]
             order by q.id desc limit max_deliveries)
            union all
            (select q.id from webhooks.delivery_queue q
             where q.shard = home_of_tests and q.subscription_id = subscription_id and q.lane is null
               and q.next_attempt_at is null and q.tenant_id = tenant_id and q.id >= first_id and q.id < end_id
               and q.attempt between numbers[1] and numbers[2]
             order by q.id desc limit max_deliveries)
        ) f
        order by f.id desc
        limit max_deliveries);
end
$$;
comment on function webhooks_private.newest_outstanding is
    'The newest outstanding deliveries of a subscription with ids from first_id on and before end_id that have one of '
    'the statuses. Part of subscription_deliveries().';

create function webhooks_private.newest_finished(
    subscription_id uuid, tenant_id uuid, statuses text[], since timestamptz, end_id uuid, max_deliveries integer
)
returns uuid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Ids are constants of the plan, so that only the partitions of a day are opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_variable
declare
    -- Ids are made by clock_timestamp().
    ends timestamptz := least(webhooks.uuid_v7_time(end_id), clock_timestamp()) + interval '1 minute';
    begins timestamptz;
    first_id uuid;
    last_id uuid;
    found_ids uuid[] := '{}';
begin
    while ends > since and cardinality(found_ids) < max_deliveries loop
        -- The last day first; of a time at midnight it is the day before.
        begins := greatest(date_trunc('day', ends - interval '1 microsecond', 'UTC'), since);
        first_id := webhooks.uuid_v7_floor(begins);
        last_id := least(webhooks.uuid_v7_floor(ends), end_id);
        found_ids := found_ids || array(
            select a.delivery_id
            from webhooks.delivery_attempts a
            where a.delivery_id >= first_id and a.delivery_id < last_id and a.subscription_id = subscription_id
              and a.tenant_id = tenant_id and a.delivery_status <> 'retrying'
              and (statuses is null or a.delivery_status = any (statuses))
            order by a.delivery_id desc
            limit max_deliveries - cardinality(found_ids));
        ends := begins;
    end loop;
    return found_ids;
end
$$;
comment on function webhooks_private.newest_finished is
    'The newest finished deliveries of a subscription that were made from since on, with ids before end_id, and have '
    'one of the statuses. Part of subscription_deliveries().';

create function webhooks.subscription_deliveries(
    subscription_id uuid, statuses text[] default null, since timestamptz default now() - interval '7 days',
    max_deliveries integer default 50, after_id uuid default null
)
returns setof webhooks.webhook_delivery_logs
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- As above.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_variable
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.own_subscription(subscription_id);
    end_id constant uuid := coalesce(after_id, 'ffffffff-ffff-7fff-bfff-ffffffffffff');
    unknown text;
    outstanding uuid[] := '{}';
    finished uuid[] := '{}';
    ids uuid[];
    first_id uuid;
    last_id uuid;
begin
    if (max_deliveries between 1 and 1000) is not true then
        raise exception 'max_deliveries is %', coalesce(max_deliveries::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 to 1000.';
    end if;
    if (since >= greatest('1970-01-01 00:00Z', now() - interval '366 days')) is not true then
        raise exception 'since is %', coalesce(since::text, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Give a time of the last 366 days: each day has a partition that is opened.';
    end if;
    perform webhooks_private.check_count('statuses', cardinality(statuses), 1000);
    select coalesce('"' || left(s.status, 100) || '"', 'null') into unknown
    from unnest(statuses) s (status)
    where s.status in ('pending', 'retrying', 'delivered', 'failed', 'expired', 'cancelled') is not true limit 1;
    if found then
        raise exception 'statuses has %, which is no status', unknown
            using errcode = 'invalid_parameter_value',
                  hint = 'Statuses are pending, retrying, delivered, failed, expired and cancelled.';
    end if;
    if statuses is null or statuses && '{pending,retrying}' then
        outstanding := webhooks_private.newest_outstanding(
            subscription.id, subscription.tenant_id, statuses, webhooks.uuid_v7_floor(since), end_id, max_deliveries);
    end if;
    if statuses is null or statuses && '{delivered,failed,expired,cancelled}' then
        -- Older ones than those of a page that is full already are not on it.
        finished := webhooks_private.newest_finished(
            subscription.id, subscription.tenant_id, statuses,
            greatest(since, webhooks.uuid_v7_time(outstanding[max_deliveries])), end_id, max_deliveries);
    end if;
    ids := array(
        select distinct i.id from unnest(outstanding || finished) i (id) order by i.id desc limit max_deliveries);
    -- Bounds are what partitions are chosen by.
    first_id := ids[cardinality(ids)];
    last_id := ids[1];
    return query
    select l.* from webhooks.webhook_delivery_logs l
    where l.id = any (ids) and l.id between first_id and last_id
    order by l.id desc;
end
$$;
comment on function webhooks.subscription_deliveries is
    'Returns the deliveries of a subscription that were made from since on, the newest first: all, or those of some '
    'statuses. For the next page give the id of the last row as after_id; the order of deliveries does not change. '
    'Without since, the period is the last 7 days; it has at most 366 days.';
grant execute on function webhooks.subscription_deliveries to webhooks_manager;
