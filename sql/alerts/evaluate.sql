create function webhooks_private.note_measures(rule text, measures webhooks_private.alert_measure[])
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
begin
    insert into webhooks_private.alert_states as s
        (rule, subject, tenant_id, subscription_id, value, detail, pending_since)
    select rule, m.subject, m.tenant_id, m.subscription_id, m.value, left(m.detail, 1000), clock_timestamp()
    from unnest(measures) m
    on conflict on constraint alert_states_pkey do update
    set value = excluded.value, detail = excluded.detail, clear_since = null;
    delete from webhooks_private.alert_states s
    where s.rule = note_measures.rule and s.fired_at is null
      and s.subject <> all (array(select m.subject from unnest(measures) m));
    update webhooks_private.alert_states s
    set clear_since = clock_timestamp()
    where s.rule = note_measures.rule and s.fired_at is not null and s.clear_since is null
      and s.subject <> all (array(select m.subject from unnest(measures) m));
end
$$;
comment on function webhooks_private.note_measures is
    'Notes what is beyond the threshold of a rule of alerts, and that nothing else of it is. Part of '
    'evaluate_alerts().';

create function webhooks_private.fire_alert(rule webhooks.alert_rules)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    state webhooks_private.alert_states;
    alert webhooks.alert_history;
begin
    for state in
        select * from webhooks_private.alert_states s
        where s.rule = (fire_alert.rule).name and s.fired_at is null
          and s.pending_since <= clock_timestamp() - make_interval(secs => (fire_alert.rule).for_seconds)
        order by s.subject
    loop
        insert into webhooks.alert_history as h
            (rule, severity, subject, tenant_id, subscription_id, value, threshold, unit, detail, fired_at)
        values (rule.name, rule.severity, state.subject, state.tenant_id, state.subscription_id, state.value,
                rule.threshold, rule.unit, state.detail, clock_timestamp())
        returning h.* into alert;
        update webhooks_private.alert_states s
        set alert_id = alert.id, fired_at = alert.fired_at,
            is_published = webhooks_private.publish_alert(alert, 'system.alert.fired')
        where s.rule = state.rule and s.subject = state.subject;
    end loop;
end
$$;
comment on function webhooks_private.fire_alert is
    'Lets a rule of alerts fire for what has been beyond its threshold for long enough. Part of evaluate_alerts().';

create function webhooks_private.resolve_alerts()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    state webhooks_private.alert_states;
    alert webhooks.alert_history;
begin
    for state in
        select s.* from webhooks_private.alert_states s
        left join webhooks.alert_rules r on r.name = s.rule and r.is_enabled
        where r.name is null or s.clear_since <= clock_timestamp() - make_interval(secs => r.resolve_seconds)
        order by s.rule, s.subject
    loop
        delete from webhooks_private.alert_states s where s.rule = state.rule and s.subject = state.subject;
        continue when state.alert_id is null;
        update webhooks.alert_history h set resolved_at = clock_timestamp() where h.id = state.alert_id
        returning h.* into alert;
        if state.is_published and found then
            perform webhooks_private.publish_alert(alert, 'system.alert.resolved');
        end if;
    end loop;
    -- What fired when the states were lost, as by a restore.
    update webhooks.alert_history h set resolved_at = clock_timestamp()
    where h.resolved_at is null
      and not exists (select from webhooks_private.alert_states s where s.alert_id = h.id);
end
$$;
comment on function webhooks_private.resolve_alerts is
    'Resolves alerts that have been within their threshold for long enough, or whose rule is switched off. Part of '
    'evaluate_alerts().';

create function webhooks_private.forget_alerts()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from webhooks.alert_history h
    where h.resolved_at is not null
      and (h.id < webhooks.uuid_v7_floor(now() - make_interval(
               days => webhooks_private.setting('alert_history_days')::integer))
           or h.id <= (select o.id from webhooks.alert_history o order by o.id desc offset 10000 limit 1));
end
$$;
comment on function webhooks_private.forget_alerts is
    'Deletes resolved alerts that are older than alert_history_days, or beyond the last 10,000. Part of '
    'evaluate_alerts().';

create function webhooks_private.evaluate_alerts()
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
set jit = off
as $$
declare
    rule webhooks.alert_rules;
    measures webhooks_private.alert_measure[];
    failures webhooks_private.alert_measure[] := '{}';
begin
    -- One at a time. Another one that runs just now sees the same.
    if not webhooks_private.try_lock_xact(webhooks_private.alerts_lock(), 0, false) then
        return null;
    end if;
    insert into webhooks_private.alert_evaluation as e (first_evaluated_at, evaluated_at)
    values (clock_timestamp(), clock_timestamp())
    on conflict on constraint alert_evaluation_pkey do update set evaluated_at = excluded.evaluated_at;
    for rule in
        select * from webhooks.alert_rules r
        where r.is_enabled and r.name not in ('evaluation_failing', 'not_evaluated')
        order by r.name
    loop
        begin
            measures := array(
                select m::webhooks_private.alert_measure
                from webhooks_private.measure_alert(rule.name, rule.threshold) m
                where case rule.fires_when when 'above' then m.value > rule.threshold
                           else m.value < rule.threshold end
                order by m.value desc, m.subject
                -- As many as somebody may look at.
                limit 1000);
        -- A rule that can't be evaluated must not keep the others from being so, and is an alert itself. What fires by
        -- it goes on to fire. The measures are queries of the extension alone: nobody else's conditions come from them.
        exception when cardinality_violation or data_exception or transaction_rollback
            or syntax_error_or_access_rule_violation or insufficient_resources or program_limit_exceeded
            or object_not_in_prerequisite_state or system_error or plpgsql_error or internal_error then
            failures := failures || (rule.name, null, null, 1, sqlerrm)::webhooks_private.alert_measure;
            continue;
        end;
        perform webhooks_private.note_measures(rule.name, measures);
        perform webhooks_private.fire_alert(rule);
    end loop;
    select * into rule from webhooks.alert_rules r where r.name = 'evaluation_failing' and r.is_enabled;
    if found then
        perform webhooks_private.note_measures(rule.name, failures);
        perform webhooks_private.fire_alert(rule);
    end if;
    perform webhooks_private.resolve_alerts();
    perform webhooks_private.forget_alerts();
    return (select count(*) from webhooks_private.alert_states s where s.fired_at is not null);
end
$$;
comment on function webhooks_private.evaluate_alerts is
    'Evaluates the rules of alerts, and publishes what fires and what is resolved. Returns how many alerts fire; null: '
    'another session is doing it. One sidecar calls it every half minute.';
grant execute on function webhooks_private.evaluate_alerts to webhooks_sidecar;
