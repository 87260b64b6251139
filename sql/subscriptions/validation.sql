create function webhooks_private.check_subscription_sizes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if webhooks_private.is_restoring() then
        return new;
    end if;
    perform webhooks_private.check_size('description', new.description, old.description, 10000);
    perform webhooks_private.check_size('webhook_url', new.webhook_url, old.webhook_url, 2048);
    perform webhooks_private.check_size('webhook_headers', new.webhook_headers, old.webhook_headers, 65536);
    perform webhooks_private.check_size('auth_config', new.auth_config, old.auth_config, 65536);
    perform webhooks_private.check_size('subscribed_events', new.subscribed_events, old.subscribed_events, 131072);
    perform webhooks_private.check_size('event_filters', new.event_filters, old.event_filters, 65536);
    perform webhooks_private.check_size('disabled_reason', new.disabled_reason, old.disabled_reason, 10000);
    perform webhooks_private.check_size('retry_schedule', new.retry_schedule, old.retry_schedule, 2000);
    perform webhooks_private.check_size('payload_template', new.payload_template, old.payload_template, 16384);
    perform webhooks_private.check_size('template_secrets', new.template_secrets, old.template_secrets, 131072);
    if jsonb_typeof(new.subscribed_events) = 'array'
        and new.subscribed_events is distinct from old.subscribed_events then
        perform webhooks_private.check_count('subscribed_events', jsonb_array_length(new.subscribed_events), 1000);
    end if;
    if cardinality(new.no_retry_statuses) > 300 and new.no_retry_statuses is distinct from old.no_retry_statuses then
        perform webhooks_private.check_count('no_retry_statuses', cardinality(new.no_retry_statuses), 300);
    end if;
    return new;
end
$$;
comment on function webhooks_private.check_subscription_sizes is
    'Trigger: refuses values of a subscription that are too large.';

create trigger z10_check_sizes
    before insert or update on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.check_subscription_sizes();

create function webhooks_private.check_subscription_columns(subscription webhooks.webhook_subscriptions)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    delays constant integer[] := webhooks_private.retry_delays(subscription.retry_schedule);
    invalid record;
begin
    -- Also what the constraints say: when one of those fails, PostgreSQL shows the whole row, secrets included.
    select v.setting, coalesce(v.found, 'null') as found, v.takes into invalid
    from (values
        (subscription.id is not null, 'id', null, 'a UUID'),
        (subscription.tenant_id is not null, 'tenant_id', null, 'a UUID'),
        (subscription.name is not null, 'name', null, 'a text'),
        (coalesce(subscription.delivery in ('push', 'poll'), false), 'delivery', subscription.delivery,
         'push, or poll for a receiver that fetches its deliveries'),
        (subscription.webhook_url is not null or subscription.delivery = 'poll', 'webhook_url', null,
         'a URL, for example https://example.com/webhooks'),
        (subscription.environment in ('dev', 'staging', 'production'), 'environment', subscription.environment,
         'dev, staging or production'),
        (coalesce(subscription.webhook_method in ('POST', 'PUT', 'PATCH'), true), 'webhook_method',
         subscription.webhook_method,
         'POST, PUT or PATCH'),
        (coalesce(subscription.retry_count between 0 and 100, true), 'retry_count', subscription.retry_count::text,
         '0 to 100'),
        (coalesce(subscription.retry_delay_seconds between 0 and 86400, true), 'retry_delay_seconds',
         subscription.retry_delay_seconds::text, '0 to 86400 s'),
        (coalesce(0 <= all (delays) and 604800 >= all (delays) and cardinality(delays) between 1 and 100,
                  subscription.retry_schedule is null),
         'retry_schedule', left(subscription.retry_schedule, 200),
         'standard-webhooks, or up to 100 delays of at most 7 days, for example 5 s, 5 min, 30 min, 2 h; or null for '
         'retry_count and retry_delay_seconds'),
        (coalesce(subscription.timeout_seconds between 1 and 300, true), 'timeout_seconds',
         subscription.timeout_seconds::text,
         '1 to 300 s'),
        (coalesce(subscription.max_payload_size_kb between 1 and 65536, true), 'max_payload_size_kb',
         subscription.max_payload_size_kb::text, '1 to 65536 KiB'),
        (subscription.max_in_flight between 1 and 1000, 'max_in_flight', subscription.max_in_flight::text, '1 to 1000'),
        (coalesce(subscription.rate_limit_per_second between 0.001 and 100000, true), 'rate_limit_per_second',
         subscription.rate_limit_per_second::text,
         '0.001 to 100000, or null for no limit'),
        (coalesce(subscription.rate_limit_burst between 1 and 100000, true), 'rate_limit_burst',
         subscription.rate_limit_burst::text,
         '1 to 100000, or null for one second''s worth'),
        (subscription.ordering in ('none', 'fifo'), 'ordering', subscription.ordering, 'none or fifo'),
        (subscription.payload_format in ('envelope', 'standard', 'cloudevents', 'cloudevents-binary'), 'payload_format',
         subscription.payload_format,
         'envelope, standard, cloudevents or cloudevents-binary'),
        (coalesce(subscription.breaker_failure_threshold between 0 and 1000000, true), 'breaker_failure_threshold',
         subscription.breaker_failure_threshold::text, '0 (no breaker) to 1000000, or null for the setting'),
        (coalesce(subscription.breaker_cooldown_seconds between 1 and 86400, true), 'breaker_cooldown_seconds',
         subscription.breaker_cooldown_seconds::text, '1 to 86400 s, or null for the setting'),
        (coalesce(subscription.endpoint_verification in ('none', 'options'), true), 'endpoint_verification',
         subscription.endpoint_verification,
         'none or options, or null for the setting'),
        (300 <= all (subscription.no_retry_statuses) and 599 >= all (subscription.no_retry_statuses)
         and coalesce(array_ndims(subscription.no_retry_statuses), 1) = 1, 'no_retry_statuses',
         subscription.no_retry_statuses::text,
         'an array of HTTP statuses from 300 to 599, not nested'),
        (subscription.version is not null, 'version', null, 'a number'),
        -- None of these is deep; a JSON that is can be costly to show.
        (coalesce(not jsonb_path_exists(subscription.webhook_headers, '$.**{64}'), true), 'webhook_headers', 'too deep',
         'an object of strings'),
        (coalesce(not jsonb_path_exists(subscription.auth_config, '$.**{64}'), true), 'auth_config', 'too deep',
         'an object of strings'),
        (coalesce(not jsonb_path_exists(subscription.template_secrets, '$.**{64}'), true), 'template_secrets',
         'too deep',
         'an object of strings'),
        (coalesce(not jsonb_path_exists(subscription.event_filters, '$.**{64}'), true), 'event_filters', 'too deep',
         'at most 16 levels')
    ) v (valid, setting, found, takes)
    where v.valid is not true;
    if found then
        raise exception 'invalid %: %', invalid.setting, invalid.found
            using errcode = 'invalid_parameter_value', hint = format('It takes %s.', invalid.takes);
    end if;
end
$$;
comment on function webhooks_private.check_subscription_columns is
    'Raises an error for the first column of a subscription whose value is out of its range. Part of '
    'validate_subscription().';

create function webhooks_private.check_event_filters(event_filters jsonb)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    problem text;
begin
    if not coalesce(event_filters ? 'jsonpath', false) then
        return;
    end if;
    begin
        problem := webhooks_private.jsonpath_problem((event_filters ->> 'jsonpath')::jsonpath::text);
    exception when data_exception or syntax_error or feature_not_supported then
        raise exception 'invalid event_filters: jsonpath "%": %', event_filters ->> 'jsonpath', sqlerrm
            using errcode = 'invalid_parameter_value',
                  hint = 'Write an SQL/JSON path, for example $.amount ? (@ > 100); try it with '
                         'jsonb_path_query().';
    end;
    if problem is not null then
        raise exception 'invalid event_filters: jsonpath "%": %',
            left(event_filters ->> 'jsonpath', 1000), problem
            using errcode = 'invalid_parameter_value',
                  hint = 'Publishers evaluate it for each event, so it has at most 1000 characters and takes '
                         'time in proportion to the event. '
                         'Compare with a value that is written out; or, to compare two values of the event, '
                         'each a single one, begin the path with strict.';
    end if;
end
$$;
comment on function webhooks_private.check_event_filters is
    'Raises an error for a jsonpath of event_filters that is none, or that publishers would wait for. Part of '
    'validate_subscription().';

create function webhooks_private.check_subscribed_events(subscribed_events jsonb, is_unchanged boolean)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    pattern text;
begin
    if jsonb_typeof(subscribed_events) is distinct from 'array' then
        raise exception 'subscribed_events is %, not a JSON array',
            coalesce(left(subscribed_events::text, 200), 'null')
            using errcode = 'invalid_parameter_value', hint = 'Write for example ["document.processed", "job.*"].';
    end if;
    for pattern in select jsonb_array_elements_text(subscribed_events) loop
        exit when is_unchanged;
        continue when pattern = '*';
        -- A parallel restore may bring event_types later.
        continue when pattern ~ '^[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?$' and webhooks_private.is_restoring();
        if pattern is null
            or pattern ~ '^[a-z0-9_]+\.\*$'
                and not exists (select from webhooks.event_types t where starts_with(t.name, left(pattern, -1)))
            or pattern !~ '^[a-z0-9_]+\.\*$'
                and not exists (select from webhooks.event_types t where t.name = pattern) then
            raise exception 'subscribed_events names %, which is no event type',
                coalesce('"' || left(pattern, 200) || '"', 'null')
                using errcode = 'invalid_parameter_value',
                      hint = 'Use a name from webhooks.event_types (or register it there), a category wildcard such '
                             'as document.*, or *.';
        end if;
    end loop;
end
$$;
comment on function webhooks_private.check_subscribed_events is
    'Raises an error for subscribed_events that name no event type. Part of validate_subscription().';

create function webhooks_private.validate_subscription()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'UPDATE' then
        new.webhook_headers := webhooks_private.keep_secrets(new.webhook_headers, old.webhook_headers);
        new.auth_config := webhooks_private.keep_secrets(new.auth_config, old.auth_config);
        new.template_secrets := webhooks_private.keep_secrets(new.template_secrets, old.template_secrets);
    elsif new.created_by is null then
        new.created_by := webhooks_private.application_user();
    end if;

    perform webhooks_private.check_subscription_columns(new);
    -- What was accepted once and does not change stays: a type that has left event_types must not keep its
    -- subscription from being disabled. A restore brings what an older version may have accepted.
    if not webhooks_private.is_restoring()
        and (tg_op = 'INSERT'
             or (new.webhook_url, new.webhook_headers, new.auth_type, new.auth_config, new.event_filters)
                is distinct from (old.webhook_url, old.webhook_headers, old.auth_type, old.auth_config,
                                  old.event_filters)) then
        perform webhooks_private.check_subscription(new.webhook_url, new.webhook_headers::text, new.auth_type,
                                                    new.auth_config::text, new.event_filters::text);
        perform webhooks_private.check_event_filters(new.event_filters);
    end if;
    -- A restore may bring the settings later.
    if new.endpoint_verification = 'options'
        and (tg_op = 'INSERT' or old.endpoint_verification is distinct from 'options')
        and not webhooks_private.is_restoring() and webhooks_private.text_setting('verification_origin') is null then
        raise exception 'invalid endpoint_verification: options, while the setting verification_origin is not set'
            using errcode = 'invalid_parameter_value',
                  hint = 'Receivers must be told who asks. Have the DBA run: select '
                         'webhooks.set_setting(''verification_origin'', ''events.example.com'');';
    end if;
    if not webhooks_private.is_restoring() then
        perform webhooks_private.check_receiver(old, new);
    end if;
    if new.payload_template is null and new.payload_content_type is not null then
        raise exception 'invalid payload_content_type: % without a payload_template', new.payload_content_type
            using errcode = 'invalid_parameter_value',
                  hint = 'Formats have their own; leave it null, or write a payload_template.';
    end if;
    if new.payload_template is not null and new.payload_format <> 'envelope' then
        raise exception 'invalid payload_template: payload_format is %, too', new.payload_format
            using errcode = 'invalid_parameter_value',
                  hint = 'A template makes the whole body: set payload_format = ''envelope'', or payload_template to '
                         'null.';
    end if;
    perform webhooks_private.check_subscribed_events(
        new.subscribed_events, tg_op = 'UPDATE' and new.subscribed_events = old.subscribed_events);
    -- What a secret is changes nothing that could be checked: in examples it shows as ***.
    if tg_op = 'INSERT'
        or (new.payload_template, new.template_secrets) is distinct from (old.payload_template,
                old.template_secrets) then
        perform webhooks_private.check_template_secrets(new.payload_template, new.template_secrets::text);
    end if;
    if new.payload_template is not null
        and (tg_op = 'INSERT'
             or (new.payload_template, new.payload_content_type, new.max_payload_size_kb, new.subscribed_events)
                is distinct from (old.payload_template, old.payload_content_type, old.max_payload_size_kb,
                                  old.subscribed_events)) then
        perform webhooks_private.check_template(new.payload_template, new.payload_content_type,
                                                new.max_payload_size_kb, new.subscribed_events);
    end if;
    if tg_op = 'UPDATE' then
        if new.id <> old.id or new.tenant_id <> old.tenant_id then
            raise exception 'id and tenant_id of subscription % can''t change', old.id
                using errcode = 'invalid_parameter_value', hint = 'Create another subscription and delete this one.';
        end if;
        new.version := old.version + 1;
        new.updated_at := now();
        if new.is_enabled and not old.is_enabled then
            new.disabled_reason := null;
        end if;
    end if;
    return new;
end
$$;
comment on function webhooks_private.validate_subscription is
    'Trigger: refuses invalid subscriptions, maintains created_by, version, updated_at and disabled_reason.';

create trigger z20_validate_subscription
    before insert or update on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.validate_subscription();

create function webhooks_private.notice_deprecation()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    deprecated record;
begin
    for deprecated in
        select c.name, c.deprecation
        from webhooks.event_type_catalogue c
        where c.is_current and c.deprecation is not null and new.subscribed_events ? c.name
        order by c.name
    loop
        raise notice 'event type % is deprecated: %', deprecated.name, deprecated.deprecation;
    end loop;
    return null;
end
$$;
comment on function webhooks_private.notice_deprecation is 'Trigger: tells who subscribes to a deprecated event type.';

create trigger notice_deprecation
    after insert or update of subscribed_events on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.notice_deprecation();
