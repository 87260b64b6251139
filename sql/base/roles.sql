-- Group roles (cluster-wide, NOLOGIN): granted to login roles by the DBA. Nothing is granted to PUBLIC.
do $roles$
declare
    role_name text;
    meaning text;
begin
    for role_name, meaning in values
        ('webhooks_publisher', 'Publishes events for the tenant that is set, and watches tables of its own; reads no '
                               'events.'),
        ('webhooks_manager', 'Manages subscriptions of the tenant that is set, and reads its events and deliveries; '
                             'reads no secrets.'),
        ('webhooks_monitor', 'Reads states of all tenants: no payloads, nothing that receivers answered, no URLs, no '
                             'secrets.'),
        ('webhooks_auditor', 'Reads the audit log of all tenants.'),
        ('webhooks_sidecar', 'Does what the sidecar does, by its functions alone.'),
        ('webhooks_all_tenants', 'Nothing by itself: publishers and managers that are its members work for every '
                                 'tenant. See grant_all_tenants().')
    loop
        if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
            begin
                execute pg_catalog.format('create role %I nologin', role_name);
                execute pg_catalog.format('comment on role %I is %L', role_name, meaning);
            -- Another database got the extension just now, and made it.
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
end
$roles$;

revoke all on schema webhooks, webhooks_private from public;
grant usage on schema webhooks to webhooks_publisher, webhooks_manager, webhooks_monitor, webhooks_auditor,
    webhooks_sidecar;
-- What a view, a policy or a body in SQL names is resolved when it is made: that needs no right on the schema. What a
-- function in PL/pgSQL names is resolved with the rights of its caller when it runs. The functions that publishers
-- and managers call are such: they run as their caller, so that row-level security holds, and the triggers of watched
-- tables run as the owner of the table. To run them as the extension's owner instead would lift row-level security.
-- USAGE alone gives access to nothing: each function that these roles may execute, and each table, is granted one by
-- one (tests/tests/sql/isolation/matrix.rs lists them all).
grant usage on schema webhooks_private to webhooks_publisher, webhooks_manager, webhooks_sidecar;
comment on schema webhooks is
    'Transactional webhooks: publish_event() in your transaction, one signed HTTP request per matching subscription '
    'after its commit.';
comment on schema webhooks_private is
    'Parts of the extension webhooks that nobody else calls or reads. They may change with each version.';
