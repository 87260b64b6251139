create view webhooks.subscription_settings with (security_invoker = true) as
select
    s.id, s.tenant_id, s.name, s.description, s.environment, s.webhook_url, s.webhook_method,
    webhooks_private.redacted_headers(s.id) as webhook_headers,
    s.auth_type,
    webhooks_private.redacted_auth_config(s.id) as auth_config,
    s.subscribed_events, s.event_filters, s.retry_count, s.retry_delay_seconds, s.timeout_seconds,
    s.max_payload_size_kb, s.is_active, s.is_enabled, s.created_at, s.updated_at, s.created_by, s.no_retry_statuses,
    s.max_in_flight, s.rate_limit_per_second, s.rate_limit_burst, s.ordering, s.breaker_failure_threshold,
    s.breaker_cooldown_seconds, s.disabled_reason, s.payload_format, s.payload_template, s.payload_content_type,
    webhooks_private.redacted_template_secrets(s.id) as template_secrets,
    s.endpoint_verification, s.retry_schedule, s.version, s.delivery, s.expires_at
from webhooks.webhook_subscriptions s;
comment on view webhooks.subscription_settings is 'webhook_subscriptions as a manager may read it: secrets are null.';

-- The table's comments, but for the columns that differ.
do $comments$
declare
    attribute record;
begin
    for attribute in
        select v.attname, col_description('webhooks.webhook_subscriptions'::regclass, t.attnum) as comment
        from pg_catalog.pg_attribute v
        join pg_catalog.pg_attribute t on t.attname = v.attname
            and t.attrelid = 'webhooks.webhook_subscriptions'::regclass
        where v.attrelid = 'webhooks.subscription_settings'::regclass and v.attnum > 0
    loop
        execute format('comment on column webhooks.subscription_settings.%I is %L', attribute.attname,
                       attribute.comment);
    end loop;
end
$comments$;
comment on column webhooks.subscription_settings.webhook_headers is
    'Additional request headers, with null for each value.';
comment on column webhooks.subscription_settings.auth_config is 'Authentication, with null for each secret.';
comment on column webhooks.subscription_settings.template_secrets is
    'Secrets that payload_template may print, with null for each value.';
grant select on webhooks.subscription_settings to webhooks_manager;
