-- Table triggers: watch_table() writes two functions in SQL and a trigger function next to the table, all of them its
-- owner's, so that nothing that a definition says runs with any other rights. The functions in SQL are parsed when they
-- are made: they follow renames, and PostgreSQL refuses to drop or retype a column that they need. Being inlined, they
-- cost nothing per call; the trigger publishes with one INSERT per statement.

create function webhooks.is_comparable(type regtype)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    with recursive unwrapped as (
        select t.oid, t.typtype, t.typnamespace,
               case when t.typtype = 'd' then t.typbasetype when t.typcategory = 'A' then t.typelem end as inner_type
        from pg_type t where t.oid = is_comparable.type
        union all
        select t.oid, t.typtype, t.typnamespace,
               case when t.typtype = 'd' then t.typbasetype when t.typcategory = 'A' then t.typelem end
        from unwrapped u join pg_type t on t.oid = u.inner_type
    )
    select bool_or(u.typtype in ('e', 'r', 'm') or u.typtype = 'b' and u.typnamespace = 'pg_catalog'::regnamespace and exists (
        select from pg_opclass o
        where o.opcdefault and o.opcmethod = (select m.oid from pg_am m where m.amname = 'btree')
          and (o.opcintype = u.oid or o.opcintype in (
              select c.casttarget from pg_cast c where c.castsource = u.oid and c.castmethod = 'b' and c.castcontext = 'i'))))
    from unwrapped u
    where u.inner_type is null;
end;
comment on function webhooks.is_comparable(regtype) is
    'Whether "=" tells values of a type apart (of json, xml and geometric types it doesn''t, and those of other extensions it may not find). Part of watch_table().';

create function webhooks.watch_functions(target regclass)
returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select array[format('%I.%I', c.schema, c.name || '_webhooks'),
                 format('%I.%I', c.schema, c.name || '_webhook_events'),
                 format('%I.%I', c.schema, c.name || '_webhook_same')]
    from (
        -- A name has at most 63 bytes.
        select n.nspname as schema,
               case when octet_length(c.relname) <= 48 then c.relname else 'table_' || left(md5(c.relname), 16) end as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.oid = watch_functions.target
    ) c;
end;
comment on function webhooks.watch_functions(regclass) is
    'Names of the functions that watch_table() makes for a table: the trigger''s, what it publishes, and whether two rows are the same one. Part of watch_table().';

create function webhooks.watch_differences(target regclass, columns text[], template text, separator text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select string_agg(
        format(watch_differences.template,
               format(case when webhooks.is_comparable(a.atttypid)
                                -- Values that are the same to "=", and different to who reads them: 30 days and 1 month, a and A.
                                and a.atttypid <> 'interval'::regtype
                                and coalesce((select l.collisdeterministic from pg_collation l where l.oid = a.attcollation), true) then 'old.%1$I is distinct from new.%1$I'
                           else 'to_jsonb(old.%1$I) is distinct from to_jsonb(new.%1$I)' end, a.attname),
               a.attname),
        watch_differences.separator order by c.n)
    from (select u.name, min(u.n) as n from unnest(watch_differences.columns) with ordinality u (name, n) group by u.name) c
    join pg_attribute a on a.attrelid = watch_differences.target and a.attname = c.name;
end;
comment on function webhooks.watch_differences(regclass, text[], text, text) is
    'For each column a template filled in with the condition that an UPDATE changed it (%s) and its name (%2$L). Part of watch_table().';

create function webhooks.watch_object(row_name text, columns text[])
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
begin atomic
    -- A function takes at most 100 arguments.
    select coalesce(string_agg(format('jsonb_build_object(%s)', o.members), ' || ' order by o.chunk), '''{}''::jsonb')
    from (
        select (c.n - 1) / 50 as chunk, string_agg(format('%L, %s.%I', c.name, watch_object.row_name, c.name), ', ' order by c.n) as members
        from unnest(watch_object.columns) with ordinality c (name, n)
        group by 1
    ) o;
end;
comment on function webhooks.watch_object(text, text[]) is 'The expression for a JSON object of columns of a row. Part of watch_table().';

create function webhooks.watch_events_script(target regclass, definition jsonb)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    sent constant text[] := array(select jsonb_array_elements_text(definition -> 'columns'));
    watched constant text[] := array(select jsonb_array_elements_text(definition -> 'watch_columns'));
    ids constant text[] := array(select jsonb_array_elements_text(definition -> 'id_columns'));
    of_row constant text := 'case when %s then %s else %s end';
    is_gone text := 'operation = ''delete''';
    is_new text := 'operation = ''insert''';
    tenant text;
    id_member text := '';
    resource_id text := 'null::uuid';
    ordering_key text := 'null::text';
    event_types text;
begin
    if coalesce(definition ->> 'on_update', definition ->> 'on_change') is not null then
        -- An UPDATE that changes the id or the tenant is the end of one resource and the beginning of another.
        is_gone := format('(operation = ''delete'' or operation = ''update'' and new.%I is null)', ids[1]);
        is_new := format('(operation = ''insert'' or operation = ''update'' and old.%I is null)', ids[1]);
    end if;
    tenant := coalesce(
        quote_literal(definition ->> 'tenant_id') || '::uuid',
        format('coalesce(case when %s then old.%I else new.%2$I end, webhooks.missing_tenant(%L, %2$L))',
               is_gone, definition ->> 'tenant_column', target));
    if cardinality(ids) = 1 then
        id_member := format('''id'', ' || of_row || ', ', is_gone, format('to_jsonb(old.%I)', ids[1]), format('to_jsonb(new.%I)', ids[1]));
        ordering_key := format(of_row, is_gone, format('old.%I::text', ids[1]), format('new.%I::text', ids[1]));
        if (definition -> 'has_resource_id')::boolean then
            resource_id := format(of_row, is_gone, format('old.%I', ids[1]), format('new.%I', ids[1]));
        end if;
    elsif cardinality(ids) > 1 then
        ordering_key := format(of_row, is_gone, webhooks.watch_object('old', ids), webhooks.watch_object('new', ids));
        id_member := format('''id'', %s, ', ordering_key);
        ordering_key := format('(%s)::text', ordering_key);
    end if;
    event_types := format('(case when %s then %L when %s then %L when %s then %L end)',
        is_gone, definition ->> 'on_delete', is_new, definition ->> 'on_insert',
        case when definition ->> 'on_update' is null then 'false' else webhooks.watch_differences(target, watched, '%s', ' or ') end,
        definition ->> 'on_update');
    event_types := concat_ws(', ', event_types, (
        select string_agg(
            format('(case when not (%s or %s) and %s then %s end)', is_gone, is_new,
                   webhooks.watch_differences(target, array[c.key], '%s', ''),
                   case when jsonb_typeof(c.value) = 'string' then quote_literal(c.value #>> '{}')
                        else (select format('case new.%I::text %s end', c.key,
                                            string_agg(format('when %L then %L', v.key, v.value), ' ' order by v.key))
                              from jsonb_each_text(c.value) v) end),
            ', ' order by c.key)
        from jsonb_each(definition -> 'on_change') c));

    return concat_ws(E'\n',
        format('create function %s(operation text, old %s, new %2$s)', (webhooks.watch_functions(target))[2], target),
        'returns table (tenant_id uuid, event_type text, event_category text, event_data jsonb,',
        '               resource_type text, resource_id uuid, ordering_key text)',
        'language sql stable',
        'begin atomic',
        'select',
        tenant || ' as tenant_id,',
        't.event_type,',
        format('case t.event_type %s end as event_category,',
               (select string_agg(format('when %L then %L', c.key, c.value), ' ' order by c.key)
                from jsonb_each_text(definition -> 'categories') c)),
        format('case when %s then jsonb_build_object(''operation'', ''delete'', %s''old'', %s)',
               is_gone, id_member, webhooks.watch_object('old', sent)),
        format('when %s then jsonb_build_object(''operation'', ''insert'', %s''new'', %s)',
               is_new, id_member, webhooks.watch_object('new', sent)),
        format('else jsonb_build_object(''operation'', ''update'', %s''changed'', array_remove(array[%s]::text[], null),',
               id_member, webhooks.watch_differences(target, sent || watched, 'case when %s then %2$L end', ', ')),
        format('''old'', %s, ''new'', %s) end as event_data,',
               coalesce(webhooks.watch_differences(target, sent, 'case when %s then jsonb_build_object(%2$L, old.%2$I) else ''{}'' end', ' || '),
                        '''{}''::jsonb'),
               webhooks.watch_object('new', sent)),
        format('%L::text as resource_type,', definition ->> 'resource_type'),
        resource_id || ' as resource_id,',
        ordering_key || ' as ordering_key',
        format('from (values %s) t (event_type)', event_types),
        'where t.event_type is not null',
        'and (' || (definition ->> 'condition'),
        ');',
        'end');
end
$$;
comment on function webhooks.watch_events_script(regclass, jsonb) is
    'CREATE FUNCTION for what a watched table publishes: one row per event of a pair of old and new row. Part of watch_table().';

create function webhooks.watch_same_script(target regclass, definition jsonb)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select format(E'create function %s(old %s, new %2$s)\nreturns boolean\nlanguage sql stable\nreturn %s',
                  (webhooks.watch_functions(target))[3], target, string_agg(format('old.%I = new.%1$I', c.name), ' and ' order by c.n))
    from (
        select i.name, i.n from jsonb_array_elements_text(definition -> 'id_columns') with ordinality i (name, n)
        union all
        select definition ->> 'tenant_column', 1000 where definition ? 'tenant_column' and not definition -> 'id_columns' ? (definition ->> 'tenant_column')
    ) c;
end;
comment on function webhooks.watch_same_script(regclass, jsonb) is
    'CREATE FUNCTION for whether an old and a new row of a watched table are the same resource of the same tenant. Part of watch_table().';

create function webhooks.watch_trigger_script(target regclass)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    functions constant text[] := webhooks.watch_functions(target);
    publish constant text := '
        -- Inserting nothing would cost as much as inserting something.
        if exists (select from %1$s cross join lateral %2$s(%3$s)) then
            insert into webhooks.event_logs
                (tenant_id, event_type, event_category, event_name, event_version, event_data, resource_type, resource_id, ordering_key,
                 user_id, session_id, request_id)
            select e.tenant_id, e.event_type, e.event_category, e.event_type,
                   coalesce((select t.version from webhooks.event_types t where t.name = e.event_type), ''1.0''),
                   e.event_data, e.resource_type, e.resource_id, e.ordering_key,
                   (select webhooks.application_user()),
                   left(nullif(current_setting(''webhooks.session_id'', true), ''''), 255),
                   left(nullif(current_setting(''webhooks.request_id'', true), ''''), 255)
            from %1$s cross join lateral %2$s(%3$s) e;
        end if;';
begin
    -- Rows have names that no column has: a column's would win.
    return format('create function %s()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = ''UTC''
set datestyle = ''ISO''
set intervalstyle = ''iso_8601''
set bytea_output = ''hex''
set extra_float_digits = 1
as %L', functions[1], concat('
begin
    -- Rows that a restore brings: their events are in the dump.
    if webhooks.is_restoring() then
        return null;
    end if;', format('
    -- Null if there are two of a name, also: then which one is called might be anybody''s choice.
    if to_regproc(%L) is null or tg_op = ''UPDATE'' and to_regproc(%L) is null then
        perform webhooks.report_broken_watch(tg_relid, tg_argv[0], array[%1$L, %2$L]);
    end if;', functions[2], functions[3]), '
    case tg_op
    when ''INSERT'' then', format(publish, 'new_rows new_row_of_webhooks', functions[2], '''insert'', null, new_row_of_webhooks'), '
    when ''DELETE'' then', format(publish, 'old_rows old_row_of_webhooks', functions[2], '''delete'', old_row_of_webhooks, null'), '
    when ''UPDATE'' then
        -- A full join is a hash join: right for any number of rows, whatever number it was planned for.',
        format(publish, format('new_rows new_row_of_webhooks full join old_rows old_row_of_webhooks on %s(old_row_of_webhooks, new_row_of_webhooks)', functions[3]),
               functions[2], '''update'', old_row_of_webhooks, new_row_of_webhooks'), '
    end case;
    return null;
end
'));
end
$$;
comment on function webhooks.watch_trigger_script(regclass) is 'CREATE FUNCTION for the trigger of a watched table. Part of watch_table().';
