-- How much watch_table() may be told, and the values of on_change.

create function webhooks_private.check_watch_bounds(definition jsonb)
returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    excess record;
begin
    select b.parameter, b.actual, b.allowed, b.unit into excess
    from (
        select 'condition' as parameter, length(definition ->> 'condition')::bigint as actual, 10000 as allowed,
               'characters' as unit
        union all select 'resource_type', length(definition ->> 'resource_type'), 50, 'characters'
        -- A table has at most 1,600 columns.
        union all
        select p.name, jsonb_array_length(definition -> p.name), 1600, 'columns'
        from unnest(array['watch_columns', 'columns', 'except_columns']) p (name)
        where jsonb_typeof(definition -> p.name) = 'array'
        union all select 'on_change', octet_length((definition -> 'on_change')::text), 1000000, 'bytes'
        union all
        select 'on_change', count(*), 1600, 'columns'
        from jsonb_path_query(definition -> 'on_change', 'strict $ ? (@.type() == "object").keyvalue()')
        union all
        select 'on_change', count(*), 1000, 'values'
        from jsonb_path_query(definition -> 'on_change', 'strict $ ? (@.type() == "object").* ? (@.type() == '
                                                         '"object").keyvalue()')
    ) b
    where b.actual > b.allowed
    limit 1;
    if found then
        raise exception '%: % % are too many', excess.parameter, excess.actual, excess.unit
            using errcode = 'program_limit_exceeded',
                  hint = concat(format('At most %s %s can be given.', excess.allowed, excess.unit),
                                case excess.parameter when 'condition' then ' Write a longer condition as a function '
                                                                            'of yours, and call that.' end);
    end if;
end
$$;
comment on function webhooks_private.check_watch_bounds is
    'Refuses a definition that is too large. Part of watch_table().';
grant execute on function webhooks_private.check_watch_bounds to webhooks_publisher;

create function webhooks_private.watch_value(target regclass, column_name text, value text)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- As the trigger has it: what a value means must not depend on who watches the table.
set timezone = 'UTC'
set datestyle = 'ISO'
set intervalstyle = 'iso_8601'
set bytea_output = 'hex'
set extra_float_digits = 1
set lc_monetary = 'C'
set quote_all_identifiers = off
as $$
declare
    declared text;
    base text;
    category "char";
    operand constant text := (select o.operand from webhooks_private.watch_operands(target) o
                              where o.name = column_name);
    canonical text;
    is_itself boolean;
begin
    select format_type(a.atttypid, a.atttypmod), format_type(webhooks_private.base_type(a.atttypid), -1), t.typcategory
    into declared, base, category
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = target and a.attname = column_name;
    if category = 'D' and value ~* '^\s*(now|today|tomorrow|yesterday)\y' then
        raise exception using errcode = 'invalid_datetime_format', message = 'it is another time each day';
    end if;
    execute format('select %s::text, %s = %s', format('%L::%s', value, base),
                   format(operand, format('%L::%s', value, base)), format(operand, format('%L::%s', value, declared)))
    into canonical, is_itself;
    -- varchar(3) cuts off, numeric(5,2) rounds.
    if not is_itself then
        raise exception using errcode = 'string_data_right_truncation',
            message = format('type %s can''t hold it', declared);
    end if;
    -- 1 and 1.0 are one value.
    return case base when 'numeric' then trim_scale(canonical::numeric)::text else canonical end;
exception when data_exception or integrity_constraint_violation or syntax_error_or_access_rule_violation
    or feature_not_supported then
    raise exception 'on_change: "%" is no value of column "%" of table %: %', left(value, 100), column_name, target,
        left(sqlerrm, 300)
        using errcode = 'invalid_parameter_value',
              hint = format('The column is of type %s. Write the value as in a literal of this type: %s.', declared,
                            coalesce((select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
                                      from (select e.enumlabel, e.enumsortorder from pg_enum e
                                            where e.enumtypid = base::regtype
                                            order by e.enumsortorder limit 20) e),
                                     case base when 'boolean' then '''true'', ''false'''
                                         else format('''...''::%s', declared) end));
end
$$;
comment on function webhooks_private.watch_value is
    'A value of on_change as its column''s type has it, or an error that says why it is none. Part of watch_table().';
grant execute on function webhooks_private.watch_value to webhooks_publisher;

create function webhooks_private.watch_values(target regclass, definition jsonb)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    given record;
    found_value text;
    done jsonb := '{}';
begin
    for given in
        select c.key as column_name, v.key as value, v.value as event_type
        from jsonb_each(definition -> 'on_change') c cross join lateral jsonb_each_text(c.value) v
        where jsonb_typeof(c.value) = 'object'
    loop
        found_value := webhooks_private.watch_value(target, given.column_name, given.value);
        if done -> given.column_name ? found_value then
            raise exception 'on_change: "%" is twice among the values of column "%" of table %', found_value,
                given.column_name, target
                using errcode = 'invalid_parameter_value',
                      hint = 'Two ways to write the same value are one value: give one event type for it.';
        end if;
        done := jsonb_set(done, array[given.column_name],
                          coalesce(done -> given.column_name, '{}')
                              || jsonb_build_object(found_value, given.event_type));
    end loop;
    return done;
end
$$;
comment on function webhooks_private.watch_values is
    'The event types of on_change by column and value, each value as the column''s type has it. Part of '
    'watch_table().';
grant execute on function webhooks_private.watch_values to webhooks_publisher;
