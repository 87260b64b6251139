create function webhooks_private.known_tenants()
returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(
        -- Of statistics: a query of the application's table could run code of its owner with the rights of ours.
        (select nullif(greatest(c.reltuples, 0), 0)::bigint
         from webhooks_private.linked_tables l
         join pg_class c on c.oid = to_regclass(l.table_name)
         where l.kind = 'tenants'),
        -- Those that published within metrics_retention_days, or that have a subscription.
        (select count(*)
         from (
             select s.tenant_id from webhooks.webhook_subscriptions s
             union
             select e.tenant_id from webhooks_private.events_hourly e
         ) t));
end;
comment on function webhooks_private.known_tenants is
    'Number of tenants: of the table that link_tenants() names, as ANALYZE last counted it, or else of those that are '
    'known here. Part of adoption_report().';

create function webhooks.adoption_report(since timestamptz default now() - interval '91 days')
returns table (measure text, item text, week timestamptz, number bigint, share numeric, change numeric)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
declare
    first_week timestamptz;
    tenants bigint;
    -- A monitor sees no addresses.
    reads_hosts boolean;
begin
    perform webhooks_private.check_monitors_all();
    first_week := webhooks_private.bucket_start('7 days', webhooks_private.checked_since(since));
    tenants := webhooks_private.known_tenants();
    reads_hosts := webhooks.bypasses_isolation(webhooks_private.caller())
        or pg_has_role(webhooks_private.caller(), 'webhooks_manager', 'usage');

    return query
    select 'tenants with an active subscription', null::text, null::timestamptz, count(distinct s.tenant_id),
           round(count(distinct s.tenant_id) * 100 / nullif(tenants, 0)::numeric, 2), null::numeric
    from webhooks.webhook_subscriptions s
    where s.is_active and s.is_enabled;

    return query
    select w.measure, null::text, w.week, w.number, round(w.number * 100 / nullif(tenants, 0)::numeric, 2),
           round((w.number - lag(w.number) over ww) * 100 / nullif(lag(w.number) over ww, 0)::numeric, 2)
    from (
        select 'tenants that published' as measure, webhooks_private.bucket_start('7 days', e.hour) as week,
               count(distinct e.tenant_id) as number
        from webhooks_private.events_hourly e where e.hour >= first_week
        group by 2
        union all
        select 'tenants delivered to', webhooks_private.bucket_start('7 days', a.hour), count(distinct a.tenant_id)
        from webhooks_private.attempts_hourly a where a.hour >= first_week and a.delivered > 0 and not a.is_test
        group by 2
    ) w
    window ww as (partition by w.measure order by w.week)
    order by 1, 3;

    return query
    select v.measure, v.item, v.week, v.number,
           round(v.number * 100 / sum(v.number) over (partition by v.measure, v.week), 2),
           round((v.number - lag(v.number) over vw) * 100 / nullif(lag(v.number) over vw, 0)::numeric, 2)
    from (
        select case when grouping(e.tenant_id) = 0 then 'events of a tenant'
                    when grouping(e.event_category) = 0 then 'events of a category' else 'events' end as measure,
               coalesce(e.tenant_id::text, e.event_category) as item, e.week, sum(e.events)::bigint as number
        from (
            select h.tenant_id, h.event_category, webhooks_private.bucket_start('7 days', h.hour) as week, h.events
            from webhooks_private.events_hourly h where h.hour >= first_week
        ) e
        group by grouping sets ((e.week), (e.event_category, e.week), (e.tenant_id, e.week))
    ) v
    window vw as (partition by v.measure, v.item order by v.week)
    order by 1, 2, 3;

    return query
    with hosts as (
        select webhooks_private.url_host(s.webhook_url) as host,
               coalesce(sum(a.delivered), 0) as delivered, coalesce(sum(a.failed), 0) as failed
        from webhooks.webhook_subscriptions s
        left join lateral (
            select sum(h.delivered) as delivered, sum(h.failed + h.retrying) as failed
            from webhooks_private.attempts_hourly h
            where h.subscription_id = s.id and h.hour >= first_week and not h.is_test
        ) a on true
        group by 1
    ),
    kinds as (
        select case when h.delivered > 0 then 'hosts delivered to' when h.failed > 0 then 'hosts never delivered to'
                    else 'hosts without deliveries' end as measure, h.*
        from hosts h
    )
    select k.measure, null::text, null::timestamptz, count(*),
           round(count(*) * 100 / sum(count(*)) over (), 2), null::numeric
    from kinds k
    group by k.measure
    union all
    select case when k.delivered > 0 then 'deliveries to a host' else 'failed attempts of a host' end, k.host, null,
           (case when k.delivered > 0 then k.delivered else k.failed end)::bigint, null, null
    from kinds k
    where reads_hosts and k.delivered + k.failed > 0
    order by 1, 2 nulls first;
end
$$;
comment on function webhooks.adoption_report is
    'Returns who uses webhooks, by week (beginning on Monday, UTC) from the week on that since is in, of all tenants, '
    'up to the last few minutes. number is the number of tenants, events, hosts or deliveries that measure names; '
    'share is its part of all tenants, events or hosts, in percent; change is the growth since the week before that '
    'has a row, in percent. Tenants are those of the table of link_tenants(), as ANALYZE last counted them, or else '
    'those that are known. Hosts are those of current subscriptions; their names are shown to the owner and to '
    'managers of all tenants.';
grant execute on function webhooks.adoption_report to webhooks_manager, webhooks_monitor;
