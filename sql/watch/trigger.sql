-- The trigger function of a watched table. It publishes what a statement changed with one INSERT, from the transition
-- tables; or row by row, where that is asked for.

create function webhooks_private.watch_insert(events text, is_wide boolean)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format(case when is_wide then '%2$s' else '
        -- Inserting nothing would cost as much as inserting something.
        if exists (select from %1$s) then%2$s
        end if;' end, events, format('
            insert into webhooks.event_logs
                (tenant_id, event_type, event_category, event_name, event_version, event_data, resource_type, resource_id, ordering_key,
                 user_id, session_id, request_id)
            select e.tenant_id, e.event_type, e.event_category, e.event_type,
                   coalesce((select t.version from webhooks.event_types t where t.name = e.event_type), ''1.0''),
                   e.event_data, e.resource_type, e.resource_id, e.ordering_key,
                   (select webhooks_private.application_user()),
                   left(nullif(current_setting(''webhooks.session_id'', true), ''''), 255),
                   left(nullif(current_setting(''webhooks.request_id'', true), ''''), 255)
            from %s;', events));
comment on function webhooks_private.watch_insert is
    'The statements that publish what a FROM clause has as e. Part of watch_table().';
grant execute on function webhooks_private.watch_insert to webhooks_publisher;

create function webhooks_private.watch_versions(functions text[], keys text[])
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format('(
            -- Step: which of its changes, for a row that the statement changed more than once; 0 for all others. The
            -- n-th old row and the n-th new one are of the n-th change.
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
    functions[4], array_to_string(keys, ', '),
    array_to_string(array(select format('o.%s = n.%1$s', k) from unnest(keys) k), ' and '));
comment on function webhooks_private.watch_versions is
    'A FROM item: old and new row of each change of a statement that changed some rows more than once, and their '
    'order. Part of watch_table().';
grant execute on function webhooks_private.watch_versions to webhooks_publisher;

create function webhooks_private.watch_source(functions text[], rows_name text, alias text, is_wide boolean)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
-- A row of many columns goes on as one value, and as one JSON object: written out column by column for each use of
-- one of them, the plan would grow with the square of their number. A row of few columns is faster so.
return case when is_wide then format('(select v.version, c.content from (select v.version from %2$s r cross join '
                                     'lateral %3$s(r.*) v offset 0) v cross join lateral %1$s(v.version) c offset 0) '
                                     '%4$s',
                                     functions[5], rows_name, functions[4], alias)
            else format('%s %s', rows_name, alias) end;
comment on function webhooks_private.watch_source is 'A FROM item: a transition table. Part of watch_table().';
grant execute on function webhooks_private.watch_source to webhooks_publisher;

create function webhooks_private.watch_events(functions text[], operation text, old_row text, new_row text,
                                              is_wide boolean)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format('%s(%L, %s) e', functions[2], operation,
              case when is_wide then concat_ws(', ', coalesce(old_row || '.version', 'null'),
                                               coalesce(new_row || '.version', 'null'),
                                               coalesce(old_row || '.content', 'null'),
                                               coalesce(new_row || '.content', 'null'))
                   else concat_ws(', ', coalesce(old_row || '.*', 'null'), coalesce(new_row || '.*', 'null')) end);
comment on function webhooks_private.watch_events is
    'A FROM item: the events of an old and a new row. Part of watch_table().';
grant execute on function webhooks_private.watch_events to webhooks_publisher;

create function webhooks_private.watch_statement_body(functions text[], keys text[], is_wide boolean)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    old_rows constant text := webhooks_private.watch_source(functions, 'old_rows', 'o', is_wide);
    new_rows constant text := webhooks_private.watch_source(functions, 'new_rows', 'n', is_wide);
    keyed constant text := array_to_string(array(select 'v.' || k from unnest(keys) k), ', ');
    -- A full join is a hash join: right for any number of rows, whatever number it was planned for. What is gone
    -- comes first.
    updates constant text := format('%1$s full join %2$s on %3$s(o.%4$s, n.%4$s) cross join lateral %5$s', old_rows,
                                    new_rows, functions[3],
                                    case when is_wide then 'version' else '*' end,
                                    webhooks_private.watch_events(functions, 'update', 'o', 'n', is_wide));
begin
    return concat('
    case tg_op
    when ''INSERT'' then',
        webhooks_private.watch_insert(new_rows || ' cross join lateral ' || webhooks_private.watch_events(functions, 'insert', null, 'n', is_wide), is_wide), '
    when ''DELETE'' then',
        webhooks_private.watch_insert(old_rows || ' cross join lateral '
                                      || webhooks_private.watch_events(functions, 'delete', 'o', null, is_wide),
                                      is_wide), E'\n',
        case when keys <> '{}' then format('    when ''UPDATE'' then
        -- Not an assignment, which would be planned anew for the first five times.
        select case when exists (select from new_rows offset 1) then 2%1$s else %2$s end into changes;
        if changes = 2 then
            -- Only foreign keys make one statement change a row twice: two of them on delete set null, or one on
            -- update cascade.
            if exists (select from pg_constraint k where k.conrelid = tg_relid and k.contype = ''f''
                       and (k.confupdtype in (''c'', ''n'', ''d'') or k.confdeltype in (''n'', ''d''))) then
                if to_regproc(%3$L) is null then
                    perform webhooks_private.raise_broken_watch(tg_relid, tg_argv[0], array[%3$L]);
                end if;
                if exists (select from old_rows r cross join lateral %3$s(r.*) v group by %4$s having count(*) > 1)
                    or exists (select from new_rows r cross join lateral %3$s(r.*) v group by %4$s having count(*) > 1) then
                    if (select count(*) from old_rows) <> (select count(*) from new_rows) then
                        perform webhooks_private.raise_ambiguous_changes(tg_relid);
                    end if;%5$s
                    return null;
                end if;
            end if;%6$s
        end if;
        if changes > 0 then%7$s
        end if;',
            case when not is_wide then format(' when exists (select from %s) then 1', updates) end,
            case when is_wide then 1 else 0 end,
            functions[4], keyed,
            webhooks_private.watch_insert(
                concat(webhooks_private.watch_versions(functions, keys),
                       case when is_wide then format(' cross join lateral (select c.old as version, v.content from '
                                                     '%1$s(c.old) v offset 0) o cross join lateral (select c.new as '
                                                     'version, v.content from %1$s(c.new) v offset 0) n',
                                                     functions[5]) end,
                       ' cross join lateral ',
                       case when is_wide then webhooks_private.watch_events(functions, 'update', 'o', 'n', true)
                            else format('%s(''update'', c.old, c.new) e', functions[2]) end,
                       ' order by c.n, c.is_gone desc'), true),
            case when not is_wide then format('
            select case when exists (select from %s) then 1 else 0 end into changes;', updates) end,
            webhooks_private.watch_insert(updates, true)) end, '
    end case;');
end
$$;
comment on function webhooks_private.watch_statement_body is
    'What the trigger of a watched table does once per statement. Part of watch_table().';
grant execute on function webhooks_private.watch_statement_body to webhooks_publisher;

create function webhooks_private.watch_row_body(functions text[], is_wide boolean)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    change record;
    body text := '';
begin
    for change in
        select * from (values ('insert', 'null', 'new', 'case tg_op when ''INSERT'' then'),
                              ('delete', 'old', 'null', 'when ''DELETE'' then'),
                              ('update', 'old', 'new', format('when ''UPDATE'' then if %s(old, new) then',
                                                              functions[3])),
                              ('update', 'old', 'null', 'else'),
                              ('update', 'null', 'new', '')) c (operation, old_row, new_row, head)
    loop
        body := concat(body, E'\n    ', change.head, webhooks_private.watch_insert(
            case when is_wide then format('(select o.content as old_values, n.content as new_values from %1$s o '
                                          'cross join %2$s n offset 0) v cross join lateral %3$s(%4$L, %5$s, %6$s, '
                                          'v.old_values, v.new_values) e',
                                          case change.old_row when 'old' then functions[5] || '(old)'
                                              else '(select null::jsonb as content)' end,
                                          case change.new_row when 'new' then functions[5] || '(new)'
                                              else '(select null::jsonb as content)' end,
                                          functions[2], change.operation, change.old_row, change.new_row)
                 else format('%s(%L, %s, %s) e', functions[2], change.operation, change.old_row, change.new_row) end,
                 is_wide));
    end loop;
    return body || '
    end if;
    end case;';
end
$$;
comment on function webhooks_private.watch_row_body is
    'What the trigger of a watched table does for each row. Part of watch_table().';
grant execute on function webhooks_private.watch_row_body to webhooks_publisher;

create function webhooks_private.watch_trigger_script(target regclass, definition jsonb)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    functions constant text[] := webhooks_private.watch_functions(target);
    keys constant text[] := case when definition ?| array['on_update', 'on_change']
                                 then array(select 'key_' || k.n from webhooks_private.watch_key(definition) k
                                            order by k.n) else '{}' end;
    is_wide constant boolean := (definition -> 'is_wide')::boolean;
    checked constant text[] := functions[2:2] || case when is_wide then functions[4:5] end;
begin
    return format('create function %s()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = ''UTC''
set datestyle = ''ISO''
set intervalstyle = ''iso_8601''
set bytea_output = ''hex''
set extra_float_digits = 1%s
as %L', functions[1], concat(
        -- Each of these takes a moment per call: where they decide how a value reads.
        case when webhooks_private.has_types(target, '{money}') then E'\nset lc_monetary = ''C''' end,
        case when webhooks_private.has_types(target,
                                             '{regclass,regcollation,regconfig,regdictionary,regnamespace,regoper,regoperator,regproc,regprocedure,regrole,regtype}')
             then E'\nset quote_all_identifiers = off' end), concat('
declare
    -- An UPDATE''s: 0 none to publish, 1 some, 2 more than one row.
    changes integer;
begin
    -- Rows that a restore brings, and what other triggers make of them: their events are in the dump. A restore
    -- itself changes and deletes nothing.
    if webhooks_private.is_restoring() and (tg_op = ''INSERT'' or tg_op = ''UPDATE'' and pg_trigger_depth() > 1) then
        raise notice ''restored rows of % are not published'', tg_relid::regclass
            using hint = ''The role owns the extension, and check_function_bodies is off as in a restore. To publish, reset it.'';
        return null;
    end if;', format('
    -- Null if there are two of a name, also: then which one is called might be anybody''s choice.
    if %s or tg_op = ''UPDATE'' and to_regproc(%L) is null then
        perform webhooks_private.raise_broken_watch(tg_relid, tg_argv[0], %L);
    end if;', (select string_agg(format('to_regproc(%L) is null', c), ' or ') from unnest(checked) c), functions[3], checked || functions[3]),
        case when (definition -> 'per_row')::boolean then webhooks_private.watch_row_body(functions, is_wide)
             else webhooks_private.watch_statement_body(functions, keys, is_wide) end, '
    return null;
end
'));
end
$$;
comment on function webhooks_private.watch_trigger_script is
    'CREATE FUNCTION for the trigger of a watched table. Part of watch_table().';
grant execute on function webhooks_private.watch_trigger_script to webhooks_publisher;
