create view webhooks.alerts with (security_invoker = true) as
select r.severity, a.rule, a.subject, a.tenant_id, a.subscription_id, s.name as subscription_name, a.fired_at as since,
       a.value, r.threshold, r.unit, a.detail, r.description, r.action
from (
    select t.rule, t.subject, t.tenant_id, t.subscription_id, t.fired_at, t.value, t.detail
    from webhooks_private.alert_states t
    where t.fired_at is not null
    union all
    -- Computed when somebody looks: without an evaluation nobody could note it.
    select n.name, '', null, null, e.evaluated_at, round(extract(epoch from clock_timestamp() - e.evaluated_at)),
           case when e.evaluated_at is null then 'they were never evaluated' end
    from webhooks.alert_rules n
    left join webhooks_private.alert_evaluation e on true
    where n.name = 'not_evaluated'
      and coalesce(extract(epoch from clock_timestamp() - e.evaluated_at) > n.threshold, true)
) a
join webhooks.alert_rules r on r.name = a.rule and r.is_enabled
left join webhooks.webhook_subscriptions s on s.id = a.subscription_id;
comment on view webhooks.alerts is
    'Alerts that fire, as evaluate_alerts() last found them, and, computed on reading, that nothing has evaluated the '
    'rules for long. No row: all is well. alert_history has those of before.';
comment on column webhooks.alerts.severity is 'Severity of the rule.';
comment on column webhooks.alerts.rule is 'Name of the rule: alert_rules.name.';
comment on column webhooks.alerts.subject is
    'What it is about: the id of a subscription, a task, a relation; empty: the database as a whole.';
comment on column webhooks.alerts.tenant_id is 'Tenant that it is about; null: none.';
comment on column webhooks.alerts.subscription_id is 'Subscription that it is about; null: none.';
comment on column webhooks.alerts.subscription_name is 'Name of the subscription.';
comment on column webhooks.alerts.since is
    'Time since which it fires; of not_evaluated the time of the last evaluation, null: there was none.';
comment on column webhooks.alerts.value is 'Value, as it was evaluated last.';
comment on column webhooks.alerts.threshold is 'Threshold of the rule.';
comment on column webhooks.alerts.unit is 'Unit of value and threshold.';
comment on column webhooks.alerts.detail is 'What was found, without names and addresses of receivers.';
comment on column webhooks.alerts.description is 'What it means.';
comment on column webhooks.alerts.action is 'What to do.';
grant select on webhooks.alerts to webhooks_monitor;
