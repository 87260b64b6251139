create function webhooks_private.publish_alert(alert webhooks.alert_history, event_type text)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    operator constant uuid := webhooks_private.operator_tenant();
begin
    -- An alert about an endpoint of the operator's would be one more delivery for it, which fails like the others.
    if operator is null or alert.tenant_id = operator then
        return false;
    end if;
    insert into webhooks.event_logs (
        tenant_id, event_type, event_category, event_name, event_version, event_data, resource_type, resource_id
    )
    select operator, t.name, t.category, left(r.name || ': ' || r.description, 100), '1.0',
           jsonb_build_object(
               'alert_id', alert.id, 'rule', alert.rule, 'severity', alert.severity, 'subject', alert.subject,
               'tenant_id', alert.tenant_id, 'subscription_id', alert.subscription_id, 'fired_at', alert.fired_at)
           || case when t.name = 'system.alert.fired' then jsonb_build_object(
                  'value', alert.value, 'threshold', alert.threshold, 'unit', alert.unit, 'detail', alert.detail,
                  'description', r.description, 'action', r.action)
              else jsonb_build_object('resolved_at', alert.resolved_at) end,
           'alert', alert.id
    from webhooks.event_types t
    join webhooks_private.shipped_alert_rules() r on r.name = alert.rule
    where t.name = publish_alert.event_type;
    return found;
-- Any failure: triggers that the application added to event_logs raise conditions of their own, and webhooks.alerts has
-- to show the alert whether or not somebody can be told of it.
exception when others then
    raise warning 'an alert can''t be published: %', sqlerrm using errcode = sqlstate;
    return false;
end
$$;
comment on function webhooks_private.publish_alert is
    'Publishes that an alert fired or is resolved as an event of operator_tenant_id; false if it is not. Part of '
    'evaluate_alerts().';
