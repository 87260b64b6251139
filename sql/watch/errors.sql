create function webhooks_private.raise_missing_tenant(table_name text, column_name text)
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'a changed row of table % belongs to no tenant: its % is null', table_name, column_name
        using errcode = 'not_null_violation',
              hint = format('Give it a tenant, or leave such rows out by a condition of webhooks.watch_table(): '
                            'coalesce(new.%I, old.%1$I) is not null.', column_name);
end
$$;
comment on function webhooks_private.raise_missing_tenant is 'Raises the error of a watched row without a tenant.';
grant execute on function webhooks_private.raise_missing_tenant to webhooks_publisher;

create function webhooks_private.is_too_large(table_name text, column_names text[], bytes bigint[])
returns boolean
language plpgsql stable strict security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    allowed constant bigint := coalesce(webhooks_private.setting('max_event_data_bytes'), 16777216);
    largest record;
begin
    select v.column_name, v.bytes into largest
    from unnest(is_too_large.column_names, is_too_large.bytes) v (column_name, bytes)
    order by v.bytes desc nulls last
    limit 1;
    if largest.bytes <= allowed then
        return false;
    end if;
    raise exception 'changes of table % can''t be published: a value of column "%" has % bytes', table_name,
        largest.column_name, largest.bytes
        using errcode = 'program_limit_exceeded',
              hint = format('An event has at most %s. Leave the column out: webhooks.watch_table(%L, ..., '
                            'except_columns => %L);',
                            allowed, table_name, array[largest.column_name]);
end
$$;
comment on function webhooks_private.is_too_large is
    'Raises the error of a value that is too large to be part of an event; false or null: none is. Part of what '
    'watch_table() makes.';
grant execute on function webhooks_private.is_too_large to webhooks_publisher;

create function webhooks_private.raise_ambiguous_changes(target regclass)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'changes of table % can''t be published: a statement changed rows more than once, and a trigger '
                    'held some of them back', target
        using errcode = 'object_not_in_prerequisite_state',
              hint = format('Watch each row by itself: webhooks.watch_table(%L, ..., per_row => true);', target::text);
end
$$;
comment on function webhooks_private.raise_ambiguous_changes is
    'Raises the error of a statement whose old and new rows can''t be paired. Part of what watch_table() makes.';
grant execute on function webhooks_private.raise_ambiguous_changes to webhooks_publisher;

create function webhooks_private.raise_broken_watch(target regclass, definition text, functions text[])
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
    where (select count(*) from pg_proc p where p.pronamespace = to_regnamespace(quote_ident(i.parts[1]))
           and p.proname = i.parts[2]) > 1
    limit 1;
    if found then
        raise exception 'changes of table % can''t be published: there is another function %', target, twice
            using errcode = 'ambiguous_function',
                  hint = format('Drop the one that webhooks.watch_table() did not make: \df %s', twice);
    end if;
    -- Neither the name nor the number is there: a column that was renamed has its number.
    select string_agg(format('"%s"', c.name), ', ')
    into gone
    from jsonb_array_elements_text(definition::jsonb -> 'webhooks' -> 'all_columns') with ordinality c (name, i)
    join jsonb_array_elements_text(definition::jsonb -> 'webhooks' -> 'numbers') with ordinality n (number, i) using (i)
    where not exists (
        select from pg_attribute a
        where a.attrelid = target and (a.attname = c.name or a.attnum = n.number::smallint) and not a.attisdropped);
    raise exception 'changes of table % can''t be published: %', target,
        coalesce('column ' || gone || ' is gone', 'its schema was renamed, or a function that webhooks.watch_table() '
                                                  'made was dropped')
        using errcode = 'object_not_in_prerequisite_state',
              hint = format('Call webhooks.watch_table(%L, ...) again for the table as it is now, or end the watch: '
                            'select webhooks.unwatch_table(%1$L);', target::text);
end
$$;
comment on function webhooks_private.raise_broken_watch is
    'Raises the error of a watched table whose functions are gone (a column was dropped with CASCADE, or the schema '
    'was renamed) or no longer the only ones of their names.';
grant execute on function webhooks_private.raise_broken_watch to webhooks_publisher;
