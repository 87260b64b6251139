create table webhooks.delivery_queue (
    id uuid primary key default webhooks.uuid_v7(),
    shard smallint not null,
    attempt integer not null default 0,
    subscription_id uuid not null,
    event_log_id uuid not null,
    next_attempt_at timestamptz,
    expires_at timestamptz
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1);
create index delivery_queue_ready on webhooks.delivery_queue (shard, subscription_id, id) where next_attempt_at is null;
create index delivery_queue_scheduled on webhooks.delivery_queue (shard, next_attempt_at) where next_attempt_at is not null;
comment on table webhooks.delivery_queue is 'Outstanding deliveries only. Inserted by match_events(), removed or rescheduled by record_attempts().';
comment on column webhooks.delivery_queue.id is 'Delivery id.';
comment on column webhooks.delivery_queue.shard is 'shard_of(subscription_id): the sidecar that owns it delivers.';
comment on column webhooks.delivery_queue.attempt is 'Attempts already made and recorded.';
comment on column webhooks.delivery_queue.subscription_id is 'To whom.';
comment on column webhooks.delivery_queue.event_log_id is 'What.';
comment on column webhooks.delivery_queue.next_attempt_at is 'Null: ready. Otherwise not before this time (deliver_after or a retry).';
comment on column webhooks.delivery_queue.expires_at is 'Past this time the delivery becomes expired.';

-- One row per HTTP attempt; partitioned like event_logs.
create table webhooks.delivery_attempts (
    id uuid not null default webhooks.uuid_v7(),
    delivery_id uuid not null,
    subscription_id uuid not null,
    event_log_id uuid not null,
    delivery_attempt integer not null,
    delivery_status varchar(50) not null,
    http_status_code integer,
    response_headers jsonb,
    response_body text,
    error_message text,
    attempted_at timestamptz not null,
    delivered_at timestamptz,
    next_retry_at timestamptz,
    duration_us bigint,
    payload_size_bytes integer,
    payload_hash varchar(64),
    constraint delivery_attempts_status_check check (delivery_status in ('delivered', 'failed', 'retrying', 'expired'))
) partition by range (id);
comment on table webhooks.delivery_attempts is 'One row per attempt, append-only; the last one of a delivery is delivered, failed or expired.';
comment on column webhooks.delivery_attempts.id is 'Attempt id.';
comment on column webhooks.delivery_attempts.delivery_id is 'The delivery.';
comment on column webhooks.delivery_attempts.subscription_id is 'To whom.';
comment on column webhooks.delivery_attempts.event_log_id is 'What.';
comment on column webhooks.delivery_attempts.delivery_attempt is 'Number of the attempt, from 1.';
comment on column webhooks.delivery_attempts.delivery_status is 'delivered, failed, retrying or expired.';
comment on column webhooks.delivery_attempts.http_status_code is 'HTTP status, if a response came.';
comment on column webhooks.delivery_attempts.response_headers is 'Response headers (capped).';
comment on column webhooks.delivery_attempts.response_body is 'Start of the response body (capped, invalid UTF-8 replaced).';
comment on column webhooks.delivery_attempts.error_message is 'What went wrong.';
comment on column webhooks.delivery_attempts.attempted_at is 'When the request began (sidecar''s clock).';
comment on column webhooks.delivery_attempts.delivered_at is 'When a 2xx response was complete.';
comment on column webhooks.delivery_attempts.next_retry_at is 'When the next attempt is due.';
comment on column webhooks.delivery_attempts.duration_us is 'Connect, send and response, in microseconds.';
comment on column webhooks.delivery_attempts.payload_size_bytes is 'Size of the body sent.';
comment on column webhooks.delivery_attempts.payload_hash is 'SHA-256 of the body sent, hex.';

create table webhooks.delivery_attempts_template (
    like webhooks.delivery_attempts including defaults including constraints including comments,
    primary key (id)
);
create index delivery_attempts_template_delivery on webhooks.delivery_attempts_template (delivery_id);
create index delivery_attempts_template_subscription on webhooks.delivery_attempts_template (subscription_id, attempted_at desc);
comment on table webhooks.delivery_attempts_template is 'Always empty: carries the indexes of each partition of delivery_attempts.';

create table webhooks.delivery_attempts_default (like webhooks.delivery_attempts_template including all);
alter table webhooks.delivery_attempts attach partition webhooks.delivery_attempts_default default;
comment on table webhooks.delivery_attempts_default is 'Attempts whose id falls in no partition made by create_partitions().';

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
    a.payload_hash
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
    a.payload_hash
from webhooks.delivery_attempts a
where a.delivery_status <> 'retrying';
comment on view webhooks.webhook_delivery_logs is 'One row per delivery, outstanding or finished, as its last attempt left it.';

select pg_catalog.pg_extension_config_dump('webhooks.delivery_queue', '');
select pg_catalog.pg_extension_config_dump('webhooks.delivery_attempts_default', '');

-- Deleting a subscription cancels what is outstanding; the log stays.
create function webhooks.cancel_outstanding()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from webhooks.delivery_queue q where q.shard = webhooks.shard_of(old.id) and q.subscription_id = old.id;
    return null;
end
$$;
comment on function webhooks.cancel_outstanding() is 'Trigger: removes the outstanding deliveries of a deleted subscription.';
create trigger cancel_outstanding
    after delete on webhooks.webhook_subscriptions
    for each row execute function webhooks.cancel_outstanding();
