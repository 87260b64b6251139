create table webhooks.webhook_subscriptions (
    id uuid primary key default webhooks.uuid_v7(),
    tenant_id uuid not null,
    name varchar(255) not null,
    description text,
    environment varchar(50) not null default 'production',
    webhook_url text not null,
    webhook_method varchar(10) default 'POST',
    webhook_headers jsonb default '{}',
    auth_type varchar(50) default 'none',
    auth_config jsonb default '{}',
    subscribed_events jsonb not null default '[]',
    event_filters jsonb default '{}',
    retry_count integer default 3,
    retry_delay_seconds integer default 60,
    timeout_seconds integer default 30,
    max_payload_size_kb integer default 1024,
    is_active boolean default true,
    is_enabled boolean default true,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    created_by uuid,
    no_retry_statuses integer[] not null default '{410}',
    max_in_flight integer not null default 20,
    rate_limit_per_second double precision,
    rate_limit_burst integer,
    ordering varchar(20) not null default 'none',
    breaker_failure_threshold integer,
    breaker_cooldown_seconds integer,
    disabled_reason text,
    payload_format varchar(30) not null default 'envelope',
    payload_template text,
    payload_content_type varchar(255),
    template_secrets jsonb default '{}',
    endpoint_verification varchar(20),
    retry_schedule text,
    version bigint not null default 1,
    constraint webhook_subscriptions_environment_check check (environment in ('dev', 'staging', 'production')),
    constraint webhook_subscriptions_method_check check (webhook_method in ('POST', 'PUT', 'PATCH')),
    constraint webhook_subscriptions_auth_type_check check (auth_type in ('none', 'api_key', 'signature', 'oauth')),
    constraint webhook_subscriptions_retry_count_check check (retry_count between 0 and 100),
    constraint webhook_subscriptions_retry_delay_check check (retry_delay_seconds between 0 and 86400),
    constraint webhook_subscriptions_timeout_check check (timeout_seconds between 1 and 300),
    constraint webhook_subscriptions_payload_size_check check (max_payload_size_kb between 1 and 65536),
    constraint webhook_subscriptions_max_in_flight_check check (max_in_flight between 1 and 1000),
    constraint webhook_subscriptions_rate_limit_check check (rate_limit_per_second between 0.001 and 100000),
    constraint webhook_subscriptions_rate_limit_burst_check check (rate_limit_burst between 1 and 100000),
    constraint webhook_subscriptions_ordering_check check (ordering in ('none', 'fifo')),
    constraint webhook_subscriptions_payload_format_check check (payload_format in ('envelope', 'standard', 'cloudevents', 'cloudevents-binary')),
    constraint webhook_subscriptions_verification_check check (endpoint_verification in ('none', 'options')),
    constraint webhook_subscriptions_breaker_threshold_check check (breaker_failure_threshold between 0 and 1000000),
    constraint webhook_subscriptions_breaker_cooldown_check check (breaker_cooldown_seconds between 1 and 86400),
    constraint webhook_subscriptions_no_retry_check check (300 <= all (no_retry_statuses) and 599 >= all (no_retry_statuses))
);
create index webhook_subscriptions_tenant_active on webhooks.webhook_subscriptions (tenant_id, is_active, is_enabled);
create index webhook_subscriptions_events on webhooks.webhook_subscriptions using gin (subscribed_events);

comment on table webhooks.webhook_subscriptions is 'Who wants which events, where and how.';
comment on column webhooks.webhook_subscriptions.id is 'Subscription id.';
comment on column webhooks.webhook_subscriptions.tenant_id is 'Whose subscription.';
comment on column webhooks.webhook_subscriptions.name is 'For people.';
comment on column webhooks.webhook_subscriptions.description is 'For people; at most 10,000 bytes.';
comment on column webhooks.webhook_subscriptions.environment is 'dev, staging or production.';
comment on column webhooks.webhook_subscriptions.webhook_url is 'http or https URL of the receiver; at most 2,048 bytes.';
comment on column webhooks.webhook_subscriptions.webhook_method is 'POST, PUT or PATCH.';
comment on column webhooks.webhook_subscriptions.webhook_headers is 'Secret. Additional request headers: an object of strings, at most 50, of 8 KiB in all. Reserved names are refused. In an UPDATE a null keeps the value that is there.';
comment on column webhooks.webhook_subscriptions.auth_type is 'none, api_key or signature.';
comment on column webhooks.webhook_subscriptions.auth_config is 'Secret. {"api_key": ..., "header": ...} or {"secret": "whsec_..."}; keys and secrets have at most 4,096 bytes. In an UPDATE a null keeps the value that is there.';
comment on column webhooks.webhook_subscriptions.subscribed_events is 'JSON array of event types, category wildcards (document.*) or "*"; at most 1,000.';
comment on column webhooks.webhook_subscriptions.event_filters is 'An object of further conditions, all of which must hold: resource_type, resource_id, event_data (values, or operators such as {"$gt": 100}), jsonpath. At most 64 KiB as text.';
comment on column webhooks.webhook_subscriptions.retry_count is 'Retries after the first attempt, 0 to 100. The default of 3 ends after 7 minutes; retry_schedule takes longer.';
comment on column webhooks.webhook_subscriptions.retry_delay_seconds is 'Delay before the first retry, 0 to 86400 seconds; doubles at each further one, up to the setting max_retry_delay_seconds.';
comment on column webhooks.webhook_subscriptions.retry_schedule is 'Delays before the retries, instead of retry_count and retry_delay_seconds: standard-webhooks (5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h: 28 hours), or a list such as 5 s, 5 min, 2 h of up to 100 delays of at most 7 days. Each is made up to 10 % shorter or longer. Null: none.';
comment on column webhooks.webhook_subscriptions.timeout_seconds is 'Deadline for connect, send and the whole response, 1 to 300 seconds.';
comment on column webhooks.webhook_subscriptions.max_payload_size_kb is 'Larger bodies fail without a request; 1 to 65536 KiB.';
comment on column webhooks.webhook_subscriptions.is_active is 'False: matches nothing, outstanding deliveries are held.';
comment on column webhooks.webhook_subscriptions.is_enabled is 'The same; the switch that the system itself turns off (see disabled_reason).';
comment on column webhooks.webhook_subscriptions.created_at is 'When it was made.';
comment on column webhooks.webhook_subscriptions.updated_at is 'When it was last changed.';
comment on column webhooks.webhook_subscriptions.created_by is 'Application user who made it: the setting webhooks.user_id, unless given.';
comment on column webhooks.webhook_subscriptions.no_retry_statuses is 'HTTP statuses, 300 to 599, that fail a delivery at once, at most 300; 410 also disables the subscription.';
comment on column webhooks.webhook_subscriptions.max_in_flight is 'Requests under way at once at the most, 1 to 1000. 20: enough for 400/s at 50 ms, too few to hurt a small server.';
comment on column webhooks.webhook_subscriptions.rate_limit_per_second is 'Requests per second at the most, over time, 0.001 to 100000; null: no limit. Fractions are fine: 0.1 is one in ten seconds.';
comment on column webhooks.webhook_subscriptions.rate_limit_burst is 'How many of them may be made at once after a quiet time; 1 to 100000; null: one second''s worth.';
comment on column webhooks.webhook_subscriptions.ordering is 'none, or fifo: one at a time in the order of publication, for each ordering_key by itself. Applies to events published from then on.';
comment on column webhooks.webhook_subscriptions.breaker_failure_threshold is 'Failures in a row that open the circuit breaker; 0: never; null: the setting of that name.';
comment on column webhooks.webhook_subscriptions.breaker_cooldown_seconds is 'How long the open breaker waits before a probe, 1 to 86400 seconds; null: the setting of that name.';
comment on column webhooks.webhook_subscriptions.disabled_reason is 'Why the system disabled it, at most 10,000 bytes; cleared when it is enabled again.';
comment on column webhooks.webhook_subscriptions.payload_format is 'Format of the requests: envelope, standard (Standard Webhooks), cloudevents (CloudEvents 1.0 in structured mode) or cloudevents-binary (its attributes as ce- headers).';
comment on column webhooks.webhook_subscriptions.payload_template is 'Jinja template of a body of its own, instead of a format, at most 16 KiB; null: none.';
comment on column webhooks.webhook_subscriptions.payload_content_type is 'What payload_template makes; null: application/json. Only JSON is checked.';
comment on column webhooks.webhook_subscriptions.template_secrets is 'Secret. What payload_template prints with {{ secrets.name }}: an object of at most 20 strings, each of at most 4,096 bytes. In an UPDATE a null keeps the value that is there.';
comment on column webhooks.webhook_subscriptions.endpoint_verification is 'options: its receiver has to agree, in answer to an OPTIONS request, before it gets anything. none: it need not. null: the setting endpoint_verification decides.';
comment on column webhooks.webhook_subscriptions.version is 'Counts changes; the sidecar reloads what it has not seen.';

-- Derived: what matching reads. One row per pattern of each subscription that is active and enabled.
create table webhooks.subscription_routes (
    tenant_id uuid not null,
    pattern varchar(100) not null,
    subscription_id uuid not null,
    environment varchar(50) not null,
    fifo boolean not null,
    filters text,
    filter_jsonpath jsonpath,
    primary key (tenant_id, pattern, subscription_id)
);
create index subscription_routes_subscription on webhooks.subscription_routes (subscription_id);
comment on table webhooks.subscription_routes is 'Derived from webhook_subscriptions by trigger; read by matching. Not to be written by hand.';
comment on column webhooks.subscription_routes.tenant_id is 'The tenant.';
comment on column webhooks.subscription_routes.pattern is 'Event type, category wildcard or *.';
comment on column webhooks.subscription_routes.subscription_id is 'The subscription.';
comment on column webhooks.subscription_routes.environment is 'The subscription''s environment.';
comment on column webhooks.subscription_routes.fifo is 'The subscription''s ordering is fifo.';
comment on column webhooks.subscription_routes.filters is 'event_filters without jsonpath, as JSON text; null if there are none.';
comment on column webhooks.subscription_routes.filter_jsonpath is 'event_filters.jsonpath.';

create function webhooks.refuse_subscription(id uuid)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'there is no subscription %', coalesce(id::text, 'null')
        using errcode = 'undefined_object',
              hint = 'Those of the tenant that is set are listed by: select id, name from webhooks.list_subscriptions();';
end
$$;
comment on function webhooks.refuse_subscription(uuid) is 'Raises the error for a subscription that there is not, or not for the caller.';

create function webhooks.keep_secrets(given jsonb, stored jsonb)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select case
        when jsonb_typeof(given) = 'object' and jsonb_typeof(stored) = 'object'
            then given || coalesce((select jsonb_object_agg(g.key, stored -> g.key) from jsonb_each(given) g
                                    where g.value = 'null' and stored ? g.key), '{}')
        else given
    end;
end;
comment on function webhooks.keep_secrets(jsonb, jsonb) is
    'An object with what is stored under its keys that are null: who may not read secrets can leave them as they are.';

create function webhooks.check_template(
    payload_template text, payload_content_type text, max_payload_size_kb integer, subscribed_events jsonb
)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    example record;
    problem text;
    lacking text[] := '{}';
begin
    -- Without an event: only its syntax.
    perform webhooks.render_request(
        'envelope', check_template.payload_template, check_template.payload_content_type, check_template.max_payload_size_kb,
        null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
    -- In a restore types and their examples may come later.
    if webhooks.is_restoring() then
        return;
    end if;
    for example in
        select t.name, v.is_builtin
        from webhooks.event_types t
        join webhooks.event_type_versions v on v.name = t.name and v.version = t.version and v.example is not null
        where check_template.subscribed_events ? '*' or check_template.subscribed_events ? t.name
           or check_template.subscribed_events ? (split_part(t.name, '.', 1) || '.*')
    loop
        begin
            perform r.body
            from webhooks.sample_request(
                example.name, '00000000-0000-7000-8000-000000000000', 'envelope', check_template.payload_template,
                check_template.payload_content_type, check_template.max_payload_size_kb) r;
        exception when invalid_parameter_value then
            get stacked diagnostics problem = message_text;
            -- What comes with the extension is an example of nobody's events in particular.
            if not example.is_builtin or problem !~ ': line [0-9]+: (undefined value$|invalid operation(?! \(a secret ))' then
                raise;
            end if;
            lacking := lacking || example.name::text;
        end;
    end loop;
    if lacking <> '{}' then
        raise notice 'payload_template uses what the shipped example of % lacks: %', array_to_string(lacking, ', '), substring(problem from 'line [0-9]+: .*')
            using hint = format('If your events have it, register an example of yours: select webhooks.register_event_type(%L, example => ''{...}'');', lacking[1]);
    end if;
end
$$;
comment on function webhooks.check_template(text, text, integer, jsonb) is
    'Raises an error for a payload_template that can''t be compiled, or that fails with the example of a subscribed event type. What fails only because an example of the extension''s own lacks a value, or has another kind of value, is a notice.';

create function webhooks.validate_subscription()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    pattern text;
    invalid record;
    objection text;
    new_delays constant integer[] := webhooks.retry_delays(new.retry_schedule);
begin
    if tg_op = 'UPDATE' then
        new.webhook_headers := webhooks.keep_secrets(new.webhook_headers, old.webhook_headers);
        new.auth_config := webhooks.keep_secrets(new.auth_config, old.auth_config);
        new.template_secrets := webhooks.keep_secrets(new.template_secrets, old.template_secrets);
    elsif new.created_by is null then
        new.created_by := webhooks.application_user();
    end if;

    -- Also what the constraints say: when one of those fails, PostgreSQL shows the whole row, secrets included.
    select v.setting, coalesce(v.found, 'null') as found, v.takes into invalid
    from (values
        (new.id is not null, 'id', null, 'a UUID'),
        (new.tenant_id is not null, 'tenant_id', null, 'a UUID'),
        (new.name is not null, 'name', null, 'a text'),
        (new.webhook_url is not null, 'webhook_url', null, 'a URL, for example https://example.com/webhooks'),
        (new.environment in ('dev', 'staging', 'production'), 'environment', new.environment, 'dev, staging or production'),
        (coalesce(new.webhook_method in ('POST', 'PUT', 'PATCH'), true), 'webhook_method', new.webhook_method, 'POST, PUT or PATCH'),
        (coalesce(new.retry_count between 0 and 100, true), 'retry_count', new.retry_count::text, '0 to 100'),
        (coalesce(new.retry_delay_seconds between 0 and 86400, true), 'retry_delay_seconds', new.retry_delay_seconds::text, '0 to 86400 s'),
        (coalesce(0 <= all (new_delays) and 604800 >= all (new_delays) and cardinality(new_delays) between 1 and 100, new.retry_schedule is null),
         'retry_schedule', left(new.retry_schedule, 200),
         'standard-webhooks, or up to 100 delays of at most 7 days, for example 5 s, 5 min, 30 min, 2 h; or null for retry_count and retry_delay_seconds'),
        (coalesce(new.timeout_seconds between 1 and 300, true), 'timeout_seconds', new.timeout_seconds::text, '1 to 300 s'),
        (coalesce(new.max_payload_size_kb between 1 and 65536, true), 'max_payload_size_kb', new.max_payload_size_kb::text, '1 to 65536 KiB'),
        (new.max_in_flight between 1 and 1000, 'max_in_flight', new.max_in_flight::text, '1 to 1000'),
        (coalesce(new.rate_limit_per_second between 0.001 and 100000, true), 'rate_limit_per_second', new.rate_limit_per_second::text,
         '0.001 to 100000, or null for no limit'),
        (coalesce(new.rate_limit_burst between 1 and 100000, true), 'rate_limit_burst', new.rate_limit_burst::text,
         '1 to 100000, or null for one second''s worth'),
        (new.ordering in ('none', 'fifo'), 'ordering', new.ordering, 'none or fifo'),
        (new.payload_format in ('envelope', 'standard', 'cloudevents', 'cloudevents-binary'), 'payload_format', new.payload_format,
         'envelope, standard, cloudevents or cloudevents-binary'),
        (coalesce(new.breaker_failure_threshold between 0 and 1000000, true), 'breaker_failure_threshold',
         new.breaker_failure_threshold::text, '0 (no breaker) to 1000000, or null for the setting'),
        (coalesce(new.breaker_cooldown_seconds between 1 and 86400, true), 'breaker_cooldown_seconds',
         new.breaker_cooldown_seconds::text, '1 to 86400 s, or null for the setting'),
        (coalesce(new.endpoint_verification in ('none', 'options'), true), 'endpoint_verification', new.endpoint_verification,
         'none or options, or null for the setting'),
        (300 <= all (new.no_retry_statuses) and 599 >= all (new.no_retry_statuses) and coalesce(array_ndims(new.no_retry_statuses), 1) = 1, 'no_retry_statuses', new.no_retry_statuses::text,
         'an array of HTTP statuses from 300 to 599, not nested'),
        (new.version is not null, 'version', null, 'a number'),
        -- None of these is deep; a JSON that is can be costly to show.
        (coalesce(not jsonb_path_exists(new.webhook_headers, '$.**{64}'), true), 'webhook_headers', 'too deep', 'an object of strings'),
        (coalesce(not jsonb_path_exists(new.auth_config, '$.**{64}'), true), 'auth_config', 'too deep', 'an object of strings'),
        (coalesce(not jsonb_path_exists(new.template_secrets, '$.**{64}'), true), 'template_secrets', 'too deep', 'an object of strings'),
        (coalesce(not jsonb_path_exists(new.event_filters, '$.**{64}'), true), 'event_filters', 'too deep', 'at most 16 levels')
    ) v (valid, setting, found, takes)
    where v.valid is not true;
    if found then
        raise exception 'invalid %: %', invalid.setting, invalid.found
            using errcode = 'invalid_parameter_value', hint = format('It takes %s.', invalid.takes);
    end if;

    -- What was accepted once and does not change stays: a type that has left event_types must not keep its
    -- subscription from being disabled. A restore brings what an older version may have accepted.
    if not webhooks.is_restoring()
        and (tg_op = 'INSERT'
             or (new.webhook_url, new.webhook_headers, new.auth_type, new.auth_config, new.event_filters)
                is distinct from (old.webhook_url, old.webhook_headers, old.auth_type, old.auth_config, old.event_filters)) then
        perform webhooks.check_subscription(new.webhook_url, new.webhook_headers::text, new.auth_type, new.auth_config::text, new.event_filters::text);
        if new.event_filters ? 'jsonpath' then
            begin
                objection := webhooks.jsonpath_objection((new.event_filters ->> 'jsonpath')::jsonpath::text);
            exception when data_exception or syntax_error or feature_not_supported then
                raise exception 'invalid event_filters: jsonpath "%": %', new.event_filters ->> 'jsonpath', sqlerrm
                    using errcode = 'invalid_parameter_value',
                          hint = 'Write an SQL/JSON path, for example $.amount ? (@ > 100); try it with jsonb_path_query().';
            end;
            if objection is not null then
                raise exception 'invalid event_filters: jsonpath "%": %', left(new.event_filters ->> 'jsonpath', 1000), objection
                    using errcode = 'invalid_parameter_value',
                          hint = 'Publishers evaluate it for each event, so it has at most 1000 characters and takes time in proportion to the event. '
                                 'Compare with a value that is written out; or, to compare two values of the event, each a single one, begin the path with strict.';
            end if;
        end if;
    end if;
    -- A restore may bring the settings later.
    if new.endpoint_verification = 'options' and (tg_op = 'INSERT' or old.endpoint_verification is distinct from 'options')
        and not webhooks.is_restoring() and webhooks.text_setting('verification_origin') is null then
        raise exception 'invalid endpoint_verification: options, while the setting verification_origin is not set'
            using errcode = 'invalid_parameter_value',
                  hint = 'Receivers must be told who asks. Have the DBA run: select webhooks.set_setting(''verification_origin'', ''events.example.com'');';
    end if;
    if not webhooks.is_restoring() then
        perform webhooks.check_receiver(old, new);
    end if;
    if new.payload_template is null and new.payload_content_type is not null then
        raise exception 'invalid payload_content_type: % without a payload_template', new.payload_content_type
            using errcode = 'invalid_parameter_value', hint = 'Formats have their own; leave it null, or write a payload_template.';
    end if;
    if new.payload_template is not null and new.payload_format <> 'envelope' then
        raise exception 'invalid payload_template: payload_format is %, too', new.payload_format
            using errcode = 'invalid_parameter_value', hint = 'A template makes the whole body: set payload_format = ''envelope'', or payload_template to null.';
    end if;
    if jsonb_typeof(new.subscribed_events) is distinct from 'array' then
        raise exception 'subscribed_events is %, not a JSON array', coalesce(left(new.subscribed_events::text, 200), 'null')
            using errcode = 'invalid_parameter_value', hint = 'Write for example ["document.processed", "job.*"].';
    end if;
    for pattern in select jsonb_array_elements_text(new.subscribed_events) loop
        exit when tg_op = 'UPDATE' and new.subscribed_events = old.subscribed_events;
        continue when pattern = '*';
        -- A parallel restore may bring event_types later.
        continue when pattern ~ '^[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?$' and webhooks.is_restoring();
        if pattern is null
            or pattern ~ '^[a-z0-9_]+\.\*$'
                and not exists (select from webhooks.event_types t where starts_with(t.name, left(pattern, -1)))
            or pattern !~ '^[a-z0-9_]+\.\*$'
                and not exists (select from webhooks.event_types t where t.name = pattern) then
            raise exception 'subscribed_events names %, which is no event type', coalesce('"' || left(pattern, 200) || '"', 'null')
                using errcode = 'invalid_parameter_value',
                      hint = 'Use a name from webhooks.event_types (or register it there), a category wildcard such as document.*, or *.';
        end if;
    end loop;
    -- What a secret is changes nothing that could be checked: in examples it shows as ***.
    if tg_op = 'INSERT'
        or (new.payload_template, new.template_secrets) is distinct from (old.payload_template, old.template_secrets) then
        perform webhooks.check_template_secrets(new.payload_template, new.template_secrets::text);
    end if;
    if new.payload_template is not null
        and (tg_op = 'INSERT'
             or (new.payload_template, new.payload_content_type, new.max_payload_size_kb, new.subscribed_events)
                is distinct from (old.payload_template, old.payload_content_type, old.max_payload_size_kb, old.subscribed_events)) then
        perform webhooks.check_template(new.payload_template, new.payload_content_type, new.max_payload_size_kb, new.subscribed_events);
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
comment on function webhooks.validate_subscription() is 'Trigger: refuses invalid subscriptions, maintains created_by, version, updated_at and disabled_reason.';

create trigger validate_subscription
    before insert or update on webhooks.webhook_subscriptions
    for each row execute function webhooks.validate_subscription();

create function webhooks.derive_routes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op <> 'INSERT' then
        delete from webhooks.subscription_routes r where r.subscription_id = old.id;
        -- Sidecars drop what they hold for the old version; what was held back may go.
        perform webhooks.notify_change(old.id::text);
    end if;
    -- Another receiver, or one that somebody looked after: what the old one did says nothing of it.
    if tg_op = 'DELETE'
        or tg_op = 'UPDATE' and ((new.is_active and new.is_enabled) is true and (old.is_active and old.is_enabled) is not true
            or new.webhook_url is distinct from old.webhook_url) then
        delete from webhooks.subscription_breakers b where b.subscription_id = old.id;
    -- The same one asked in another way: that it wants to be left alone for a while stays true.
    elsif tg_op = 'UPDATE'
        and (new.webhook_headers, new.auth_type, new.auth_config, new.payload_format, new.payload_template, new.payload_content_type, new.template_secrets)
            is distinct from
            (old.webhook_headers, old.auth_type, old.auth_config, old.payload_format, old.payload_template, old.payload_content_type, old.template_secrets) then
        delete from webhooks.subscription_breakers b
        where b.subscription_id = old.id and coalesce(b.throttled_until <= now(), true);
        update webhooks.subscription_breakers b
        set state = 'closed', since = null, probe_at = null, failing_since = null, last_error = null
        where b.subscription_id = old.id;
    end if;
    perform webhooks.renew_verification(old, new);
    perform webhooks.retire_secret(old, new);
    if tg_op <> 'DELETE' and new.is_active and new.is_enabled then
        perform webhooks.add_routes(new);
    end if;
    return null;
end
$$;
comment on function webhooks.derive_routes() is 'Trigger: keeps subscription_routes true and tells the sidecars.';

create trigger derive_routes
    after insert or update or delete on webhooks.webhook_subscriptions
    for each row execute function webhooks.derive_routes();

select pg_catalog.pg_extension_config_dump('webhooks.webhook_subscriptions', '');
