-- Table triggers: watch_table() writes functions in SQL and a trigger function next to the table, all of them its
-- owner's, so that nothing that a definition says runs with any other rights. The functions in SQL are parsed when they
-- are made: they follow renames, and PostgreSQL refuses to drop or retype a column that they need. Being inlined, they
-- cost nothing per call.

create function webhooks_private.watch_functions(target regclass)
returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select array[format('%I.%I', c.schema, c.name || '_webhooks'),
                 format('%I.%I', c.schema, c.name || '_webhook_events'),
                 format('%I.%I', c.schema, c.name || '_webhook_same'),
                 format('%I.%I', c.schema, c.name || '_webhook_row'),
                 format('%I.%I', c.schema, c.name || '_webhook_values')]
    from (
        -- A name has at most 63 bytes.
        select n.nspname as schema,
               case when octet_length(c.relname) <= 48 then c.relname
                   else 'table_' || left(md5(c.relname), 16) end as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.oid = watch_functions.target
    ) c;
end;
comment on function webhooks_private.watch_functions is
    'Names of the functions that watch_table() makes for a table: the trigger''s, what it publishes, whether two '
    'rows are the same one, a row with what identifies it, and a row as JSON. Part of watch_table().';
grant execute on function webhooks_private.watch_functions to webhooks_publisher;

create function webhooks_private.watch_object(row_name text, columns text[])
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
comment on function webhooks_private.watch_object is
    'The expression for a JSON object of columns of a row. Part of watch_table().';
grant execute on function webhooks_private.watch_object to webhooks_publisher;

create function webhooks_private.watch_large_values(target regclass, columns text[], row_names text[])
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- Strict, and so not called while there is nothing large: what is looked at for each row are lengths that are at
    -- hand.
    select coalesce(string_agg(v.condition, ' or ' order by v.chunk), 'false')
    from (
        select v.chunk,
               format('webhooks_private.is_too_large(%L, %L, webhooks_private.large_values(%s))',
                      watch_large_values.target,
                      array_agg(v.name order by v.n),
                      string_agg(format('%s.%I', v.row_name, v.name), ', ' order by v.n)) as condition
        from (
            -- A function takes at most 100 arguments.
            select c.name, r.name as row_name, row_number() over w as n, (row_number() over w - 1) / 100 as chunk
            from unnest(watch_large_values.columns) with ordinality c (name, n)
            join pg_attribute a on a.attrelid = watch_large_values.target and a.attname = c.name
            cross join unnest(watch_large_values.row_names) r (name)
            where a.attlen = -1 and a.atttypmod = -1 and webhooks_private.base_type(a.atttypid) <> 'numeric'::regtype
            window w as (order by c.n, r.name)
        ) v
        group by v.chunk
    ) v;
end;
comment on function webhooks_private.watch_large_values is
    'The condition that refuses a row with a value too large to be sent, and else is not true. Part of watch_table().';
grant execute on function webhooks_private.watch_large_values to webhooks_publisher;

create function webhooks_private.watch_values_script(target regclass, definition jsonb)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- Each column is taken out of the row once: PostgreSQL copies the row's description for it. All at once it does
    -- not.
    select format(E'create function %1$s(changed %2$s)\nreturns table (content jsonb)\nlanguage sql stable\nbegin atomic\nselect case when %3$s then null else %4$s end\nfrom (select %5$s) r;\nend',
                  (webhooks_private.watch_functions(target))[5], target,
                  webhooks_private.watch_large_values(target, c.names, '{r}'),
                  webhooks_private.watch_object('r', c.names),
                  case when c.names @> a.names and not exists (
                           select from pg_attribute v where v.attrelid = target
                               and v.attgenerated = 'v') then '(changed).*'
                       else (select string_agg(format('u.%1$I', n), ', ') from unnest(c.names) n)
                           || ' from unnest(array[changed]) u' end)
    from (select array(select jsonb_array_elements_text(definition -> 'used'))) c (names),
         (select array(select jsonb_array_elements_text(definition -> 'all_columns'))) a (names);
end;
comment on function webhooks_private.watch_values_script is
    'CREATE FUNCTION for the columns of a row that are sent or watched as one JSON object, which is how a table of '
    'many columns is published. Part of watch_table().';
grant execute on function webhooks_private.watch_values_script to webhooks_publisher;

create function webhooks_private.watch_row_changes(target regclass, definition jsonb)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    sent constant text[] := array(select jsonb_array_elements_text(definition -> 'columns'));
    watched constant text[] := array(select jsonb_array_elements_text(definition -> 'watch_columns'));
    used constant text[] := array(select jsonb_array_elements_text(definition -> 'used'));
    unsent constant text[] := array(select u.name from unnest(used) u (name) where u.name <> all (sent));
    is_different constant text := 'old_values -> c.name is distinct from new_values -> c.name';
    object constant text := case when unsent = '{}' then '%s_values'
        else format('(%%s_values - %L::text[])', unsent) end;
begin
    if (definition -> 'is_wide')::boolean then
        return jsonb_build_object(
            'old', format(object, 'old'),
            'new', format(object, 'new'),
            'changed', format('array(select c.name from unnest(%L::text[]) with ordinality c (name, n) where %s '
                              'order by c.n)', used, is_different),
            'before', format('(select coalesce(jsonb_object_agg(c.name, c.value), ''{}'') from jsonb_each(%s) c '
                             '(name, value) where %s)',
                             format(object, 'old'), is_different),
            'is_changed', format('exists (select from unnest(%L::text[]) c (name) where %s)', watched, is_different));
    end if;
    return jsonb_build_object(
        'old', webhooks_private.watch_object('old', sent),
        'new', webhooks_private.watch_object('new', sent),
        'changed', format('array_remove(array[%s]::text[], null)',
                          webhooks_private.watch_differences(target, used, 'case when %s then %2$L end', ', ')),
        -- One text, parsed once: to add members one by one would copy the object for each.
        'before', format('(''{'' || array_to_string(array[%s]::text[], '','') || ''}'')::jsonb',
                         webhooks_private.watch_differences(target, sent, 'case when %s then concat(%3$L, '
                                                                          'coalesce(to_json(old.%2$I), '
                                                                          '''null''::json)) end', ', ')),
        'is_changed', '(' || webhooks_private.watch_differences(target, watched, '%s', ' or ') || ')');
end
$$;
comment on function webhooks_private.watch_row_changes is
    'The expressions for what is sent of the old and the new row, the names of changed columns, what they were '
    'before, and whether a watched one changed. Part of watch_table().';
grant execute on function webhooks_private.watch_row_changes to webhooks_publisher;

create function webhooks_private.watch_value_types(target regclass, column_name text, event_types jsonb)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select format('case %s end', string_agg(
        format('when %s = %s then %L', format(o.operand, format('new.%I', a.attname)),
               -- Not of the domain, whose checks may be others one day.
               format(o.operand, format('%L::%s', v.key, format_type(webhooks_private.base_type(a.atttypid), -1))),
               v.value), ' ' order by v.key))
    from pg_attribute a
    join webhooks_private.watch_operands(watch_value_types.target) o on o.name = a.attname
    cross join jsonb_each_text(watch_value_types.event_types) v
    where a.attrelid = watch_value_types.target and a.attname = watch_value_types.column_name;
end;
comment on function webhooks_private.watch_value_types is
    'The expression for the event type that a column''s new value publishes. Part of watch_table().';
grant execute on function webhooks_private.watch_value_types to webhooks_publisher;

create function webhooks_private.watch_resource(target regclass, definition jsonb)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    ids constant text[] := array(select jsonb_array_elements_text(definition -> 'id_columns'));
    of_row constant text := 'case when %s then %s else %s end';
    is_gone text := 'operation = ''delete''';
    is_new text := 'operation = ''insert''';
    tenant text;
    id_member text := '';
    resource_id text := 'null::uuid';
    ordering_key text := 'null::text';
begin
    if coalesce(definition ->> 'on_update', definition ->> 'on_change') is not null then
        -- An UPDATE that changes the id or the tenant is the end of one resource and the beginning of another.
        is_gone := format('(operation = ''delete'' or operation = ''update'' and new.%I is null)', ids[1]);
        is_new := format('(operation = ''insert'' or operation = ''update'' and old.%I is null)', ids[1]);
    end if;
    tenant := coalesce(
        quote_literal(definition ->> 'tenant_id') || '::uuid',
        format('coalesce(case when %s then old.%I else new.%2$I end, webhooks_private.raise_missing_tenant(%L, %2$L))',
               is_gone, definition ->> 'tenant_column', target));
    if cardinality(ids) = 1 then
        id_member := format('''id'', ' || of_row || ', ', is_gone, format('to_jsonb(old.%I)', ids[1]),
                            format('to_jsonb(new.%I)', ids[1]));
        ordering_key := format(of_row, is_gone, format('old.%I::text', ids[1]), format('new.%I::text', ids[1]));
        if (definition -> 'has_resource_id')::boolean then
            resource_id := format(of_row, is_gone, format('old.%I', ids[1]), format('new.%I', ids[1]));
        end if;
    elsif cardinality(ids) > 1 then
        ordering_key := format(of_row, is_gone, webhooks_private.watch_object('old', ids),
                               webhooks_private.watch_object('new', ids));
        id_member := format('''id'', %s, ', ordering_key);
        ordering_key := format('(%s)::text', ordering_key);
    end if;
    return jsonb_build_object('is_gone', is_gone, 'is_new', is_new, 'tenant', tenant, 'id_member', id_member,
                              'resource_id', resource_id, 'ordering_key', ordering_key);
end
$$;
comment on function webhooks_private.watch_resource is
    'The expressions for whether the resource of the old row is gone and that of the new row is new, its tenant, its '
    'id as a member of the event''s data and by itself, and its ordering key. Part of watch_table().';
grant execute on function webhooks_private.watch_resource to webhooks_publisher;

create function webhooks_private.watch_published_types(
    target regclass, definition jsonb, is_gone text, is_new text, is_changed text
)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select concat_ws(', ',
        format('(case when %s then %L when %s then %L when %s then %L end)',
               is_gone, definition ->> 'on_delete', is_new, definition ->> 'on_insert',
               case when definition ->> 'on_update' is null then 'false' else is_changed end,
               definition ->> 'on_update'),
        (select string_agg(
            format('(case when not (%s or %s) and %s then %s end)', is_gone, is_new,
                   webhooks_private.watch_differences(target, array[c.key], '%s', ''),
                   case when jsonb_typeof(c.value) = 'string' then quote_literal(c.value #>> '{}')
                        else webhooks_private.watch_value_types(target, c.key, definition -> 'values' -> c.key) end),
            ', ' order by c.key)
         from jsonb_each(definition -> 'on_change') c));
end;
comment on function webhooks_private.watch_published_types is
    'The expressions for the event types that a pair of old and new row publishes, each null if it publishes none. '
    'is_gone, is_new and is_changed are expressions, too. Part of watch_table().';
grant execute on function webhooks_private.watch_published_types to webhooks_publisher;

create function webhooks_private.watch_events_script(target regclass, definition jsonb)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    changes constant jsonb := webhooks_private.watch_row_changes(target, definition);
    resource constant jsonb := webhooks_private.watch_resource(target, definition);
    is_gone constant text := resource ->> 'is_gone';
    is_new constant text := resource ->> 'is_new';
    id_member constant text := resource ->> 'id_member';
    rows_sent constant text[] := array(
        select r.name from (values ('old', definition ?| array['on_update', 'on_change', 'on_delete']),
                                   ('new', definition ?| array['on_update', 'on_change', 'on_insert'])) r (name,
                                           is_sent)
        where r.is_sent);
begin
    return concat_ws(E'\n',
        format('create function %1$s(operation text, old %2$s, new %2$s%3$s)',
               (webhooks_private.watch_functions(target))[2], target,
               case when (definition -> 'is_wide')::boolean then ', old_values jsonb, new_values jsonb' end),
        'returns table (tenant_id uuid, event_type text, event_category text, event_data jsonb,',
        '               resource_type text, resource_id uuid, ordering_key text)',
        'language sql stable',
        'begin atomic',
        'select',
        (resource ->> 'tenant') || ' as tenant_id,',
        't.event_type,',
        format('case t.event_type %s end as event_category,',
               (select string_agg(format('when %L then %L', c.key, c.value), ' ' order by c.key)
                from jsonb_each_text(definition -> 'categories') c)),
        format('case when %s then null', case when (definition -> 'is_wide')::boolean then 'false'
                                              else webhooks_private.watch_large_values(target,
                                                      array(select jsonb_array_elements_text(definition -> 'columns')), rows_sent) end),
        format('when %s then jsonb_build_object(''operation'', ''delete'', %s''old'', %s)', is_gone, id_member,
               changes ->> 'old'),
        format('when %s then jsonb_build_object(''operation'', ''insert'', %s''new'', %s)', is_new, id_member,
               changes ->> 'new'),
        format('else jsonb_build_object(''operation'', ''update'', %s''changed'', %s, ''old'', %s, ''new'', %s) end '
               'as event_data,',
               id_member, changes ->> 'changed', changes ->> 'before', changes ->> 'new'),
        format('%L::text as resource_type,', definition ->> 'resource_type'),
        (resource ->> 'resource_id') || ' as resource_id,',
        (resource ->> 'ordering_key') || ' as ordering_key',
        format('from (values %s) t (event_type)',
               webhooks_private.watch_published_types(target, definition, is_gone, is_new, changes ->> 'is_changed')),
        'where t.event_type is not null',
        'and (' || (definition ->> 'condition'),
        ');',
        'end');
end
$$;
comment on function webhooks_private.watch_events_script is
    'CREATE FUNCTION for what a watched table publishes: one row per event of a pair of old and new row. Part of '
    'watch_table().';
grant execute on function webhooks_private.watch_events_script to webhooks_publisher;

create function webhooks_private.watch_key(definition jsonb)
returns table (name text, n bigint)
language sql immutable
set search_path = pg_catalog, pg_temp
begin atomic
    select k.name, row_number() over (order by k.n)
    from (
        select i.name, i.n from jsonb_array_elements_text(watch_key.definition -> 'id_columns') with ordinality i (name, n)
        union all
        select watch_key.definition ->> 'tenant_column', 1000
        where watch_key.definition ? 'tenant_column'
          and not watch_key.definition -> 'id_columns' ? (watch_key.definition ->> 'tenant_column')
    ) k;
end;
comment on function webhooks_private.watch_key is
    'The columns that identify a resource of a tenant, numbered. Part of watch_table().';
grant execute on function webhooks_private.watch_key to webhooks_publisher;

create function webhooks_private.watch_same_script(target regclass, definition jsonb)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select format(E'create function %s(old %s, new %2$s)\nreturns boolean\nlanguage sql stable\nreturn %s',
                  (webhooks_private.watch_functions(target))[3], target,
                  string_agg(format('%s = %s', format(o.operand, format('old.%I', c.name)),
                                    format(o.operand, format('new.%I', c.name))), ' and ' order by c.n))
    from webhooks_private.watch_key(definition) c
    join webhooks_private.watch_operands(target) o on o.name = c.name;
end;
comment on function webhooks_private.watch_same_script is
    'CREATE FUNCTION for whether an old and a new row of a watched table are the same resource of the same tenant. '
    'Part of watch_table().';
grant execute on function webhooks_private.watch_same_script to webhooks_publisher;

create function webhooks_private.watch_row_script(target regclass, definition jsonb)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select format(E'create function %1$s(changed %2$s)\nreturns table (%3$sversion %2$s)\nlanguage sql stable\nbegin atomic\nselect %4$schanged;\nend',
                  (webhooks_private.watch_functions(target))[4], target,
                  string_agg(format('key_%s %s, ', c.n, case o.operand when '%s' then format_type(a.atttypid, -1)
                                    else 'jsonb' end), '' order by c.n),
                  string_agg(format(o.operand, format('changed.%I', c.name)) || ', ', '' order by c.n))
    from webhooks_private.watch_key(definition) c
    join pg_attribute a on a.attrelid = target and a.attname = c.name
    join webhooks_private.watch_operands(target) o on o.name = c.name;
end;
comment on function webhooks_private.watch_row_script is
    'CREATE FUNCTION for a row of a watched table as one value, and the values that identify it. Part of '
    'watch_table().';
grant execute on function webhooks_private.watch_row_script to webhooks_publisher;
