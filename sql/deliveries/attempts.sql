-- One row per HTTP attempt. Partitioned on the delivery's UUIDv7 id, so that a delivery's attempts lie in one
-- partition and a look-up by delivery reads only that; the parent has no index (see event_logs).
create table webhooks.delivery_attempts (
    delivery_id uuid not null,
    delivery_attempt integer not null,
    http_status_code integer,
    attempted_at timestamptz not null,
    delivered_at timestamptz,
    next_retry_at timestamptz,
    duration_us bigint,
    subscription_id uuid not null,
    event_log_id uuid not null,
    tenant_id uuid not null,
    payload_size_bytes integer,
    delivery_status varchar(50) not null,
    payload_sha256 bytea,
    response_headers jsonb,
    response_body text,
    error_message text,
    is_test boolean,
    failure text,
    resent_count integer,
    -- ::text: see event_logs.
    constraint delivery_attempts_status_check
        check (delivery_status::text in ('delivered', 'failed', 'retrying', 'expired', 'cancelled'))
) partition by range (delivery_id);
comment on table webhooks.delivery_attempts is
    'Delivery attempts, append-only. The last attempt of a finished delivery is delivered, failed, expired or '
    'cancelled.';
comment on column webhooks.delivery_attempts.delivery_id is 'Delivery id (UUIDv7).';
comment on column webhooks.delivery_attempts.delivery_attempt is 'Number of the attempt, from 1.';
comment on column webhooks.delivery_attempts.http_status_code is 'HTTP status of the response; null: no response came.';
comment on column webhooks.delivery_attempts.attempted_at is
    'Time at which the request began, by the clock of the sidecar.';
comment on column webhooks.delivery_attempts.delivered_at is
    'Time at which a 2xx response was complete, or timeout_seconds had passed while its body came in; null: not '
    'delivered.';
comment on column webhooks.delivery_attempts.next_retry_at is 'Time of the next attempt; null: there is none.';
comment on column webhooks.delivery_attempts.duration_us is
    'Duration of connecting, sending and receiving, in microseconds.';
comment on column webhooks.delivery_attempts.subscription_id is 'Subscription that the delivery goes to.';
comment on column webhooks.delivery_attempts.event_log_id is 'Event that is delivered.';
comment on column webhooks.delivery_attempts.tenant_id is 'Tenant of the subscription and the event.';
comment on column webhooks.delivery_attempts.payload_size_bytes is 'Size of the request body, in bytes.';
comment on column webhooks.delivery_attempts.delivery_status is
    'delivered, failed, retrying, expired or cancelled. For expired and cancelled no request was made.';
comment on column webhooks.delivery_attempts.payload_sha256 is 'SHA-256 of the request body.';
comment on column webhooks.delivery_attempts.response_headers is
    'Response headers, up to the setting max_response_headers_bytes.';
comment on column webhooks.delivery_attempts.response_body is
    'Start of the response body, up to the setting max_response_body_bytes. Invalid UTF-8 is replaced.';
comment on column webhooks.delivery_attempts.error_message is 'Error message; null: the attempt succeeded.';
comment on column webhooks.delivery_attempts.failure is 'Kind of failure: error_message without names and addresses.';
comment on column webhooks.delivery_attempts.resent_count is
    'Number of times that the request was sent again at once on a new connection, because the receiver had closed '
    'the kept one; null: none.';
comment on column webhooks.delivery_attempts.is_test is
    'True: a delivery of test_subscription(). Null: a delivery of an event.';
grant select on webhooks.delivery_attempts to webhooks_manager;
grant select (
    delivery_id, delivery_attempt, http_status_code, attempted_at, delivered_at, next_retry_at, duration_us,
    subscription_id, event_log_id, tenant_id, payload_size_bytes, delivery_status, failure, is_test, resent_count
) on webhooks.delivery_attempts to webhooks_monitor;

create table webhooks_private.delivery_attempts_template (
    like webhooks.delivery_attempts including constraints including comments,
    primary key (delivery_id, delivery_attempt)
);
create index delivery_attempts_template_subscription
    on webhooks_private.delivery_attempts_template (subscription_id, attempted_at desc);
create index delivery_attempts_template_unsuccessful
    on webhooks_private.delivery_attempts_template (delivery_status, attempted_at)
    where delivery_status <> 'delivered';
comment on table webhooks_private.delivery_attempts_template is
    'Always empty: carries the indexes of each partition of delivery_attempts.';

create table webhooks_private.delivery_attempts_default (
    like webhooks_private.delivery_attempts_template including all
);
alter table webhooks.delivery_attempts attach partition webhooks_private.delivery_attempts_default default;
comment on table webhooks_private.delivery_attempts_default is
    'Attempts of deliveries whose id falls in no partition made by create_partitions().';
select pg_catalog.pg_extension_config_dump('webhooks_private.delivery_attempts_default', '');
