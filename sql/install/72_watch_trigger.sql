-- The trigger function of a watched table. It publishes what a statement changed with one INSERT, from the transition
-- tables; or row by row, where that is asked for.

create function webhooks.watch_insert(events text)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format('
        -- Inserting nothing would cost as much as inserting something.
        if exists (select from %1$s) then
            insert into webhooks.event_logs
                (tenant_id, event_type, event_category, event_name, event_version, event_data, resource_type, resource_id, ordering_key,
                 user_id, session_id, request_id)
            select e.tenant_id, e.event_type, e.event_category, e.event_type,
                   coalesce((select t.version from webhooks.event_types t where t.name = e.event_type), ''1.0''),
                   e.event_data, e.resource_type, e.resource_id, e.ordering_key,
                   (select webhooks.application_user()),
                   left(nullif(current_setting(''webhooks.session_id'', true), ''''), 255),
                   left(nullif(current_setting(''webhooks.request_id'', true), ''''), 255)
            from %1$s;
        end if;', events);
comment on function webhooks.watch_insert(text) is 'The statements that publish what a FROM clause has as e. Part of watch_table().';

create function webhooks.watch_versions(functions text[], keys text[])
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format('(
            -- Step: which of its changes, for a row that the statement changed more than once; 0 for all others. The n-th old row and
            -- the n-th new one are of the n-th change.
            with versions as (
                select v.*, case when bool_or(v.times > 1) over (partition by %2$s) then v.n else 0 end as step
                from (select v.*, count(*) over (partition by v.is_old, %2$s) as times
                      from (select true as is_old, row_number() over () as n, v.* from old_rows r cross join lateral %1$s(r.*) v
                            union all
                            select false, row_number() over (), v.* from new_rows r cross join lateral %1$s(r.*) v) v) v
            )
            select o.version as old, n.version as new, coalesce(n.n, o.n) as n, n.n is null as is_gone
            from (select * from versions where is_old) o
            full join (select * from versions where not is_old) n on %3$s and o.step = n.step) c',
    functions[4], array_to_string(keys, ', '), array_to_string(array(select format('o.%s = n.%1$s', k) from unnest(keys) k), ' and '));
comment on function webhooks.watch_versions(text[], text[]) is
    'A FROM item: old and new row of each change of a statement that changed some rows more than once, and their order. Part of watch_table().';

create function webhooks.watch_statement_body(functions text[], keys text[], is_wide boolean)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    events constant text := ' cross join lateral %s(''%s'', %s, %s) e';
    -- A row of many columns goes on as one value: written out as its columns for each use of one of them, the plan would
    -- grow with the square of their number. One of few columns is faster so.
    source constant text := case when is_wide then format('(select v.version from %%1$s r cross join lateral %s(r.*) v offset 0) %%2$s', functions[4])
                                 else '%1$s %2$s' end;
    value constant text := case when is_wide then '%s.version' else '%s.*' end;
    old_row constant text := format(value, 'o');
    new_row constant text := format(value, 'n');
    keyed constant text := array_to_string(array(select 'v.' || k from unnest(keys) k), ', ');
begin
    return concat('
    case tg_op
    when ''INSERT'' then',
        webhooks.watch_insert(format(source, 'new_rows', 'n') || format(events, functions[2], 'insert', 'null', new_row)), '
    when ''DELETE'' then',
        webhooks.watch_insert(format(source, 'old_rows', 'o') || format(events, functions[2], 'delete', old_row, 'null')), '
    when ''UPDATE'' then',
        case when keys <> '{}' then format('
        -- Only foreign keys make one statement change a row twice: two of them on delete set null, or one on update cascade.
        if exists (select from new_rows offset 1)
            and exists (select from pg_constraint k where k.conrelid = tg_relid and k.contype = ''f''
                        and (k.confupdtype in (''c'', ''n'', ''d'') or k.confdeltype in (''n'', ''d'')))
            and (exists (select from old_rows r cross join lateral %1$s(r.*) v group by %2$s having count(*) > 1)
                 or exists (select from new_rows r cross join lateral %1$s(r.*) v group by %2$s having count(*) > 1)) then
            if to_regproc(%4$L) is null then
                perform webhooks.report_broken_watch(tg_relid, tg_argv[0], array[%4$L]);
            end if;
            if (select count(*) from old_rows) <> (select count(*) from new_rows) then
                perform webhooks.refuse_ambiguous_changes(tg_relid);
            end if;%3$s
            return null;
        end if;', functions[4], keyed,
            webhooks.watch_insert(webhooks.watch_versions(functions, keys) || format(events, functions[2], 'update', 'c.old', 'c.new') || ' order by c.n, c.is_gone desc'), functions[4]) end, '
        -- A full join is a hash join: right for any number of rows, whatever number it was planned for.',
        webhooks.watch_insert(format('%s full join %s on %s(%s, %s)', format(source, 'new_rows', 'n'), format(source, 'old_rows', 'o'), functions[3], old_row, new_row)
                              || format(events, functions[2], 'update', old_row, new_row)), '
    end case;');
end
$$;
comment on function webhooks.watch_statement_body(text[], text[], boolean) is
    'What the trigger of a watched table does once per statement. Part of watch_table().';

create function webhooks.watch_row_body(functions text[])
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    events constant text := '%s(''%s'', %s, %s) e';
begin
    return concat('
    case tg_op
    when ''INSERT'' then', webhooks.watch_insert(format(events, functions[2], 'insert', 'null', 'new')), '
    when ''DELETE'' then', webhooks.watch_insert(format(events, functions[2], 'delete', 'old', 'null')), '
    when ''UPDATE'' then
        if ', functions[3], '(old, new) then', webhooks.watch_insert(format(events, functions[2], 'update', 'old', 'new')), '
        else', webhooks.watch_insert(format(events, functions[2], 'update', 'old', 'null')),
        webhooks.watch_insert(format(events, functions[2], 'update', 'null', 'new')), '
        end if;
    end case;');
end
$$;
comment on function webhooks.watch_row_body(text[]) is 'What the trigger of a watched table does for each row. Part of watch_table().';

create function webhooks.watch_trigger_script(target regclass, definition jsonb)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    functions constant text[] := webhooks.watch_functions(target);
    keys constant text[] := case when definition ?| array['on_update', 'on_change']
                                 then array(select 'key_' || k.n from webhooks.watch_key(definition) k order by k.n) else '{}' end;
    is_wide constant boolean := not (definition -> 'per_row')::boolean and jsonb_array_length(definition -> 'all_columns') * (
        select count(distinct c.name)
        from jsonb_array_elements_text(definition -> 'columns' || (definition -> 'watch_columns')) c (name)) > 300;
begin
    return format('create function %s()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = ''UTC''
set datestyle = ''ISO''
set intervalstyle = ''iso_8601''
set bytea_output = ''hex''
set extra_float_digits = 1
set lc_monetary = ''C''
set quote_all_identifiers = off
as %L', functions[1], concat('
begin
    -- Rows that a restore brings: their events are in the dump.
    if webhooks.is_restoring() then
        return null;
    end if;', format('
    -- Null if there are two of a name, also: then which one is called might be anybody''s choice.
    if to_regproc(%1$L) is null or tg_op = ''UPDATE'' and to_regproc(%2$L) is null%3$s then
        perform webhooks.report_broken_watch(tg_relid, tg_argv[0], array[%1$L, %2$L, %4$L]);
    end if;', functions[2], functions[3], case when is_wide then format(' or to_regproc(%L) is null', functions[4]) end, functions[4]),
        case when (definition -> 'per_row')::boolean then webhooks.watch_row_body(functions)
             else webhooks.watch_statement_body(functions, keys, is_wide) end, '
    return null;
end
'));
end
$$;
comment on function webhooks.watch_trigger_script(regclass, jsonb) is 'CREATE FUNCTION for the trigger of a watched table. Part of watch_table().';
