create function webhooks.missing_tenant(table_name text, column_name text)
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'a changed row of table % belongs to no tenant: its % is null', table_name, column_name
        using errcode = 'not_null_violation',
              hint = format('Give it a tenant, or leave such rows out by a condition of webhooks.watch_table(): coalesce(new.%I, old.%1$I) is not null.', column_name);
end
$$;
comment on function webhooks.missing_tenant(text, text) is 'Raises the error of a watched row without a tenant.';

create function webhooks.report_broken_watch(target regclass, definition text, functions text[])
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    gone text;
    twice text;
begin
    select f.name into twice
    from unnest(functions) f (name) cross join lateral (select parse_ident(f.name) as parts) i
    where (select count(*) from pg_proc p where p.pronamespace = to_regnamespace(quote_ident(i.parts[1])) and p.proname = i.parts[2]) > 1
    limit 1;
    if found then
        raise exception 'changes of table % can''t be published: there is another function %', target, twice
            using errcode = 'ambiguous_function',
                  hint = format('Drop the one that webhooks.watch_table() did not make: \df %s', twice);
    end if;
    select string_agg(format('"%s"', c.name), ', ')
    into gone
    from jsonb_array_elements_text(definition::jsonb -> 'webhooks' -> 'all_columns') c (name)
    where not exists (select from pg_attribute a where a.attrelid = target and a.attname = c.name and not a.attisdropped);
    raise exception 'changes of table % can''t be published: %', target,
        coalesce('column ' || gone || ' is gone', 'its schema was renamed, or a function that webhooks.watch_table() made was dropped')
        using errcode = 'object_not_in_prerequisite_state',
              hint = format('Call webhooks.watch_table(%L, ...) again for the table as it is now, or end the watch: select webhooks.unwatch_table(%1$L);', target::text);
end
$$;
comment on function webhooks.report_broken_watch(regclass, text, text[]) is
    'Raises the error of a watched table whose functions are gone (a column was dropped with CASCADE, or the schema was renamed) or no longer the only ones of their names.';

create function webhooks.is_watch(found pg_trigger)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select (found).tgname in ('webhooks_insert', 'webhooks_update', 'webhooks_delete') and webhooks.watch_definition((found).tgargs) is not null
           -- Only its owner can have made it so.
           and exists (select from pg_depend d
                       where d.classid = 'pg_proc'::regclass and d.objid = (found).tgfoid and d.deptype = 'x'
                         and d.refobjid = (select e.oid from pg_extension e where e.extname = 'webhooks'));
end;
comment on function webhooks.is_watch(pg_trigger) is 'Whether watch_table() made a trigger. Part of unwatch_table() and watched_tables.';

create function webhooks.unwatch_table(target regclass)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    watch record;
    made record;
    was_watched boolean := false;
begin
    if target is null then
        raise exception 'no table given'
            using errcode = 'null_value_not_allowed', hint = 'Watched tables are listed by: select * from webhooks.watched_tables;';
    end if;
    for watch in
        select t.tgname, t.tgfoid, p.pronamespace, regexp_replace(p.proname, '_webhooks$', '') as name, p.proowner
        from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = target and webhooks.is_watch(t)
    loop
        was_watched := true;
        execute format('drop trigger %I on %s', watch.tgname, target);
        continue when exists (select from pg_trigger t where t.tgfoid = watch.tgfoid);
        for made in
            -- Their names, since the table may have another one by now.
            select p.oid::regprocedure as signature
            from pg_proc p
            where p.pronamespace = watch.pronamespace and p.proowner = watch.proowner
              and p.proname in (watch.name || '_webhooks', watch.name || '_webhook_events', watch.name || '_webhook_same')
              and exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'x')
        loop
            -- Those of a former owner stay, and are of no use to anybody.
            continue when not pg_has_role(watch.proowner, 'usage');
            execute format('drop function %s', made.signature);
        end loop;
    end loop;
    return was_watched;
end
$$;
comment on function webhooks.unwatch_table(regclass) is
    'Ends what watch_table() began, for the table''s owner; false if the table was not watched.';

create function webhooks.watch_table(
    target regclass,
    on_insert text default null,
    on_update text default null,
    on_delete text default null,
    on_change jsonb default null,
    tenant_column name default 'tenant_id',
    tenant_id uuid default null,
    id_column name default null,
    resource_type text default null,
    watch_columns name[] default null,
    condition text default null,
    columns name[] default null,
    except_columns name[] default null
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    definition jsonb;
    made text;
    names text[];
    signatures text[];
    leftover record;
begin
    perform webhooks.check_watchable(target);
    select webhooks.complete_watch(target, coalesce(jsonb_object_agg(g.key, g.value), '{}'))
    into definition
    from jsonb_each(jsonb_build_object(
        'on_insert', on_insert, 'on_update', on_update, 'on_delete', on_delete, 'on_change', on_change,
        'tenant_column', tenant_column, 'tenant_id', tenant_id, 'id_column', id_column, 'resource_type', resource_type,
        'watch_columns', watch_columns, 'condition', condition, 'columns', columns, 'except_columns', except_columns)) g
    where g.value <> 'null';
    begin
        -- Without parentheses and with: an expression is one either way.
        execute format(E'select from %s as old cross join %1$s as new where %s\nlimit 0', target, definition ->> 'condition');
        execute format(E'select from %s as old cross join %1$s as new where (%s\n) limit 0', target, definition ->> 'condition');
    exception when syntax_error_or_access_rule_violation or data_exception or feature_not_supported then
        raise exception 'invalid condition for table %: %', target, sqlerrm
            using errcode = sqlstate,
                  hint = 'Write an SQL expression over the rows old and new, with names qualified that are not PostgreSQL''s own: new.status = ''paid'' and app.is_public(new.id). '
                         'Of an insert all columns of old are null, of a deletion all of new.';
    end;

    perform webhooks.unwatch_table(target);
    names := webhooks.watch_functions(target);
    signatures := array[names[1] || '()', format('%s(text,%s,%2$s)', names[2], target), format('%s(%s,%2$s)', names[3], target)];
    for leftover in
        select f.name, p.oid::regprocedure as signature, p.proowner::regrole as owner,
               exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'x')
               and not exists (select from pg_trigger t where t.tgfoid = p.oid) and pg_has_role(p.proowner, 'usage') as is_ours
        from unnest(names) f (name) cross join lateral (select parse_ident(f.name) as parts) i
        join pg_proc p on p.pronamespace = to_regnamespace(quote_ident(i.parts[1])) and p.proname = i.parts[2]
    loop
        if not leftover.is_ours then
            raise exception 'there is a function % already', leftover.name
                using errcode = 'duplicate_function',
                      hint = format('It is that of role %s: %s. If it is that of a table that was renamed since, call webhooks.watch_table() for that one again. Otherwise drop it or give it another name.',
                                    leftover.owner, leftover.signature);
        end if;
        -- What a watched table leaves behind when it is dropped.
        execute format('drop function %s', leftover.signature);
    end loop;

    execute webhooks.watch_trigger_script(target);
    execute webhooks.watch_events_script(target, definition);
    select a.attname into made
    from pg_depend d
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.classid = 'pg_proc'::regclass and d.objid = to_regprocedure(signatures[2])
      and d.refclassid = 'pg_class'::regclass and a.attgenerated = 'v';
    if found then
        raise exception 'invalid condition for table %: virtual generated column "%" has no value in a trigger', target, made
            using errcode = 'feature_not_supported', hint = 'Write its expression instead.';
    end if;
    if definition ? 'on_update' or definition ? 'on_change' then
        execute webhooks.watch_same_script(target, definition);
    end if;
    -- By their signatures: another one's of the same name may have come in between.
    foreach made in array signatures loop
        continue when to_regprocedure(made) is null;
        execute format('revoke all on function %s from public', made);
        execute format('alter function %s owner to %s', made, (select c.relowner::regrole from pg_class c where c.oid = target));
        execute format('alter function %s depends on extension webhooks', made);
        execute format('comment on function %s is %L', made, format('Made by webhooks.watch_table(%L).', target::text));
    end loop;
    foreach made in array array['insert', 'update', 'delete'] loop
        continue when made in ('insert', 'delete') and not definition ? ('on_' || made);
        continue when made = 'update' and not definition ?| array['on_update', 'on_change'];
        execute format('create trigger webhooks_%s after %1$s on %s referencing %s for each statement execute function %s(%L)',
                       made, target,
                       concat_ws(' ', case when made <> 'insert' then 'old table as old_rows' end, case when made <> 'delete' then 'new table as new_rows' end),
                       names[1], jsonb_build_object('webhooks', definition - 'categories' - 'has_resource_id'));
        execute format('alter trigger webhooks_%s on %s depends on extension webhooks', made, target);
        execute format('comment on trigger webhooks_%s on %s is %L', made, target, 'Publishes webhook events; see webhooks.watched_tables.');
    end loop;
end
$$;
comment on function webhooks.watch_table(regclass, text, text, text, jsonb, name, uuid, name, text, name[], text, name[], name[]) is
    'Publishes an event for each row of a table that is inserted, updated or deleted, in the same transaction. Replaces an earlier watch of the table. For its owner, with whose rights it publishes.';

create view webhooks.watched_tables with (security_invoker = true) as
select
    w.table_name,
    w.owner,
    w.definition ->> 'on_insert' as on_insert,
    w.definition ->> 'on_update' as on_update,
    w.definition ->> 'on_delete' as on_delete,
    w.definition -> 'on_change' as on_change,
    w.definition ->> 'tenant_column' as tenant_column,
    (w.definition ->> 'tenant_id')::uuid as tenant_id,
    w.definition -> 'id_columns' as id_columns,
    w.definition ->> 'resource_type' as resource_type,
    w.definition -> 'watch_columns' as watch_columns,
    nullif(w.definition ->> 'condition', 'true') as condition,
    w.definition -> 'columns' as columns,
    (select coalesce(jsonb_agg(a.attname order by a.attnum), '[]')
     from pg_catalog.pg_attribute a
     where a.attrelid = w.table_name and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
       and not w.definition -> 'all_columns' ? a.attname::text) as new_columns,
    w.is_enabled,
    case
        when not w.is_enabled then 'a trigger is disabled: such changes are not published'
        when pg_catalog.to_regproc(w.events_function) is null
            then 'a column was dropped, the schema renamed, or there is another function of the name: changes fail; call watch_table() again, or unwatch_table()'
        when not pg_catalog.has_table_privilege(w.owner, 'webhooks.event_logs', 'insert')
            then pg_catalog.format('role %s may not publish: changes fail; grant webhooks_publisher to %1$s', w.owner)
        when w.owner <> w.table_owner
            then pg_catalog.format('the table is %s''s now and its changes are still published with the rights of %s, who can read them; call unwatch_table(), have %s and the like dropped, and call watch_table() again',
                                   w.table_owner, w.owner, w.functions)
    end as problem
from (
    select
        t.tgrelid::regclass as table_name,
        c.relowner::regrole as table_owner,
        min(p.proowner)::regrole as owner,
        min(t.tgfoid)::regproc::text as functions,
        webhooks.watch_definition((array_agg(t.tgargs))[1]) as definition,
        bool_and(t.tgenabled in ('O', 'A')) as is_enabled,
        min(pg_catalog.format('%I.%I', n.nspname, pg_catalog.regexp_replace(p.proname, '_webhooks$', '_webhook_events'))) as events_function
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where webhooks.is_watch(t)
    group by t.tgrelid, c.relowner
) w;
comment on view webhooks.watched_tables is 'Tables whose changes are published, as webhooks.watch_table() was told, and whether that works.';
comment on column webhooks.watched_tables.table_name is 'The table.';
comment on column webhooks.watched_tables.owner is 'The role with whose rights its changes are published: the table''s owner when it was watched.';
comment on column webhooks.watched_tables.on_insert is 'Event type for inserted rows; null: they publish nothing.';
comment on column webhooks.watched_tables.on_update is 'Event type for rows of which a watched column changed.';
comment on column webhooks.watched_tables.on_delete is 'Event type for deleted rows.';
comment on column webhooks.watched_tables.on_change is 'Event types by changed column, and by its new value.';
comment on column webhooks.watched_tables.tenant_column is 'The column with the tenant; null: see tenant_id.';
comment on column webhooks.watched_tables.tenant_id is 'The one tenant that all rows belong to.';
comment on column webhooks.watched_tables.id_columns is 'What identifies a row: id in event_data, resource_id if it is one UUID, and ordering_key.';
comment on column webhooks.watched_tables.resource_type is 'resource_type of the events.';
comment on column webhooks.watched_tables.watch_columns is 'An UPDATE that changes none of them does not publish on_update.';
comment on column webhooks.watched_tables.condition is 'Which changes are published, an SQL expression over old and new; null: all.';
comment on column webhooks.watched_tables.columns is 'What is sent of a row.';
comment on column webhooks.watched_tables.new_columns is 'Columns added or renamed since: watch_table() called again takes them into account.';
comment on column webhooks.watched_tables.is_enabled is 'False: the DBA disabled a trigger.';
comment on column webhooks.watched_tables.problem is 'What is wrong and what to do; null: nothing.';
