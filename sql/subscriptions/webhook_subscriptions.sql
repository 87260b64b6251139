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

select pg_catalog.pg_extension_config_dump('webhooks.webhook_subscriptions', '');
-- Columns are named one by one, since managers write secrets and do not read them. No table is granted UPDATE, DELETE or
-- TRUNCATE as a whole: a role that has one of these may LOCK the table, and stop the deliveries of all tenants. UPDATE is
-- granted column by column, and functions delete rows.
grant insert, select (
    id, tenant_id, name, description, environment, webhook_url, webhook_method, auth_type, subscribed_events,
    event_filters, retry_count, retry_delay_seconds, timeout_seconds, max_payload_size_kb, is_active, is_enabled,
    created_at, updated_at, created_by, no_retry_statuses, max_in_flight, rate_limit_per_second, rate_limit_burst,
    ordering, breaker_failure_threshold, breaker_cooldown_seconds, disabled_reason, payload_format,
    payload_template, payload_content_type, endpoint_verification, retry_schedule, version
) on webhooks.webhook_subscriptions to webhooks_manager;
grant update (
    id, tenant_id, name, description, environment, webhook_url, webhook_method, webhook_headers, auth_type,
    auth_config, subscribed_events, event_filters, retry_count, retry_delay_seconds, timeout_seconds,
    max_payload_size_kb, is_active, is_enabled, created_at, updated_at, created_by, no_retry_statuses,
    max_in_flight, rate_limit_per_second, rate_limit_burst, ordering, breaker_failure_threshold,
    breaker_cooldown_seconds, disabled_reason, payload_format, payload_template, payload_content_type,
    template_secrets, endpoint_verification, retry_schedule, version
) on webhooks.webhook_subscriptions to webhooks_manager;
-- No URL, which may be a secret, and nothing that events and receivers say.
grant select (
    id, tenant_id, name, environment, auth_type, subscribed_events, retry_count, retry_delay_seconds,
    timeout_seconds, max_payload_size_kb, is_active, is_enabled, created_at, updated_at, no_retry_statuses,
    max_in_flight, rate_limit_per_second, rate_limit_burst, ordering, breaker_failure_threshold,
    breaker_cooldown_seconds, payload_format, endpoint_verification, retry_schedule, version
) on webhooks.webhook_subscriptions to webhooks_monitor;

create trigger audit_change
    after insert or update or delete on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.audit_change('subscription', 'id');
