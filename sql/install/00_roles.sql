-- JSON, payloads and answers are UTF-8; in another encoding some could be neither published nor recorded.
do $encoding$
begin
    if pg_catalog.current_setting('server_encoding') <> 'UTF8' then
        raise exception 'extension webhooks needs a database with the encoding UTF8; that of "%" is %',
            pg_catalog.current_database(), pg_catalog.current_setting('server_encoding')
            using errcode = 'feature_not_supported',
                  hint = 'Make a database of that encoding: create database ... encoding ''UTF8'' template template0; clients may use any client_encoding.';
    end if;
end
$encoding$;
-- Who owns the schema counts as the extension's owner, and what somebody put into it beforehand could be called in place of
-- what is made here. (Until this is known, operators have both sides of one type, that of an operator of pg_catalog: an exact
-- match in "webhooks" would win over a cast.)
do $schema$
declare
    owner name;
begin
    select r.rolname into owner
    from pg_catalog.pg_namespace n join pg_catalog.pg_roles r on r.oid = n.nspowner
    where n.nspname = 'webhooks' and not r.rolsuper and r.rolname <> current_user;
    if found then
        raise exception 'schema "webhooks" exists and belongs to role "%"', owner
            using errcode = 'invalid_schema_definition',
                  hint = 'Its owner could change what the extension does. Drop it (drop schema webhooks;), and create the extension again.';
    end if;
    if exists (
        select from pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
        where n.nspname = 'webhooks' and a.privilege_type = 'CREATE' and a.grantee <> n.nspowner
          and not exists (select from pg_catalog.pg_roles r where r.oid = a.grantee and r.rolsuper)
    ) then
        raise exception 'schema "webhooks" exists, and others may create objects in it'
            using errcode = 'invalid_schema_definition',
                  hint = 'They could change what the extension does. Drop it (drop schema webhooks;), and create the extension again.';
    end if;
    if exists (
        select from pg_catalog.pg_depend d
        where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
          and d.refobjid = 'webhooks'::pg_catalog.regnamespace::pg_catalog.oid
          and d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
    ) then
        raise exception 'schema "webhooks" exists and is not empty'
            using errcode = 'invalid_schema_definition',
                  hint = 'Rename it, or drop it with all that is in it (drop schema webhooks cascade;), and create the extension again.';
    end if;
end
$schema$;

-- Group roles (cluster-wide, NOLOGIN): granted to login roles by the DBA. Nothing is granted to PUBLIC.
do $roles$
declare
    role_name text;
    meaning text;
begin
    for role_name, meaning in values
        ('webhooks_publisher', 'Publishes events for the tenant that is set, and watches tables of its own; reads no events.'),
        ('webhooks_manager', 'Manages subscriptions of the tenant that is set, and reads its events and deliveries; reads no secrets.'),
        ('webhooks_monitor', 'Reads states of all tenants: no payloads, nothing that receivers answered, no URLs, no secrets.'),
        ('webhooks_auditor', 'Reads the audit log of all tenants.'),
        ('webhooks_sidecar', 'Does what the sidecar does, by its functions alone.'),
        ('webhooks_all_tenants', 'Nothing by itself: publishers and managers that are its members work for every tenant. See grant_all_tenants().')
    loop
        if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
            execute pg_catalog.format('create role %I nologin', role_name);
            execute pg_catalog.format('comment on role %I is %L', role_name, meaning);
        end if;
    end loop;
end
$roles$;

revoke all on schema webhooks from public;
grant usage on schema webhooks to webhooks_publisher, webhooks_manager, webhooks_monitor, webhooks_auditor, webhooks_sidecar;
comment on schema webhooks is 'Transactional webhooks: publish_event() in your transaction, one signed HTTP request per matching subscription after its commit.';
