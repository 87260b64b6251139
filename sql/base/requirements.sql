-- JSON, payloads and answers are UTF-8; in another encoding some could be neither published nor recorded.
do $encoding$
begin
    if pg_catalog.current_setting('server_encoding') <> 'UTF8' then
        raise exception 'extension webhooks needs a database with the encoding UTF8; that of "%" is %',
            pg_catalog.current_database(), pg_catalog.current_setting('server_encoding')
            using errcode = 'feature_not_supported',
                  hint = 'Make a database of that encoding: create database ... encoding ''UTF8'' template '
                         'template0; clients may use any client_encoding.';
    end if;
end
$encoding$;
-- Two schemas. In webhooks is what people use: the tables and views, and the functions that an application or a DBA
-- calls. In webhooks_private is everything else: what triggers, views and the sidecar call, and partitions. It must
-- not exist: what somebody put into it beforehand could be called in place of what is made here.
create schema webhooks_private;

-- The same holds of schema webhooks, which CREATE EXTENSION takes as it is, and its owner counts as the extension's
-- owner. (Until this is known, operators have both sides of one type, that of an operator of pg_catalog: an exact
-- match in "webhooks" would win over a cast.)
do $schema$
declare
    owner name;
    open_schema name;
begin
    select r.rolname into owner
    from pg_catalog.pg_namespace n join pg_catalog.pg_roles r on r.oid = n.nspowner
    where n.nspname = 'webhooks' and not r.rolsuper and r.rolname <> current_user;
    if found then
        raise exception 'schema "webhooks" exists and belongs to role "%"', owner
            using errcode = 'invalid_schema_definition',
                  hint = 'Its owner could change what the extension does. Drop it (drop schema webhooks;), and '
                         'create the extension again.';
    end if;
    select n.nspname into open_schema
    from pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
    where n.nspname in ('webhooks', 'webhooks_private') and a.privilege_type = 'CREATE' and a.grantee <> n.nspowner
      and not exists (select from pg_catalog.pg_roles r where r.oid = a.grantee and r.rolsuper);
    if found then
        raise exception 'schema "%" exists, and others may create objects in it', open_schema
            using errcode = 'invalid_schema_definition',
                  hint = 'They could change what the extension does. Drop it (drop schema webhooks;) or revoke their '
                         'default privileges (\ddp), and create the extension again.';
    end if;
    if exists (
        select from pg_catalog.pg_depend d
        where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
          and d.refobjid = 'webhooks'::pg_catalog.regnamespace::pg_catalog.oid
          and d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
    ) then
        raise exception 'schema "webhooks" exists and is not empty'
            using errcode = 'invalid_schema_definition',
                  hint = 'Rename it, or drop it with all that is in it (drop schema webhooks cascade;), and create '
                         'the extension again.';
    end if;
end
$schema$;
