create function webhooks_private.outstanding_deliveries(subscription_id uuid)
returns setof webhooks.delivery_queue
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- One query for each index; then for tests, and for what is polled.
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks_private.shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is not null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks_private.shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null and q.next_attempt_at is null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks_private.shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null
      and q.next_attempt_at is not null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks_private.test_shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null and q.next_attempt_at is null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks_private.poll_shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null and q.next_attempt_at is null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks_private.poll_shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null
      and q.next_attempt_at is not null;
end;
comment on function webhooks_private.outstanding_deliveries is 'What is outstanding to a subscription.';

create function webhooks_private.end_deliveries(ids uuid[], tenant_id uuid)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    cancelled bigint;
begin
    with locked as materialized (
        -- Those whose result is being written are done, or to be retried: waiting for a sidecar that may wait for us in
        -- turn would be a deadlock.
        select q.id
        from webhooks.delivery_queue q
        -- A deleted subscription's id may be another tenant's by now.
        where q.id = any (ids) and q.tenant_id = end_deliveries.tenant_id
        for update skip locked
    ),
    gone as (
        delete from webhooks.delivery_queue q
        using locked l
        where q.id = l.id
        returning q.*
    ),
    logged as (
        insert into webhooks.delivery_attempts
            (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status,
             error_message, failure, is_test)
        select g.id, g.attempt + 1, clock_timestamp(), g.subscription_id, g.event_log_id, g.tenant_id, 'cancelled',
               'cancelled', 'cancelled',
               case when g.shard >= webhooks_private.shard_count() then true end
        from gone g
        on conflict do nothing
    )
    select count(*) into cancelled from gone;
    return cancelled;
end
$$;
comment on function webhooks_private.end_deliveries is
    'Cancels outstanding deliveries of a tenant, and returns how many it could. For functions that have checked the '
    'tenant, and have told sidecars of the change.';

create function webhooks.cancel_deliveries(subscription_id uuid)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.own_subscription(subscription_id);
    cancelled bigint;
begin
    -- Sidecars drop what they hold of it.
    perform webhooks_private.tell_of_change(subscription_id);
    cancelled := webhooks_private.end_deliveries(
        array(select o.id from webhooks_private.outstanding_deliveries(cancel_deliveries.subscription_id) o),
        subscription.tenant_id);
    if cancelled > 0 then
        perform webhooks_private.audit('cancelled', 'subscription', subscription.id::text, subscription.tenant_id,
                               after => jsonb_build_object('deliveries', cancelled));
    end if;
    return cancelled;
end
$$;
comment on function webhooks.cancel_deliveries is
    'Cancels the outstanding deliveries of a subscription, and returns their number. The log shows them as '
    'cancelled. A request that is being made is not interrupted. A delivery whose result is being recorded is left '
    'out; call the function again.';
grant execute on function webhooks.cancel_deliveries to webhooks_manager;

create function webhooks_private.is_finished(delivery_id uuid)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- The id decides which partition is opened.
set plan_cache_mode = force_custom_plan
as $$
begin
    return exists (
        select from webhooks.delivery_attempts a
        where a.delivery_id = is_finished.delivery_id and webhooks_private.may_access_tenant(a.tenant_id));
end
$$;
comment on function webhooks_private.is_finished is
    'Whether a delivery that is not outstanding is one that the caller may see. Part of cancel_delivery().';

create function webhooks.cancel_delivery(delivery_id uuid)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    delivery record;
begin
    select q.id, q.subscription_id, q.event_log_id, q.tenant_id into delivery
    from webhooks.delivery_queue q
    where q.id = cancel_delivery.delivery_id;
    if not found then
        if not webhooks_private.is_finished(delivery_id) then
            perform webhooks_private.raise_unknown_delivery(delivery_id);
        end if;
        return false;
    end if;
    if not webhooks_private.may_access_tenant(delivery.tenant_id) then
        perform webhooks_private.raise_unknown_delivery(delivery_id);
    end if;
    perform webhooks_private.tell_of_change(delivery.subscription_id);
    if webhooks_private.end_deliveries(array[delivery.id], delivery.tenant_id) = 0 then
        return false;
    end if;
    perform webhooks_private.audit('cancelled', 'delivery', delivery.id::text, delivery.tenant_id,
                                   after => jsonb_build_object('event_id', delivery.event_log_id,
                                                               'subscription_id', delivery.subscription_id));
    return true;
end
$$;
comment on function webhooks.cancel_delivery is
    'Cancels a delivery. The log shows it as cancelled. A request that is being made is not interrupted. False: the '
    'delivery is finished, or its result is being recorded.';
grant execute on function webhooks.cancel_delivery to webhooks_manager;
