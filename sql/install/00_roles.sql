-- Group roles (cluster-wide, NOLOGIN): granted to login roles by the DBA. Nothing is granted to PUBLIC.
--
--   webhooks_publisher    publishes
--   webhooks_manager      manages subscriptions and reads events and logs
--   webhooks_monitor      reads states of all tenants: no payloads, no secrets
--   webhooks_auditor      reads the audit log
--   webhooks_sidecar      does what the sidecar does
--   webhooks_all_tenants  nothing by itself: its members publish and manage for every tenant. See grant_all_tenants()
do $roles$
declare
    role_name text;
begin
    foreach role_name in array array[
        'webhooks_publisher', 'webhooks_manager', 'webhooks_monitor', 'webhooks_auditor', 'webhooks_sidecar', 'webhooks_all_tenants'
    ] loop
        if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
            execute pg_catalog.format('create role %I nologin', role_name);
        end if;
    end loop;
end
$roles$;

revoke all on schema webhooks from public;
grant usage on schema webhooks to webhooks_publisher, webhooks_manager, webhooks_monitor, webhooks_auditor, webhooks_sidecar;
comment on schema webhooks is 'Transactional webhooks: publish_event() in your transaction, one signed HTTP request per matching subscription after its commit.';
