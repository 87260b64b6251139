-- The partitions of delivery_attempts are chosen by conditions on id. PostgreSQL takes them over from one side of a
-- join to the other only if they are "id = ...". So pending and retrying deliveries are apart, and the id of a retrying
-- one is that of its attempt. The attempt is always there: record_attempts() writes both, and no partition is dropped
-- that an outstanding delivery needs. No column of a retrying delivery is a constant: of conditions that are false for
-- it, those on id would be forgotten, too, and every partition opened.

create view webhooks.webhook_delivery_logs with (security_invoker = true) as
select
    q.id,
    q.subscription_id,
    q.event_log_id,
    1 as delivery_attempt,
    'pending'::varchar(50) as delivery_status,
    null::integer as http_status_code,
    null::jsonb as response_headers,
    null::text as response_body,
    null::text as error_message,
    null::timestamptz as attempted_at,
    null::timestamptz as delivered_at,
    q.next_attempt_at as next_retry_at,
    null::integer as payload_size_bytes,
    null::varchar(64) as payload_hash,
    q.tenant_id,
    null::bigint as duration_us,
    q.shard >= webhooks_private.shard_count() as is_test,
    0 as resent_count
from webhooks.delivery_queue q
where q.attempt = 0
union all
select
    a.delivery_id,
    a.subscription_id,
    a.event_log_id,
    a.delivery_attempt,
    case when q.attempt > 0 then 'retrying' end::varchar(50),
    a.http_status_code,
    a.response_headers,
    a.response_body,
    a.error_message,
    a.attempted_at,
    a.delivered_at,
    q.next_attempt_at,
    a.payload_size_bytes,
    encode(a.payload_sha256, 'hex')::varchar(64),
    a.tenant_id,
    a.duration_us,
    q.shard >= webhooks_private.shard_count(),
    coalesce(a.resent_count, 0)
from webhooks.delivery_attempts a
join webhooks.delivery_queue q on q.id = a.delivery_id and q.attempt = a.delivery_attempt
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
comment on view webhooks.webhook_delivery_logs is
    'Deliveries, outstanding and finished, with the result of the last attempt.';
comment on column webhooks.webhook_delivery_logs.id is 'Delivery id; receivers see it as X-Webhook-Delivery-Id.';
comment on column webhooks.webhook_delivery_logs.subscription_id is 'Subscription that the delivery goes to.';
comment on column webhooks.webhook_delivery_logs.event_log_id is 'Event that is delivered.';
comment on column webhooks.webhook_delivery_logs.delivery_attempt is
    'Number of the last attempt, from 1; 1 while the delivery is pending.';
comment on column webhooks.webhook_delivery_logs.delivery_status is
    'pending, retrying, delivered, failed, expired or cancelled.';
comment on column webhooks.webhook_delivery_logs.http_status_code is
    'HTTP status of the last attempt; null: no response came.';
comment on column webhooks.webhook_delivery_logs.response_headers is
    'Response headers of the last attempt, up to the setting max_response_headers_bytes.';
comment on column webhooks.webhook_delivery_logs.response_body is
    'Start of the response body of the last attempt, up to the setting max_response_body_bytes.';
comment on column webhooks.webhook_delivery_logs.error_message is
    'Error message of the last attempt; null: it succeeded.';
comment on column webhooks.webhook_delivery_logs.attempted_at is
    'Time at which the last attempt began; null before the first attempt.';
comment on column webhooks.webhook_delivery_logs.delivered_at is 'Time of delivery; null: not delivered.';
comment on column webhooks.webhook_delivery_logs.next_retry_at is
    'Time of the next attempt; null: as soon as possible for a pending or retrying delivery, otherwise never.';
comment on column webhooks.webhook_delivery_logs.payload_size_bytes is 'Size of the request body, in bytes.';
comment on column webhooks.webhook_delivery_logs.payload_hash is 'SHA-256 of the request body, hexadecimal.';
comment on column webhooks.webhook_delivery_logs.tenant_id is 'Tenant of the subscription and the event.';
comment on column webhooks.webhook_delivery_logs.duration_us is 'Duration of the last attempt, in microseconds.';
comment on column webhooks.webhook_delivery_logs.is_test is 'True: a delivery of test_subscription().';
comment on column webhooks.webhook_delivery_logs.resent_count is
    'Number of times that the last request was sent again at once on a new connection, because the receiver had '
    'closed the kept one without an answer.';
grant select on webhooks.webhook_delivery_logs to webhooks_manager;

create view webhooks.delivery_states with (security_invoker = true) as
select
    q.id,
    q.subscription_id,
    q.event_log_id,
    q.tenant_id,
    1 as delivery_attempt,
    'pending'::varchar(50) as delivery_status,
    null::integer as http_status_code,
    null::text as error_message,
    null::timestamptz as attempted_at,
    null::timestamptz as delivered_at,
    q.next_attempt_at as next_retry_at,
    null::integer as payload_size_bytes,
    null::bigint as duration_us,
    q.shard >= webhooks_private.shard_count() as is_test,
    0 as resent_count
from webhooks.delivery_queue q
where q.attempt = 0
union all
select
    a.delivery_id,
    a.subscription_id,
    a.event_log_id,
    a.tenant_id,
    a.delivery_attempt,
    case when q.attempt > 0 then 'retrying' end::varchar(50),
    a.http_status_code,
    a.failure,
    a.attempted_at,
    a.delivered_at,
    q.next_attempt_at,
    a.payload_size_bytes,
    a.duration_us,
    q.shard >= webhooks_private.shard_count(),
    coalesce(a.resent_count, 0)
from webhooks.delivery_attempts a
join webhooks.delivery_queue q on q.id = a.delivery_id and q.attempt = a.delivery_attempt
union all
select
    a.delivery_id,
    a.subscription_id,
    a.event_log_id,
    a.tenant_id,
    a.delivery_attempt,
    a.delivery_status,
    a.http_status_code,
    a.failure,
    a.attempted_at,
    a.delivered_at,
    a.next_retry_at,
    a.payload_size_bytes,
    a.duration_us,
    coalesce(a.is_test, false),
    coalesce(a.resent_count, 0)
from webhooks.delivery_attempts a
where a.delivery_status <> 'retrying';
comment on view webhooks.delivery_states is
    'webhook_delivery_logs as a monitor may read it: without responses, without names and addresses in error '
    'messages, and without hashes of payloads.';
comment on column webhooks.delivery_states.id is 'Delivery id.';
comment on column webhooks.delivery_states.subscription_id is 'Subscription that the delivery goes to.';
comment on column webhooks.delivery_states.event_log_id is 'Event that is delivered.';
comment on column webhooks.delivery_states.tenant_id is 'Tenant of the subscription and the event.';
comment on column webhooks.delivery_states.delivery_attempt is
    'Number of the last attempt, from 1; 1 while the delivery is pending.';
comment on column webhooks.delivery_states.delivery_status is
    'pending, retrying, delivered, failed, expired or cancelled.';
comment on column webhooks.delivery_states.http_status_code is
    'HTTP status of the last attempt; null: no response came.';
comment on column webhooks.delivery_states.error_message is
    'Kind of failure of the last attempt, without names and addresses. webhook_delivery_logs has the whole message.';
comment on column webhooks.delivery_states.attempted_at is
    'Time at which the last attempt began; null before the first attempt.';
comment on column webhooks.delivery_states.delivered_at is 'Time of delivery; null: not delivered.';
comment on column webhooks.delivery_states.next_retry_at is
    'Time of the next attempt; null: as soon as possible for a pending or retrying delivery, otherwise never.';
comment on column webhooks.delivery_states.payload_size_bytes is 'Size of the request body, in bytes.';
comment on column webhooks.delivery_states.duration_us is 'Duration of the last attempt, in microseconds.';
comment on column webhooks.delivery_states.is_test is 'True: a delivery of test_subscription().';
comment on column webhooks.delivery_states.resent_count is
    'Number of times that the last request was sent again at once on a new connection, because the receiver had '
    'closed the kept one without an answer.';
grant select on webhooks.delivery_states to webhooks_manager, webhooks_monitor;
