-- A condition on time opens every partition of webhook_delivery_logs, since it is divided by ids. Here times become ids
-- before the query is planned, a day at a time.

create function webhooks.list_deliveries(
    tenant_id uuid, since timestamptz default now() - interval '1 day', until timestamptz default 'infinity',
    statuses text[] default null, subscription_id uuid default null, max_rows integer default 100
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
    begins timestamptz;
    first_id uuid;
    end_id uuid;
    found_rows integer;
    missing integer := max_rows;
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
                  hint = 'For more, call it again with an earlier until, or read webhooks.webhook_delivery_logs, a day '
                         'of ids at a time.';
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

    while ends > since and missing > 0 loop
        -- The last day first; of a time at midnight it is the day before.
        begins := greatest(date_trunc('day', ends - interval '1 microsecond', 'UTC'), since);
        first_id := webhooks.uuid_v7_floor(begins);
        end_id := webhooks.uuid_v7_floor(ends);
        return query
        select l.*
        from webhooks.webhook_delivery_logs l
        where l.id >= first_id and l.id < end_id and l.tenant_id = list_deliveries.tenant_id
          and (list_deliveries.subscription_id is null or l.subscription_id = list_deliveries.subscription_id)
          and (list_deliveries.statuses is null or l.delivery_status = any (list_deliveries.statuses))
        order by l.id desc
        limit missing;
        get diagnostics found_rows = row_count;
        missing := missing - found_rows;
        ends := begins;
    end loop;
end
$$;
comment on function webhooks.list_deliveries is
    'Returns the deliveries of a tenant that were made from since on and before until, newest first, as '
    'webhook_delivery_logs shows them: all, or those of some statuses or of a subscription. A delivery is made when '
    'its event is published, retried or replayed; attempts may be later. Without since, the period is the last day; '
    'it has at most 366 days. The function opens the partitions of one day after the other, until it has max_rows.';
grant execute on function webhooks.list_deliveries to webhooks_manager;
