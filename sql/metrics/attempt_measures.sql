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
    date_trunc('hour', a.attempted_at at time zone 'UTC') at time zone 'UTC' as hour,
    coalesce(a.is_test, false) as is_test,
    (a.delivery_status = 'delivered')::integer as delivered,
    (a.delivery_status = 'failed')::integer as failed,
    (a.delivery_status = 'retrying')::integer as retrying,
    (a.delivery_status = 'expired')::integer as expired,
    (a.delivery_status = 'cancelled')::integer as cancelled,
    (a.delivery_status = 'delivered' and a.delivery_attempt > 1)::integer as delivered_by_retry,
    (a.delivery_status in ('failed', 'expired') and a.delivery_attempt > 1)::integer as failed_after_retry,
    case when a.delivery_status = 'delivered' then
        (extract(epoch from a.delivered_at - a.attempted_at) * 1000000)::bigint end as response_us,
    -- By two clocks, the server's and the sidecar's.
    case when a.delivery_status = 'delivered' then
        greatest((extract(epoch from a.delivered_at - webhooks.uuid_v7_time(a.delivery_id)) * 1000000)::bigint, 0)
    end as receipt_us,
    -- Both ids are made by the publisher's statement, one when it begins and one when it has matched the event. More
    -- than a minute: the application made the event's id long before, or the event is replayed.
    case when a.delivery_attempt = 1 and substr(a.event_log_id::text, 15, 1) = '7'
              and webhooks.uuid_v7_time(a.delivery_id) - webhooks.uuid_v7_time(a.event_log_id)
                  between interval '0' and interval '1 minute'
         then (extract(epoch from webhooks.uuid_v7_time(a.delivery_id) - webhooks.uuid_v7_time(a.event_log_id))
               * 1000000)::bigint end as publish_us
from webhooks.delivery_attempts a;
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
comment on column webhooks_private.attempt_measures.response_us is
    'Response time of an attempt that delivered, in microseconds.';
comment on column webhooks_private.attempt_measures.receipt_us is
    'Time from the insertion of the delivery into the queue, just before the publisher''s commit, to the response '
    'of the attempt that delivered, in microseconds. The time of deliver_after is still to be taken off: see '
    'roll_up_attempts().';
comment on column webhooks_private.attempt_measures.publish_us is
    'Time from the event''s id to the delivery''s, in microseconds, of the first attempt of a delivery that was '
    'published and not made again.';
