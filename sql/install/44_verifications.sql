-- Whether receivers have agreed to get deliveries: CloudEvents' "HTTP 1.1 Web Hooks for Event Delivery" 1.0.2, 4 (abuse
-- protection). Sidecars ask and write the answer here; a subscription without a row was not asked, or is to be asked anew.
-- What was agreed to counts for that URL and that origin alone.
create table webhooks.subscription_verifications (
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
comment on table webhooks.subscription_verifications is 'What receivers answered when they were asked whether they want deliveries. Read webhooks.subscription_health; ask anew with verify_subscription().';
comment on column webhooks.subscription_verifications.subscription_id is 'The subscription.';
comment on column webhooks.subscription_verifications.webhook_url is 'The URL that was asked.';
comment on column webhooks.subscription_verifications.origin is 'For whom: verification_origin at that time.';
comment on column webhooks.subscription_verifications.state is 'verified: it agreed. refused: it answered, and did not agree. pending: it gave no answer.';
comment on column webhooks.subscription_verifications.since is 'Since when.';
comment on column webhooks.subscription_verifications.allowed_rate_per_minute is 'How many requests per minute it allows; null: as many as the subscription does.';
comment on column webhooks.subscription_verifications.tries is 'How often it was asked without success.';
comment on column webhooks.subscription_verifications.failing_since is 'When it was first asked without success; null once it agreed.';
comment on column webhooks.subscription_verifications.next_try_at is 'When it may be asked again; null once it agreed.';
comment on column webhooks.subscription_verifications.last_error is 'Why it is not verified.';
select pg_catalog.pg_extension_config_dump('webhooks.subscription_verifications', '');

create function webhooks.needs_verification(own text, general text)
returns boolean
language sql immutable parallel safe
return case when general = 'required' then true else coalesce(own, general) = 'options' end;
comment on function webhooks.needs_verification(text, text) is
    'Whether a receiver has to agree first, by its subscription''s endpoint_verification and the setting of that name.';

create function webhooks.renew_verification(before webhooks.webhook_subscriptions, after webhooks.webhook_subscriptions)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if before.id is not null then
        delete from webhooks.subscription_verifications v
        where v.subscription_id = before.id
          and (after.id is null
               or (after.webhook_url, after.auth_type, after.auth_config) is distinct from (before.webhook_url, before.auth_type, before.auth_config)
               -- Somebody looked after it.
               or v.state <> 'verified'
                  and (after.is_active and after.is_enabled) is true and (before.is_active and before.is_enabled) is not true);
    end if;
    -- It is asked at once. If no sidecar hears this, it is when there is something to deliver.
    if after.id is not null
        and (before.id is null
             or (after.webhook_url, after.auth_type, after.auth_config, after.endpoint_verification, after.is_active, after.is_enabled)
                is distinct from
                (before.webhook_url, before.auth_type, before.auth_config, before.endpoint_verification, before.is_active, before.is_enabled))
        and webhooks.needs_verification(after.endpoint_verification, webhooks.text_setting('endpoint_verification'))
        and (after.is_active and after.is_enabled) is true then
        perform webhooks.notify_change('verify ' || after.id);
    end if;
end
$$;
comment on function webhooks.renew_verification(webhooks.webhook_subscriptions, webhooks.webhook_subscriptions) is
    'What a change of a subscription means for its verification. Part of derive_routes().';

create function webhooks.tell_of_change(subscription_id uuid)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks.notify_change(subscription_id::text) then
        -- Another version of it they find by themselves. (Before anything else of it is locked, as everybody does.)
        update webhooks.webhook_subscriptions s set version = s.version where s.id = tell_of_change.subscription_id;
    end if;
end
$$;
comment on function webhooks.tell_of_change(uuid) is
    'Has sidecars drop what they hold and know of a subscription, whether they can be notified or not.';

create function webhooks.verify_subscription(subscription_id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks.own_subscription(subscription_id);
begin
    if not webhooks.needs_verification(subscription.endpoint_verification, webhooks.text_setting('endpoint_verification')) then
        raise exception 'subscription % needs no verification', subscription_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Ask for it with endpoint_verification = ''options'', which asks its receiver at once.';
    end if;
    if webhooks.text_setting('verification_origin') is null then
        raise exception 'subscription % can''t be verified: the setting verification_origin is not set', subscription_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Receivers must be told who asks. Have the DBA run: select webhooks.set_setting(''verification_origin'', ''events.example.com'');';
    end if;
    -- Another version of it: what sidecars know of this one is old, whether they hear of it or not.
    update webhooks.webhook_subscriptions s set version = s.version where s.id = verify_subscription.subscription_id;
    delete from webhooks.subscription_verifications v where v.subscription_id = verify_subscription.subscription_id;
    perform webhooks.notify_change('verify ' || subscription_id);
    perform webhooks.audit('verification_requested', 'subscription', subscription_id::text, subscription.tenant_id);
end
$$;
comment on function webhooks.verify_subscription(uuid) is
    'Has a subscription''s receiver asked once more, at once, whether it wants deliveries; they wait for its answer. See webhooks.subscription_health.';

create function webhooks.record_verifications(
    subscription_ids uuid[], webhook_urls text[], origins text[], states text[], allowed_rates integer[], errors text[], retry_after_ms bigint[]
)
returns setof uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    disable_after constant bigint := webhooks.setting('disable_after_failing_hours');
    free uuid[];
begin
    -- In the order in which all others lock a subscription and what belongs to it. Others' answers don't wait for who has
    -- locked one.
    free := array(
        select s.id from webhooks.webhook_subscriptions s
        where s.id = any (record_verifications.subscription_ids) order by s.id for no key update skip locked);

    insert into webhooks.subscription_verifications as v
        (subscription_id, webhook_url, origin, state, since, allowed_rate_per_minute, tries, failing_since, next_try_at, last_error)
    select s.id, s.webhook_url, a.origin, a.state, now(), a.allowed_rate, w.tries,
           case when a.state <> 'verified' then coalesce(k.failing_since, now()) end,
           case when a.state <> 'verified' then now() + greatest(
               least(p.cooldown * interval '1 s' * 2.0 ^ least(w.tries - 1, 20),
                     -- Who said no is not asked often; who said nothing may only have been down.
                     case a.state when 'refused' then interval '1 day' else interval '1 hour' end),
               a.retry_after_ms * interval '1 millisecond') end,
           a.error
    from unnest(subscription_ids, webhook_urls, origins, states, allowed_rates, errors, record_verifications.retry_after_ms)
        a (subscription_id, webhook_url, origin, state, allowed_rate, error, retry_after_ms)
    -- The URL may have been changed while the old one was asked.
    join webhooks.webhook_subscriptions s on s.id = a.subscription_id and s.webhook_url = a.webhook_url and s.id = any (free)
    cross join lateral (select coalesce(s.breaker_cooldown_seconds, webhooks.setting('breaker_cooldown_seconds')) as cooldown) p
    left join webhooks.subscription_verifications k
        on k.subscription_id = s.id and k.webhook_url = a.webhook_url and k.origin = a.origin
    cross join lateral (select case when a.state = 'verified' then 0 else coalesce(k.tries, 0) + 1 end as tries) w
    on conflict (subscription_id) do update
    set webhook_url = excluded.webhook_url,
        origin = excluded.origin,
        state = excluded.state,
        since = case when (v.webhook_url, v.origin, v.state) = (excluded.webhook_url, excluded.origin, excluded.state)
                     then v.since else excluded.since end,
        allowed_rate_per_minute = excluded.allowed_rate_per_minute,
        tries = excluded.tries,
        failing_since = excluded.failing_since,
        next_try_at = excluded.next_try_at,
        last_error = excluded.last_error
    -- Nobody asks who has agreed: another answer is an older one.
    where not (v.state = 'verified' and excluded.state <> 'verified'
               and (v.webhook_url, v.origin) = (excluded.webhook_url, excluded.origin));

    update webhooks.webhook_subscriptions s
    set is_enabled = false,
        disabled_reason = format('its receiver did not agree to deliveries for %s hours (disable_after_failing_hours is %s); last: %s',
            floor(extract(epoch from now() - v.failing_since) / 3600), disable_after, v.last_error)
    from webhooks.subscription_verifications v
    where v.subscription_id = any (free)
      and v.state <> 'verified' and v.tries >= 3 and disable_after > 0
      and v.failing_since <= now() - make_interval(hours => disable_after::integer)
      and s.id = v.subscription_id and s.is_enabled;

    return query
    select s.id from webhooks.webhook_subscriptions s
    where s.id = any (record_verifications.subscription_ids) and s.id <> all (free);
end
$$;
comment on function webhooks.record_verifications(uuid[], text[], text[], text[], integer[], text[], bigint[]) is
    'Writes what receivers answered, each to be asked again after a time that doubles, up to an hour (pending) or a day (refused); for the sidecar alone. Days without agreement disable a subscription. Returns the subscriptions that another transaction has locked: nothing is written of them, and they are to be given again.';
