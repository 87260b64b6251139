-- What is known of a subscription's receiver: its circuit breaker, written by record_attempts() when it changes and
-- never for a single delivery. A subscription without a row never failed a few times in a row.
create table webhooks_private.subscription_breakers (
    subscription_id uuid primary key,
    state varchar(10) not null,
    since timestamptz,
    probe_at timestamptz,
    failing_since timestamptz,
    last_error text,
    throttled_since timestamptz,
    throttled_until timestamptz,
    throttle_status integer,
    constraint subscription_breakers_state_check check (state in ('closed', 'open'))
);
comment on table webhooks_private.subscription_breakers is
    'Circuit breakers that ever mattered. Read webhooks.subscription_health; close one with reset_breaker().';
comment on column webhooks_private.subscription_breakers.subscription_id is 'The subscription.';
comment on column webhooks_private.subscription_breakers.state is
    'closed: deliveries are made. open: deliveries wait, without using up attempts.';
comment on column webhooks_private.subscription_breakers.since is
    'Time since which the state holds; null: the circuit breaker was never open.';
comment on column webhooks_private.subscription_breakers.probe_at is
    'Time from which one delivery may probe the receiver; null: the circuit breaker is closed.';
comment on column webhooks_private.subscription_breakers.failing_since is
    'Time of the first failure since the last success; null: the last attempts did not fail in a row.';
comment on column webhooks_private.subscription_breakers.last_error is
    'Error message of the failure that changed this row.';
comment on column webhooks_private.subscription_breakers.throttled_since is
    'Time at which the receiver last began to ask for a pause; null: it never did.';
comment on column webhooks_private.subscription_breakers.throttled_until is
    'End of the pause that the receiver asked for. A time in the past has no meaning.';
comment on column webhooks_private.subscription_breakers.throttle_status is
    'HTTP status with which the receiver asked for the pause.';
select pg_catalog.pg_extension_config_dump('webhooks_private.subscription_breakers', '');
grant select on webhooks_private.subscription_breakers to webhooks_manager;
grant select (
    subscription_id, state, since, probe_at, failing_since, throttled_since, throttled_until, throttle_status
) on webhooks_private.subscription_breakers to webhooks_monitor;

create function webhooks_private.subscription_messages(
    subscription_id uuid, out last_error text, out disabled_reason text, out verification_error text,
    out address_note text
)
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select case when r.reads_all then b.last_error else webhooks_private.failure_kind(b.last_error) end,
           case when r.reads_all then s.disabled_reason else webhooks_private.failure_kind(s.disabled_reason) end,
           case when r.reads_all then v.last_error else webhooks_private.failure_kind(v.last_error) end,
           webhooks_private.special_address(s.webhook_url)
    from webhooks.webhook_subscriptions s
    left join webhooks_private.subscription_breakers b on b.subscription_id = s.id
    left join webhooks_private.subscription_verifications v on v.subscription_id = s.id
    cross join (
        select webhooks.bypasses_isolation(webhooks_private.caller()) as everything,
               pg_has_role(webhooks_private.caller(), 'webhooks_manager', 'usage') as is_manager,
               pg_has_role(webhooks_private.caller(), 'webhooks_monitor', 'usage') as is_monitor
    ) c
    cross join lateral (select c.everything or c.is_manager
                        and webhooks_private.may_access_tenant(s.tenant_id) as reads_all) r
    where s.id = subscription_messages.subscription_id
      and (r.reads_all or not c.is_manager and (c.is_monitor or webhooks_private.may_access_tenant(s.tenant_id)));
end;
comment on function webhooks_private.subscription_messages is
    'What is said of a subscription''s failures: to a manager of its tenant the whole messages, to others the kind '
    'of failure, without names and addresses. Part of subscription_health.';
grant execute on function webhooks_private.subscription_messages to webhooks_manager, webhooks_monitor;

create view webhooks.subscription_health with (security_invoker = true) as
select
    s.id as subscription_id,
    s.tenant_id,
    s.name,
    (s.is_active and s.is_enabled) as is_delivered_to,
    case when b.state = 'open' then case when b.probe_at > now() then 'open' else 'half_open' end
        else 'closed' end as breaker_state,
    case when b.state = 'open' and b.probe_at <= now() then b.probe_at
        else coalesce(b.since, s.created_at) end as breaker_since,
    b.probe_at,
    b.failing_since,
    m.last_error,
    m.disabled_reason,
    case when not n.needed then 'not required' else coalesce(v.state, 'pending') end as verification_state,
    v.since as verification_since,
    v.allowed_rate_per_minute,
    v.next_try_at as next_verification_at,
    case when n.needed and g.origin is null then 'the setting verification_origin is not set'
        when v.subscription_id is not null then m.verification_error end as verification_error,
    case when t.is_throttled then b.throttled_since end as throttled_since,
    case when t.is_throttled then b.throttled_until end as throttled_until,
    case when t.is_throttled then b.throttle_status end as throttle_status,
    m.address_note
from webhooks.webhook_subscriptions s
cross join (
    -- text_setting() and needs_verification() spelled out: a role that is granted the view needs
    -- subscription_messages() alone.
    select coalesce((select o.text_value from webhooks_private.setting_overrides o
                     where o.name = 'endpoint_verification'), 'none') as policy,
           (select o.text_value from webhooks_private.setting_overrides o
            where o.name = 'verification_origin') as origin
) g
cross join lateral (select g.policy = 'required' or coalesce(s.endpoint_verification, g.policy) = 'options' as needed) n
left join webhooks_private.subscription_breakers b on b.subscription_id = s.id
cross join lateral (select b.throttled_until > now() as is_throttled) t
left join webhooks_private.subscription_verifications v on v.subscription_id = s.id and v.origin = g.origin and n.needed
left join lateral webhooks_private.subscription_messages(s.id) m on true;
comment on view webhooks.subscription_health is
    'State of the receiver of each subscription. A manager sees whole error messages, a monitor the kind of failure, '
    'without names and addresses.';
comment on column webhooks.subscription_health.subscription_id is 'The subscription.';
comment on column webhooks.subscription_health.tenant_id is 'Tenant of the subscription.';
comment on column webhooks.subscription_health.name is 'Name of the subscription.';
comment on column webhooks.subscription_health.is_delivered_to is
    'False: the subscription is inactive or disabled. It matches no events, and its outstanding deliveries are held.';
comment on column webhooks.subscription_health.breaker_state is
    'closed: deliveries are made. open: deliveries wait. half_open: one delivery probes the receiver.';
comment on column webhooks.subscription_health.breaker_since is 'Time since which breaker_state holds.';
comment on column webhooks.subscription_health.probe_at is
    'Time from which one delivery may probe the receiver; null: the circuit breaker is closed.';
comment on column webhooks.subscription_health.failing_since is
    'Time of the first failure since the last success; null: the last attempts did not fail in a row.';
comment on column webhooks.subscription_health.last_error is
    'Error message of the last failure that changed the state of the circuit breaker.';
comment on column webhooks.subscription_health.disabled_reason is
    'Reason for which the system disabled the subscription.';
comment on column webhooks.subscription_health.verification_state is
    'verified: the receiver agreed to deliveries. pending: it was not asked yet, or did not answer. refused: it did '
    'not agree. Deliveries wait while it is pending or refused. not required: deliveries are made without it.';
comment on column webhooks.subscription_health.verification_since is
    'Time since which the receiver is verified, refused, or without an answer; null: it was not asked yet.';
comment on column webhooks.subscription_health.allowed_rate_per_minute is
    'Requests per minute that the receiver allows; null: no limit besides the subscription''s own.';
comment on column webhooks.subscription_health.next_verification_at is 'Time of the next verification request.';
comment on column webhooks.subscription_health.verification_error is 'Reason why the receiver is not verified.';
comment on column webhooks.subscription_health.throttled_since is
    'Time since which the receiver asks for a pause; null: it does not.';
comment on column webhooks.subscription_health.throttled_until is
    'End of the pause that the receiver asked for (Retry-After), or that its overload brought about; null: none. '
    'reset_breaker() ends the pause.';
comment on column webhooks.subscription_health.throttle_status is
    'HTTP status with which the receiver asked for the pause.';
comment on column webhooks.subscription_health.address_note is
    'Kind of an address in webhook_url that is not on the public internet, for example loopback. Sidecars deliver to '
    'it only with --allow-network. Null: a public address, or a name.';
grant select on webhooks.subscription_health to webhooks_manager, webhooks_monitor;

create function webhooks.reset_breaker(subscription_id uuid)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    known webhooks_private.subscription_breakers;
begin
    perform webhooks_private.own_subscription(subscription_id);
    -- The sidecar drops what it knows of the receiver and begins anew.
    perform webhooks_private.tell_of_change(subscription_id);
    delete from webhooks_private.subscription_breakers b
        where b.subscription_id = reset_breaker.subscription_id returning * into known;
    if not found then
        return false;
    end if;
    -- Retries that were put off for the receiver's sake. What somebody has locked keeps its time.
    if known.throttled_until > now() then
        update webhooks.delivery_queue q
        set next_attempt_at = now()
        where q.id = any (array(
            select w.id from webhooks.delivery_queue w
            where w.shard = webhooks_private.shard_of(known.subscription_id)
              and w.subscription_id = known.subscription_id
              and w.next_attempt_at is not null and w.attempt > 0
              and w.next_attempt_at between known.throttled_since and known.throttled_until + interval '1 minute'
            for no key update skip locked));
    end if;
    return true;
end
$$;
comment on function webhooks.reset_breaker is
    'Closes the circuit breaker of a subscription at once, and ends a pause that the receiver asked for; retries '
    'that were delayed by the pause become due. False: there was nothing to end.';
grant execute on function webhooks.reset_breaker to webhooks_manager;
