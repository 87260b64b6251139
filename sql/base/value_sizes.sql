-- How large a value may be that people write and that others' deliveries wait for: sidecars load subscriptions,
-- publishers read filters and schemas, everybody reads descriptions. The triggers z10_check_sizes come first: what
-- checks the values themselves may take long on large ones. A value that is there and does not change stays, and so
-- does what a restore brings.

create function webhooks_private.raise_too_large(name text, size text, most text)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% is too large: %', raise_too_large.name, size
        using errcode = 'invalid_parameter_value', hint = format('It takes at most %s.', most);
end
$$;
comment on function webhooks_private.raise_too_large is
    'Raises the error for a value that is too large. It names sizes, never the value.';
grant execute on function webhooks_private.raise_too_large to webhooks_manager;

create function webhooks_private.check_size(name text, value text, former text, max_bytes integer)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    -- What is stored elsewhere is not read for its size.
    if octet_length(value) > max_bytes and value is distinct from former then
        perform webhooks_private.raise_too_large(check_size.name, octet_length(value) || ' bytes',
                                                 max_bytes || ' bytes');
    end if;
end
$$;
comment on function webhooks_private.check_size(text, text, text, integer) is
    'Raises an error for a text that is new and has more than max_bytes bytes. Part of triggers.';

create function webhooks_private.check_size(name text, value jsonb, former jsonb, max_bytes integer)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if value is not null and webhooks_private.json_text_size(value, max_bytes) is null
        and value is distinct from former then
        perform webhooks_private.raise_too_large(check_size.name, format('more than %s bytes as text', max_bytes),
                                                 max_bytes || ' bytes as text');
    end if;
end
$$;
comment on function webhooks_private.check_size(text, jsonb, jsonb, integer) is
    'Raises an error for a JSON value that is new and has more than max_bytes bytes as text. Part of triggers.';

create function webhooks_private.check_count(name text, entries bigint, most integer)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if entries > most then
        perform webhooks_private.raise_too_large(check_count.name, entries || ' entries', most || ' entries');
    end if;
end
$$;
comment on function webhooks_private.check_count is 'Raises an error for an array with more than so many entries.';
grant execute on function webhooks_private.check_count to webhooks_manager;
