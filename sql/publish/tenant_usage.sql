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
    'What a tenant uses of its limits. maximum is null where there is none; is_own tells its own limit from the '
    'setting''s. Of events per minute it is those that must come back before as many as the maximum can be published '
    'at once, also rolled-back ones; null without a limit.';
grant execute on function webhooks.tenant_usage to webhooks_manager, webhooks_monitor;
