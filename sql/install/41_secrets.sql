-- auth_config, webhook_headers and template_secrets are written by managers and read by the sidecar alone: column
-- privileges see to that (99_privileges.sql). What managers see instead is which of them are there: null for each, which written back keeps it
-- (keep_secrets() in 40_subscriptions.sql).

create function webhooks.redact(secrets jsonb, shown text[] default '{}', instead jsonb default 'null')
returns jsonb
language sql immutable parallel safe
return case when jsonb_typeof(secrets) = 'object' then coalesce(
    (select jsonb_object_agg(e.key, case when e.key = any (shown) then e.value else instead end) from jsonb_each(secrets) e), '{}') end;
comment on function webhooks.redact(jsonb, text[], jsonb) is 'An object with its keys and, but for the keys shown, the same instead of each value.';

create function webhooks.redacted_headers(subscription_id uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks.redact(s.webhook_headers) from webhooks.webhook_subscriptions s
    where s.id = subscription_id and webhooks.may_access_tenant(s.tenant_id);
end;
comment on function webhooks.redacted_headers(uuid) is 'The names of a subscription''s own headers, with null for their values.';

create function webhooks.redacted_auth_config(subscription_id uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks.redact(s.auth_config, '{header}') from webhooks.webhook_subscriptions s
    where s.id = subscription_id and webhooks.may_access_tenant(s.tenant_id);
end;
comment on function webhooks.redacted_auth_config(uuid) is 'What a subscription''s auth_config has, with null for secrets.';

create function webhooks.redacted_template_secrets(subscription_id uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks.redact(s.template_secrets) from webhooks.webhook_subscriptions s
    where s.id = subscription_id and webhooks.may_access_tenant(s.tenant_id);
end;
comment on function webhooks.redacted_template_secrets(uuid) is 'The names of a subscription''s template_secrets, with null for their values.';

create function webhooks.renew_secret(subscription_id uuid)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    found_type text;
    secret constant text := webhooks.generate_secret();
begin
    select coalesce(s.auth_type, 'none') into found_type
    from webhooks.webhook_subscriptions s where s.id = renew_secret.subscription_id for update;
    if not found then
        perform webhooks.refuse_subscription(subscription_id);
    end if;
    if found_type <> 'signature' then
        raise exception 'subscription % has auth_type %, which has no signing secret', subscription_id, found_type
            using errcode = 'invalid_parameter_value',
                  hint = 'Have it sign first: update webhooks.webhook_subscriptions set auth_type = ''signature'', '
                         'auth_config = jsonb_build_object(''secret'', webhooks.generate_secret()) where id = ...;';
    end if;
    update webhooks.webhook_subscriptions s set auth_config = jsonb_build_object('secret', secret)
    where s.id = renew_secret.subscription_id;
    return secret;
end
$$;
comment on function webhooks.renew_secret(uuid) is
    'Gives a subscription a new signing secret and returns it, this once: no statement that a server may log shows it. Requests are signed with it from the commit on.';

create view webhooks.subscription_settings with (security_invoker = true) as
select
    s.id, s.tenant_id, s.name, s.description, s.environment, s.webhook_url, s.webhook_method,
    webhooks.redacted_headers(s.id) as webhook_headers,
    s.auth_type,
    webhooks.redacted_auth_config(s.id) as auth_config,
    s.subscribed_events, s.event_filters, s.retry_count, s.retry_delay_seconds, s.timeout_seconds, s.max_payload_size_kb,
    s.is_active, s.is_enabled, s.created_at, s.updated_at, s.created_by, s.no_retry_statuses, s.max_in_flight,
    s.rate_limit_per_second, s.rate_limit_burst, s.ordering, s.breaker_failure_threshold, s.breaker_cooldown_seconds,
    s.disabled_reason, s.payload_format, s.payload_template, s.payload_content_type,
    webhooks.redacted_template_secrets(s.id) as template_secrets,
    s.endpoint_verification, s.version
from webhooks.webhook_subscriptions s;
comment on view webhooks.subscription_settings is 'webhook_subscriptions as a manager may read it: null for each secret.';

-- The table's comments, but for the columns that differ.
do $comments$
declare
    attribute record;
begin
    for attribute in
        select v.attname, col_description('webhooks.webhook_subscriptions'::regclass, t.attnum) as comment
        from pg_catalog.pg_attribute v
        join pg_catalog.pg_attribute t on t.attname = v.attname and t.attrelid = 'webhooks.webhook_subscriptions'::regclass
        where v.attrelid = 'webhooks.subscription_settings'::regclass and v.attnum > 0
    loop
        execute format('comment on column webhooks.subscription_settings.%I is %L', attribute.attname, attribute.comment);
    end loop;
end
$comments$;
comment on column webhooks.subscription_settings.webhook_headers is 'Names of the additional request headers, with null for their values.';
comment on column webhooks.subscription_settings.auth_config is 'What is configured, with null for secrets.';
comment on column webhooks.subscription_settings.template_secrets is 'Names of the secrets that payload_template may print, with null for their values.';
