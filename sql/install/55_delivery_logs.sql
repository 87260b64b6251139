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
    constraint delivery_attempts_status_check check (delivery_status::text in ('delivered', 'failed', 'retrying', 'expired', 'cancelled'))
) partition by range (delivery_id);
comment on table webhooks.delivery_attempts is 'One row per attempt, append-only; the last one of a delivery is delivered, failed, expired or cancelled.';
comment on column webhooks.delivery_attempts.delivery_id is 'The delivery.';
comment on column webhooks.delivery_attempts.delivery_attempt is 'Number of the attempt, from 1.';
comment on column webhooks.delivery_attempts.http_status_code is 'HTTP status, if a response came.';
comment on column webhooks.delivery_attempts.attempted_at is 'When the request began (sidecar''s clock).';
comment on column webhooks.delivery_attempts.delivered_at is 'When a 2xx response had come, or as much of its body as came in time.';
comment on column webhooks.delivery_attempts.next_retry_at is 'When the next attempt is due.';
comment on column webhooks.delivery_attempts.duration_us is 'Connect, send and response, in microseconds.';
comment on column webhooks.delivery_attempts.subscription_id is 'To whom.';
comment on column webhooks.delivery_attempts.event_log_id is 'What.';
comment on column webhooks.delivery_attempts.tenant_id is 'Whose.';
comment on column webhooks.delivery_attempts.payload_size_bytes is 'Size of the body sent.';
comment on column webhooks.delivery_attempts.delivery_status is 'delivered, failed, retrying, expired or cancelled (no request was made for these two).';
comment on column webhooks.delivery_attempts.payload_sha256 is 'SHA-256 of the body sent.';
comment on column webhooks.delivery_attempts.response_headers is 'Response headers, as many as the setting max_response_headers_bytes allows.';
comment on column webhooks.delivery_attempts.response_body is 'Start of the response body, as much as the setting max_response_body_bytes allows; invalid UTF-8 is replaced.';
comment on column webhooks.delivery_attempts.error_message is 'What went wrong.';
comment on column webhooks.delivery_attempts.failure is 'Kind of failure: error_message without names and addresses.';
comment on column webhooks.delivery_attempts.resent_count is 'How often the request was sent again at once, on a new connection, since the receiver had closed the kept one. Null: never.';
comment on column webhooks.delivery_attempts.is_test is 'True: made by test_subscription(). Null: a delivery of an event.';

create table webhooks.delivery_attempts_template (
    like webhooks.delivery_attempts including constraints including comments,
    primary key (delivery_id, delivery_attempt)
);
create index delivery_attempts_template_subscription on webhooks.delivery_attempts_template (subscription_id, attempted_at desc);
create index delivery_attempts_template_unsuccessful on webhooks.delivery_attempts_template (delivery_status, attempted_at)
    where delivery_status <> 'delivered';
comment on table webhooks.delivery_attempts_template is 'Always empty: carries the indexes of each partition of delivery_attempts.';

create table webhooks.delivery_attempts_default (like webhooks.delivery_attempts_template including all);
alter table webhooks.delivery_attempts attach partition webhooks.delivery_attempts_default default;
comment on table webhooks.delivery_attempts_default is 'Attempts of deliveries whose id falls in no partition made by create_partitions().';
select pg_catalog.pg_extension_config_dump('webhooks.delivery_attempts_default', '');

create view webhooks.webhook_delivery_logs with (security_invoker = true) as
select
    q.id,
    q.subscription_id,
    q.event_log_id,
    greatest(q.attempt, 1) as delivery_attempt,
    case when q.attempt = 0 then 'pending' else 'retrying' end::varchar(50) as delivery_status,
    a.http_status_code,
    a.response_headers,
    a.response_body,
    a.error_message,
    a.attempted_at,
    null::timestamptz as delivered_at,
    q.next_attempt_at as next_retry_at,
    a.payload_size_bytes,
    encode(a.payload_sha256, 'hex')::varchar(64) as payload_hash,
    q.tenant_id,
    a.duration_us,
    q.shard >= webhooks.shard_count() as is_test,
    coalesce(a.resent_count, 0) as resent_count
from webhooks.delivery_queue q
left join webhooks.delivery_attempts a on a.delivery_id = q.id and a.delivery_attempt = q.attempt
union all
select
    a.delivery_id,
    a.subscription_id,
    a.event_log_id,
    a.delivery_attempt,
    a.delivery_status,
    a.http_status_code,
    a.response_headers,
    a.response_body,
    a.error_message,
    a.attempted_at,
    a.delivered_at,
    a.next_retry_at,
    a.payload_size_bytes,
    encode(a.payload_sha256, 'hex')::varchar(64),
    a.tenant_id,
    a.duration_us,
    coalesce(a.is_test, false),
    coalesce(a.resent_count, 0)
from webhooks.delivery_attempts a
where a.delivery_status <> 'retrying';
comment on view webhooks.webhook_delivery_logs is 'One row per delivery, outstanding or finished, as its last attempt left it.';
comment on column webhooks.webhook_delivery_logs.id is 'Delivery id; receivers see it as X-Webhook-Delivery-Id.';
comment on column webhooks.webhook_delivery_logs.subscription_id is 'To whom.';
comment on column webhooks.webhook_delivery_logs.event_log_id is 'What.';
comment on column webhooks.webhook_delivery_logs.delivery_attempt is 'Number of the last attempt (1 while pending).';
comment on column webhooks.webhook_delivery_logs.delivery_status is 'pending, retrying, delivered, failed, expired or cancelled.';
comment on column webhooks.webhook_delivery_logs.http_status_code is 'HTTP status of the last attempt, if a response came.';
comment on column webhooks.webhook_delivery_logs.response_headers is 'Its headers (capped).';
comment on column webhooks.webhook_delivery_logs.response_body is 'Start of its body (capped).';
comment on column webhooks.webhook_delivery_logs.error_message is 'What went wrong at the last attempt.';
comment on column webhooks.webhook_delivery_logs.attempted_at is 'When the last attempt began; null before the first.';
comment on column webhooks.webhook_delivery_logs.delivered_at is 'When it was delivered.';
comment on column webhooks.webhook_delivery_logs.next_retry_at is 'When the next attempt is due; null: as soon as possible, or never again.';
comment on column webhooks.webhook_delivery_logs.payload_size_bytes is 'Size of the body sent.';
comment on column webhooks.webhook_delivery_logs.payload_hash is 'SHA-256 of the body sent, hex.';
comment on column webhooks.webhook_delivery_logs.tenant_id is 'Whose.';
comment on column webhooks.webhook_delivery_logs.duration_us is 'Duration of the last attempt, in microseconds.';
comment on column webhooks.webhook_delivery_logs.is_test is 'Made by test_subscription().';
comment on column webhooks.webhook_delivery_logs.resent_count is 'How often the last attempt''s request was sent again at once, on a new connection, since the receiver had closed the kept one before it answered.';
