create function webhooks_private.due_since(
    delivery_id uuid, event_log_id uuid, attempt integer, next_attempt_at timestamptz
)
returns timestamptz
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    queued_at constant timestamptz := webhooks.uuid_v7_time(delivery_id);
begin
    if next_attempt_at is not null then
        return next_attempt_at;
    -- What was queued just now was not put off.
    elsif attempt = 0 and queued_at > now() - interval '10 seconds' then
        return queued_at;
    elsif attempt = 0 then
        return greatest(queued_at, (
            select e.deliver_after from webhooks.event_logs e where e.id = due_since.event_log_id limit 1));
    end if;
    return coalesce((
        select a.next_retry_at from webhooks.delivery_attempts a
        where a.delivery_id = due_since.delivery_id and a.delivery_attempt = due_since.attempt), queued_at);
end
$$;
comment on function webhooks_private.due_since is
    'Since when a delivery may be attempted, by its schedule: not its age, since deliver_after and retries wait.';

create function webhooks_private.held_subscriptions()
returns table (subscription_id uuid)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select s.id
    from webhooks.webhook_subscriptions s
    left join webhooks_private.subscription_breakers b on b.subscription_id = s.id
    left join webhooks_private.subscription_verifications v
        on v.subscription_id = s.id and v.origin = webhooks_private.text_setting('verification_origin')
    where (s.is_active and s.is_enabled) is not true
       or s.delivery = 'poll'
       or b.state = 'open' and b.probe_at > now()
       or b.throttled_until > now()
       or webhooks_private.needs_verification(s.endpoint_verification,
                                              (select webhooks_private.text_setting('endpoint_verification')))
          and v.state is distinct from 'verified';
end;
comment on function webhooks_private.held_subscriptions is
    'Subscriptions whose deliveries something holds back: disabled, inactive, not verified, an open circuit breaker, '
    'a pause that the receiver asked for, or a receiver that fetches them when it likes.';
