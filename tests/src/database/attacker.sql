-- A schema with all that pg_catalog has: functions, operators, relations and types that raise an error, and write to the
-- server's log, when they are called, read or cast to. Whoever has it in search_path before pg_catalog, and calls something
-- by a name without schema, is caught.
create schema evil;
grant usage on schema evil to public;
create function evil.trap(what text) returns boolean language plpgsql volatile as $$
begin
    raise log 'trapped: %', what;
    raise exception 'trapped: %', what;
end
$$;
do $plant$
declare
    statement text;
begin
    for statement in
        -- Functions, those of any number of arguments of any type with a few of each.
        select format('create function evil.%I(%s) returns %s language plpgsql as %L', p.proname, a.arguments,
                      pg_catalog.pg_get_function_result(p.oid), format('begin perform evil.trap(%L); end', 'function ' || p.proname))
        from pg_catalog.pg_proc p
        cross join lateral (
            select pg_catalog.pg_get_function_identity_arguments(p.oid) as arguments
            union all
            select pg_catalog.replace(pg_catalog.pg_get_function_identity_arguments(p.oid), 'VARIADIC "any"', v.arguments)
            from (values ('text'), ('uuid'), ('text, text'), ('text, uuid'), ('text, jsonb'), ('text, text, text'), ('name'), ('variadic text[]'), ('variadic uuid[]')) v (arguments)
            where 2276 = any (p.proargtypes)
        ) a
        where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f'
        union all
        select format('create function evil.operator_%s(%s) returns %s language plpgsql as %L', o.oid,
                      concat_ws(', ', nullif(o.oprleft, 0)::regtype, o.oprright::regtype), o.oprresult::regtype,
                      format('begin perform evil.trap(%L); end', 'operator ' || o.oprname))
        from pg_catalog.pg_operator o where o.oprnamespace = 'pg_catalog'::regnamespace
        union all
        select format('create operator evil.%s (function = evil.operator_%s, %srightarg = %s)', o.oprname, o.oid,
                      case when o.oprleft <> 0 then format('leftarg = %s, ', o.oprleft::regtype) end, o.oprright::regtype)
        from pg_catalog.pg_operator o where o.oprnamespace = 'pg_catalog'::regnamespace
        union all
        select format('create view evil.%I as select * from pg_catalog.%1$I where evil.trap(%L); grant select on evil.%1$I to public', c.relname, 'relation ' || c.relname)
        from pg_catalog.pg_class c where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v')
        union all
        select format('create domain evil.%I as pg_catalog.%1$I check (evil.trap(%L))', t.typname, 'type ' || t.typname)
        from pg_catalog.pg_type t where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype = 'b' and t.typelem = 0
    loop
        begin
            execute statement;
        exception when others then
            -- Of internal and other pseudo-types there can be no such thing.
            null;
        end;
    end loop;
end
$plant$;

-- The same relations and types as temporary objects of the session that calls it.
create function evil.plant_temporary() returns void language plpgsql as $$
declare
    statement text;
begin
    for statement in
        select format('create temporary view %I as select * from evil.%1$I', c.relname)
        from pg_catalog.pg_class c where c.relnamespace = 'evil'::regnamespace and c.relkind = 'v'
        union all
        select format('create domain pg_temp.%I as pg_catalog.%1$I check (evil.trap(%L))', t.typname, 'temporary type ' || t.typname)
        from pg_catalog.pg_type t where t.typnamespace = 'evil'::regnamespace and t.typtype = 'd'
    loop
        execute statement;
    end loop;
end
$$;
