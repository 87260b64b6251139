-- Group roles (cluster-wide, NOLOGIN): granted to login roles by the DBA. Nothing is granted to PUBLIC.
do $roles$
declare
    role_name text;
begin
    foreach role_name in array array['webhooks_publisher', 'webhooks_sidecar', 'webhooks_all_tenants'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
            execute pg_catalog.format('create role %I nologin', role_name);
        end if;
    end loop;
end
$roles$;

revoke all on schema webhooks from public;
grant usage on schema webhooks to webhooks_publisher, webhooks_sidecar;
comment on schema webhooks is 'Transactional webhooks: publish_event() in your transaction, one signed HTTP request per matching subscription after its commit.';
