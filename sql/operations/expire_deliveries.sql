-- A sidecar records what expires while its turn comes, and a retry that would come too late is due when the delivery
-- expires. What no sidecar takes a look at is found here, whatever holds it back: a subscription that is disabled,
-- not verified, slow or behind an open breaker, a lane that is blocked, or deliver_after.

create function webhooks_private.expire_deliveries(max_deliveries integer default 10000)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- As in claim_deliveries(): whatever the statistics say of the queue.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    max_age constant interval := make_interval(secs => webhooks_private.setting('max_delivery_age_seconds'));
    overdue constant timestamptz := clock_timestamp();
    -- Five minutes are the longest timeout there is.
    oldest constant timestamptz := overdue - max_age - interval '330 s';
    old_id constant uuid := webhooks.uuid_v7_floor(oldest);
    ids uuid[];
    old_ids uuid[];
    first_event uuid;
    last_event uuid;
    expired bigint;
begin
    -- What somebody has locked is left for later, and hides nobody else's.
    ids := array(
        select q.id from webhooks.delivery_queue q
        where q.expires_at <= overdue
          -- A request that began in time may still be under way: what it brings counts.
          and q.expires_at <= overdue - make_interval(secs => 30 + coalesce(
              (select s.timeout_seconds from webhooks.webhook_subscriptions s where s.id = q.subscription_id), 30))
        order by q.expires_at limit expire_deliveries.max_deliveries
        for update of q skip locked);
    select array_agg(o.id), (array_agg(o.event_log_id order by o.event_log_id))[1],
           (array_agg(o.event_log_id order by o.event_log_id desc))[1]
    into old_ids, first_event, last_event
    from (
        select q.id, q.event_log_id from webhooks.delivery_queue q
        -- What deliver_after puts off is not old.
        where q.id < old_id and (q.attempt > 0 or q.next_attempt_at is null)
        order by q.id limit expire_deliveries.max_deliveries
        for update of q skip locked
    ) o;
    -- As claim_deliveries() counts the age.
    ids := ids || array(
        select q.id
        from webhooks.delivery_queue q
        left join lateral (
            select e.deliver_after from webhooks.event_logs e
            where e.id = q.event_log_id and e.id between first_event and last_event limit 1
        ) e on true
        where q.id = any (old_ids) and e.deliver_after > oldest is not true);
    with gone as (
        delete from webhooks.delivery_queue q
        where q.id = any (ids)
        returning q.*
    ),
    logged as (
        insert into webhooks.delivery_attempts
            (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status,
             error_message, failure, is_test)
        select g.id, g.attempt + 1, clock_timestamp(), g.subscription_id, g.event_log_id, g.tenant_id, 'expired',
               m.error_message, webhooks_private.failure_kind(m.error_message),
               case when g.shard >= webhooks_private.shard_count() then true end
        from gone g
        cross join (values ('expires_at or max_delivery_age_seconds has passed; nothing was sent')) m (error_message)
        on conflict do nothing
    ),
    -- What waited behind them in their lanes may go.
    rung as (
        select webhooks_private.ring_doorbell(l.shard)
            from (select distinct g.shard from gone g where g.lane is not null) l
    )
    select count(*) + 0 * (select count(*) from rung) into expired from gone;
    return expired;
end
$$;
comment on function webhooks_private.expire_deliveries is
    'Ends outstanding deliveries that have expired while something holds them back, at most so many for each of the '
    'two reasons: the log has them as expired. Part of maintain().';
