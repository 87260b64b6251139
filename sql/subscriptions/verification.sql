-- Whether receivers have agreed to get deliveries: CloudEvents' "HTTP 1.1 Web Hooks for Event Delivery" 1.0.2, 4
-- (abuse protection). Sidecars ask and write the answer here; a subscription without a row was not asked, or is to be
-- asked anew. What was agreed to counts for that URL and that origin alone.
create table webhooks_private.subscription_verifications (
    subscription_id uuid primary key,
    webhook_url text not null,
    origin text not null,
    state varchar(10) not null,
    since timestamptz not null,
    allowed_rate_per_minute integer,
    tries integer not null,
    failing_since timestamptz,
    next_try_at timestamptz,
    last_error text,
    constraint subscription_verifications_state_check check (state in ('pending', 'verified', 'refused')),
    constraint subscription_verifications_rate_check check (allowed_rate_per_minute > 0)
);
comment on table webhooks_private.subscription_verifications is
    'What receivers answered when they were asked whether they want deliveries. Read webhooks.subscription_health; '
    'ask anew with verify_subscription().';
comment on column webhooks_private.subscription_verifications.subscription_id is 'The subscription.';
comment on column webhooks_private.subscription_verifications.webhook_url is 'URL that was asked.';
comment on column webhooks_private.subscription_verifications.origin is
    'Origin in the request: the setting verification_origin at that time.';
comment on column webhooks_private.subscription_verifications.state is
    'verified: the receiver agreed. refused: it answered and did not agree. pending: it did not answer.';
comment on column webhooks_private.subscription_verifications.since is 'Time since which the state holds.';
comment on column webhooks_private.subscription_verifications.allowed_rate_per_minute is
    'Requests per minute that the receiver allows; null: no limit besides the subscription''s own.';
comment on column webhooks_private.subscription_verifications.tries is 'Number of requests without success.';
comment on column webhooks_private.subscription_verifications.failing_since is
    'Time of the first request without success; null: the receiver agreed.';
comment on column webhooks_private.subscription_verifications.next_try_at is
    'Time of the next request; null: the receiver agreed.';
comment on column webhooks_private.subscription_verifications.last_error is 'Reason why the receiver is not verified.';
select pg_catalog.pg_extension_config_dump('webhooks_private.subscription_verifications', '');
grant select on webhooks_private.subscription_verifications to webhooks_manager;
grant select (
    subscription_id, origin, state, since, allowed_rate_per_minute, tries, failing_since, next_try_at
) on webhooks_private.subscription_verifications to webhooks_monitor;

create function webhooks_private.needs_verification(own text, general text)
returns boolean
language sql immutable parallel safe
return case when general = 'required' then true else coalesce(own, general) = 'options' end;
comment on function webhooks_private.needs_verification is
    'Whether a receiver has to agree first, by its subscription''s endpoint_verification and the setting of that '
    'name.';

create function webhooks_private.renew_verification(before webhooks.webhook_subscriptions,
                                                    after webhooks.webhook_subscriptions)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if before.id is not null then
        delete from webhooks_private.subscription_verifications v
        where v.subscription_id = before.id
          and (after.id is null
               or (after.webhook_url, after.auth_type, after.auth_config) is distinct from (before.webhook_url,
                       before.auth_type, before.auth_config)
               -- Somebody looked after it.
               or v.state <> 'verified'
                  and (after.is_active and after.is_enabled) is true
                  and (before.is_active and before.is_enabled) is not true);
    end if;
    -- It is asked at once. If no sidecar hears this, it is when there is something to deliver.
    if after.id is not null
        and after.delivery = 'push'
        and (before.id is null
             or (after.delivery, after.webhook_url, after.auth_type, after.auth_config, after.endpoint_verification,
                 after.is_active, after.is_enabled)
                is distinct from
                (before.delivery, before.webhook_url, before.auth_type, before.auth_config,
                 before.endpoint_verification, before.is_active, before.is_enabled))
        and webhooks_private.needs_verification(after.endpoint_verification,
                                                webhooks_private.text_setting('endpoint_verification'))
        and (after.is_active and after.is_enabled) is true then
        perform webhooks_private.notify_change('verify ' || after.id);
    end if;
end
$$;
comment on function webhooks_private.renew_verification is
    'What a change of a subscription means for its verification. Part of derive_routes().';

create function webhooks_private.tell_of_change(subscription_id uuid)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks_private.notify_change(subscription_id::text) then
        -- Another version of it they find by themselves. (Before anything else of it is locked, as everybody does.)
        update webhooks.webhook_subscriptions s set version = s.version where s.id = tell_of_change.subscription_id;
    end if;
end
$$;
comment on function webhooks_private.tell_of_change is
    'Has sidecars drop what they hold and know of a subscription, whether they can be notified or not.';

create function webhooks.verify_subscription(subscription_id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.own_subscription(subscription_id);
begin
    if subscription.delivery <> 'push'
        or not webhooks_private.needs_verification(subscription.endpoint_verification,
                                                   webhooks_private.text_setting('endpoint_verification')) then
        raise exception 'subscription % needs no verification', subscription_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Ask for it with endpoint_verification = ''options'', which asks its receiver at once.';
    end if;
    if webhooks_private.text_setting('verification_origin') is null then
        raise exception 'subscription % can''t be verified: the setting verification_origin is not set', subscription_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Receivers must be told who asks. Have the DBA run: select '
                         'webhooks.set_setting(''verification_origin'', ''events.example.com'');';
    end if;
    -- Another version of it: what sidecars know of this one is old, whether they hear of it or not.
    update webhooks.webhook_subscriptions s set version = s.version where s.id = verify_subscription.subscription_id;
    delete from webhooks_private.subscription_verifications v
        where v.subscription_id = verify_subscription.subscription_id;
    perform webhooks_private.notify_change('verify ' || subscription_id);
    perform webhooks_private.audit('verification_requested', 'subscription', subscription_id::text,
                                   subscription.tenant_id);
end
$$;
comment on function webhooks.verify_subscription is
    'Asks the receiver of a subscription again, at once, whether it agrees to deliveries. Deliveries wait for the '
    'answer; see subscription_health.';
grant execute on function webhooks.verify_subscription to webhooks_manager;
