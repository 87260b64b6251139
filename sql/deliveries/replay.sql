-- Deliveries made again, and cancelled, by hand. These run as the owner, who writes the queue: each begins with whose
-- rows they are, by own_subscription(), check_tenant() or may_access_tenant().

create function webhooks_private.replayable(
    tenant_id uuid, since timestamptz, until timestamptz, event_types text[], subscription_id uuid, after uuid,
    max_events integer, event_ids uuid[] default null
)
returns table (n bigint, event_log_id uuid, matched_id uuid, is_outstanding boolean)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    ids record;
    after_at timestamptz;
begin
    if event_ids is null then
        ids := webhooks_private.event_id_range(tenant_id, since, until);
    else
        select (array_agg(i.id order by i.id))[1] as first_id, (array_agg(i.id order by i.id desc))[1] as last_id
        into ids from unnest(event_ids) i (id);
    end if;
    select webhooks_private.published_at(l.id, l.created_at) into after_at
    from webhooks.event_logs l
    where l.id = replayable.after and l.tenant_id = replayable.tenant_id;
    return query
    with events as materialized (
        select row_number() over (order by webhooks_private.published_at(e.id, e.created_at), e.id) as n, e.*
        from webhooks.event_logs e
        where e.tenant_id = replayable.tenant_id
          and (replayable.event_ids is null and e.created_at >= replayable.since and e.created_at < replayable.until
               or e.id = any (replayable.event_ids))
          and (replayable.event_types is null
               or array[e.event_type::text, split_part(e.event_type, '.', 1) || '.*', '*'] && replayable.event_types)
          and e.expires_at > clock_timestamp() is not false
          and e.is_test is not true and e.id between ids.first_id and ids.last_id
          and (replayable.after is null
               or (webhooks_private.published_at(e.id, e.created_at), e.id) > (after_at, replayable.after))
        order by n
        limit replayable.max_events
    ),
    matched as materialized (
        select e.n, e.id as event_log_id, r.subscription_id
        from events e
        -- As in match_events(). The test of one is the test of the other.
        left join lateral (
            select * from webhooks_private.subscription_routes r
            where r.tenant_id = e.tenant_id
              and r.pattern in (e.event_type, split_part(e.event_type, '.', 1) || '.*', '*')
              and (replayable.subscription_id is null or r.subscription_id = replayable.subscription_id)
              and (e.environment is null or r.environment = e.environment)
              and (not webhooks_private.is_endpoint_event(e.event_type)
                   or r.pattern <> '*' and r.subscription_id is distinct from e.resource_id)
              and (r.filters is null or webhooks_private.filter_matches(r.filters, e.event_data::text,
                      e.resource_type, e.resource_id))
              and (r.filter_jsonpath is null or webhooks_private.jsonpath_matches(e.event_data, r.filter_jsonpath))
            offset 0
        ) r on true
    )
    -- Grouped: sorted or hashed, whatever is known of the queue. Of the queue only what is outstanding to subscriptions
    -- that match is read, and once.
    select min(p.n), p.event_log_id, p.subscription_id, bool_or(p.is_outstanding)
    from (
        select m.n, m.event_log_id, m.subscription_id, false as is_outstanding
        from matched m
        union all
        select null, q.event_log_id, q.subscription_id, true
        from (select distinct m.subscription_id from matched m where m.subscription_id is not null) s
        cross join lateral webhooks_private.outstanding_deliveries(s.subscription_id) q
        where replayable.event_ids is null or q.event_log_id = any (replayable.event_ids)
    ) p
    group by p.event_log_id, p.subscription_id
    having min(p.n) is not null;
end
$$;
comment on function webhooks_private.replayable is
    'Events of a tenant that were published in a period, or some by their ids, numbered in the order of publication, '
    'with each subscription that would get them now and whether they are outstanding to it; a row without subscription '
    'if none would. Part of replay_events() and replay_by_id().';

create function webhooks_private.check_event_patterns(event_types text[])
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    unknown_type text;
begin
    perform webhooks_private.check_count('event_types', cardinality(event_types), 1000);
    select t.pattern into unknown_type
    from unnest(event_types) t (pattern)
    where t.pattern is distinct from '*'
      and not exists (select from webhooks.event_types e
                      where e.name = t.pattern or t.pattern ~ '^[a-z0-9_]+\.\*$'
                        and starts_with(e.name, left(t.pattern, -1)))
    limit 1;
    if found then
        raise exception 'event_types names %, which is no event type',
            coalesce('"' || left(unknown_type, 200) || '"', 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Use names from webhooks.event_types, category wildcards such as document.*, or *.';
    end if;
end
$$;
comment on function webhooks_private.check_event_patterns is
    'Raises an error unless event_types are names of event types, category wildcards or *. Part of replay_events().';

create function webhooks_private.check_replay(
    tenant_id uuid, since timestamptz, until timestamptz, event_types text[], subscription_id uuid,
    max_events integer, after uuid
)
returns void
-- Planned and run with the settings of replay_events(), which calls it.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription webhooks.webhook_subscriptions;
begin
    if since is null or until is null then
        raise exception 'since or until is null'
            using errcode = 'null_value_not_allowed',
                  hint = 'Give the time in which the events were published, for example now() - interval ''1 hour'' '
                         'and now().';
    end if;
    if max_events is null or max_events < 1 then
        raise exception 'max_events is %', coalesce(max_events::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 or more: 10000 take about a second.';
    end if;
    perform webhooks_private.check_event_patterns(event_types);
    if subscription_id is not null then
        subscription := webhooks_private.own_subscription(subscription_id);
        if subscription.tenant_id <> check_replay.tenant_id then
            raise exception 'subscription % is another tenant''s than %', subscription_id, tenant_id
                using errcode = 'invalid_parameter_value',
                      hint = 'Give the subscription''s tenant: only its events match.';
        end if;
        if (subscription.is_active and subscription.is_enabled) is not true then
            raise exception 'subscription % is not active and enabled, so it matches nothing', subscription_id
                using errcode = 'object_not_in_prerequisite_state',
                      hint = 'Enable it first: select webhooks.set_subscriptions_enabled(array[id], true);';
        end if;
    end if;
    if after is not null and not exists (select from webhooks.event_logs e where e.id = after
                                         and e.tenant_id = check_replay.tenant_id) then
        raise exception 'there is no event % to go on after', after
            using errcode = 'undefined_object', hint = 'Give the resume_after that the last call returned.';
    end if;
end
$$;
comment on function webhooks_private.check_replay is
    'Raises an error if replay_events() can''t do what its parameters say, which these are. The tenant is checked '
    'before.';

create function webhooks.replay_events(
    tenant_id uuid, since timestamptz, until timestamptz, event_types text[] default null,
    subscription_id uuid default null,
    dry_run boolean default false, max_events integer default 10000, after uuid default null
)
returns table (events bigint, deliveries bigint, outstanding bigint, resume_after uuid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    subscription_ids uuid[];
    event_log_ids uuid[];
begin
    perform webhooks_private.check_tenant(tenant_id);
    perform webhooks_private.check_replay(tenant_id, since, until, event_types, subscription_id, max_events, after);
    if not dry_run then
        perform webhooks_private.lock_tenant(tenant_id);
        perform webhooks_private.check_outstanding(tenant_id);
    end if;
    select count(distinct r.event_log_id),
           count(r.matched_id) filter (where not r.is_outstanding),
           count(*) filter (where r.is_outstanding),
           case when max(r.n) = max_events then (array_agg(r.event_log_id order by r.n desc))[1] end,
           array_agg(r.matched_id order by r.n, r.matched_id) filter (where not r.is_outstanding and not dry_run),
           array_agg(r.event_log_id order by r.n, r.matched_id) filter (where not r.is_outstanding and not dry_run)
    into events, deliveries, outstanding, resume_after, subscription_ids, event_log_ids
    from webhooks_private.replayable(tenant_id, since, until, event_types, subscription_id, after,
                                     case when not dry_run then max_events end) r;
    if dry_run then
        resume_after := null;
    elsif deliveries > 0 then
        select count(*) into deliveries
        from webhooks_private.redeliver(subscription_ids, event_log_ids,
                                        array_fill(null::uuid, array[cardinality(event_log_ids)]));
        perform webhooks_private.audit(
            'replayed', case when subscription_id is null then 'tenant' else 'subscription' end,
            coalesce(subscription_id, tenant_id)::text, tenant_id,
            after => jsonb_build_object('since', since, 'until', until, 'event_types', event_types, 'events', events,
                                        'deliveries', deliveries));
    end if;
    return next;
end
$$;
comment on function webhooks.replay_events is
    'Delivers the events of a period again, to the subscriptions that match them now or to one subscription. A '
    'subscription to which an event is outstanding does not get it again. One call takes at most max_events, in the '
    'order of publication; repeat it with after => resume_after until that is null. Returns the numbers of events, '
    'of new deliveries, and of deliveries left out because they are outstanding. dry_run counts the same for all '
    'events, and delivers nothing.';
grant execute on function webhooks.replay_events to webhooks_manager;

create function webhooks_private.replay_by_id(
    tenant_id uuid, event_ids uuid[], subscription_id uuid, dry_run boolean,
    out events bigint, out deliveries bigint, out outstanding bigint
)
-- Planned and run with the settings of the functions that call it.
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- The queue is read by its indexes, subscription by subscription, however small it is thought to be.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    subscription_ids uuid[];
    event_log_ids uuid[];
begin
    perform webhooks_private.check_replay(tenant_id, now(), now(), null, subscription_id, 1, null);
    -- Of an empty array as bound every partition would be opened.
    if coalesce(cardinality(event_ids), 0) = 0 then
        events := 0;
        deliveries := 0;
        outstanding := 0;
        return;
    end if;
    if not dry_run then
        perform webhooks_private.lock_tenant(tenant_id);
        perform webhooks_private.check_outstanding(tenant_id);
    end if;
    select count(distinct r.event_log_id), count(r.matched_id) filter (where not r.is_outstanding),
           count(*) filter (where r.is_outstanding),
           array_agg(r.matched_id order by r.n, r.matched_id)
               filter (where not r.is_outstanding and r.matched_id is not null),
           array_agg(r.event_log_id order by r.n, r.matched_id)
               filter (where not r.is_outstanding and r.matched_id is not null)
    into events, deliveries, outstanding, subscription_ids, event_log_ids
    from webhooks_private.replayable(tenant_id, null, null, null, subscription_id, null, null, event_ids) r;
    if not dry_run and deliveries > 0 then
        select count(*) into deliveries
        from webhooks_private.redeliver(subscription_ids, event_log_ids,
                                        array_fill(null::uuid, array[cardinality(event_log_ids)]));
        perform webhooks_private.audit('replayed', 'event', e.id::text, tenant_id,
                                       after => jsonb_build_object('subscription_id', subscription_id,
                                                                   'deliveries', e.n))
        from (select i.id, count(*) as n from unnest(event_log_ids) i (id) group by i.id) e;
    end if;
end
$$;
comment on function webhooks_private.replay_by_id is
    'Delivers some events again. Part of replay_event() and replay_event_set(), which have checked the tenant.';

create function webhooks.replay_event(
    tenant_id uuid, event_id uuid, subscription_id uuid default null, dry_run boolean default false
)
returns table (deliveries bigint, outstanding bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    event record;
begin
    perform webhooks_private.check_tenant(tenant_id);
    select e.expires_at, e.is_test into event
    from webhooks.event_logs e
    where e.id = replay_event.event_id and e.tenant_id = replay_event.tenant_id;
    if not found then
        raise exception 'there is no event %', coalesce(event_id::text, 'null')
            using errcode = 'undefined_object', hint = 'It may be no longer kept.';
    end if;
    if event.is_test or event.expires_at <= clock_timestamp() then
        raise exception 'event % %', event_id, case when event.is_test then 'was a test' else 'has expired' end
            using errcode = 'object_not_in_prerequisite_state',
                  hint = case when event.is_test then 'Make another one: select webhooks.test_subscription(...);'
                         else 'Publish it anew if it still matters.' end;
    end if;
    return query
    select r.deliveries, r.outstanding
    from webhooks_private.replay_by_id(tenant_id, array[event_id], subscription_id, dry_run) r;
end
$$;
comment on function webhooks.replay_event is
    'Delivers one event again, to the subscriptions that match it now or to one subscription. A subscription to which '
    'it is outstanding does not get it again. Returns the numbers of new deliveries, and of those left out because '
    'they are outstanding. dry_run counts the same, and delivers nothing.';
grant execute on function webhooks.replay_event to webhooks_manager;

create function webhooks.replay_event_set(
    tenant_id uuid, event_ids uuid[], subscription_id uuid default null, dry_run boolean default false
)
returns table (events bigint, deliveries bigint, outstanding bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform webhooks_private.check_tenant(replay_event_set.tenant_id);
    perform webhooks_private.check_count('event_ids', cardinality(event_ids), 10000);
    return query
    select r.events, r.deliveries, r.outstanding
    from webhooks_private.replay_by_id(replay_event_set.tenant_id, event_ids, replay_event_set.subscription_id,
                                       dry_run) r;
end
$$;
comment on function webhooks.replay_event_set is
    'Delivers up to 10000 events again, in the order of publication, as replay_event() does one, but reads what is '
    'outstanding once. Events that are not kept, have expired or were tests are left out. Returns the numbers of '
    'events, of new deliveries, and of deliveries left out because they are outstanding. dry_run counts the same, and '
    'delivers nothing.';
grant execute on function webhooks.replay_event_set to webhooks_manager;
