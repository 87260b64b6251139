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

create function webhooks.report_broken_watch(target regclass, definition text)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    gone text;
begin
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
comment on function webhooks.report_broken_watch(regclass, text) is
    'Raises the error of a watched table whose functions are gone: a column was dropped with CASCADE, or the schema was renamed.';

create function webhooks.unwatch_table(target regclass)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    watch record;
    was_watched boolean := false;
begin
    if target is null then
        raise exception 'no table given'
            using errcode = 'null_value_not_allowed', hint = 'Watched tables are listed by: select * from webhooks.watched_tables;';
    end if;
    for watch in
        select t.tgname, t.tgfoid, p.pronamespace::regnamespace as schema, p.proname
        from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = target and t.tgname in ('webhooks_insert', 'webhooks_update', 'webhooks_delete')
          and webhooks.watch_definition(t.tgargs) is not null
    loop
        was_watched := true;
        execute format('drop trigger %I on %s', watch.tgname, target);
        continue when exists (select from pg_trigger t where t.tgfoid = watch.tgfoid);
        -- Their names, since the table may have another one by now.
        execute format('drop function %s.%I', watch.schema, watch.proname);
        execute format('drop function if exists %s.%I', watch.schema, regexp_replace(watch.proname, '_webhooks$', '_webhook_events'));
        execute format('drop function if exists %s.%I', watch.schema, regexp_replace(watch.proname, '_webhooks$', '_webhook_same'));
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
    foreach made in array webhooks.watch_functions(target) loop
        -- What a watched table leaves behind when it is dropped.
        if exists (
            select from pg_depend d
            where d.classid = 'pg_proc'::regclass and d.objid = to_regproc(made) and d.deptype = 'x'
              and not exists (select from pg_trigger t where t.tgfoid = d.objid)
        ) then
            execute format('drop function %s', made);
        end if;
        if to_regproc(made) is not null then
            raise exception 'there is a function % already', made
                using errcode = 'duplicate_function',
                      hint = 'If it is that of a table that was renamed since, call webhooks.watch_table() for that one again. Otherwise give it another name.';
        end if;
    end loop;

    execute webhooks.watch_trigger_script(target);
    execute webhooks.watch_events_script(target, definition);
    select a.attname into made
    from pg_depend d
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.classid = 'pg_proc'::regclass and d.objid = to_regproc((webhooks.watch_functions(target))[2])
      and d.refclassid = 'pg_class'::regclass and a.attgenerated = 'v';
    if found then
        raise exception 'invalid condition for table %: virtual generated column "%" has no value in a trigger', target, made
            using errcode = 'feature_not_supported', hint = 'Write its expression instead.';
    end if;
    if definition ? 'on_update' or definition ? 'on_change' then
        execute webhooks.watch_same_script(target, definition);
    end if;
    foreach made in array webhooks.watch_functions(target) loop
        continue when to_regproc(made) is null;
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
                       (webhooks.watch_functions(target))[1], jsonb_build_object('webhooks', definition - 'categories' - 'has_resource_id'));
        execute format('alter trigger webhooks_%s on %s depends on extension webhooks', made, target);
        execute format('comment on trigger webhooks_%s on %s is %L', made, target, 'Publishes webhook events; see webhooks.watched_tables.');
    end loop;
end
$$;
comment on function webhooks.watch_table(regclass, text, text, text, jsonb, name, uuid, name, text, name[], text, name[], name[]) is
    'Publishes an event for each row of a table that is inserted, updated or deleted, in the same transaction. Replaces an earlier watch of the table. The parameters are described as columns of watched_tables. For the table''s owner, with whose rights it publishes.';

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
            then 'a column was dropped or the schema renamed: changes fail; call watch_table() again, or unwatch_table()'
        when not pg_catalog.has_table_privilege(w.owner, 'webhooks.event_logs', 'insert')
            then pg_catalog.format('role %s may not publish: changes fail; grant webhooks_publisher to %1$s', w.owner)
    end as problem
from (
    select
        t.tgrelid::regclass as table_name,
        c.relowner::regrole as owner,
        webhooks.watch_definition((array_agg(t.tgargs))[1]) as definition,
        bool_and(t.tgenabled in ('O', 'A')) as is_enabled,
        min(pg_catalog.format('%I.%I', n.nspname, pg_catalog.regexp_replace(p.proname, '_webhooks$', '_webhook_events'))) as events_function
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where t.tgname in ('webhooks_insert', 'webhooks_update', 'webhooks_delete') and webhooks.watch_definition(t.tgargs) is not null
    group by t.tgrelid, c.relowner
) w;
comment on view webhooks.watched_tables is 'Tables whose changes are published, as webhooks.watch_table() was told, and whether that works.';
comment on column webhooks.watched_tables.table_name is 'The table.';
comment on column webhooks.watched_tables.owner is 'Its owner, with whose rights its changes are published.';
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
