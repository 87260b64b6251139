create table webhooks.webhook_subscriptions (
    id uuid primary key default webhooks.uuid_v7(),
    tenant_id uuid not null,
    name varchar(255) not null,
    description text,
    environment varchar(50) not null default 'production',
    webhook_url text,
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
    delivery varchar(10) not null default 'push',
    expires_at timestamptz,
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
    constraint webhook_subscriptions_payload_format_check
        check (payload_format in ('envelope', 'standard', 'cloudevents', 'cloudevents-binary')),
    constraint webhook_subscriptions_verification_check check (endpoint_verification in ('none', 'options')),
    constraint webhook_subscriptions_breaker_threshold_check check (breaker_failure_threshold between 0 and 1000000),
    constraint webhook_subscriptions_breaker_cooldown_check check (breaker_cooldown_seconds between 1 and 86400),
    constraint webhook_subscriptions_delivery_check check (delivery in ('push', 'poll')),
    constraint webhook_subscriptions_url_check check (webhook_url is not null or delivery = 'poll'),
    constraint webhook_subscriptions_no_retry_check
        check (300 <= all (no_retry_statuses) and 599 >= all (no_retry_statuses))
);
create index webhook_subscriptions_tenant_active on webhooks.webhook_subscriptions (tenant_id, is_active, is_enabled);
-- Those that the system disabled are few: evaluate_alerts() looks for them.
create index webhook_subscriptions_disabled on webhooks.webhook_subscriptions (id) where disabled_reason is not null;
-- For move_deliveries() and forget_subscriptions(): most subscriptions have no entry.
create index webhook_subscriptions_polled on webhooks.webhook_subscriptions (id) where delivery = 'poll';
create index webhook_subscriptions_expiring on webhooks.webhook_subscriptions (expires_at)
    where expires_at is not null;
create index webhook_subscriptions_events on webhooks.webhook_subscriptions using gin (subscribed_events);

comment on table webhooks.webhook_subscriptions is 'Subscriptions: which events are delivered, where to and how.';
comment on column webhooks.webhook_subscriptions.id is 'Subscription id.';
comment on column webhooks.webhook_subscriptions.tenant_id is 'Tenant of the subscription.';
comment on column webhooks.webhook_subscriptions.name is 'Name for people.';
comment on column webhooks.webhook_subscriptions.description is 'Description for people; at most 10,000 bytes.';
comment on column webhooks.webhook_subscriptions.environment is 'dev, staging or production.';
comment on column webhooks.webhook_subscriptions.webhook_url is
    'http or https URL of the receiver; at most 2,048 bytes. Null: none, which only delivery poll can do without.';
comment on column webhooks.webhook_subscriptions.webhook_method is 'HTTP method: POST, PUT or PATCH.';
comment on column webhooks.webhook_subscriptions.webhook_headers is
    'Secret. Additional request headers: an object of strings, at most 50, of 8 KiB in all. Reserved names are '
    'refused. In an UPDATE a null keeps the stored value.';
comment on column webhooks.webhook_subscriptions.auth_type is 'none, api_key or signature.';
comment on column webhooks.webhook_subscriptions.auth_config is
    'Secret. {"api_key": ..., "header": ...} or {"secret": "whsec_..."}; keys and secrets have at most 4,096 bytes. '
    'In an UPDATE a null keeps the stored value.';
comment on column webhooks.webhook_subscriptions.subscribed_events is
    'JSON array of event types, category wildcards (document.*) or "*"; at most 1,000.';
comment on column webhooks.webhook_subscriptions.event_filters is
    'Object of further conditions, all of which must hold: resource_type, resource_id, event_data (values, or '
    'operators such as {"$gt": 100}), jsonpath. At most 64 KiB as text.';
comment on column webhooks.webhook_subscriptions.retry_count is
    'Number of retries after the first attempt, 0 to 100. With the default of 3, retries end after 7 minutes; '
    'retry_schedule can go on for days.';
comment on column webhooks.webhook_subscriptions.retry_delay_seconds is
    'Delay before the first retry, 0 to 86400 seconds. It doubles with each retry, up to the setting '
    'max_retry_delay_seconds.';
comment on column webhooks.webhook_subscriptions.retry_schedule is
    'Delays before the retries, instead of retry_count and retry_delay_seconds: standard-webhooks (5 s, 5 min, 30 '
    'min, 2 h, 5 h, 10 h, 10 h: 28 hours), or a list such as 5 s, 5 min, 2 h of up to 100 delays of at most 7 days. '
    'Each delay varies by up to 10 %. Null: none.';
comment on column webhooks.webhook_subscriptions.timeout_seconds is
    'Time for connecting, sending and the whole response, 1 to 300 seconds.';
comment on column webhooks.webhook_subscriptions.max_payload_size_kb is
    'Largest request body, 1 to 65536 KiB. A delivery with a larger body fails without a request.';
comment on column webhooks.webhook_subscriptions.is_active is
    'False: the subscription matches no events, and its outstanding deliveries are held.';
comment on column webhooks.webhook_subscriptions.is_enabled is
    'False: as is_active. This is the switch that the system itself turns off; see disabled_reason.';
comment on column webhooks.webhook_subscriptions.created_at is 'Time of creation.';
comment on column webhooks.webhook_subscriptions.updated_at is 'Time of the last change.';
comment on column webhooks.webhook_subscriptions.created_by is
    'User of the application who created the subscription: the setting webhooks.user_id unless it is given.';
comment on column webhooks.webhook_subscriptions.no_retry_statuses is
    'HTTP statuses, 300 to 599, that fail a delivery without a retry; at most 300. Status 410 also disables the '
    'subscription.';
comment on column webhooks.webhook_subscriptions.max_in_flight is
    'Largest number of concurrent requests, 1 to 1000. The default of 20 is enough for 400 requests per second at 50 '
    'ms, and few enough for a small server.';
comment on column webhooks.webhook_subscriptions.rate_limit_per_second is
    'Largest number of requests per second over time, 0.001 to 100000; 0.1 is one request in ten seconds. Null: no '
    'limit.';
comment on column webhooks.webhook_subscriptions.rate_limit_burst is
    'Largest number of requests at once after a quiet time, 1 to 100000; null: those of one second.';
comment on column webhooks.webhook_subscriptions.ordering is
    'none, or fifo: deliveries of one ordering_key are made one at a time, in the order of publication. A change '
    'applies to events that are published later.';
comment on column webhooks.webhook_subscriptions.breaker_failure_threshold is
    'Number of failures in a row that open the circuit breaker, 0 to 1000000; 0: never; null: the setting of that '
    'name.';
comment on column webhooks.webhook_subscriptions.breaker_cooldown_seconds is
    'Time that an open circuit breaker waits before a probe, 1 to 86400 seconds; null: the setting of that name.';
comment on column webhooks.webhook_subscriptions.disabled_reason is
    'Reason for which the system disabled the subscription, at most 10,000 bytes; null once it is enabled again.';
comment on column webhooks.webhook_subscriptions.payload_format is
    'Format of the requests: envelope, standard (Standard Webhooks), cloudevents (CloudEvents 1.0 in structured '
    'mode) or cloudevents-binary (CloudEvents 1.0 in binary mode, with ce- headers).';
comment on column webhooks.webhook_subscriptions.payload_template is
    'Jinja template of the request body, instead of a format; at most 16 KiB. Null: none.';
comment on column webhooks.webhook_subscriptions.payload_content_type is
    'Content type of the body that payload_template makes; null: application/json. Only JSON is checked.';
comment on column webhooks.webhook_subscriptions.template_secrets is
    'Secret. Values that payload_template prints with {{ secrets.name }}: an object of at most 20 strings, each of '
    'at most 4,096 bytes. In an UPDATE a null keeps the stored value.';
comment on column webhooks.webhook_subscriptions.endpoint_verification is
    'options: the receiver must agree in answer to an OPTIONS request before it gets a delivery. none: it need not. '
    'Null: the setting endpoint_verification.';
comment on column webhooks.webhook_subscriptions.version is
    'Version of the row, raised by each change. A sidecar loads a version that it does not know.';
comment on column webhooks.webhook_subscriptions.delivery is
    'push: sidecars send deliveries to webhook_url. poll: the receiver fetches them with poll_deliveries() or over the '
    'HTTP API, and nothing is sent.';
comment on column webhooks.webhook_subscriptions.expires_at is
    'Time after which the subscription is deleted, with what is outstanding; null: never. For subscriptions that are '
    'there for a while, such as those of webhooks-console listen.';

select pg_catalog.pg_extension_config_dump('webhooks.webhook_subscriptions', '');
-- Columns are named one by one, since managers write secrets and do not read them. No table is granted UPDATE, DELETE
-- or TRUNCATE as a whole: a role that has one of these may LOCK the table, and stop the deliveries of all tenants.
-- UPDATE is granted column by column, and functions delete rows.
grant insert, select (
    id, tenant_id, name, description, environment, webhook_url, webhook_method, auth_type, subscribed_events,
    event_filters, retry_count, retry_delay_seconds, timeout_seconds, max_payload_size_kb, is_active, is_enabled,
    created_at, updated_at, created_by, no_retry_statuses, max_in_flight, rate_limit_per_second, rate_limit_burst,
    ordering, breaker_failure_threshold, breaker_cooldown_seconds, disabled_reason, payload_format,
    payload_template, payload_content_type, endpoint_verification, retry_schedule, version, delivery,
    expires_at
) on webhooks.webhook_subscriptions to webhooks_manager;
grant update (
    id, tenant_id, name, description, environment, webhook_url, webhook_method, webhook_headers, auth_type,
    auth_config, subscribed_events, event_filters, retry_count, retry_delay_seconds, timeout_seconds,
    max_payload_size_kb, is_active, is_enabled, created_at, updated_at, created_by, no_retry_statuses,
    max_in_flight, rate_limit_per_second, rate_limit_burst, ordering, breaker_failure_threshold,
    breaker_cooldown_seconds, disabled_reason, payload_format, payload_template, payload_content_type,
    template_secrets, endpoint_verification, retry_schedule, version, delivery,
    expires_at
) on webhooks.webhook_subscriptions to webhooks_manager;
-- No URL, which may be a secret, and nothing that events and receivers say.
grant select (
    id, tenant_id, name, environment, auth_type, subscribed_events, retry_count, retry_delay_seconds,
    timeout_seconds, max_payload_size_kb, is_active, is_enabled, created_at, updated_at, no_retry_statuses,
    max_in_flight, rate_limit_per_second, rate_limit_burst, ordering, breaker_failure_threshold,
    breaker_cooldown_seconds, payload_format, endpoint_verification, retry_schedule, version, delivery,
    expires_at
) on webhooks.webhook_subscriptions to webhooks_monitor;

create trigger audit_change
    after insert or update or delete on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.audit_change('subscription', 'id');
