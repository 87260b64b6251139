-- Deliveries made again, and cancelled, by hand. These run as the owner, who writes the queue: each begins with whose
-- rows they are, by own_subscription(), check_tenant() or may_access_tenant().

create function webhooks.published_at(id uuid, created_at timestamptz)
returns timestamptz
language sql stable parallel safe
return case
    when substr(id::text, 15, 1) = '7' and webhooks.uuid_v7_time(id) > created_at - interval '1 ms' is not false
        then webhooks.uuid_v7_time(id)
    else created_at
end;
comment on function webhooks.published_at(uuid, timestamptz) is
    'When an event was published: what its UUIDv7 says, to the millisecond. If it has none, or one that was made before, when its transaction began.';

create function webhooks.outstanding_deliveries(subscription_id uuid)
returns setof webhooks.delivery_queue
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- One query for each index; the last is for tests.
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks.shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is not null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks.shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null and q.next_attempt_at is null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks.shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null and q.next_attempt_at is not null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks.test_shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null and q.next_attempt_at is null;
end;
comment on function webhooks.outstanding_deliveries(uuid) is 'What is outstanding to a subscription.';

create function webhooks.redeliver(subscription_ids uuid[], event_log_ids uuid[], repeats uuid[])
returns setof uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- Bounds are constants of the plan: partitions without events that are wanted stay closed.
set plan_cache_mode = force_custom_plan
as $$
declare
    first_event uuid;
    last_event uuid;
begin
    select (array_agg(e.id order by e.id))[1], (array_agg(e.id order by e.id desc))[1] into first_event, last_event
    from unnest(redeliver.event_log_ids) e (id);
    return query
    with wanted as (
        select w.n, w.repeats, w.subscription_id, s.ordering, e.*
        from unnest(redeliver.subscription_ids, redeliver.event_log_ids, redeliver.repeats)
            with ordinality w (subscription_id, event_log_id, repeats, n)
        join webhooks.webhook_subscriptions s on s.id = w.subscription_id
        cross join lateral (
            select e.id as event_log_id, e.tenant_id, e.deliver_after, e.expires_at, e.ordering_key
            from webhooks.event_logs e
            where e.id = w.event_log_id and e.tenant_id = s.tenant_id and e.id between first_event and last_event
            limit 1
        ) e
        -- Its publisher said that nobody wants it any more.
        where e.expires_at > clock_timestamp() is not false
    ),
    -- Ids in the order that is given, which is that of publication: the order of delivery where that matters.
    numbered as materialized (
        select webhooks.uuid_v7() as id, w.* from wanted w order by w.n
    ),
    -- As match_events() does.
    queued as (
        insert into webhooks.delivery_queue
            (id, subscription_id, event_log_id, tenant_id, shard, next_attempt_at, expires_at, lane)
        select d.id, d.subscription_id, d.event_log_id, d.tenant_id, webhooks.ring_doorbell(webhooks.shard_of(d.subscription_id)),
               case when d.deliver_after > now() then d.deliver_after end, d.expires_at,
               case when d.ordering = 'fifo' then webhooks.lane_of(d.ordering_key) end
        from numbered d
    ),
    linked as (
        insert into webhooks.redeliveries (delivery_id, repeats, event_log_id, subscription_id, tenant_id)
        select d.id, d.repeats, d.event_log_id, d.subscription_id, d.tenant_id from numbered d
    )
    select d.id from numbered d order by d.n;
end
$$;
comment on function webhooks.redeliver(uuid[], uuid[], uuid[]) is
    'Queues events once more, in the order given, and links each new delivery to the one that it repeats, if any. Left out are events that are gone, have expired or are another tenant''s. Returns the new deliveries. For functions that have checked the tenant.';

create function webhooks.refuse_delivery(id uuid)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'there is no delivery %', coalesce(id::text, 'null')
        using errcode = 'undefined_object',
              hint = 'Deliveries are listed by: select id, delivery_status, attempted_at from webhooks.webhook_delivery_logs where subscription_id = ...;';
end
$$;
comment on function webhooks.refuse_delivery(uuid) is 'Raises the error for a delivery that there is not, or not for the caller.';

create function webhooks.retry_delivery(delivery_id uuid)
returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- The id decides which partition is opened.
set plan_cache_mode = force_custom_plan
as $$
declare
    old record;
    new_id uuid;
    other uuid;
begin
    select q.id, q.subscription_id, q.event_log_id, q.tenant_id, q.shard, q.attempt, q.next_attempt_at, true as is_outstanding into old
    from webhooks.delivery_queue q
    where q.id = retry_delivery.delivery_id;
    if not found then
        select a.delivery_id as id, a.subscription_id, a.event_log_id, a.tenant_id, a.is_test, false as is_outstanding into old
        from webhooks.delivery_attempts a
        where a.delivery_id = retry_delivery.delivery_id
        order by a.delivery_attempt desc limit 1;
    end if;
    if not found or not webhooks.may_access_tenant(old.tenant_id) then
        perform webhooks.refuse_delivery(delivery_id);
    end if;

    if old.is_outstanding then
        -- It waits for its next attempt: no longer. Its number tells a sidecar's result from before.
        update webhooks.delivery_queue q
        set next_attempt_at = null
        where q.id = old.id and q.attempt = old.attempt and q.attempt > 0 and q.next_attempt_at > clock_timestamp();
        if not found then
            raise exception 'delivery % is outstanding', delivery_id
                using errcode = 'object_not_in_prerequisite_state',
                      hint = 'It is made as soon as its turn comes; webhooks.subscription_health says if something holds it back.';
        end if;
        perform webhooks.ring_doorbell(old.shard);
        perform webhooks.audit('retried', 'delivery', old.id::text, old.tenant_id, after => jsonb_build_object('delivery_id', old.id));
        return old.id;
    end if;

    perform webhooks.own_subscription(old.subscription_id);
    if old.is_test then
        raise exception 'delivery % was a test', delivery_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = format('Make another one: select webhooks.test_subscription(%L);', old.subscription_id);
    end if;
    perform webhooks.lock_tenant(old.tenant_id);
    select q.id into other from webhooks.outstanding_deliveries(old.subscription_id) q where q.event_log_id = old.event_log_id limit 1;
    if found then
        raise exception 'the event of delivery % is outstanding to its subscription already, as delivery %', delivery_id, other
            using errcode = 'object_not_in_prerequisite_state', hint = 'Wait for what becomes of that one, or retry that one.';
    end if;
    select r.id into new_id
    from webhooks.redeliver(array[old.subscription_id], array[old.event_log_id], array[retry_delivery.delivery_id]) r (id);
    if not found then
        raise exception 'event % of delivery % has expired or is no longer kept', old.event_log_id, delivery_id
            using errcode = 'object_not_in_prerequisite_state', hint = 'Publish it anew if it still matters.';
    end if;
    perform webhooks.audit('retried', 'delivery', old.id::text, old.tenant_id, after => jsonb_build_object('delivery_id', new_id));
    return new_id;
end
$$;
comment on function webhooks.retry_delivery(uuid) is
    'Makes a finished delivery again, whatever became of it, as a new one (see redeliveries), and returns its id. One that waits for its next attempt is made at once, and its own id returned.';

create function webhooks.retry_failed(
    subscription_id uuid, since timestamptz default '-infinity', until timestamptz default 'infinity',
    max_deliveries integer default 10000, dry_run boolean default false
)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks.own_subscription(subscription_id);
    failed uuid[];
    events uuid[];
    retried bigint;
    -- Deliveries are made before they are attempted, and are not tried for longer than that.
    first_id constant uuid := webhooks.uuid_v7_floor(greatest(
        least(since, now()) - make_interval(secs => webhooks.setting('max_delivery_age_seconds'), days => 1), '1970-01-01 00:00Z'));
    last_id constant uuid := webhooks.uuid_v7_floor(greatest(least(until, now()), '1970-01-01 00:00Z') + interval '1 day');
    first_event uuid;
    last_event uuid;
begin
    if max_deliveries is null or max_deliveries < 1 then
        raise exception 'max_deliveries is %', coalesce(max_deliveries::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 or more: 10000 take about a second.';
    end if;
    if not dry_run then
        perform webhooks.lock_tenant(subscription.tenant_id);
        perform webhooks.check_outstanding(subscription.tenant_id);
    end if;
    select (array_agg(a.event_log_id order by a.event_log_id))[1], (array_agg(a.event_log_id order by a.event_log_id desc))[1]
    into first_event, last_event
    from webhooks.delivery_attempts a
    where a.subscription_id = retry_failed.subscription_id and a.tenant_id = subscription.tenant_id
      and a.attempted_at >= retry_failed.since and a.attempted_at < retry_failed.until
      and a.delivery_status in ('failed', 'expired') and a.is_test is not true and a.delivery_id between first_id and last_id;
    select array_agg(f.delivery_id order by f.delivery_id), array_agg(f.event_log_id order by f.delivery_id) into failed, events
    from (
        select a.delivery_id, a.event_log_id
        from webhooks.delivery_attempts a
        cross join lateral (
            select e.expires_at from webhooks.event_logs e
            where e.id = a.event_log_id and e.id between first_event and last_event limit 1
        ) e
        where a.subscription_id = retry_failed.subscription_id and a.tenant_id = subscription.tenant_id
          and a.attempted_at >= retry_failed.since and a.attempted_at < retry_failed.until
          and a.delivery_status in ('failed', 'expired') and a.is_test is not true and a.delivery_id between first_id and last_id
          and e.expires_at > clock_timestamp() is not false
          -- What was made again since has another delivery to tell how it went.
          and not exists (
              select from webhooks.redeliveries r
              where r.event_log_id = a.event_log_id and r.subscription_id = a.subscription_id and r.delivery_id > a.delivery_id
                and r.delivery_id > first_id)
        order by a.delivery_id
        limit case when not retry_failed.dry_run then retry_failed.max_deliveries end
    ) f;
    if dry_run then
        return coalesce(cardinality(failed), 0);
    end if;
    select count(*) into retried
    from webhooks.redeliver(array_fill(retry_failed.subscription_id, array[coalesce(cardinality(failed), 0)]), events, failed);
    if retried > 0 then
        perform webhooks.audit('retried', 'subscription', subscription.id::text, subscription.tenant_id,
                               after => jsonb_build_object('since', since, 'until', until, 'deliveries', retried));
    end if;
    return retried;
end
$$;
comment on function webhooks.retry_failed(uuid, timestamptz, timestamptz, integer, boolean) is
    'Makes a subscription''s deliveries again that ended failed or expired between two times, unless that was done already, at most max_deliveries: call it until it returns 0. Returns how many; dry_run: how many there are in all.';

create function webhooks.replayable(
    tenant_id uuid, since timestamptz, until timestamptz, event_types text[], subscription_id uuid, after uuid, max_events integer
)
returns table (n bigint, event_log_id uuid, matched_id uuid, is_outstanding boolean)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    ids constant record := webhooks.event_id_range(tenant_id, since, until);
    after_at timestamptz;
begin
    select webhooks.published_at(l.id, l.created_at) into after_at
    from webhooks.event_logs l
    where l.id = replayable.after and l.tenant_id = replayable.tenant_id;
    return query
    with events as materialized (
        select row_number() over (order by webhooks.published_at(e.id, e.created_at), e.id) as n, e.*
        from webhooks.event_logs e
        where e.tenant_id = replayable.tenant_id and e.created_at >= replayable.since and e.created_at < replayable.until
          and (replayable.event_types is null
               or array[e.event_type::text, split_part(e.event_type, '.', 1) || '.*', '*'] && replayable.event_types)
          and e.expires_at > clock_timestamp() is not false
          and e.is_test is not true and e.id between ids.first_id and ids.last_id
          and (replayable.after is null or (webhooks.published_at(e.id, e.created_at), e.id) > (after_at, replayable.after))
        order by n
        limit replayable.max_events
    )
    -- Grouped: sorted or hashed, whatever is known of the queue.
    select min(p.n), p.event_log_id, p.subscription_id, bool_or(p.is_outstanding)
    from (
        select e.n, e.id as event_log_id, r.subscription_id, false as is_outstanding
        from events e
        -- As in match_events(). The test of one is the test of the other.
        left join lateral (
            select * from webhooks.subscription_routes r
            where r.tenant_id = e.tenant_id
              and r.pattern in (e.event_type, split_part(e.event_type, '.', 1) || '.*', '*')
              and (replayable.subscription_id is null or r.subscription_id = replayable.subscription_id)
              and (e.environment is null or r.environment = e.environment)
              and (r.filters is null or webhooks.filter_matches(r.filters, e.event_data::text, e.resource_type, e.resource_id))
              and (r.filter_jsonpath is null or webhooks.jsonpath_matches(e.event_data, r.filter_jsonpath))
            offset 0
        ) r on true
        union all
        select null, q.event_log_id, q.subscription_id, true
        from webhooks.webhook_subscriptions s
        cross join lateral webhooks.outstanding_deliveries(s.id) q
        where s.tenant_id = replayable.tenant_id and (replayable.subscription_id is null or s.id = replayable.subscription_id)
    ) p
    group by p.event_log_id, p.subscription_id
    having min(p.n) is not null;
end
$$;
comment on function webhooks.replayable(uuid, timestamptz, timestamptz, text[], uuid, uuid, integer) is
    'Events of a tenant, numbered in the order of publication, with each subscription that would get them now and whether they are outstanding to it; a row without subscription if none would. Part of replay_events().';

create function webhooks.replay_events(
    tenant_id uuid, since timestamptz, until timestamptz, event_types text[] default null, subscription_id uuid default null,
    dry_run boolean default false, max_events integer default 10000, after uuid default null
)
returns table (events bigint, deliveries bigint, outstanding bigint, resume_after uuid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    subscription webhooks.webhook_subscriptions;
    unknown_type text;
    subscription_ids uuid[];
    event_log_ids uuid[];
begin
    perform webhooks.check_tenant(tenant_id);
    if since is null or until is null then
        raise exception 'since or until is null'
            using errcode = 'null_value_not_allowed', hint = 'Give the time in which the events were published, for example now() - interval ''1 hour'' and now().';
    end if;
    if max_events is null or max_events < 1 then
        raise exception 'max_events is %', coalesce(max_events::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 or more: 10000 take about a second.';
    end if;
    perform webhooks.check_count('event_types', cardinality(event_types), 1000);
    if subscription_id is not null then
        subscription := webhooks.own_subscription(subscription_id);
        if subscription.tenant_id <> replay_events.tenant_id then
            raise exception 'subscription % is another tenant''s than %', subscription_id, tenant_id
                using errcode = 'invalid_parameter_value', hint = 'Give the subscription''s tenant: only its events match.';
        end if;
        if (subscription.is_active and subscription.is_enabled) is not true then
            raise exception 'subscription % is not active and enabled, so it matches nothing', subscription_id
                using errcode = 'object_not_in_prerequisite_state', hint = 'Enable it first: select webhooks.set_subscriptions_enabled(array[id], true);';
        end if;
    end if;
    select t.pattern into unknown_type
    from unnest(event_types) t (pattern)
    where t.pattern is distinct from '*'
      and not exists (select from webhooks.event_types e
                      where e.name = t.pattern or t.pattern ~ '^[a-z0-9_]+\.\*$' and starts_with(e.name, left(t.pattern, -1)))
    limit 1;
    if found then
        raise exception 'event_types names %, which is no event type', coalesce('"' || left(unknown_type, 200) || '"', 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Use names from webhooks.event_types, category wildcards such as document.*, or *.';
    end if;
    if after is not null and not exists (select from webhooks.event_logs e where e.id = after and e.tenant_id = replay_events.tenant_id) then
        raise exception 'there is no event % to go on after', after
            using errcode = 'undefined_object', hint = 'Give the resume_after that the last call returned.';
    end if;

    if not dry_run then
        perform webhooks.lock_tenant(tenant_id);
        perform webhooks.check_outstanding(tenant_id);
    end if;
    select count(distinct r.event_log_id),
           count(r.matched_id) filter (where not r.is_outstanding),
           count(*) filter (where r.is_outstanding),
           case when max(r.n) = max_events then (array_agg(r.event_log_id order by r.n desc))[1] end,
           array_agg(r.matched_id order by r.n, r.matched_id) filter (where not r.is_outstanding and not dry_run),
           array_agg(r.event_log_id order by r.n, r.matched_id) filter (where not r.is_outstanding and not dry_run)
    into events, deliveries, outstanding, resume_after, subscription_ids, event_log_ids
    from webhooks.replayable(tenant_id, since, until, event_types, subscription_id, after, case when not dry_run then max_events end) r;
    if dry_run then
        resume_after := null;
    elsif deliveries > 0 then
        select count(*) into deliveries
        from webhooks.redeliver(subscription_ids, event_log_ids, array_fill(null::uuid, array[cardinality(event_log_ids)]));
        perform webhooks.audit(
            'replayed', case when subscription_id is null then 'tenant' else 'subscription' end,
            coalesce(subscription_id, tenant_id)::text, tenant_id,
            after => jsonb_build_object('since', since, 'until', until, 'event_types', event_types, 'events', events, 'deliveries', deliveries));
    end if;
    return next;
end
$$;
comment on function webhooks.replay_events(uuid, timestamptz, timestamptz, text[], uuid, boolean, integer, uuid) is
    'Delivers a tenant''s events of some time once more: to the subscriptions that match them now, or to one; not to one that has the event outstanding. At most max_events, in the order of publication: call it with after => resume_after until that is null. Returns how many events were looked at, deliveries made, and deliveries left out because they are outstanding; dry_run: the same of all events, and makes none.';

create function webhooks.cancel_deliveries(subscription_id uuid)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks.own_subscription(subscription_id);
    cancelled bigint;
begin
    -- Sidecars drop what they hold of it.
    perform webhooks.tell_of_change(subscription_id);
    with locked as materialized (
        -- Those whose result is being written are done, or to be retried: waiting for a sidecar that may wait for us in
        -- turn would be a deadlock.
        select q.id
        from webhooks.delivery_queue q
        where q.id = any (array(select o.id from webhooks.outstanding_deliveries(cancel_deliveries.subscription_id) o))
          -- A deleted subscription's id may be another tenant's by now.
          and q.tenant_id = subscription.tenant_id
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
            (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status, error_message, failure, is_test)
        select g.id, g.attempt + 1, clock_timestamp(), g.subscription_id, g.event_log_id, g.tenant_id, 'cancelled', 'cancelled', 'cancelled',
               case when g.shard >= webhooks.shard_count() then true end
        from gone g
        on conflict do nothing
    )
    select count(*) into cancelled from gone;
    if cancelled > 0 then
        perform webhooks.audit('cancelled', 'subscription', subscription.id::text, subscription.tenant_id,
                               after => jsonb_build_object('deliveries', cancelled));
    end if;
    return cancelled;
end
$$;
comment on function webhooks.cancel_deliveries(uuid) is
    'Cancels what is outstanding to a subscription, and returns how many: the log has them as cancelled. A request under way is not called back, and one whose result is being written just then is left: call it again.';
