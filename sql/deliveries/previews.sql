-- What a subscription's requests look like, without sending any.

create function webhooks_private.sample_request(
    event_type text, shown_tenant uuid, payload_format text, payload_template text, payload_content_type text,
    max_payload_size_kb integer
)
returns table (headers jsonb, body text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select r.headers, r.body
    from webhooks.event_type_catalogue t
    cross join lateral webhooks_private.render_request(
        sample_request.payload_format, sample_request.payload_template, sample_request.payload_content_type,
        sample_request.max_payload_size_kb,
        '00000000-0000-7000-8000-000000000001', sample_request.shown_tenant, t.name, t.category,
        coalesce(t.description, t.name), t.version,
        (extract(epoch from now()) * 1000000)::bigint, t.example::text, t.category,
        '00000000-0000-7000-8000-000000000002', null,
        '00000000-0000-7000-8000-000000000003', 'sample-session', 'sample-request', '192.0.2.1') r
    where t.is_current and t.name = sample_request.event_type;
end;
comment on function webhooks_private.sample_request is
    'The request for a made-up event of a type, with the example of its current version as data; no row if there is '
    'no such type.';
grant execute on function webhooks_private.sample_request to webhooks_manager;

create function webhooks_private.sample_event_type(subscribed_events jsonb, event_type text default null)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    sample_type text;
begin
    select t.name into sample_type
    from webhooks.event_type_catalogue t
    where t.is_current
      and (t.name = sample_event_type.event_type or sample_event_type.event_type is null
          and (sample_event_type.subscribed_events ? '*' or sample_event_type.subscribed_events ? t.name
               or sample_event_type.subscribed_events ? (split_part(t.name, '.', 1) || '.*')))
    order by t.example = '{}', t.name limit 1;
    if not found then
        raise exception 'there is no event type % to make an event of',
            coalesce('"' || sample_event_type.event_type || '"', 'among subscribed_events')
            using errcode = 'undefined_object',
                  hint = 'Event types are listed by: select name from webhooks.event_types;';
    end if;
    return sample_type;
end
$$;
comment on function webhooks_private.sample_event_type is
    'Of which type an event is made up: the one that is given, or else the first subscribed one, preferably with an '
    'example. An error if there is none.';
grant execute on function webhooks_private.sample_event_type to webhooks_manager;

create function webhooks_private.preview_request(event_id uuid, subscription_id uuid default null)
returns table (headers jsonb, body text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- The id decides which partition is opened.
set plan_cache_mode = force_custom_plan
as $$
declare
    event record;
    subscription record;
begin
    select e.* into event from webhooks.event_logs e where e.id = preview_request.event_id;
    select s.tenant_id, s.payload_format, s.payload_template, s.payload_content_type, s.max_payload_size_kb
        into subscription
    from webhooks.webhook_subscriptions s where s.id = preview_request.subscription_id;
    if subscription_id is not null then
        if not found then
            perform webhooks_private.raise_unknown_subscription(subscription_id);
        end if;
        if subscription.tenant_id <> event.tenant_id then
            raise exception 'subscription % is another tenant''s than event %', subscription_id, event_id
                using errcode = 'invalid_parameter_value',
                      hint = format('The event is of tenant %s; only that tenant''s subscriptions get it.',
                                    event.tenant_id);
        end if;
    end if;
    return query
    select r.headers, r.body from webhooks_private.render_request(
        coalesce(subscription.payload_format, 'envelope'), subscription.payload_template,
        subscription.payload_content_type, subscription.max_payload_size_kb, event.id, event.tenant_id,
        event.event_type, event.event_category, event.event_name, event.event_version,
        -- As claim_deliveries() has it.
        (extract(epoch from least(greatest(coalesce(event.created_at, event.processed_at, 'epoch'), 'epoch'),
                                  '9999-12-31')) * 1000000)::bigint,
        event.event_data::text, event.resource_type, event.resource_id, event.resource_data::text, event.user_id,
        event.session_id, event.request_id,
        abbrev(event.source_ip), event.is_test) r;
end
$$;
comment on function webhooks_private.preview_request is
    'The body that is sent for an event, with *** for what template_secrets has, and the headers that belong to it, '
    'as a subscription has them or as the envelope; no row if there is no such event. Part of build_payload() and '
    'preview_payload().';
grant execute on function webhooks_private.preview_request to webhooks_manager;

create function webhooks.build_payload(event_id uuid, subscription_id uuid default null)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select r.body from webhooks_private.preview_request(build_payload.event_id, build_payload.subscription_id) r;
end;
comment on function webhooks.build_payload is
    'Returns the request body for an event, byte for byte, as a subscription of the same tenant gets it, or in the '
    'format envelope. Values of template_secrets are shown as ***. Null: there is no such event.';
grant execute on function webhooks.build_payload to webhooks_manager;

create function webhooks.preview_payload(subscription_id uuid, event_id uuid default null, event_type text default null)
returns table (method text, url text, headers jsonb, body text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- The id decides which partition is opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    subscription record;
    request record;
    sample_type text;
    identity jsonb;
begin
    select s.tenant_id, s.webhook_method, s.webhook_url, s.auth_type, s.subscribed_events, s.payload_format,
           s.payload_template,
           s.payload_content_type, s.max_payload_size_kb, webhooks_private.redacted_headers(s.id) as own_headers,
           webhooks_private.redacted_auth_config(s.id) as auth_config
    into subscription
    from webhooks.webhook_subscriptions s where s.id = preview_payload.subscription_id;
    if not found then
        perform webhooks_private.raise_unknown_subscription(subscription_id);
    end if;
    if preview_payload.event_id is not null then
        select e.event_type::text, e.is_test, e.traceparent is not null as is_traced, r.headers, r.body into request
        from webhooks.event_logs e
        cross join lateral webhooks_private.preview_request(e.id, preview_payload.subscription_id) r
        where e.id = preview_payload.event_id;
        if not found then
            raise exception 'there is no event %', preview_payload.event_id
                using errcode = 'undefined_object',
                      hint = 'Without an event the preview is of a made-up one: preview_payload(subscription_id).';
        end if;
    else
        sample_type := webhooks_private.sample_event_type(subscription.subscribed_events, preview_payload.event_type);
        select sample_type as event_type, false as is_test, false as is_traced, r.headers, r.body
            into request
        from webhooks_private.sample_request(
            sample_type, subscription.tenant_id, subscription.payload_format, subscription.payload_template,
            subscription.payload_content_type, subscription.max_payload_size_kb) r;
    end if;
    -- What differs from attempt to attempt is named, and so is what is secret.
    identity := jsonb_build_object(
        'webhook-id', coalesce(preview_payload.event_id, '00000000-0000-7000-8000-000000000001'),
        'webhook-timestamp', '...',
        'x-webhook-delivery-id', '...', 'x-webhook-attempt', '1', 'x-webhook-event-type', request.event_type);
    return query select
        coalesce(subscription.webhook_method, 'POST')::text, subscription.webhook_url,
        request.headers || coalesce((select jsonb_object_agg(k, '***')
                                     from jsonb_object_keys(subscription.own_headers) k), '{}') || identity
            || case when request.is_test then '{"x-webhook-test": "true"}'::jsonb else '{}' end
            || case when request.is_traced then '{"traceparent": "..."}'::jsonb else '{}' end
            || case subscription.auth_type
                when 'signature' then '{"webhook-signature": "***", "x-webhook-signature": "***"}'
                when 'api_key' then jsonb_build_object(lower(coalesce(subscription.auth_config ->> 'header',
                                                                      'authorization')), '***')
                else '{}' end,
        request.body;
end
$$;
comment on function webhooks.preview_payload is
    'Returns the request that a subscription gets for an event or, without an event, for an example of an event type '
    '(by default a subscribed one). The body is exact. In the headers *** stands for a secret, and ... for a value '
    'that differs from attempt to attempt.';
grant execute on function webhooks.preview_payload to webhooks_manager;
