-- Tenants are known by what they have: there is no table of them. Each index below begins with the tenant, so that the
-- next one is a look-up, however many rows a tenant has.

create function webhooks_private.next_tenant(after_id uuid)
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    return (
        select t.tenant_id
        from (
            (select s.tenant_id from webhooks.webhook_subscriptions s
             where s.tenant_id > after_id order by s.tenant_id limit 1)
            union all
            (select l.tenant_id from webhooks.tenant_limits l
             where l.tenant_id > after_id order by l.tenant_id limit 1)
            union all
            (select h.tenant_id from webhooks_private.events_hourly h
             where h.tenant_id > after_id order by h.tenant_id limit 1)
        ) t
        order by t.tenant_id limit 1);
end
$$;
comment on function webhooks_private.next_tenant is
    'The next tenant in the order of ids that has a subscription, limits or counted events; null: there is none. Part '
    'of list_tenants().';

create function webhooks.list_tenants(max_tenants integer default 100, after_id uuid default null)
returns table (
    tenant_id uuid, subscriptions bigint, max_subscriptions bigint, events_per_minute bigint,
    max_events_per_minute bigint, outstanding_deliveries bigint, max_outstanding_deliveries bigint, events_of_day bigint
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    limits webhooks.tenant_limits;
begin
    perform webhooks_private.check_monitors_all();
    if (max_tenants between 1 and 1000) is not true then
        raise exception 'max_tenants is %', coalesce(max_tenants::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 to 1000.';
    end if;
    tenant_id := coalesce(after_id, '00000000-0000-0000-0000-000000000000');
    for n in 1 .. max_tenants loop
        tenant_id := webhooks_private.next_tenant(tenant_id);
        exit when tenant_id is null;
        limits := webhooks_private.limits_of(tenant_id);
        subscriptions := (select count(*) from webhooks.webhook_subscriptions s where s.tenant_id = limits.tenant_id);
        max_subscriptions := nullif(limits.max_subscriptions, 0);
        max_events_per_minute := nullif(limits.max_events_per_minute, 0);
        events_per_minute := case when limits.max_events_per_minute > 0 and webhooks_private.open_meters()
                             then webhooks_private.metered_events(tenant_id, limits.max_events_per_minute) end;
        max_outstanding_deliveries := nullif(limits.max_outstanding_deliveries, 0);
        outstanding_deliveries := webhooks_private.count_outstanding(tenant_id);
        events_of_day := coalesce((select sum(h.events) from webhooks_private.events_hourly h
                                   where h.tenant_id = limits.tenant_id and h.hour > now() - interval '1 day'), 0);
        return next;
    end loop;
end
$$;
comment on function webhooks.list_tenants is
    'Returns the tenants that have subscriptions, limits or counted events, in the order of their ids, with the usage '
    'and the maximum of each limit as tenant_usage() has them (maximum null: no limit), and the events of the last day '
    'that roll_up() has counted. For the next page give the last tenant_id as after_id.';
grant execute on function webhooks.list_tenants to webhooks_monitor;
