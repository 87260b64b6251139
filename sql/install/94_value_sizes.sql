-- How large a value may be that people write and that others' deliveries wait for: sidecars load subscriptions, publishers read
-- filters and schemas, everybody reads descriptions. These triggers come first, by their name: what checks the values themselves
-- may take long on large ones. A value that is there and does not change stays, and so does what a restore brings.

create function webhooks.refuse_size(name text, size text, most text)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% is too large: %', refuse_size.name, size
        using errcode = 'invalid_parameter_value', hint = format('It takes at most %s.', most);
end
$$;
comment on function webhooks.refuse_size(text, text, text) is 'Raises the error for a value that is too large. It names sizes, never the value.';

create function webhooks.check_size(name text, value text, former text, max_bytes integer)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    -- What is stored elsewhere is not read for its size.
    if octet_length(value) > max_bytes and value is distinct from former then
        perform webhooks.refuse_size(check_size.name, octet_length(value) || ' bytes', max_bytes || ' bytes');
    end if;
end
$$;
comment on function webhooks.check_size(text, text, text, integer) is
    'Raises an error for a text that is new and has more than max_bytes bytes. Part of triggers.';

create function webhooks.check_size(name text, value jsonb, former jsonb, max_bytes integer)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if value is not null and webhooks.json_text_size(value, max_bytes) is null and value is distinct from former then
        perform webhooks.refuse_size(check_size.name, format('more than %s bytes as text', max_bytes), max_bytes || ' bytes as text');
    end if;
end
$$;
comment on function webhooks.check_size(text, jsonb, jsonb, integer) is
    'Raises an error for a JSON value that is new and has more than max_bytes bytes as text. Part of triggers.';

create function webhooks.check_count(name text, entries bigint, most integer)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if entries > most then
        perform webhooks.refuse_size(check_count.name, entries || ' entries', most || ' entries');
    end if;
end
$$;
comment on function webhooks.check_count(text, bigint, integer) is 'Raises an error for an array with more than so many entries.';

create function webhooks.check_subscription_sizes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if webhooks.is_restoring() then
        return new;
    end if;
    perform
        webhooks.check_size('description', new.description, old.description, 10000),
        webhooks.check_size('webhook_url', new.webhook_url, old.webhook_url, 2048),
        webhooks.check_size('webhook_headers', new.webhook_headers, old.webhook_headers, 65536),
        webhooks.check_size('auth_config', new.auth_config, old.auth_config, 65536),
        webhooks.check_size('subscribed_events', new.subscribed_events, old.subscribed_events, 131072),
        webhooks.check_size('event_filters', new.event_filters, old.event_filters, 65536),
        webhooks.check_size('disabled_reason', new.disabled_reason, old.disabled_reason, 10000),
        webhooks.check_size('retry_schedule', new.retry_schedule, old.retry_schedule, 2000),
        webhooks.check_size('payload_template', new.payload_template, old.payload_template, 16384),
        webhooks.check_size('template_secrets', new.template_secrets, old.template_secrets, 131072);
    if jsonb_typeof(new.subscribed_events) = 'array' and new.subscribed_events is distinct from old.subscribed_events then
        perform webhooks.check_count('subscribed_events', jsonb_array_length(new.subscribed_events), 1000);
    end if;
    if cardinality(new.no_retry_statuses) > 300 and new.no_retry_statuses is distinct from old.no_retry_statuses then
        perform webhooks.check_count('no_retry_statuses', cardinality(new.no_retry_statuses), 300);
    end if;
    return new;
end
$$;
comment on function webhooks.check_subscription_sizes() is 'Trigger: refuses values of a subscription that are too large.';

create trigger bound_sizes
    before insert or update on webhooks.webhook_subscriptions
    for each row execute function webhooks.check_subscription_sizes();

create function webhooks.check_event_type_sizes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks.is_restoring() then
        perform webhooks.check_size('description', new.description, old.description, 10000);
    end if;
    return new;
end
$$;
comment on function webhooks.check_event_type_sizes() is 'Trigger: refuses a description of an event type that is too large.';

create trigger bound_sizes
    before insert or update on webhooks.event_types
    for each row execute function webhooks.check_event_type_sizes();

create function webhooks.check_event_type_version_sizes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks.is_restoring() then
        perform
            webhooks.check_size('schema', new.schema::text, old.schema::text, 262144),
            webhooks.check_size('example', new.example, old.example, 65536),
            webhooks.check_size('deprecation', new.deprecation, old.deprecation, 2000);
    end if;
    return new;
end
$$;
comment on function webhooks.check_event_type_version_sizes() is 'Trigger: refuses values of a version of an event type that are too large.';

create trigger bound_sizes
    before insert or update on webhooks.event_type_versions
    for each row execute function webhooks.check_event_type_version_sizes();

create function webhooks.check_subscription_template_sizes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks.is_restoring() then
        perform
            webhooks.check_size('description', new.description, old.description, 10000),
            webhooks.check_size('settings', new.settings, old.settings, 65536),
            webhooks.check_size('placeholders', new.placeholders, old.placeholders, 16384);
    end if;
    return new;
end
$$;
comment on function webhooks.check_subscription_template_sizes() is 'Trigger: refuses values of a template that are too large.';

create trigger bound_sizes
    before insert or update on webhooks.subscription_templates
    for each row execute function webhooks.check_subscription_template_sizes();
