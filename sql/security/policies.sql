-- Row-level security. It binds everyone but superusers, roles with BYPASSRLS and the owner: functions that run as the
-- owner check the tenant themselves (base/tenants.sql), and a dump by the owner must have every row, so it is not
-- forced on the owner. That no group role owns anything or bypasses it is what makes it forced for their members.
--
-- Upgrade scripts run this block again for relations that are new: it leaves policies alone that are there.
do $isolation$
declare
    relation text;
    -- Spelled out, not current_tenant(): who is granted a table by the DBA needs no function besides.
    is_own constant text := $$tenant_id = nullif(current_setting('webhooks.tenant_id', true), '')::uuid$$;
begin
    foreach relation in array array[
        'webhooks.event_logs', 'webhooks.webhook_subscriptions', 'webhooks_private.subscription_routes',
        'webhooks.delivery_queue', 'webhooks.delivery_attempts', 'webhooks_private.idempotency_keys',
        'webhooks.redeliveries', 'webhooks.audit_log', 'webhooks.subscription_templates', 'webhooks.tenant_limits',
        'webhooks.restored_events', 'webhooks.tenant_purges', 'webhooks_private.attempts_hourly',
        'webhooks_private.latencies_hourly', 'webhooks_private.events_hourly',
        'webhooks_private.alert_states', 'webhooks.alert_history', 'webhooks_private.access_tokens'
    ] loop
        continue when exists (select from pg_policy p
                              where p.polrelid = relation::regclass and p.polname = 'own_tenant');
        execute format('alter table %s enable row level security', relation);
        -- raise_tenant_denied(): an error that says what to do, instead of PostgreSQL's.
        execute format('create policy own_tenant on %s using (%s)
                        with check (%2$s or webhooks_private.raise_tenant_denied(tenant_id))', relation, is_own);
        -- Policies are joined by OR: with this one nothing of the others is left to evaluate.
        execute format('create policy all_tenants on %s to webhooks_all_tenants using (true) with check (true)',
                       relation);
    end loop;

    -- A monitor sees all tenants' rows, and which columns is a matter of privileges. As a member of webhooks_manager,
    -- too, it would see their payloads: then it sees what a manager sees.
    foreach relation in array array[
        'webhooks.event_logs', 'webhooks.webhook_subscriptions', 'webhooks.delivery_queue',
        'webhooks.delivery_attempts', 'webhooks.redeliveries', 'webhooks.tenant_limits', 'webhooks.restored_events',
        'webhooks.tenant_purges', 'webhooks_private.alert_states', 'webhooks.alert_history'
    ] loop
        continue when exists (select from pg_policy p
                              where p.polrelid = relation::regclass and p.polname = 'monitor');
        execute format('create policy monitor on %s for select to webhooks_monitor
                        using ((select not pg_has_role(current_user, ''webhooks_manager'', ''usage'')))', relation);
    end loop;

    -- All of it, also what is no tenant's.
    if not exists (select from pg_policy p
                   where p.polrelid = 'webhooks.audit_log'::regclass and p.polname = 'auditor') then
        create policy auditor on webhooks.audit_log for select to webhooks_auditor using (true);
    end if;

    -- Nobody reads these, or none but through their parents: no policy, no row.
    foreach relation in array array[
        'webhooks_private.retired_secrets', 'webhooks_private.poll_batches', 'webhooks_private.event_logs_default',
        'webhooks_private.event_logs_template', 'webhooks_private.delivery_attempts_default',
        'webhooks_private.delivery_attempts_template', 'webhooks_private.redeliveries_default',
        'webhooks_private.redeliveries_template', 'webhooks_private.audit_log_default',
        'webhooks_private.audit_log_template'
    ] loop
        execute format('alter table %s enable row level security', relation);
    end loop;
end
$isolation$;

-- Breakers and verifications are seen by who sees their subscription.
alter table webhooks_private.subscription_breakers enable row level security;
create policy own_tenant on webhooks_private.subscription_breakers
    using (exists (select from webhooks.webhook_subscriptions s where s.id = subscription_id));
alter table webhooks_private.subscription_verifications enable row level security;
create policy own_tenant on webhooks_private.subscription_verifications
    using (exists (select from webhooks.webhook_subscriptions s where s.id = subscription_id));
