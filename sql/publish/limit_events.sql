-- Limits on what is published. Counting in a table would make the publishers of a tenant wait for each other until
-- they commit, or leave a dead row for each event; counting event_logs costs as much as the limit is high. So events
-- are counted in shared memory, by native functions (core/src/meter.rs): nobody waits, no row is written, and it
-- holds for all sessions at once, with or without a sidecar. Two things follow. What is rolled back has counted. And
-- a restart of the server gives everybody a full minute's events.
--
-- Outstanding deliveries are counted in delivery_queue itself, by one publisher for all, and the count is used until
-- the limit could be near or, near it, for 50 times as long as it took: what is queued meanwhile can exceed the
-- limit.
--
-- While no limit is set for anybody there is no trigger (sync_limit_trigger()).

create function webhooks_private.count_outstanding(tenant_id uuid, up_to bigint default null)
returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Planned once: look-ups for each subscription, whatever the statistics say of the queue.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
    return (
        select count(*)
        from (
            select
            from webhooks.webhook_subscriptions s
            cross join lateral (
                select case when s.delivery = 'poll' then webhooks_private.poll_shard_of(s.id)
                           else webhooks_private.shard_of(s.id) end as shard
            ) h
            cross join lateral (
                -- One query for each index, as in outstanding_deliveries().
                select from webhooks.delivery_queue q
                where q.shard = h.shard and q.subscription_id = s.id and q.lane is null
                  and q.next_attempt_at is null
                union all
                select from webhooks.delivery_queue q
                where q.shard = h.shard and q.subscription_id = s.id and q.lane is null
                  and q.next_attempt_at is not null
                union all
                select from webhooks.delivery_queue q
                where q.shard = h.shard and q.subscription_id = s.id and q.lane is not null
            ) q
            where s.tenant_id = count_outstanding.tenant_id
            limit count_outstanding.up_to
        ) q
    );
end
$$;
comment on function webhooks_private.count_outstanding is
    'How many deliveries of a tenant are outstanding; beyond up_to it does not go on counting.';

create function webhooks_private.raise_too_many_outstanding(tenant_id uuid, maximum bigint)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'tenant % has reached its limit of % outstanding deliveries', tenant_id, maximum
        using errcode = 'configuration_limit_exceeded',
              hint = format('Try again when some have been made, or cancel what is of no use '
                            '(webhooks.subscription_health says which receivers don''t work); '
                            'or have an operator raise the limit: select webhooks.set_tenant_limits(%L, '
                            'max_outstanding_deliveries => ...);', tenant_id);
end
$$;
comment on function webhooks_private.raise_too_many_outstanding is
    'Raises the error for a tenant with too many outstanding deliveries.';

create function webhooks_private.check_outstanding(tenant_id uuid)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    maximum constant bigint := (webhooks_private.limits_of(tenant_id)).max_outstanding_deliveries;
begin
    if maximum > 0 and webhooks_private.count_outstanding(tenant_id, maximum) >= maximum then
        perform webhooks_private.raise_too_many_outstanding(tenant_id, maximum);
    end if;
end
$$;
comment on function webhooks_private.check_outstanding is
    'An error if a tenant has too many outstanding deliveries for more to be made again. Part of replay_events() and '
    'retry_failed().';

create function webhooks_private.apply_limits(
    tenant_id uuid, events bigint, per_minute bigint, max_outstanding bigint, verdict text
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    answer text := verdict;
    begun timestamptz;
    outstanding bigint;
    -- This function, limit_events(), and the statements that call them, which are long.
    done constant boolean := webhooks_private.omit_context(4);
begin
    -- Rare: events that may be published don't get here, but for the first ones of a session and who counts for the
    -- others.
    for attempt in 1 .. 10 loop
        if answer = 'closed' then
            if not webhooks_private.open_meters() then
                return;
            end if;
        elsif answer = 'unknown' then
            begun := clock_timestamp();
            outstanding := webhooks_private.count_outstanding(tenant_id, max_outstanding);
            perform webhooks_private.meter_outstanding(
                tenant_id, outstanding, max_outstanding,
                (extract(epoch from clock_timestamp() - begun) * 1000000)::bigint);
            if outstanding >= max_outstanding then
                perform webhooks_private.undo_metering();
                perform webhooks_private.raise_too_many_outstanding(tenant_id, max_outstanding);
            end if;
        elsif answer = 'outstanding' then
            perform webhooks_private.undo_metering();
            perform webhooks_private.raise_too_many_outstanding(tenant_id, max_outstanding);
        elsif events > per_minute then
            perform webhooks_private.undo_metering();
            raise exception '% events at once are more than the limit of tenant %, % per minute', events, tenant_id,
                per_minute
                using errcode = 'configuration_limit_exceeded',
                      hint = format('Publish fewer in a statement, or have an operator raise the limit: select '
                                    'webhooks.set_tenant_limits(%L, max_events_per_minute => ...);', tenant_id);
        else
            perform webhooks_private.undo_metering();
            raise exception 'tenant % has reached its limit of % events per minute', tenant_id, per_minute
                using errcode = 'configuration_limit_exceeded',
                      hint = format('%s more can be published in about %s s. Or have an operator raise the limit: '
                                    'select webhooks.set_tenant_limits(%L, max_events_per_minute => ...);',
                                    events,
                                    greatest(ceil((webhooks_private.metered_events(tenant_id, per_minute)
                                                   + events - per_minute) * 60.0 / per_minute), 1),
                                    tenant_id);
        end if;
        answer := webhooks_private.meter_events(tenant_id, events, per_minute, max_outstanding);
        exit when answer is null;
    end loop;
end
$$;
comment on function webhooks_private.apply_limits is
    'Does what meter_events() asks for before it can say whether events may be published, or raises the error that '
    'they may not. Part of limit_events().';

create function webhooks_private.limit_events()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- As in match_events(): plans are cached per session, and only index look-ups are right.
set enable_seqscan = off
as $$
declare
    -- Settings, of who has no limits of its own: looking them up would cost more than all of this.
    default_events constant bigint := tg_argv[0];
    default_outstanding constant bigint := tg_argv[1];
    done boolean;
begin
    -- One by one, since starting an aggregate costs a publisher more than this does. An assignment is no query.
    done := webhooks_private.begin_metering();
    perform
    from new_events n
    left join lateral (
        select l.max_events_per_minute, l.max_outstanding_deliveries
        from webhooks.tenant_limits l where l.tenant_id = n.tenant_id offset 0
    ) l on true
    -- What the system publishes does not count; match_events() refuses it to others.
    where case when not webhooks_private.is_system_event(n.event_type) then
        webhooks_private.meter_events(n.tenant_id, 1, coalesce(l.max_events_per_minute, default_events),
                                coalesce(l.max_outstanding_deliveries, default_outstanding)) is not null end;
    if not found then
        return null;
    end if;
    -- Not so simple: all or none of each tenant's. But restored events were within their limits.
    done := webhooks_private.undo_metering();
    if webhooks_private.copies_events() then
        return null;
    end if;
    perform webhooks_private.apply_limits(e.tenant_id, e.events, e.per_minute, e.max_outstanding, e.verdict)
    from (
        select e.*, webhooks_private.meter_events(e.tenant_id, e.events, e.per_minute, e.max_outstanding) as verdict
        from (
            select n.tenant_id, n.events, coalesce(l.max_events_per_minute, default_events) as per_minute,
                   coalesce(l.max_outstanding_deliveries, default_outstanding) as max_outstanding
            from (
                select n.tenant_id, count(*) as events from new_events n
                where not webhooks_private.is_system_event(n.event_type)
                group by n.tenant_id
            ) n
            left join webhooks.tenant_limits l on l.tenant_id = n.tenant_id
            offset 0
        ) e
        offset 0
    ) e
    where e.verdict is not null;
    return null;
end
$$;
comment on function webhooks_private.limit_events is
    'Trigger, while limits are set: refuses events beyond the limits of their tenant. Its arguments: the limits of '
    'who has none of its own.';
