-- Rules of alerts. As for settings, what is shipped is code, and only what a DBA changed is a row: a dump carries
-- exactly the changes, and a new version brings its rules without touching them.

create function webhooks_private.shipped_alert_rules()
returns table (
    name text, severity text, fires_when text, threshold numeric, unit text, for_seconds integer,
    resolve_seconds integer, description text, action text
)
language sql immutable parallel safe
begin atomic
    values
        ('no_sidecar', 'critical', 'below', 1::numeric, 'sidecars', 60, 30,
         'No sidecar runs for this database: events are queued, and nothing is delivered.',
         'Start webhooks-sidecar. Its log says why it ended or cannot connect. If sessions of sidecars are listed in '
         'pg_stat_activity, a pooler in transaction mode may be in between, or the database is a copy that is not '
         'adopted: see doctor().'),
        ('shard_without_owner', 'critical', 'above', 0, 'shards', 120, 30,
         'Sidecars run, and shards have no owner: the deliveries of these shards wait.',
         'See owner in queue_status(), and the log of the sidecars. A warning "held by a session that is no sidecar" '
         'names the session to be ended with pg_terminate_backend(pid).'),
        ('delivery_overdue', 'critical', 'above', 300, 's', 120, 60,
         'Deliveries are due by their schedule, nothing holds them back, and they are not made.',
         'See blockers() for transactions in the way, and end them. If there are none, look at the CPU of the '
         'database and of the sidecars; a backlog that is simply large is made faster by another sidecar or by a '
         'higher --concurrency.'),
        ('success_rate', 'warning', 'below', 95, '%', 600, 600,
         'Of the deliveries that ended in this hour and the last one, too few were delivered.',
         'List subscription_health where failing_since is not null. One tenant or host: tell its owner. Many hosts: '
         'look at names, certificates and the network of the sidecars.'),
        ('breaker_open', 'warning', 'above', 3600, 's', 0, 0,
         'An endpoint has failed for long: its circuit breaker is open, and its deliveries wait.',
         'Tell the owner of the endpoint: subscription_health has the last error. When it works again, deliveries go '
         'on by themselves; reset_breaker() makes them do so at once. After disable_after_failing_hours the '
         'subscription is disabled.'),
        ('subscription_disabled', 'warning', 'above', 0, 'subscriptions', 0, 0,
         'The system disabled a subscription, because its endpoint is gone or failed for too long. Its deliveries are '
         'held.',
         'Tell its owner. set_subscriptions_enabled() resumes where deliveries stopped; if the endpoint is gone for '
         'good, delete the subscription, or set its is_active to false.'),
        ('maintenance_failing', 'warning', 'above', 3600, 's', 0, 0,
         'A task of maintain() has not succeeded for long: partitions may be missing soon, or old rows stay.',
         'Call select * from webhooks.maintain() as the owner and read its warnings. Most often a long transaction '
         'holds a lock on a table: see blockers().'),
        ('partition_missing', 'critical', 'above', 0, 'partitions', 600, 0,
         'A partition of today or tomorrow is missing. Its rows go to the default partition, from where they have to '
         'be moved.',
         'Call select webhooks.maintain(); or, if the default partition has many rows, select '
         'webhooks.create_partitions(move_rows => 1000000); at a quiet time.'),
        ('retention_failing', 'warning', 'above', 0, 'partitions', 43200, 0,
         'Partitions that are older than the settings for retention have not been dropped for half a day, though no '
         'delivery needs them.',
         'See overdue_partitions(). maintain() drops one when it gets a lock within 40 ms: a transaction that has read '
         'the table and is always open keeps it from that. Find it in pg_stat_activity, or call webhooks.maintain() at '
         'a quiet time.'),
        ('vacuum_held_back', 'warning', 'above', 3600, 's', 0, 60,
         'A transaction has been open for long. Vacuum cannot remove what was deleted since, and claims become slow.',
         'Find it: select pid, usename, application_name, xact_start from pg_stat_activity where xact_start is not '
         'null order by xact_start; and end it with pg_terminate_backend(pid). A prepared transaction: commit '
         'prepared or rollback prepared.'),
        ('slot_held_back', 'warning', 'above', 10000000, 'transactions', 600, 60,
         'A replication slot is far behind. Vacuum cannot remove what was deleted since, and WAL is kept.',
         'See pg_replication_slots. If nothing uses the slot: select pg_drop_replication_slot(slot_name);'),
        ('clock_skew', 'warning', 'above', 2, 's', 600, 600,
         'The clocks of a sidecar and of the server differ: latencies and times of retries are wrong by that.',
         'Synchronize both clocks (NTP).'),
        ('notification_queue', 'warning', 'above', 25, '%', 300, 60,
         'The notification queue of the server fills. From half full on publishers wake no sidecar, and events are '
         'delivered some seconds later.',
         'A session that listens on some channel does not end its transaction: find the oldest one in '
         'pg_stat_activity, and end it with pg_terminate_backend(pid).'),
        ('evaluation_failing', 'warning', 'above', 0, 'rules', 0, 0,
         'A rule of alerts cannot be evaluated: what it watches is not watched.',
         'The detail has the error. If the rule is of no use here, switch it off: select '
         'webhooks.set_alert_rule(name, is_enabled => false);'),
        ('not_evaluated', 'critical', 'above', 300, 's', 0, 0,
         'Nothing has evaluated the rules of alerts for long: what the others say is as old as that.',
         'A sidecar evaluates them every half minute: see whether one runs (doctor()), and its log.');
end;
comment on function webhooks_private.shipped_alert_rules is
    'The rules of alerts as they are shipped. A rule fires when its value has been above or below the threshold for '
    'for_seconds, and is resolved when it has not been so for resolve_seconds.';
grant execute on function webhooks_private.shipped_alert_rules to webhooks_monitor;

create table webhooks_private.alert_rule_overrides (
    name text primary key,
    is_enabled boolean,
    threshold numeric,
    for_seconds integer,
    resolve_seconds integer,
    severity text
);
comment on table webhooks_private.alert_rule_overrides is
    'What differs from the shipped rules of alerts; null: as shipped. Read webhooks.alert_rules; write with '
    'set_alert_rule() and reset_alert_rule().';
comment on column webhooks_private.alert_rule_overrides.name is 'Name of the rule.';
comment on column webhooks_private.alert_rule_overrides.is_enabled is 'False: the rule is switched off.';
comment on column webhooks_private.alert_rule_overrides.threshold is 'Threshold.';
comment on column webhooks_private.alert_rule_overrides.for_seconds is 'How long before it fires.';
comment on column webhooks_private.alert_rule_overrides.resolve_seconds is 'How long before it is resolved.';
comment on column webhooks_private.alert_rule_overrides.severity is 'Severity.';
select pg_catalog.pg_extension_config_dump('webhooks_private.alert_rule_overrides', '');
grant select on webhooks_private.alert_rule_overrides to webhooks_monitor;

create trigger audit_change
    after insert or update or delete on webhooks_private.alert_rule_overrides
    for each row execute function webhooks_private.audit_change('alert_rule', 'name');

create view webhooks.alert_rules with (security_invoker = true) as
select d.name, coalesce(o.is_enabled, true) as is_enabled, coalesce(o.severity, d.severity) as severity, d.fires_when,
       coalesce(o.threshold, d.threshold) as threshold, d.unit,
       coalesce(o.for_seconds, d.for_seconds) as for_seconds,
       coalesce(o.resolve_seconds, d.resolve_seconds) as resolve_seconds,
       d.description, d.action, o.name is not null as is_changed
from webhooks_private.shipped_alert_rules() d
left join webhooks_private.alert_rule_overrides o on o.name = d.name;
comment on view webhooks.alert_rules is
    'Rules of alerts in force. Change a rule with set_alert_rule(); reset_alert_rule() undoes it. webhooks.alerts '
    'shows what fires.';
comment on column webhooks.alert_rules.name is 'Name of the rule.';
comment on column webhooks.alert_rules.is_enabled is 'False: the rule is switched off.';
comment on column webhooks.alert_rules.severity is
    'critical: deliveries stand still, or are about to. warning: somebody has to look at it within days. info.';
comment on column webhooks.alert_rules.fires_when is
    'above: the rule fires while its value is above the threshold. below: while it is below.';
comment on column webhooks.alert_rules.threshold is 'Threshold, in the unit of the rule.';
comment on column webhooks.alert_rules.unit is 'Unit of the value and the threshold.';
comment on column webhooks.alert_rules.for_seconds is
    'How long the value must be beyond the threshold before the alert fires.';
comment on column webhooks.alert_rules.resolve_seconds is
    'How long the value must be within the threshold before the alert is resolved.';
comment on column webhooks.alert_rules.description is 'What it means that the rule fires.';
comment on column webhooks.alert_rules.action is 'What to do.';
comment on column webhooks.alert_rules.is_changed is 'True: set_alert_rule() changed what is shipped.';
grant select on webhooks.alert_rules to webhooks_monitor;
