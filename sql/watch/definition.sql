-- What watch_table() is told, checked and completed. It is kept as the argument of the table's triggers: dumped,
-- renamed and dropped with the table, and nobody's but its owner's.

create function webhooks_private.watch_definition(arguments bytea)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    -- A trigger's only argument, without the zero byte that ends it.
    return convert_from(substr(arguments, 1, length(arguments) - 1), getdatabaseencoding())::jsonb -> 'webhooks';
-- Whatever the argument of a foreign trigger is: no text, no JSON, or too deep.
exception when data_exception or program_limit_exceeded then
    return null;
end
$$;
comment on function webhooks_private.watch_definition is
    'The definition of a watch, from pg_trigger.tgargs; null for a trigger of anything else. Part of watched_tables.';
grant execute on function webhooks_private.watch_definition to webhooks_publisher;

create function webhooks_private.check_watchable(target regclass)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    relation record;
begin
    select c.relkind, c.relispartition, c.relpersistence, c.relnamespace,
           c.relnamespace::regnamespace::text as schema, c.relowner, c.relowner::regrole as owner
    into relation
    from pg_class c
    where c.oid = target;
    if not found then
        raise exception 'no table given'
            using errcode = 'null_value_not_allowed',
            hint = 'Write for example webhooks.watch_table(''public.documents'', on_insert => ''document.uploaded'').';
    end if;
    if relation.relkind not in ('r', 'p') or relation.relpersistence = 't'
        or relation.schema in ('webhooks', 'webhooks_private', 'pg_catalog', 'information_schema') then
        raise exception '% can''t be watched', target
            using errcode = 'wrong_object_type',
                  hint = 'Ordinary and partitioned tables of yours can; views, foreign tables, temporary tables and '
                         'tables of the system can''t.';
    end if;
    if relation.relispartition then
        raise exception '% is a partition', target
            using errcode = 'wrong_object_type',
                  hint = format('Watch the partitioned table, %s.',
                                (select i.inhparent::regclass from pg_inherits i where i.inhrelid = target));
    end if;
    if not pg_has_role(relation.relowner, 'usage') then
        raise exception 'must be owner of table %', target
            using errcode = 'insufficient_privilege', hint = format('It belongs to role %s, with whose rights its '
                                                                    'changes would be published.', relation.owner);
    end if;
    if not has_schema_privilege(relation.relnamespace, 'create') then
        raise exception 'no function can be made in schema %', relation.schema
            using errcode = 'insufficient_privilege',
                  hint = format('What publishes the changes of %s is made next to it: grant create on schema %s to '
                                '%I;', target, relation.schema, current_user);
    end if;
    if not has_table_privilege(relation.relowner, 'webhooks.event_logs', 'insert') then
        raise exception 'role %, the owner of table %, may not publish events', relation.owner, target
            using errcode = 'insufficient_privilege', hint = format('Changes are published with its rights: grant '
                                                                    'webhooks_publisher to %s;', relation.owner);
    end if;
end
$$;
comment on function webhooks_private.check_watchable is
    'Refuses what can''t be watched, or not by the caller. Part of watch_table().';
grant execute on function webhooks_private.check_watchable to webhooks_publisher;

create function webhooks_private.watch_event_types(definition jsonb)
returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
begin atomic
    select array(
        select v.name
        from unnest(array[definition ->> 'on_insert', definition ->> 'on_update', definition ->> 'on_delete']) v (name)
        where v.name is not null
        union
        select v #>> '{}' from jsonb_path_query(definition -> 'on_change', '$.**{1 to 2} ? (@.type() == "string")') v
    );
end;
comment on function webhooks_private.watch_event_types is
    'The event types that a watch publishes. Part of watch_table().';
grant execute on function webhooks_private.watch_event_types to webhooks_publisher;

create function webhooks_private.check_watch_events(target regclass, definition jsonb)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    on_change constant jsonb := definition -> 'on_change';
    unknown text;
begin
    if on_change is not null and (jsonb_typeof(on_change) <> 'object' or jsonb_path_exists(
        on_change, 'strict $.* ? (@.type() != "string" && @.type() != "object")')
        or jsonb_path_exists(on_change, 'strict $.* ? (@.type() == "object").* ? (@.type() != "string")')
    ) then
        raise exception 'invalid on_change: %', left(on_change::text, 300)
            using errcode = 'invalid_parameter_value',
                  hint = 'Write an object of columns, each with the event type for any change of it, {"title": '
                         '"document.renamed"}, or with one for some of its new values, {"status": {"processed": '
                         '"document.processed"}}.';
    end if;
    if webhooks_private.watch_event_types(definition) = '{}' then
        raise exception 'no event type for changes of table %', target
            using errcode = 'invalid_parameter_value',
                  hint = 'Give at least one of on_insert, on_update, on_delete and on_change.';
    end if;
    select v.name into unknown
    from unnest(webhooks_private.watch_event_types(definition)) v (name)
    where not exists (select from webhooks.event_types t where t.name = v.name);
    if found then
        raise exception 'unknown event type "%"', left(unknown, 100)
            using errcode = 'foreign_key_violation',
                  hint = 'Event types are listed by: select * from webhooks.event_types; another one must be '
                         'registered there first.';
    end if;
end
$$;
comment on function webhooks_private.check_watch_events is
    'Refuses event types that can''t be published. Part of watch_table().';
grant execute on function webhooks_private.check_watch_events to webhooks_publisher;

create function webhooks_private.check_watch_columns(target regclass, all_columns text[], definition jsonb)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    unknown record;
begin
    if definition ? 'columns' and definition ? 'except_columns' then
        raise exception 'both columns and except_columns given for table %', target
            using errcode = 'invalid_parameter_value',
                  hint = 'Give the columns to send, or those not to send; or neither, to send all.';
    end if;
    select c.parameter, coalesce(c.name, 'null') as name
    into unknown
    from (
        select 'tenant_column' as parameter, definition ->> 'tenant_column' as name where not definition ? 'tenant_id'
        union all select 'id_column', definition ->> 'id_column' where definition ? 'id_column'
        union all select 'on_change', jsonb_object_keys(definition -> 'on_change')
        union all select 'watch_columns', jsonb_array_elements_text(definition -> 'watch_columns')
        union all select 'columns', jsonb_array_elements_text(definition -> 'columns')
        union all select 'except_columns', jsonb_array_elements_text(definition -> 'except_columns')
    ) c
    where (c.name = any (all_columns)) is not true;
    if found then
        raise exception '%: table % has no column "%"', unknown.parameter, target, left(unknown.name, 100)
            using errcode = 'undefined_column',
                  hint = concat('Its columns, but for virtual generated ones, are ',
                                left(array_to_string(all_columns, ', '), 2000), '.',
                                case unknown.parameter when 'tenant_column' then ' If all its rows are one '
                                                                                 'tenant''s, give tenant_id '
                                                                                 'instead.' end);
    end if;
    if not definition ? 'tenant_id' and not exists (
        select from pg_attribute a
        where a.attrelid = target and a.attname = definition ->> 'tenant_column'
          and webhooks_private.base_type(a.atttypid) = 'uuid'::regtype
    ) then
        raise exception 'tenant_column: column "%" of table % is not of type uuid', definition ->> 'tenant_column',
            target
            using errcode = 'datatype_mismatch',
                  hint = 'Tenants are UUIDs. If all rows of the table are one tenant''s, give tenant_id instead.';
    end if;
end
$$;
comment on function webhooks_private.check_watch_columns is
    'Refuses columns that can''t be watched. Part of watch_table().';
grant execute on function webhooks_private.check_watch_columns to webhooks_publisher;

create function webhooks_private.watch_ids(target regclass, definition jsonb)
returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select case
        when definition ? 'id_column' then array[definition ->> 'id_column']
        else array(
            select a.attname::text
            from pg_index i
            cross join lateral unnest(i.indkey::smallint[]) with ordinality k (attnum, n)
            join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
            where i.indrelid = target and i.indisprimary and k.n <= i.indnkeyatts
              -- (tenant_id, id) is a usual key of a table that tenants share.
              and (i.indnkeyatts = 1 or (a.attname = definition ->> 'tenant_column') is not true)
            order by k.n)
    end;
end;
comment on function webhooks_private.watch_ids is
    'The columns that identify a row of a watched table: the one given, or the primary key''s without the tenant. '
    'Part of watch_table().';
grant execute on function webhooks_private.watch_ids to webhooks_publisher;

create function webhooks_private.watch_ids_problem(target regclass, id_columns text[], tenant_column text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select case
        when cardinality(id_columns) = 0 then 'it has no primary key'
        when exists (
            select from pg_attribute a where a.attrelid = target and a.attname = any (id_columns) and not a.attnotnull
        ) then format('%s may be null', array_to_string(id_columns, ', '))
        when not exists (
            select from pg_index i
            where i.indrelid = target and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null
              and not exists (
                  select from unnest(i.indkey::smallint[]) with ordinality k (attnum, n)
                  left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum and k.attnum > 0
                  where k.n <= i.indnkeyatts
                    -- Unique within a tenant is enough. All that a partitioned table can promise is: unique within a
                    -- partition.
                    and (a.attname = any (id_columns || tenant_column)) is not true
                    and (k.attnum = any ((select p.partattrs::smallint[] from pg_partitioned_table p
                                          where p.partrelid = target)::smallint[])) is not true
              )
        ) then format('%s is not unique', array_to_string(id_columns, ', '))
    end;
end;
comment on function webhooks_private.watch_ids_problem is
    'Why these columns can''t tell which old and which new row of an UPDATE belong together; null if they can. Part '
    'of watch_table().';
grant execute on function webhooks_private.watch_ids_problem to webhooks_publisher;

create function webhooks_private.has_other_triggers(target regclass)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select exists (
        select from pg_class c
        where c.oid = has_other_triggers.target and c.relkind = 'r'
          and not exists (select from pg_inherits i where i.inhparent = c.oid)
          and (exists (
                  select from pg_trigger t
                  where t.tgrelid = c.oid
                    -- AFTER INSERT, UPDATE or DELETE.
                    and t.tgtype & 66 = 0 and t.tgtype & 28 <> 0
                    and not t.tgisinternal and t.tgname !~ '^!?webhooks_(insert|update|delete)$')
               -- A deletion elsewhere changes a row by the one and deletes it by the other.
               or (select bool_or(k.confdeltype = 'c') and bool_or(k.confdeltype in ('n', 'd'))
                   from pg_constraint k where k.conrelid = c.oid and k.contype = 'f')));
end;
comment on function webhooks_private.has_other_triggers is
    'Whether an ordinary table has AFTER triggers beside those of watch_table(), or foreign keys both on delete '
    'cascade and on delete set null or set default: these may change its rows again. Part of watch_table().';
grant execute on function webhooks_private.has_other_triggers to webhooks_publisher;

create function webhooks_private.complete_watch(target regclass, given jsonb)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Virtual columns have no value in a trigger.
    all_columns constant text[] := array(
        select a.attname::text from pg_attribute a
        where a.attrelid = target and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v' order by a.attnum);
    definition jsonb := case when given ? 'tenant_id' then given - 'tenant_column' else given end;
    ids text[];
    problem text;
begin
    perform webhooks_private.check_watch_bounds(definition);
    perform webhooks_private.check_watch_events(target, definition);
    perform webhooks_private.check_watch_columns(target, all_columns, definition);
    if (definition -> 'per_row')::boolean and exists (
        select from pg_inherits i join pg_class c on c.oid = i.inhparent where c.oid = target and c.relkind = 'r'
    ) then
        raise exception 'per_row: other tables inherit from table %', target
            using errcode = 'feature_not_supported',
                  hint = 'Triggers for each row are not inherited: watch this table without per_row, which takes in '
                         'the rows of the others, or each table by itself.';
    end if;
    ids := webhooks_private.watch_ids(target, definition);
    if definition ? 'on_update' or definition ? 'on_change' then
        problem := webhooks_private.watch_ids_problem(target, ids, definition ->> 'tenant_column');
        if problem is not null then
            raise exception 'updates of table % can''t be watched: %', target, problem
                using errcode = 'invalid_table_definition',
                      hint = 'Old and new row are matched by their id, within the tenant. Give the table a primary '
                             'key, or name in id_column a column that is unique and not null.';
        end if;
    end if;
    definition := jsonb_build_object(
        'condition', 'true',
        'columns', (select coalesce(jsonb_agg(c.name order by c.n), '[]')
                    from unnest(all_columns) with ordinality c (name, n)
                    where not coalesce(definition -> 'except_columns', '[]') ? c.name),
        'resource_type', (select min(t.category) from webhooks.event_types t
                          where t.name = any (webhooks_private.watch_event_types(definition)))
    ) || definition || jsonb_build_object(
        'table', (select format('%s.%I', c.relnamespace::regnamespace, c.relname) from pg_class c where c.oid = target),
        'all_columns', all_columns,
        'numbers', (select jsonb_agg(a.attnum order by a.attnum) from pg_attribute a
                    where a.attrelid = target and a.attname = any (all_columns)),
        'per_row', coalesce((definition -> 'per_row')::boolean, webhooks_private.has_other_triggers(target)),
        'per_row_given', definition ? 'per_row',
        'values', webhooks_private.watch_values(target, definition),
        'id_columns', ids,
        'has_resource_id', exists (
            select from pg_attribute a
            where a.attrelid = target and array[a.attname::text] = ids
              and webhooks_private.base_type(a.atttypid) = 'uuid'::regtype),
        'categories', (
            select jsonb_object_agg(t.name, t.category) from webhooks.event_types t
            where t.name = any (webhooks_private.watch_event_types(definition))));
    definition := jsonb_build_object('watch_columns', definition -> 'columns') || definition;
    definition := definition || (
        select jsonb_build_object(
            'used', coalesce(jsonb_agg(u.name order by u.n), '[]'),
            -- Written out column by column, plans grow with the product of the two numbers.
            'is_wide', count(*) * cardinality(all_columns) > 1000)
        from (select c.name, min(c.n) as n
              from jsonb_array_elements_text(definition -> 'columns'
                                             || (definition -> 'watch_columns')) with ordinality c (name, n)
              group by c.name) u);
    if definition ? 'on_update' and definition -> 'watch_columns' = '[]' then
        raise exception 'no columns to watch of table %', target
            using errcode = 'invalid_parameter_value',
                  hint = 'Name in watch_columns those whose change is to publish on_update.';
    end if;
    return definition;
end
$$;
comment on function webhooks_private.complete_watch is
    'The definition of a watch, checked, and with what was left out filled in. Part of watch_table().';
grant execute on function webhooks_private.complete_watch to webhooks_publisher;
