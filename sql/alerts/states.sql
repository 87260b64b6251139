create table webhooks_private.alert_states (
    rule text not null,
    subject text not null,
    tenant_id uuid,
    subscription_id uuid,
    value numeric not null,
    detail text,
    pending_since timestamptz not null,
    alert_id uuid,
    fired_at timestamptz,
    clear_since timestamptz,
    is_published boolean not null default false,
    primary key (rule, subject)
);
comment on table webhooks_private.alert_states is
    'What is beyond a threshold, or was so until a moment ago, as evaluate_alerts() last found it. Read '
    'webhooks.alerts. A dump leaves it out: the next evaluation finds it again.';
comment on column webhooks_private.alert_states.rule is 'The rule.';
comment on column webhooks_private.alert_states.subject is
    'What it is about: the id of a subscription, a task, a relation; empty: the database as a whole.';
comment on column webhooks_private.alert_states.tenant_id is 'Tenant that it is about; null: none.';
comment on column webhooks_private.alert_states.subscription_id is 'Subscription that it is about; null: none.';
comment on column webhooks_private.alert_states.value is 'Last value beyond the threshold.';
comment on column webhooks_private.alert_states.detail is 'What was found.';
comment on column webhooks_private.alert_states.pending_since is 'Time since which it is beyond the threshold.';
comment on column webhooks_private.alert_states.alert_id is 'Row of alert_history; null: it does not fire yet.';
comment on column webhooks_private.alert_states.fired_at is 'Time since which it fires; null: not yet.';
comment on column webhooks_private.alert_states.clear_since is
    'Time since which a firing one is within the threshold again; null: it is not.';
comment on column webhooks_private.alert_states.is_published is
    'Whether system.alert.fired was published: then system.alert.resolved will be.';
grant select on webhooks_private.alert_states to webhooks_monitor;

create table webhooks.alert_history (
    id uuid primary key default webhooks.uuid_v7(),
    rule text not null,
    severity text not null,
    subject text not null,
    tenant_id uuid,
    subscription_id uuid,
    value numeric not null,
    threshold numeric not null,
    unit text not null,
    detail text,
    fired_at timestamptz not null,
    resolved_at timestamptz
);
create index alert_history_firing on webhooks.alert_history (rule, subject) where resolved_at is null;
comment on table webhooks.alert_history is
    'Alerts that fired, also those that fire now. Resolved ones are kept for alert_history_days, at most 10,000.';
comment on column webhooks.alert_history.id is 'Id of the alert (UUIDv7): alert_id in its events.';
comment on column webhooks.alert_history.rule is 'Rule that fired.';
comment on column webhooks.alert_history.severity is 'Severity of the rule at that time.';
comment on column webhooks.alert_history.subject is
    'What it is about: the id of a subscription, a task, a relation; empty: the database as a whole.';
comment on column webhooks.alert_history.tenant_id is 'Tenant that it is about; null: none.';
comment on column webhooks.alert_history.subscription_id is 'Subscription that it is about; null: none.';
comment on column webhooks.alert_history.value is 'Value when it fired.';
comment on column webhooks.alert_history.threshold is 'Threshold when it fired.';
comment on column webhooks.alert_history.unit is 'Unit of value and threshold.';
comment on column webhooks.alert_history.detail is 'What was found when it fired.';
comment on column webhooks.alert_history.fired_at is 'Time at which it fired.';
comment on column webhooks.alert_history.resolved_at is 'Time at which it was resolved; null: it fires.';
select pg_catalog.pg_extension_config_dump('webhooks.alert_history', '');
grant select on webhooks.alert_history to webhooks_monitor;

-- One row, which the first evaluation makes: a row of the install script would be in the way of a restore.
create table webhooks_private.alert_evaluation (
    is_only boolean primary key default true,
    first_evaluated_at timestamptz not null,
    evaluated_at timestamptz not null,
    constraint alert_evaluation_is_only_check check (is_only)
);
comment on table webhooks_private.alert_evaluation is
    'When evaluate_alerts() last ran: one row. A dump leaves it out: a restored database was not evaluated.';
comment on column webhooks_private.alert_evaluation.is_only is 'Always true.';
comment on column webhooks_private.alert_evaluation.first_evaluated_at is 'Time of the first evaluation.';
comment on column webhooks_private.alert_evaluation.evaluated_at is 'Time of the last evaluation.';
grant select on webhooks_private.alert_evaluation to webhooks_monitor;
