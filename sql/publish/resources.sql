-- What resource.data in a payload shows: a snapshot of the resource, taken when its event is inserted. Only types
-- that are registered here have one, and while none is there is no trigger on event_logs at all.

create table webhooks.resources (
    resource_type varchar(50) primary key,
    resolver text not null,
    is_generated boolean not null default false,
    created_at timestamptz not null default now()
);
comment on table webhooks.resources is
    'Resource types whose events carry a snapshot of the resource. Write with register_resource() and '
    'unregister_resource().';
comment on column webhooks.resources.resource_type is 'Resource type: event_logs.resource_type.';
comment on column webhooks.resources.resolver is
    'Function that takes tenant_id and resource_id and returns the snapshot. It runs with the rights of its owner.';
comment on column webhooks.resources.is_generated is
    'True: register_resource() made the resolver, in the schema of the table.';
comment on column webhooks.resources.created_at is 'Time of registration.';
select pg_catalog.pg_extension_config_dump('webhooks.resources', '');

create function webhooks_private.snapshot_resource()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Plans are cached per session, perhaps since there was one type: only index look-ups are right.
set enable_seqscan = off
-- What the same resource looks like must not depend on who publishes.
set timezone = 'UTC'
set datestyle = 'ISO'
set intervalstyle = 'iso_8601'
set bytea_output = 'hex'
set extra_float_digits = 1
set lc_monetary = 'C'
set lc_numeric = 'C'
set lc_time = 'C'
as $$
declare
    resolver text;
    function oid;
begin
    -- Restored events have theirs.
    if webhooks_private.copies_events() then
        return new;
    end if;
    select r.resolver into resolver from webhooks.resources r where r.resource_type = new.resource_type;
    if found then
        function := to_regprocedure(resolver);
        if function is null then
            raise exception 'resource type "%" has no resolver any more: there is no function %', new.resource_type,
                resolver
                using errcode = 'undefined_function',
                      hint = format('Register the type again with webhooks.register_resource(%L, ...), or end it: '
                                    'select webhooks.unregister_resource(%1$L);', new.resource_type);
        end if;
        new.resource_data := webhooks_private.call_resolver(function, new.tenant_id, new.resource_id);
    end if;
    return new;
end
$$;
comment on function webhooks_private.snapshot_resource is
    'Trigger, while there are registered resource types: fills in event_logs.resource_data unless it is given.';

create function webhooks_private.sync_resource_trigger()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Publishers wait behind who waits for this lock.
set lock_timeout = '900ms'
as $$
declare
    wanted boolean;
    found_one boolean;
begin
    -- A change is made after a second look: other sessions may change resources at the same time.
    for look in 1 .. 2 loop
        wanted := exists (select from webhooks.resources);
        found_one := exists (
            select from pg_trigger t
            where t.tgrelid = 'webhooks.event_logs'::regclass and t.tgname = 'z20_snapshot_resource');
        if wanted = found_one then
            return null;
        end if;
        if look = 1 then
            perform webhooks_private.lock_log_triggers();
        end if;
    end loop;
    if wanted then
        create trigger z20_snapshot_resource
            before insert on webhooks.event_logs
            for each row
            -- Row-level security asks only later: what it will refuse must not be looked up for who may not see it.
            when (new.resource_id is not null and new.resource_type is not null and new.resource_data is null
                  -- There is no such resource.
                  and new.is_test is not true
                  and (new.tenant_id = nullif(current_setting('webhooks.tenant_id', true), '')::uuid
                       or pg_has_role(current_user, 'webhooks_all_tenants', 'usage')
                       or not row_security_active('webhooks.event_logs'::regclass)))
            execute function webhooks_private.snapshot_resource();
        alter table webhooks.event_logs enable always trigger z20_snapshot_resource;
    else
        drop trigger z20_snapshot_resource on webhooks.event_logs;
    end if;
    return null;
exception when lock_not_available then
    perform webhooks_private.raise_busy_log();
    return null;
end
$$;
comment on function webhooks_private.sync_resource_trigger is
    'Trigger: event_logs has the trigger z20_snapshot_resource if and only if a resource type is registered, also '
    'after a restore.';

create trigger sync_resource_trigger
    after insert or update or delete or truncate on webhooks.resources
    for each statement execute function webhooks_private.sync_resource_trigger();
alter table webhooks.resources enable always trigger sync_resource_trigger;

create trigger audit_change
    after insert or update or delete on webhooks.resources
    for each row execute function webhooks_private.audit_change('resource', 'resource_type');

create function webhooks_private.make_resolver(
    resource_type text, target regclass, id_column name, tenant_column name, columns name[], except_columns name[]
)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    all_columns constant text[] := array(
        select a.attname::text from pg_attribute a where a.attrelid = target and a.attnum > 0 and not a.attisdropped
            order by a.attnum);
    owner regrole;
    name text;
    unknown record;
begin
    select c.relowner, format('%s.%I', c.relnamespace::regnamespace,
                              -- A name has at most 63 bytes.
                              'webhook_resource_' || case when octet_length(resource_type) <= 46 then resource_type
                                  else md5(resource_type) end)
    into owner, name
    from pg_class c
    where c.oid = target and c.relkind in ('r', 'p', 'v', 'm') and c.relpersistence <> 't';
    if not found then
        raise exception '% can''t be a resource', coalesce(target::text, 'null')
            using errcode = 'wrong_object_type', hint = 'Name a table or a view, or give a resolver of your own.';
    end if;
    if columns is not null and except_columns is not null then
        raise exception 'both columns and except_columns given for %', target
            using errcode = 'invalid_parameter_value',
                  hint = 'Give the columns to show, or those not to show; or neither, to show all.';
    end if;
    select c.parameter, coalesce(c.name, 'null') as name
    into unknown
    from (
        select 'id_column' as parameter, id_column::text as name
        union all select 'tenant_column', tenant_column::text where tenant_column is not null
        union all select 'columns', unnest(columns::text[])
        union all select 'except_columns', unnest(except_columns::text[])
    ) c
    where (c.name = any (all_columns)) is not true;
    if found then
        raise exception '%: % has no column "%"', unknown.parameter, target, unknown.name
            using errcode = 'undefined_column',
                  hint = concat('Its columns are ', array_to_string(all_columns, ', '), '.',
                                case unknown.parameter when 'tenant_column' then ' If its rows are for all tenants, '
                                                                                 'give tenant_column => null.' end);
    end if;
    select a.attname as name into unknown
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = target and a.attname in (id_column, tenant_column)
      and 'uuid'::regtype not in (t.oid, t.typbasetype);
    if found then
        raise exception 'column "%" of % is not of type uuid', unknown.name, target
            using errcode = 'datatype_mismatch',
                  hint = 'Events name resources and tenants by UUIDs. Give a resolver of your own if they are '
                         'something else.';
    end if;
    execute format(
        'create function %s(tenant_id uuid, resource_id uuid) returns jsonb language sql stable begin atomic select '
        '%s from %s r where r.%I = $2%s; end',
        name,
        webhooks_private.watch_object('r', coalesce(columns::text[], array(
            select c.name from unnest(all_columns) with ordinality c (name, n)
            where c.name <> all (coalesce(except_columns::text[], '{}')) order by c.n))),
        target, id_column, case when tenant_column is null then '' else format(' and r.%I = $1', tenant_column) end);
    execute format('revoke all on function %s(uuid, uuid) from public', name);
    execute format('alter function %s(uuid, uuid) owner to %s', name, owner);
    execute format('alter function %s(uuid, uuid) depends on extension webhooks', name);
    execute format('comment on function %s(uuid, uuid) is %L', name, format('Made by webhooks.register_resource() '
                                                                            'for %s.', target));
    return name || '(uuid,uuid)';
end
$$;
comment on function webhooks_private.make_resolver is
    'Makes the resolver of a table, next to it and its owner''s. Part of register_resource().';

create function webhooks.register_resource(
    resource_type text,
    target regclass default null,
    id_column name default 'id',
    columns name[] default null,
    except_columns name[] default null,
    tenant_column name default 'tenant_id',
    resolver regprocedure default null
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    name text;
    former text;
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    if coalesce(resource_type, '') = '' or num_nonnulls(target, resolver) <> 1 then
        raise exception 'a resource type needs a name, and either a table or a resolver'
            using errcode = 'invalid_parameter_value',
                  hint = 'Write for example webhooks.register_resource(''document'', ''public.documents''), or '
                         'webhooks.register_resource(''document'', resolver => ''app.document(uuid, uuid)'').';
    end if;
    if resolver is not null and not exists (
        select from pg_proc p
        where p.oid = resolver and p.prokind = 'f' and not p.proretset and p.prorettype = 'jsonb'::regtype
          and p.proargtypes[0] = 'uuid'::regtype and p.proargtypes[1] = 'uuid'::regtype and p.pronargs = 2
    ) then
        raise exception 'function % can''t resolve resources', resolver
            using errcode = 'datatype_mismatch',
                  hint = 'A resolver takes a tenant''s id and a resource''s, both uuid, and returns jsonb.';
    end if;
    if exists (select from pg_proc p where p.oid = resolver and p.prosqlbody is null
               and not coalesce(p.proconfig::text ~ 'search_path', false)) then
        raise notice 'function % will run with search_path = pg_catalog, pg_temp', resolver
            using hint = format('Qualify every name in it, or give it a setting of its own: alter function %s set '
                                'search_path = ...;', resolver);
    end if;
    select r.resolver into former from webhooks.resources r where r.resource_type = register_resource.resource_type
        and r.is_generated;
    if found then
        execute format('drop function if exists %s', former);
    end if;
    -- Quoted and qualified, since search_path is what it is here.
    name := coalesce(resolver::text, webhooks_private.make_resolver(
        resource_type, target, id_column, tenant_column, columns, except_columns));
    -- Not deleted and inserted: without a type the trigger would go, and come back.
    insert into webhooks.resources as r (resource_type, resolver, is_generated)
        values (resource_type, name, resolver is null)
    on conflict on constraint resources_pkey do update
    set resolver = excluded.resolver, is_generated = excluded.is_generated;
end
$$;
comment on function webhooks.register_resource is
    'Adds a snapshot of the resource (resource.data in the payload) to new events of a resource type: columns of a '
    'row, or the result of a function resolver(tenant_id, resource_id). The snapshot is taken with the rights of the '
    'owner of the table or the function.';

create function webhooks.unregister_resource(resource_type text)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    ended webhooks.resources;
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    delete from webhooks.resources r where r.resource_type = unregister_resource.resource_type returning * into ended;
    if not found then
        return false;
    end if;
    if ended.is_generated then
        execute format('drop function if exists %s', ended.resolver);
    end if;
    return true;
end
$$;
comment on function webhooks.unregister_resource is
    'Reverses register_resource(); false if the type was not registered. Published events keep their snapshots.';
