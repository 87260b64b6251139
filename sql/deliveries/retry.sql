create function webhooks_private.redeliver(subscription_ids uuid[], event_log_ids uuid[], repeats uuid[])
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
        select w.n, w.repeats, w.subscription_id, s.ordering, s.delivery, e.*
        from unnest(redeliver.subscription_ids, redeliver.event_log_ids, redeliver.repeats)
            with ordinality w (subscription_id, event_log_id, repeats, n)
        join webhooks.webhook_subscriptions s on s.id = w.subscription_id
        cross join lateral (
            select e.id as event_log_id, e.tenant_id, e.deliver_after, e.expires_at, e.ordering_key
            from webhooks.event_logs e
            where e.id = w.event_log_id and e.tenant_id = s.tenant_id and e.id between first_event and last_event
            limit 1
            -- It stays until the delivery is there to be seen by drop_partition() and forget_old_rows().
            for key share
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
        select d.id, d.subscription_id, d.event_log_id, d.tenant_id,
               case when d.delivery = 'poll' then webhooks_private.poll_shard_of(d.subscription_id)
                   else webhooks_private.ring_doorbell(webhooks_private.shard_of(d.subscription_id)) end,
               case when d.deliver_after > now() then d.deliver_after end, d.expires_at,
               case when d.ordering = 'fifo' and d.delivery = 'push' then webhooks_private.lane_of(d.ordering_key) end
        from numbered d
    ),
    linked as (
        insert into webhooks.redeliveries (delivery_id, repeats, event_log_id, subscription_id, tenant_id)
        select d.id, d.repeats, d.event_log_id, d.subscription_id, d.tenant_id from numbered d
    )
    select d.id from numbered d order by d.n;
end
$$;
comment on function webhooks_private.redeliver is
    'Queues events once more, in the order given, and links each new delivery to the one that it repeats, if any. '
    'Left out are events that are gone, have expired or are another tenant''s. Returns the new deliveries. For '
    'functions that have checked the tenant.';

create function webhooks_private.raise_unknown_delivery(id uuid)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'there is no delivery %', coalesce(id::text, 'null')
        using errcode = 'undefined_object',
              hint = 'Deliveries are listed by: select id, delivery_status, attempted_at from '
                     'webhooks.webhook_delivery_logs where subscription_id = ...;';
end
$$;
comment on function webhooks_private.raise_unknown_delivery is
    'Raises the error for a delivery that there is not, or not for the caller.';
grant execute on function webhooks_private.raise_unknown_delivery to webhooks_manager;

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
    select q.id, q.subscription_id, q.event_log_id, q.tenant_id, q.shard, q.attempt, q.next_attempt_at,
           true as is_outstanding into old
    from webhooks.delivery_queue q
    where q.id = retry_delivery.delivery_id;
    if not found then
        select a.delivery_id as id, a.subscription_id, a.event_log_id, a.tenant_id, a.is_test,
               false as is_outstanding into old
        from webhooks.delivery_attempts a
        where a.delivery_id = retry_delivery.delivery_id
        order by a.delivery_attempt desc limit 1;
    end if;
    if not found or not webhooks_private.may_access_tenant(old.tenant_id) then
        perform webhooks_private.raise_unknown_delivery(delivery_id);
    end if;

    if old.is_outstanding then
        -- It waits for its next attempt: no longer. Its number tells a sidecar's result from before.
        update webhooks.delivery_queue q
        set next_attempt_at = null
        where q.id = old.id and q.attempt = old.attempt and q.attempt > 0 and q.next_attempt_at > clock_timestamp();
        if not found then
            raise exception 'delivery % is outstanding', delivery_id
                using errcode = 'object_not_in_prerequisite_state',
                      hint = 'It is made as soon as its turn comes; webhooks.subscription_health says if something '
                             'holds it back.';
        end if;
        if old.shard >= 0 then
            perform webhooks_private.ring_doorbell(old.shard);
        end if;
        perform webhooks_private.audit('retried', 'delivery', old.id::text, old.tenant_id,
                                       after => jsonb_build_object('delivery_id', old.id));
        return old.id;
    end if;

    perform webhooks_private.own_subscription(old.subscription_id);
    if old.is_test then
        raise exception 'delivery % was a test', delivery_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = format('Make another one: select webhooks.test_subscription(%L);', old.subscription_id);
    end if;
    perform webhooks_private.lock_tenant(old.tenant_id);
    select q.id into other from webhooks_private.outstanding_deliveries(old.subscription_id) q
        where q.event_log_id = old.event_log_id limit 1;
    if found then
        raise exception 'the event of delivery % is outstanding to its subscription already, as delivery %',
            delivery_id, other
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Wait for what becomes of that one, or retry that one.';
    end if;
    select r.id into new_id
    from webhooks_private.redeliver(array[old.subscription_id], array[old.event_log_id],
                                    array[retry_delivery.delivery_id]) r (id);
    if not found then
        raise exception 'event % of delivery % has expired or is no longer kept', old.event_log_id, delivery_id
            using errcode = 'object_not_in_prerequisite_state', hint = 'Publish it anew if it still matters.';
    end if;
    perform webhooks_private.audit('retried', 'delivery', old.id::text, old.tenant_id,
                                   after => jsonb_build_object('delivery_id', new_id));
    return new_id;
end
$$;
comment on function webhooks.retry_delivery is
    'Makes a finished delivery again, whatever its status, as a new delivery (see redeliveries), and returns the new '
    'id. A delivery that waits for its next attempt is attempted at once, and its own id is returned.';
grant execute on function webhooks.retry_delivery to webhooks_manager;

-- Inlined: its parameters are constants of the plan of retry_failed(), and decide which partitions are opened.
create function webhooks_private.failed_in_period(
    subscription_id uuid, tenant_id uuid, since timestamptz, until timestamptz, first_id uuid, last_id uuid
)
returns table (delivery_id uuid, event_log_id uuid)
language sql stable
begin atomic
    select a.delivery_id, a.event_log_id
    from webhooks.delivery_attempts a
    where a.subscription_id = failed_in_period.subscription_id and a.tenant_id = failed_in_period.tenant_id
      and a.attempted_at >= since and a.attempted_at < until
      and a.delivery_status in ('failed', 'expired') and a.is_test is not true
      and a.delivery_id between first_id and last_id
      -- What was made again since has another delivery to tell how it went.
      and not exists (
          select from webhooks.redeliveries r
          where r.event_log_id = a.event_log_id and r.subscription_id = a.subscription_id
            and r.delivery_id > a.delivery_id
            and r.delivery_id > first_id);
end;
comment on function webhooks_private.failed_in_period is
    'Deliveries of a subscription that failed or expired in a period, have ids from first_id to last_id, and were not '
    'made again since. Part of retry_failed().';

create function webhooks.retry_failed(
    subscription_id uuid, since timestamptz default '-infinity', until timestamptz default 'infinity',
    max_deliveries integer default 10000, dry_run boolean default false, event_types text[] default null
)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.own_subscription(subscription_id);
    failed uuid[];
    events uuid[];
    retried bigint;
    not_kept bigint := 0;
    -- Deliveries are made before they are attempted, and are not tried for longer than that.
    first_id constant uuid := webhooks.uuid_v7_floor(greatest(
        least(since, now()) - make_interval(secs => webhooks_private.setting('max_delivery_age_seconds'), days => 1),
        '1970-01-01 00:00Z'));
    last_id constant uuid := webhooks.uuid_v7_floor(greatest(least(until, now()),
                                                             '1970-01-01 00:00Z') + interval '1 day');
    first_event uuid;
    last_event uuid;
begin
    if max_deliveries is null or max_deliveries < 1 then
        raise exception 'max_deliveries is %', coalesce(max_deliveries::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 or more: 10000 take about a second.';
    end if;
    perform webhooks_private.check_event_patterns(event_types);
    if not dry_run then
        perform webhooks_private.lock_tenant(subscription.tenant_id);
        perform webhooks_private.check_outstanding(subscription.tenant_id);
    end if;
    -- Which partitions of event_logs are opened. As text: PostgreSQL 18 is the first that has min(uuid).
    select min(f.event_log_id::text collate "C"), max(f.event_log_id::text collate "C")
    into first_event, last_event
    from webhooks_private.failed_in_period(subscription_id, subscription.tenant_id, since, until, first_id, last_id) f;
    select array_agg(k.delivery_id order by k.delivery_id), array_agg(k.event_log_id order by k.delivery_id)
    into failed, events
    from (
        select f.delivery_id, f.event_log_id
        from (
            -- Sorted before events are looked up: those beyond the batch are not.
            select * from webhooks_private.failed_in_period(
                subscription_id, subscription.tenant_id, since, until, first_id, last_id) f
            order by f.delivery_id offset 0
        ) f
        cross join lateral (
            select e.expires_at, e.event_type from webhooks.event_logs e
            where e.id = f.event_log_id and e.id between first_event and last_event limit 1
        ) e
        where e.expires_at > clock_timestamp() is not false
          and (retry_failed.event_types is null
               or array[e.event_type::text, split_part(e.event_type, '.', 1) || '.*', '*'] && retry_failed.event_types)
        order by f.delivery_id
        limit case when not retry_failed.dry_run then retry_failed.max_deliveries end
    ) k;
    -- Counted once, by the call that is the last. Of what type they were is not known.
    if event_types is null and (dry_run or coalesce(cardinality(failed), 0) < max_deliveries) then
        select count(*) into not_kept
        from webhooks_private.failed_in_period(subscription_id, subscription.tenant_id, since, until, first_id,
                                               last_id) f
        where not exists (
            select from webhooks.event_logs e
            where e.id = f.event_log_id and e.id between first_event and last_event);
        if not_kept > 0 then
            raise warning 'deliveries whose events are no longer kept can''t be made again: %', not_kept
                using hint = 'See the setting event_retention_days. What still matters has to be published anew.';
        end if;
    end if;
    if dry_run then
        return coalesce(cardinality(failed), 0);
    end if;
    select count(*) into retried
    from webhooks_private.redeliver(array_fill(retry_failed.subscription_id,
                                               array[coalesce(cardinality(failed), 0)]), events, failed);
    if retried > 0 then
        perform webhooks_private.audit('retried', 'subscription', subscription.id::text, subscription.tenant_id,
                               after => jsonb_build_object('since', since, 'until', until, 'deliveries', retried)
                                   || case when event_types is not null
                                       then jsonb_build_object('event_types', event_types) else '{}' end
                                   || case when not_kept > 0 then jsonb_build_object('not_kept', not_kept)
                                       else '{}' end);
    end if;
    return retried;
end
$$;
comment on function webhooks.retry_failed is
    'Makes the deliveries of a subscription again that failed or expired in a period and were not made again since. '
    'One call takes at most max_deliveries; repeat it until it returns 0. event_types are names, category wildcards or '
    '*; null: all. Returns the number of new deliveries; with dry_run, the number of all that would be made. Unless '
    'event_types are given, a warning says how many can''t be made again, since their events are no longer kept.';
grant execute on function webhooks.retry_failed to webhooks_manager;
