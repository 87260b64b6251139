create function webhooks.tenant_usage(tenant_id uuid)
returns table (name text, used bigint, maximum bigint, is_own boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    limits webhooks.tenant_limits;
    own webhooks.tenant_limits;
begin
    perform webhooks_private.check_tenant(tenant_id);
    limits := webhooks_private.limits_of(tenant_id);
    select l.* into own from webhooks.tenant_limits l where l.tenant_id = tenant_usage.tenant_id;
    return query values
        ('subscriptions', (select count(*) from webhooks.webhook_subscriptions s
                           where s.tenant_id = tenant_usage.tenant_id),
         nullif(limits.max_subscriptions, 0), own.max_subscriptions is not null),
        ('events_per_minute', case when limits.max_events_per_minute > 0 and webhooks_private.open_meters()
                                   then webhooks_private.metered_events(tenant_id, limits.max_events_per_minute) end,
         nullif(limits.max_events_per_minute, 0), own.max_events_per_minute is not null),
        ('outstanding_deliveries', webhooks_private.count_outstanding(tenant_id),
         nullif(limits.max_outstanding_deliveries, 0), own.max_outstanding_deliveries is not null);
end
$$;
comment on function webhooks.tenant_usage is
    'Returns the usage and the maximum of each limit of a tenant. maximum is null without a limit; is_own is false '
    'if the maximum is that of the setting. Usage of events_per_minute is the part of the maximum that cannot be '
    'published at once now, rolled-back events included; null without a limit.';
grant execute on function webhooks.tenant_usage to webhooks_manager, webhooks_monitor;
