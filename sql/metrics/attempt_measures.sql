-- What each attempt adds to the numbers: roll_up() adds it up once, and the metrics functions add up what is not rolled
-- up yet. Said once, so that both say the same.
create view webhooks_private.attempt_measures with (security_invoker = true) as
select
    a.delivery_id,
    a.delivery_attempt,
    a.tenant_id,
    a.subscription_id,
    a.event_log_id,
    a.attempted_at,
    date_bin('1 hour', a.attempted_at, timestamptz '2001-01-01 00:00Z') as hour,
    coalesce(a.is_test, false) as is_test,
    (a.delivery_status = 'delivered')::integer as delivered,
    (a.delivery_status = 'failed')::integer as failed,
    (a.delivery_status = 'retrying')::integer as retrying,
    (a.delivery_status = 'expired')::integer as expired,
    (a.delivery_status = 'cancelled')::integer as cancelled,
    (a.delivery_status = 'delivered' and a.delivery_attempt > 1)::integer as delivered_by_retry,
    (a.delivery_status in ('failed', 'expired') and a.delivery_attempt > 1)::integer as failed_after_retry,
    i.delivery_ms,
    case when a.delivery_status = 'delivered' then
        (date_part('epoch', a.delivered_at - a.attempted_at) * 1000000)::bigint end as response_us,
    -- By two clocks, the server's and the sidecar's.
    case when a.delivery_status = 'delivered' then
        greatest((date_part('epoch', a.delivered_at) * 1000000)::bigint - i.delivery_ms * 1000, 0) end as receipt_us,
    -- Both ids are made by the publisher's statement, one when it begins and one when it has matched the event. More
    -- than a minute: the application made the event's id long before, or the event is replayed.
    case when a.delivery_attempt = 1 and i.delivery_ms - i.event_ms between 0 and 60000 then
        (i.delivery_ms - i.event_ms) * 1000 end as publish_us
from webhooks.delivery_attempts a
-- uuid_v7_time() in milliseconds. Fenced, so that it is worked out once a row: it is what most of the time goes into.
cross join lateral (
    select ('x' || translate(left(a.delivery_id::text, 13), '-', ''))::bit(48)::bigint as delivery_ms,
           ('x' || translate(left(a.event_log_id::text, 13), '-', ''))::bit(48)::bigint as event_ms
    offset 0
) i;
comment on view webhooks_private.attempt_measures is 'What each attempt adds to the numbers of its hour.';
comment on column webhooks_private.attempt_measures.delivery_id is 'Delivery id.';
comment on column webhooks_private.attempt_measures.delivery_attempt is 'Number of the attempt, from 1.';
comment on column webhooks_private.attempt_measures.tenant_id is 'Tenant of the delivery.';
comment on column webhooks_private.attempt_measures.subscription_id is 'Subscription of the delivery.';
comment on column webhooks_private.attempt_measures.event_log_id is 'Event that is delivered.';
comment on column webhooks_private.attempt_measures.attempted_at is 'Time at which the attempt began.';
comment on column webhooks_private.attempt_measures.hour is 'Beginning of the hour of attempted_at.';
comment on column webhooks_private.attempt_measures.is_test is 'True: a delivery of test_subscription().';
comment on column webhooks_private.attempt_measures.delivered is '1: the attempt delivered.';
comment on column webhooks_private.attempt_measures.failed is '1: the delivery failed with it.';
comment on column webhooks_private.attempt_measures.retrying is '1: the delivery was to be retried.';
comment on column webhooks_private.attempt_measures.expired is '1: the delivery expired.';
comment on column webhooks_private.attempt_measures.cancelled is '1: the delivery was cancelled.';
comment on column webhooks_private.attempt_measures.delivered_by_retry is
    '1: the attempt delivered and was not the first one.';
comment on column webhooks_private.attempt_measures.failed_after_retry is
    '1: the delivery failed or expired after an attempt before.';
comment on column webhooks_private.attempt_measures.delivery_ms is
    'Time of the delivery id: milliseconds since 1970.';
comment on column webhooks_private.attempt_measures.response_us is
    'Response time of an attempt that delivered, in microseconds.';
comment on column webhooks_private.attempt_measures.receipt_us is
    'Time from the insertion of the delivery into the queue, just before the publisher''s commit, to the response '
    'of the attempt that delivered, in microseconds. The time of deliver_after is still to be taken off: see '
    'roll_up_attempts().';
comment on column webhooks_private.attempt_measures.publish_us is
    'Time from the event''s id to the delivery''s, in microseconds, of the first attempt of a delivery that was queued '
    'within a minute of it. Deliveries that were made again are still to be left out: see roll_up_attempts().';
