create function webhooks.test_subscription(
    subscription_id uuid, event_type text default null, event_data jsonb default null
)
returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription webhooks.webhook_subscriptions;
    sample_type text;
    event_id constant uuid := webhooks.uuid_v7();
    -- Somebody waits for it. One that no sidecar was there to make must not be sent days later.
    expiry constant timestamptz := clock_timestamp() + interval '10 minutes';
    delivery_id uuid;
begin
    perform webhooks_private.check_adopted();
    subscription := webhooks_private.own_subscription(subscription_id);
    if subscription.delivery = 'poll' then
        raise exception 'subscription % is polled: there is no receiver to send a test to', subscription.id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Publish an event and fetch it: select * from webhooks.poll_deliveries(...);';
    end if;
    sample_type := webhooks_private.sample_event_type(subscription.subscribed_events, event_type);
    if webhooks_private.needs_verification(subscription.endpoint_verification,
                                           webhooks_private.text_setting('endpoint_verification'))
        and not exists (
            select from webhooks_private.subscription_verifications v
            where v.subscription_id = subscription.id and v.webhook_url = subscription.webhook_url
              and v.state = 'verified'
              and v.origin = webhooks_private.text_setting('verification_origin')) then
        raise exception 'the receiver of subscription % has not agreed to deliveries yet', subscription.id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'See verification_state and verification_error in webhooks.subscription_health; '
                         'webhooks.verify_subscription() asks it once more, while the subscription is enabled.';
    end if;
    insert into webhooks.event_logs (
        id, tenant_id, event_type, event_category, event_name, event_version, event_data, resource_type, resource_id,
        environment, expires_at, is_test
    )
    select event_id, subscription.tenant_id, t.name, t.category,
           left('Test: ' || coalesce(t.description, t.name), 100), t.version,
           coalesce(test_subscription.event_data, t.example), t.category,
           '00000000-0000-7000-8000-000000000002', subscription.environment, expiry, true
    from webhooks.event_type_catalogue t
    where t.is_current and t.name = sample_type;
    insert into webhooks.delivery_queue (subscription_id, event_log_id, tenant_id, shard, expires_at)
    values (subscription.id, event_id, subscription.tenant_id, webhooks_private.test_shard_of(subscription.id), expiry)
    returning delivery_queue.id into delivery_id;
    -- Always: tests are few, and sidecars look for them more often only when told.
    perform webhooks_private.notify('webhooks_doorbell', 'test');
    perform webhooks_private.audit('tested', 'subscription', subscription.id::text, subscription.tenant_id,
                           after => jsonb_build_object('delivery_id', delivery_id, 'event_type', sample_type));
    return delivery_id;
end
$$;
comment on function webhooks.test_subscription is
    'Sends an example of an event type (by default a subscribed one) to one subscription, once, with its example as '
    'data unless event_data are given. The subscription may be disabled, its circuit breaker may be open, and other '
    'deliveries may wait. Returns the delivery id. The delivery is made when the transaction is committed; see '
    'wait_for_delivery().';
grant execute on function webhooks.test_subscription to webhooks_manager;
