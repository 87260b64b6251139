create type webhooks_private.verification_answer as (
    subscription_id uuid, webhook_url text, origin text, state text, allowed_rate_per_minute integer, error text,
    retry_after_ms bigint
);
comment on type webhooks_private.verification_answer is
    'What the receiver behind a URL answered when it was asked for an origin whether it wants deliveries. state: '
    'verified, refused, or pending if there was no answer. allowed_rate_per_minute, of one that is verified: null is '
    'any. retry_after_ms: not to be asked again before.';

create function webhooks_private.record_verifications(answers webhooks_private.verification_answer[])
returns setof uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    disable_after constant bigint := webhooks_private.setting('disable_after_failing_hours');
    asked constant uuid[] := array(select a.subscription_id from unnest(answers) a);
    free uuid[];
begin
    -- In the order in which all others lock a subscription and what belongs to it. Others' answers don't wait for who
    -- has locked one.
    free := array(
        select s.id from webhooks.webhook_subscriptions s
        where s.id = any (asked) order by s.id for no key update skip locked);

    insert into webhooks_private.subscription_verifications as v
        (subscription_id, webhook_url, origin, state, since, allowed_rate_per_minute, tries, failing_since,
         next_try_at, last_error)
    select s.id, s.webhook_url, a.origin, a.state, now(), a.allowed_rate_per_minute, w.tries,
           case when a.state <> 'verified' then coalesce(k.failing_since, now()) end,
           case when a.state <> 'verified' then now() + greatest(
               least(p.cooldown * interval '1 s' * 2.0 ^ least(w.tries - 1, 20),
                     -- Who said no is not asked often; who said nothing may only have been down.
                     case a.state when 'refused' then interval '1 day' else interval '1 hour' end),
               a.retry_after_ms * interval '1 millisecond') end,
           a.error
    from unnest(answers) a
    -- The URL may have been changed while the old one was asked.
    join webhooks.webhook_subscriptions s on s.id = a.subscription_id and s.webhook_url = a.webhook_url
        and s.id = any (free)
    cross join lateral (select coalesce(s.breaker_cooldown_seconds,
                                        webhooks_private.setting('breaker_cooldown_seconds')) as cooldown) p
    left join webhooks_private.subscription_verifications k
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
        disabled_reason = format('its receiver did not agree to deliveries for %s hours (disable_after_failing_hours '
                                 'is %s); last: %s',
            floor(extract(epoch from now() - v.failing_since) / 3600), disable_after, v.last_error)
    from webhooks_private.subscription_verifications v
    where v.subscription_id = any (free)
      and v.state <> 'verified' and v.tries >= 3 and disable_after > 0
      and v.failing_since <= now() - make_interval(hours => disable_after::integer)
      and s.id = v.subscription_id and s.is_enabled;

    return query
    select s.id from webhooks.webhook_subscriptions s
    where s.id = any (asked) and s.id <> all (free);
end
$$;
comment on function webhooks_private.record_verifications is
    'Writes what receivers answered, each to be asked again after a time that doubles, up to an hour (pending) or a '
    'day (refused); for the sidecar alone. Days without agreement disable a subscription. Returns the subscriptions '
    'that another transaction has locked: nothing is written of them, and they are to be given again.';
grant execute on function webhooks_private.record_verifications to webhooks_sidecar;
