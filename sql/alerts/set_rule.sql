create function webhooks_private.check_alert_rule(name text)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from webhooks_private.shipped_alert_rules() d where d.name = check_alert_rule.name) then
        raise exception 'there is no rule of alerts "%"', coalesce(left(name, 100), 'null')
            using errcode = 'undefined_object',
                  hint = 'Rules are listed by: select name, description from webhooks.alert_rules;';
    end if;
end
$$;
comment on function webhooks_private.check_alert_rule is 'An error if there is no such rule of alerts.';

create function webhooks.set_alert_rule(
    name text, is_enabled boolean default null, threshold numeric default null, for_seconds integer default null,
    resolve_seconds integer default null, severity text default null
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
begin
    perform webhooks_private.check_alert_rule(name);
    if threshold < 0 or threshold = 'NaN' or threshold > 1000000000000 then
        raise exception 'threshold is %', threshold
            using errcode = 'invalid_parameter_value',
                  hint = 'Give 0 to 1000000000000, in the unit that webhooks.alert_rules shows.';
    end if;
    if for_seconds not between 0 and 604800 then
        raise exception 'for_seconds is %', for_seconds
            using errcode = 'invalid_parameter_value', hint = 'Give 0 to 604800: 7 days.';
    end if;
    if resolve_seconds not between 0 and 604800 then
        raise exception 'resolve_seconds is %', resolve_seconds
            using errcode = 'invalid_parameter_value', hint = 'Give 0 to 604800: 7 days.';
    end if;
    if severity not in ('critical', 'warning', 'info') then
        raise exception 'severity is "%"', left(severity, 100)
            using errcode = 'invalid_parameter_value', hint = 'Give critical, warning or info.';
    end if;
    insert into webhooks_private.alert_rule_overrides as o
        (name, is_enabled, threshold, for_seconds, resolve_seconds, severity)
    values (name, is_enabled, threshold, for_seconds, resolve_seconds, severity)
    on conflict on constraint alert_rule_overrides_pkey do update
    set is_enabled = coalesce(excluded.is_enabled, o.is_enabled),
        threshold = coalesce(excluded.threshold, o.threshold),
        for_seconds = coalesce(excluded.for_seconds, o.for_seconds),
        resolve_seconds = coalesce(excluded.resolve_seconds, o.resolve_seconds),
        severity = coalesce(excluded.severity, o.severity);
end
$$;
comment on function webhooks.set_alert_rule is
    'Changes a rule of alerts, or switches it off with is_enabled => false. What is null stays as it is. The next '
    'evaluation applies it, within half a minute.';

create function webhooks.reset_alert_rule(name text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.check_alert_rule(name);
    delete from webhooks_private.alert_rule_overrides o where o.name = reset_alert_rule.name;
end
$$;
comment on function webhooks.reset_alert_rule is 'Makes a rule of alerts as it was shipped.';
