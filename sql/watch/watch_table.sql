create function webhooks_private.is_watch(found pg_trigger)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select (found).tgname in ('webhooks_insert', 'webhooks_update', 'webhooks_delete', '!webhooks_insert',
                              '!webhooks_update', '!webhooks_delete')
           -- A partition's is its table's.
           and (found).tgparentid = 0
           and webhooks_private.watch_definition((found).tgargs) is not null
           -- Only its owner can have made it so.
           and exists (select from pg_depend d
                       where d.classid = 'pg_proc'::regclass and d.objid = (found).tgfoid and d.deptype = 'x'
                         and d.refobjid = (select e.oid from pg_extension e where e.extname = 'webhooks'));
end;
comment on function webhooks_private.is_watch is
    'Whether watch_table() made a trigger. Part of unwatch_table() and watched_tables.';
grant execute on function webhooks_private.is_watch to webhooks_publisher;

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
            using errcode = 'null_value_not_allowed',
                  hint = 'Watched tables are listed by: select * from webhooks.watched_tables;';
    end if;
    for watch in
        select t.tgname, t.tgfoid, p.pronamespace, regexp_replace(p.proname, '_webhooks$', '') as name, p.proowner
        from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = target and webhooks_private.is_watch(t)
    loop
        was_watched := true;
        execute format('drop trigger %I on %s', watch.tgname, target);
        continue when exists (select from pg_trigger t where t.tgfoid = watch.tgfoid);
        for made in
            -- Their names, since the table may have another one by now.
            select p.oid::regprocedure as signature
            from pg_proc p
            where p.pronamespace = watch.pronamespace and p.proowner = watch.proowner
              and p.proname in (watch.name || '_webhooks', watch.name || '_webhook_events',
                                watch.name || '_webhook_same', watch.name || '_webhook_row',
                                watch.name || '_webhook_values')
              and exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                          and d.deptype = 'x')
        loop
            -- Those of a former owner stay, and are of no use to anybody.
            continue when not pg_has_role(watch.proowner, 'usage');
            execute format('drop function %s', made.signature);
        end loop;
    end loop;
    return was_watched;
end
$$;
comment on function webhooks.unwatch_table is
    'Reverses watch_table(); false if the table was not watched. For the owner of the table.';
grant execute on function webhooks.unwatch_table to webhooks_publisher;

create function webhooks_private.make_watch_triggers(target regclass, function_name text, definition jsonb)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    operation text;
    trigger_name text;
begin
    foreach operation in array array['insert', 'update', 'delete'] loop
        continue when operation in ('insert', 'delete') and not definition ? ('on_' || operation);
        continue when operation = 'update' and not definition ?| array['on_update', 'on_change'];
        -- Triggers fire in the order of their names: before others change the row again.
        trigger_name := case when (definition -> 'per_row')::boolean then '!' else '' end || 'webhooks_' || operation;
        execute format('create trigger %I after %s on %s %s execute function %s(%L)', trigger_name, operation, target,
                       case when (definition -> 'per_row')::boolean then 'for each row'
                            else concat_ws(' ', 'referencing',
                                           case when operation <> 'insert' then 'old table as old_rows' end,
                                           case when operation <> 'delete' then 'new table as new_rows' end,
                                           'for each statement') end,
                       function_name, jsonb_build_object('webhooks', definition));
        execute format('alter trigger %I on %s depends on extension webhooks', trigger_name, target);
        execute format('comment on trigger %I on %s is %L', trigger_name, target, 'Publishes webhook events; see '
                                                                                  'webhooks.watched_tables.');
    end loop;
end
$$;
comment on function webhooks_private.make_watch_triggers is
    'Makes the triggers of a watched table. Part of watch_table().';
grant execute on function webhooks_private.make_watch_triggers to webhooks_publisher;

create function webhooks_private.warn_of_unwatched_changes(target regclass, definition jsonb)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    relation record;
begin
    select c.relkind, exists (select from pg_inherits i where i.inhparent = target) as has_children,
           exists (select from pg_subscription_rel s where s.srrelid = target) as is_subscribed
    into relation
    from pg_class c
    where c.oid = target;
    if relation.relkind = 'p' and not (definition -> 'per_row')::boolean then
        raise notice 'statements that name a partition of % publish nothing', target
            using hint = 'Have them name the partitioned table, or watch each row by itself with per_row => true.';
    elsif relation.relkind = 'r' and relation.has_children then
        raise notice 'statements that name a table which inherits from % publish nothing', target
            using hint = 'Have them name the parent, or watch the other table as well.';
    end if;
    if relation.is_subscribed then
        raise notice 'what logical replication changes in table % is not published', target
            using hint = concat('To publish it, too, ',
                                case when not (definition -> 'per_row')::boolean then 'watch each row by itself with '
                                                                                      'per_row => true, and ' end,
                                'enable the triggers of the watch with ALTER TABLE ... ENABLE ALWAYS TRIGGER.');
    end if;
end
$$;
comment on function webhooks_private.warn_of_unwatched_changes is
    'Says which changes of a table are not published. Part of watch_table().';
grant execute on function webhooks_private.warn_of_unwatched_changes to webhooks_publisher;

create function webhooks_private.check_watch_condition(target regclass, condition text)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Without parentheses and with: an expression is one either way.
    execute format(E'select from %s as old cross join %1$s as new where %s\nlimit 0', target, condition);
    execute format(E'select from %s as old cross join %1$s as new where (%s\n) limit 0', target, condition);
exception when syntax_error_or_access_rule_violation or data_exception or feature_not_supported then
    raise exception 'invalid condition for table %: %', target, sqlerrm
        using errcode = sqlstate,
              hint = 'Write an SQL expression over the rows old and new, with names qualified that are not '
                     'PostgreSQL''s own: new.status = ''paid'' and app.is_public(new.id). '
                     'Of an insert all columns of old are null, of a deletion all of new.';
end
$$;
comment on function webhooks_private.check_watch_condition is
    'Raises an error unless the condition of a watch is an expression over rows of the table. Part of watch_table().';
grant execute on function webhooks_private.check_watch_condition to webhooks_publisher;

create function webhooks_private.drop_unused_functions(names text[])
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    leftover record;
begin
    for leftover in
        select f.name, p.oid::regprocedure as signature, p.proowner::regrole as owner,
               exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                       and d.deptype = 'x')
               and not exists (select from pg_trigger t where t.tgfoid = p.oid)
               and pg_has_role(p.proowner, 'usage') as is_ours
        from unnest(names) f (name) cross join lateral (select parse_ident(f.name) as parts) i
        join pg_proc p on p.pronamespace = to_regnamespace(quote_ident(i.parts[1])) and p.proname = i.parts[2]
    loop
        if not leftover.is_ours then
            raise exception 'there is a function % already', leftover.name
                using errcode = 'duplicate_function',
                      hint = format('It is that of role %s: %s. If it is that of a table that was renamed since, '
                                    'call webhooks.watch_table() for that one again. Otherwise drop it or give it '
                                    'another name.',
                                    leftover.owner, leftover.signature);
        end if;
        -- What a watched table leaves behind when it is dropped.
        execute format('drop function %s', leftover.signature);
    end loop;
end
$$;
comment on function webhooks_private.drop_unused_functions is
    'Drops functions of these names that a watched table has left behind. Raises an error if there are others. Part '
    'of watch_table().';
grant execute on function webhooks_private.drop_unused_functions to webhooks_publisher;

create function webhooks_private.own_watch_functions(target regclass, signatures text[])
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    made text;
begin
    -- By their signatures: another one's of the same name may have come in between.
    foreach made in array signatures loop
        continue when to_regprocedure(made) is null;
        execute format('revoke all on function %s from public', made);
        execute format('alter function %s owner to %s', made,
                       (select c.relowner::regrole from pg_class c where c.oid = target));
        execute format('alter function %s depends on extension webhooks', made);
        execute format('comment on function %s is %L', made, format('Made by webhooks.watch_table(%L).', target::text));
    end loop;
end
$$;
comment on function webhooks_private.own_watch_functions is
    'Makes those functions that there are the table owner''s, and a part of the extension. Part of watch_table().';
grant execute on function webhooks_private.own_watch_functions to webhooks_publisher;

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
    except_columns name[] default null,
    per_row boolean default null
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- What amounts of money in a condition are, here as in the trigger; and names in what is made and said as they are
-- usually written.
set lc_monetary = 'C'
set quote_all_identifiers = off
as $$
#variable_conflict use_variable
declare
    definition jsonb;
    made text;
    names text[];
    signatures text[];
begin
    perform webhooks_private.check_watchable(target);
    select webhooks_private.complete_watch(target, coalesce(jsonb_object_agg(g.key, g.value), '{}'))
    into definition
    from jsonb_each(jsonb_build_object(
        'on_insert', on_insert, 'on_update', on_update, 'on_delete', on_delete, 'on_change', on_change,
        'tenant_column', tenant_column, 'tenant_id', tenant_id, 'id_column', id_column, 'resource_type', resource_type,
        'watch_columns', watch_columns, 'condition', condition, 'columns', columns, 'except_columns', except_columns,
        'per_row', per_row)) g
    where g.value <> 'null';
    perform webhooks_private.check_watch_condition(target, definition ->> 'condition');
    perform webhooks.unwatch_table(target);
    names := webhooks_private.watch_functions(target);
    signatures := array[names[1] || '()',
                        format('%1$s(text,%2$s,%2$s%3$s)', names[2], target,
                               case when (definition -> 'is_wide')::boolean then ',jsonb,jsonb' end),
                        format('%s(%s,%2$s)', names[3], target), format('%s(%s)', names[4], target),
                        format('%s(%s)', names[5], target)];
    perform webhooks_private.drop_unused_functions(names);

    execute webhooks_private.watch_trigger_script(target, definition);
    execute webhooks_private.watch_events_script(target, definition);
    select a.attname into made
    from pg_depend d
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.classid = 'pg_proc'::regclass and d.objid = to_regprocedure(signatures[2])
      and d.refclassid = 'pg_class'::regclass and a.attgenerated = 'v';
    if found then
        raise exception 'invalid condition for table %: virtual generated column "%" has no value in a trigger',
            target, made
            using errcode = 'feature_not_supported', hint = 'Write its expression instead.';
    end if;
    if definition ? 'on_update' or definition ? 'on_change' then
        execute webhooks_private.watch_same_script(target, definition);
    end if;
    execute webhooks_private.watch_row_script(target, definition);
    if (definition -> 'is_wide')::boolean then
        execute webhooks_private.watch_values_script(target, definition);
    end if;
    perform webhooks_private.own_watch_functions(target, signatures);
    perform webhooks_private.make_watch_triggers(target, names[1],
                                                 definition - array['categories', 'has_resource_id', 'values',
                                                                    'used', 'is_wide']);
    perform webhooks_private.warn_of_unwatched_changes(target, definition);
end
$$;
comment on function webhooks.watch_table is
    'Publishes an event for each inserted, updated or deleted row of a table, in the same transaction, with the '
    'rights of the owner of the table, who calls the function. It replaces an earlier watch of the table. The '
    'columns of watched_tables describe the parameters.';
-- Watching a table of one's own is a way to publish. All functions in watch/ run with the rights of their caller, and
-- what they make runs with the rights of the owner of the table.
grant execute on function webhooks.watch_table to webhooks_publisher;
