-- The role of the HTTP API and web console. Its members inherit nothing but the functions below: each request takes
-- the role that its access token gives it, with SET LOCAL ROLE, and goes by row-level security as everybody else.
do $role$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'webhooks_console') then
        begin
            -- PostgreSQL 16 asks the grant, not the role, whether it is inherited; the role is what a grant takes it
            -- from.
            create role webhooks_console nologin noinherit;
            comment on role webhooks_console is
                'Does what the console does: looks up an access token, and takes the role that the token gives a '
                'request. Nothing by itself.';
        -- Another database got the extension just now, and made it.
        exception when duplicate_object or unique_violation then
            null;
        end;
    end if;
    if not pg_catalog.pg_has_role('webhooks_console', 'webhooks_manager', 'member')
        or not pg_catalog.pg_has_role('webhooks_console', 'webhooks_publisher', 'member')
        or not pg_catalog.pg_has_role('webhooks_console', 'webhooks_monitor', 'member') then
        begin
            grant webhooks_manager, webhooks_publisher, webhooks_monitor to webhooks_console;
        -- Another database granted it just now.
        exception when unique_violation then
            null;
        end;
    end if;
end
$role$;
grant usage on schema webhooks_private to webhooks_console;
