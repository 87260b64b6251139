-- What the rules of alerts look at. Each measure reads an index, a small table or the state of the server: it runs
-- every half minute. evaluate_alerts() compares values with thresholds.

create type webhooks_private.alert_measure as (
    subject text, tenant_id uuid, subscription_id uuid, value numeric, detail text
);
comment on type webhooks_private.alert_measure is
    'Something that is beyond the threshold of a rule of alerts: see alert_states.';

create function webhooks_private.operator_tenant()
returns uuid
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.text_setting('operator_tenant_id')::uuid;
end;
comment on function webhooks_private.operator_tenant is 'The setting operator_tenant_id; null: it is not set.';

-- Without the operator's tenant: if its endpoint fails, an alert about that would be another delivery that fails.
create function webhooks_private.measure_deliveries(rule text, threshold numeric)
returns setof webhooks_private.alert_measure
language plpgsql stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    operator constant uuid := webhooks_private.operator_tenant();
begin
    if rule = 'delivery_overdue' then
        return query
        select '', null::uuid, null::uuid, round(extract(epoch from clock_timestamp() - o.due_at)),
               format('delivery %s of subscription %s, in shard %s, has been due since %s', o.delivery_id,
                      o.subscription_id, o.shard, o.due_at)
        from webhooks_private.overdue_delivery(
            clock_timestamp() - threshold::double precision * interval '1 second', operator) o;
    else
        -- Of few deliveries each one that fails would be an alert.
        return query
        select '', null::uuid, null::uuid, round(h.delivered * 100 / h.finished, 2),
               format('%s of %s deliveries', h.delivered, h.finished)
        from (
            select sum(a.delivered) as delivered, sum(a.delivered + a.failed + a.expired) as finished
            from webhooks_private.attempts_hourly a
            where a.hour >= date_trunc('hour', now(), 'UTC') - interval '1 hour' and not a.is_test
              and a.tenant_id is distinct from operator
        ) h
        where h.finished >= 50;
    end if;
end
$$;
comment on function webhooks_private.measure_deliveries is
    'What the rules delivery_overdue and success_rate look at, the latter up to the last roll_up().';

create function webhooks_private.measure_subscriptions(rule text)
returns setof webhooks_private.alert_measure
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if rule = 'breaker_open' then
        return query
        select s.id::text, s.tenant_id, s.id, round(extract(epoch from clock_timestamp() - b.since)),
               webhooks_private.failure_kind(b.last_error)
        from webhooks_private.subscription_breakers b
        join webhooks.webhook_subscriptions s on s.id = b.subscription_id
        where b.state = 'open' and s.is_active and s.is_enabled;
    else
        return query
        select s.id::text, s.tenant_id, s.id, 1::numeric, webhooks_private.failure_kind(s.disabled_reason)
        from webhooks.webhook_subscriptions s
        where s.disabled_reason is not null and s.is_active and not s.is_enabled;
    end if;
end
$$;
comment on function webhooks_private.measure_subscriptions is
    'What the rules breaker_open and subscription_disabled look at. Without names and addresses, as a monitor may see '
    'it.';

create function webhooks_private.measure_sidecars(rule text)
returns setof webhooks_private.alert_measure
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    sidecars constant integer := webhooks.sidecar_count();
begin
    if rule = 'no_sidecar' then
        return query select '', null::uuid, null::uuid, sidecars::numeric, null::text;
    elsif rule = 'clock_skew' then
        return query select '', null::uuid, null::uuid, round(webhooks_private.clock_skew()::numeric, 3), null::text;
    elsif sidecars > 0 then
        return query
        select '', null::uuid, null::uuid, count(*)::numeric, 'shards ' || string_agg(n::text, ', ' order by n)
        from generate_series(0, webhooks_private.shard_count() - 1) n
        where n not in (select h.key from webhooks_private.lock_holders(webhooks_private.shard_lock()) h);
    end if;
end
$$;
comment on function webhooks_private.measure_sidecars is
    'What the rules no_sidecar, shard_without_owner and clock_skew look at.';

create function webhooks_private.measure_maintenance(rule text)
returns setof webhooks_private.alert_measure
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if rule = 'partition_missing' then
        return query
        select t.parent, null::uuid, null::uuid, count(*)::numeric, string_agg(m.partition, ', ' order by m.partition)
        from webhooks_private.partitioned_tables() t
        cross join lateral webhooks_private.missing_partitions(t.parent, 1) m (partition)
        group by t.parent;
    elsif rule = 'retention_failing' then
        return query
        select o.relation, null::uuid, null::uuid, count(*)::numeric, 'the oldest is ' || min(o.partition)
        from webhooks.overdue_partitions() o
        where o.held_by is null
        group by o.relation;
    else
        return query
        select m.task, null::uuid, null::uuid, round(extract(epoch from clock_timestamp() - m.failing_since)),
               m.last_error
        from webhooks_private.maintenance_tasks m
        where m.failing_since is not null
        union all
        -- None succeeded: it is not called. If it never was: since somebody looks.
        select '', null, null,
               round(extract(epoch from clock_timestamp() - coalesce(
                   (select max(m.succeeded_at) from webhooks_private.maintenance_tasks m), e.first_evaluated_at))),
               'time since maintain() was last called'
        from webhooks_private.alert_evaluation e;
    end if;
end
$$;
comment on function webhooks_private.measure_maintenance is
    'What the rules maintenance_failing, partition_missing and retention_failing look at.';

create function webhooks_private.measure_server(rule text)
returns setof webhooks_private.alert_measure
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if rule = 'vacuum_held_back' then
        return query
        select '', null::uuid, null::uuid, round(extract(epoch from clock_timestamp() - t.began)), t.who
        from (
            select a.xact_start as began, format('pid %s of role %s', a.pid, a.usename) as who
            from pg_stat_activity a
            where a.datname = current_database() and a.pid <> pg_backend_pid()
              and a.backend_type not in ('autovacuum worker', 'walsender') and a.xact_start is not null
            union all
            select p.prepared, format('prepared transaction %s of role %s', p.gid, p.owner)
            from pg_prepared_xacts p where p.database = current_database()
        ) t
        order by t.began
        limit 1;
    elsif rule = 'slot_held_back' then
        return query
        select s.slot_name::text, null::uuid, null::uuid, greatest(age(s.xmin), age(s.catalog_xmin))::numeric,
               case when s.active then 'active' else 'not active' end
        from pg_replication_slots s
        where num_nonnulls(s.xmin, s.catalog_xmin) > 0;
    else
        return query
        select '', null::uuid, null::uuid, round(100 * pg_notification_queue_usage()::numeric, 1), null::text;
    end if;
end
$$;
comment on function webhooks_private.measure_server is
    'What the rules vacuum_held_back, slot_held_back and notification_queue look at.';

create function webhooks_private.measure_alert(rule text, threshold numeric)
returns setof webhooks_private.alert_measure
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    case
        when rule in ('delivery_overdue', 'success_rate') then
            return query select * from webhooks_private.measure_deliveries(rule, threshold);
        when rule in ('breaker_open', 'subscription_disabled') then
            return query select * from webhooks_private.measure_subscriptions(rule);
        when rule in ('no_sidecar', 'shard_without_owner', 'clock_skew') then
            return query select * from webhooks_private.measure_sidecars(rule);
        when rule in ('maintenance_failing', 'partition_missing', 'retention_failing') then
            return query select * from webhooks_private.measure_maintenance(rule);
        when rule in ('vacuum_held_back', 'slot_held_back', 'notification_queue') then
            return query select * from webhooks_private.measure_server(rule);
    end case;
end
$$;
comment on function webhooks_private.measure_alert is
    'What a rule of alerts looks at. Part of evaluate_alerts().';
