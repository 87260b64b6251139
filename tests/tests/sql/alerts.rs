//! Rules of alerts: what fires, for how long, what is told of it, and what an operator may change.

use serde_json::json;
use webhooks_tests::PATIENCE;
use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::Database;
use webhooks_tests::wait::{Seen, eventually};

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{TENANT, World, publish_many, subscribe, subscription_id};

const EVALUATE: &str = "select webhooks_private.evaluate_alerts()";
const OPERATOR: &str = "99999999-9999-4999-8999-999999999999";
const EVENTS: &str = "select event_type, tenant_id, event_data ->> 'rule', event_data ->> 'subject' from webhooks.event_logs
    where event_type like 'system.%' order by id";

/// Only these rules, without delay.
async fn only(session: &Session, rules: &[&str]) {
    let enable = format!(
        "select webhooks.set_alert_rule(name, is_enabled => name = any ('{{{}}}'), for_seconds => 0, resolve_seconds => 0)
         from webhooks.alert_rules",
        rules.join(",")
    );
    session.run(&enable).await;
}

/// What fires after an evaluation.
async fn firing(session: &Session) -> Vec<String> {
    session.run(EVALUATE).await;
    session
        .lines("select rule, subject from webhooks.alerts order by 1, 2")
        .await
}

/// Opens the breaker of a subscription since so long ago.
fn open_breaker(id: &str, minutes: u32) -> String {
    format!(
        "insert into webhooks_private.subscription_breakers (subscription_id, state, since, probe_at, failing_since, last_error)
         values ('{id}', 'open', now() - interval '{minutes} min', now() + interval '1 min', now() - interval '{minutes} min', 'cannot connect to x.example: refused')
         on conflict (subscription_id) do update set state = 'open', since = excluded.since"
    )
}

#[tokio::test]
async fn an_alert_fires_after_a_while_and_is_resolved_after_a_while() {
    let World { db: _db, session } = World::new("alert_hysteresis").await;
    only(&session, &["no_sidecar"]).await;
    session
        .run("select webhooks.set_alert_rule('no_sidecar', for_seconds => 60, resolve_seconds => 30)")
        .await;
    let state = "select value, fired_at is not null, clear_since is not null from webhooks_private.alert_states";
    let history = "select rule, severity, value, threshold, unit, resolved_at is not null from webhooks.alert_history order by id";
    let later = |seconds: u32| {
        format!(
            "update webhooks_private.alert_states set pending_since = pending_since - interval '{seconds} s',
                 clear_since = clear_since - interval '{seconds} s'"
        )
    };

    assert_eq!(firing(&session).await, [""; 0], "not yet");
    assert_eq!(session.text(state).await, "0|f|f");
    session.run(&later(59)).await;
    assert_eq!(firing(&session).await, [""; 0], "not yet");
    session.run(&later(1)).await;
    assert_eq!(firing(&session).await, ["no_sidecar|"]);
    assert_eq!(firing(&session).await, ["no_sidecar|"], "once");
    assert_eq!(
        session.lines(history).await,
        ["no_sidecar|critical|0|1|sidecars|f"]
    );
    let told = "select description <> '' and action <> '' and since <= now() from webhooks.alerts";
    assert_eq!(session.text(told).await, "t");

    // A sidecar for a moment is no end.
    let living = "select webhooks_private.try_lock(webhooks_private.sidecar_lock(), 0, true)";
    session.run(living).await;
    assert_eq!(firing(&session).await, ["no_sidecar|"]);
    assert_eq!(session.text(state).await, "0|t|t");
    let gone = "select webhooks_private.unlock(webhooks_private.sidecar_lock(), 0, true)";
    session.run(gone).await;
    assert_eq!(firing(&session).await, ["no_sidecar|"]);
    assert_eq!(session.text(state).await, "0|t|f", "not clear any more");
    session.run(living).await;
    session.run(EVALUATE).await;
    session.run(&later(30)).await;
    assert_eq!(firing(&session).await, [""; 0]);
    assert_eq!(
        session.lines(history).await,
        ["no_sidecar|critical|0|1|sidecars|t"]
    );

    // What is only about to fire leaves no trace.
    session.run(gone).await;
    session.run(EVALUATE).await;
    session.run(living).await;
    session.run(EVALUATE).await;
    let states = "select count(*) from webhooks_private.alert_states";
    assert_eq!(session.text(states).await, "0");
    assert_eq!(session.lines(history).await.len(), 1);
}

#[tokio::test]
async fn rules_find_what_is_wrong_and_nothing_else() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let db = Database::create(&cluster, "alert_rules").await.unwrap();
    let session = Session::open(&db).await;
    session.run("select webhooks.maintain()").await;
    let rules = session
        .lines("select name from webhooks.alert_rules order by 1")
        .await;
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    only(&session, &rules).await;
    assert_eq!(firing(&session).await, ["no_sidecar|"]);

    // Sidecars without shards.
    session
        .run("select webhooks_private.try_lock(webhooks_private.sidecar_lock(), 0, true)")
        .await;
    assert_eq!(firing(&session).await, ["shard_without_owner|"]);
    session
        .run("select webhooks_private.try_lock(webhooks_private.shard_lock(), n, false) from generate_series(0, 15) n")
        .await;
    assert_eq!(firing(&session).await, [""; 0]);

    // Endpoints.
    let (open, disabled, fresh) = (
        subscription_id("1"),
        subscription_id("2"),
        subscription_id("3"),
    );
    for id in [&open, &disabled, &fresh] {
        subscribe(&db, json!({"id": id})).await;
    }
    session.run(&open_breaker(&open, 61)).await;
    session.run(&open_breaker(&fresh, 59)).await;
    session
        .run(&format!(
            "update webhooks.webhook_subscriptions set is_enabled = false, disabled_reason = 'HTTP status 410' where id = '{disabled}'"
        ))
        .await;
    assert_eq!(
        firing(&session).await,
        [
            format!("breaker_open|{open}"),
            format!("subscription_disabled|{disabled}")
        ]
    );
    let whose = "select rule, tenant_id, subscription_name is not null, detail from webhooks.alerts order by 1";
    assert_eq!(
        session.lines(whose).await,
        [
            format!("breaker_open|{TENANT}|t|could not connect"),
            format!("subscription_disabled|{TENANT}|t|HTTP status 410")
        ],
        "without host names"
    );
    // Somebody knows.
    session
        .run("delete from webhooks_private.subscription_breakers; update webhooks.webhook_subscriptions set is_active = false where disabled_reason is not null")
        .await;
    assert_eq!(firing(&session).await, [""; 0]);

    // The success rate, of enough deliveries.
    let count = |delivered: u32, failed: u32| {
        format!(
            "delete from webhooks_private.attempts_hourly;
             insert into webhooks_private.attempts_hourly
             values ('{TENANT}', '{open}', date_trunc('hour', now(), 'UTC'), false, {delivered}, {failed}, 9, 0, 0, 0, 0, 0, null, null, now())"
        )
    };
    for (delivered, failed, fires) in [(40, 9, false), (95, 5, false), (94, 6, true)] {
        session.run(&count(delivered, failed)).await;
        assert_eq!(firing(&session).await.len(), usize::from(fires), "{failed}");
    }
    assert_eq!(
        session
            .lines("select rule, value from webhooks.alerts")
            .await,
        ["success_rate|94.00"]
    );
    session.run(&count(0, 0)).await;

    // Maintenance.
    session
        .run("update webhooks_private.maintenance_tasks set failing_since = now() - interval '61 min', last_error = 'e' where task = 'roll_up'")
        .await;
    assert_eq!(firing(&session).await, ["maintenance_failing|roll_up"]);
    session.run("select webhooks.maintain()").await;
    assert_eq!(firing(&session).await, [""; 0]);
    session
        .run("update webhooks_private.maintenance_tasks set succeeded_at = now() - interval '61 min'")
        .await;
    assert_eq!(firing(&session).await, ["maintenance_failing|"]);
    session.run("select webhooks.maintain()").await;
    let today = session
        .text("select to_char(now() at time zone 'UTC', 'YYYYMMDD')")
        .await;
    session
        .run(&format!("drop table webhooks_private.event_logs_{today}"))
        .await;
    assert_eq!(firing(&session).await, ["partition_missing|event_logs"]);
    session.run("select webhooks.maintain()").await;

    // The server.
    let other = Session::open(&db).await;
    other.run("begin; select 1").await;
    session
        .run("select webhooks.set_alert_rule('vacuum_held_back', threshold => 0)")
        .await;
    let is_old = format!(
        "select count(*) from pg_stat_activity where pid = {} and xact_start < clock_timestamp() - interval '600 ms'",
        other.pid()
    );
    let aged = async || Ok(Seen::done_if(session.text(&is_old).await, |n| n == "1"));
    eventually(PATIENCE, aged).await.unwrap();
    assert_eq!(firing(&session).await, ["vacuum_held_back|"]);
    other.run("rollback").await;
    assert_eq!(firing(&session).await, [""; 0]);
    session
        .run(&format!(
            "insert into webhooks.delivery_attempts (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             values (webhooks.uuid_v7(), 1, now() - interval '1 minute', webhooks.uuid_v7(), webhooks.uuid_v7(), '{TENANT}', 'delivered')"
        ))
        .await;
    assert_eq!(firing(&session).await, ["clock_skew|"]);
}

#[tokio::test]
async fn a_delivery_is_overdue_by_its_schedule_and_not_by_its_age() {
    let World { db, session } = World::new("alert_overdue").await;
    only(&session, &["delivery_overdue"]).await;
    let [plain, limited, broken, ordered] = ["1", "2", "3", "4"].map(subscription_id);
    subscribe(&db, json!({"id": plain})).await;
    subscribe(&db, json!({"id": limited, "rate_limit_per_second": 1})).await;
    subscribe(&db, json!({"id": broken})).await;
    subscribe(&db, json!({"id": ordered, "ordering": "fifo"})).await;
    publish_many(&db, "job.created", 3).await;
    assert_eq!(firing(&session).await, [""; 0]);
    // All of it was published ten minutes ago.
    let age = "update webhooks.delivery_queue set id = overlay(id::text placing left(webhooks.uuid_v7_floor(now() - interval '10 min')::text, 13) from 1)::uuid";
    session.run(age).await;
    assert_eq!(firing(&session).await, ["delivery_overdue|"]);
    session.run(&open_breaker(&broken, 1)).await;

    // Retries wait for their time.
    let wait = |id: &str, when: &str| {
        format!(
            "update webhooks.delivery_queue set attempt = 1, next_attempt_at = {when} where subscription_id = '{id}'"
        )
    };
    for id in [&plain, &ordered] {
        session.run(&wait(id, "now() + interval '1 second'")).await;
    }
    assert_eq!(firing(&session).await, [""; 0]);
    session.run(&wait(&plain, "now() - interval '200 s'")).await;
    assert_eq!(firing(&session).await, [""; 0]);
    session.run(&wait(&plain, "now() - interval '301 s'")).await;
    assert_eq!(firing(&session).await, ["delivery_overdue|"]);
    let seconds = "select value between 301 and 400 from webhooks.alerts";
    assert_eq!(session.text(seconds).await, "t");
    session
        .run(&wait(&plain, "now() + interval '1 hour'"))
        .await;
    assert_eq!(firing(&session).await, [""; 0]);
    // The head of a lane.
    session
        .run(&wait(&ordered, "now() - interval '301 s'"))
        .await;
    assert_eq!(firing(&session).await, ["delivery_overdue|"]);
}

#[tokio::test]
async fn that_nothing_evaluates_is_an_alarm() {
    let World { db: _db, session } = World::new("alert_evaluation").await;
    only(&session, &["not_evaluated"]).await;
    let alerts = "select rule, since is null, value between 301 and 400 from webhooks.alerts";
    assert_eq!(session.text(alerts).await, "not_evaluated|t|null");
    session.run(EVALUATE).await;
    assert_eq!(session.lines(alerts).await, [""; 0]);
    let later =
        "update webhooks_private.alert_evaluation set evaluated_at = now() - interval '301 s'";
    session.run(later).await;
    assert_eq!(session.text(alerts).await, "not_evaluated|f|t");
    session
        .run("select webhooks.set_alert_rule('not_evaluated', false)")
        .await;
    assert_eq!(session.lines(alerts).await, [""; 0]);

    // One that can't be evaluated does not keep the others from it.
    only(
        &session,
        &["clock_skew", "no_sidecar", "evaluation_failing"],
    )
    .await;
    session
        .run("alter function webhooks_private.clock_skew() rename to clock_skew_gone")
        .await;
    assert_eq!(
        firing(&session).await,
        ["evaluation_failing|clock_skew", "no_sidecar|"]
    );
    session
        .run("alter function webhooks_private.clock_skew_gone() rename to clock_skew")
        .await;
    assert_eq!(firing(&session).await, ["no_sidecar|"]);
}

#[tokio::test]
async fn the_operators_tenant_gets_events_but_not_about_itself() {
    let World { db, session } = World::new("alert_events").await;
    only(&session, &["breaker_open", "no_sidecar"]).await;
    let (operators, customers) = (subscription_id("1"), subscription_id("2"));
    subscribe(
        &db,
        json!({"id": operators, "tenant_id": OPERATOR, "subscribed_events": ["system.*"]}),
    )
    .await;
    subscribe(&db, json!({"id": customers})).await;
    let refusal = session
        .refused("select webhooks.set_setting('operator_tenant_id', 'me')")
        .await;
    assert_eq!(refusal.code, "22023");
    // Nobody's.
    assert_eq!(firing(&session).await, ["no_sidecar|"]);
    assert_eq!(session.lines(EVENTS).await, [""; 0]);
    session
        .run(&format!(
            "select webhooks.set_setting('operator_tenant_id', '{OPERATOR}')"
        ))
        .await;
    session
        .run("select webhooks.set_alert_rule('no_sidecar', is_enabled => false)")
        .await;
    assert_eq!(firing(&session).await, [""; 0]);
    assert_eq!(
        session.lines(EVENTS).await,
        [""; 0],
        "what was not told to fire is not told to be resolved"
    );

    // Limits do not count these.
    session
        .run(&format!(
            "select webhooks.set_tenant_limits('{OPERATOR}', max_events_per_minute => 1)"
        ))
        .await;
    session.run(&open_breaker(&customers, 61)).await;
    for _ in 0..3 {
        assert_eq!(
            firing(&session).await,
            [format!("breaker_open|{customers}")]
        );
    }
    let fired = format!("system.alert.fired|{OPERATOR}|breaker_open|{customers}");
    assert_eq!(
        session.lines(EVENTS).await,
        std::slice::from_ref(&fired),
        "once"
    );
    session
        .run("delete from webhooks_private.subscription_breakers")
        .await;
    assert_eq!(firing(&session).await, [""; 0]);
    let resolved = format!("system.alert.resolved|{OPERATOR}|breaker_open|{customers}");
    assert_eq!(session.lines(EVENTS).await, [fired, resolved]);
    let fits = "select count(*), count(webhooks_private.schema_errors(v.schema::text, e.event_data::text)) from webhooks.event_logs e
        join webhooks_private.event_type_versions v on v.name = e.event_type and v.version = e.event_version where v.schema is not null";
    assert_eq!(session.text(fits).await, "2|0");

    // The endpoint that gets the alerts fails, for as long as it likes.
    session.run(&open_breaker(&operators, 61)).await;
    for _ in 0..5 {
        let alerts = firing(&session).await;
        assert_eq!(alerts, [format!("breaker_open|{operators}")], "it is shown");
        session
            .run(
                &Record::of_all("failed")
                    .with("breaker", "'open'")
                    .with("failing_for_ms", 7_200_000)
                    .with("probe_in_ms", 1000)
                    .to_string(),
            )
            .await;
    }
    assert_eq!(session.lines(EVENTS).await.len(), 2, "no event about it");
    let queued = "select count(*) from webhooks.delivery_queue";
    assert_eq!(session.text(queued).await, "0");
    // Nor do its failures and its backlog count for rules of the whole database.
    session
        .run(&format!(
            "insert into webhooks_private.attempts_hourly
             values ('{OPERATOR}', '{operators}', date_trunc('hour', now(), 'UTC'), false, 0, 1000, 9, 0, 0, 0, 0, 0, null, null, now());
             insert into webhooks.delivery_queue (id, subscription_id, event_log_id, tenant_id, shard)
             values (webhooks.uuid_v7_floor(now() - interval '1 hour'), '{operators}', webhooks.uuid_v7(), '{OPERATOR}', 1)"
        ))
        .await;
    session
        .run("delete from webhooks_private.subscription_breakers")
        .await;
    only(&session, &["success_rate", "delivery_overdue"]).await;
    assert_eq!(firing(&session).await, [""; 0]);
    // Whoever else publishes such an event is refused.
    let World {
        db: _other,
        session,
    } = World::new("alert_forged").await;
    session
        .run("create role forger login; grant webhooks_publisher to forger")
        .await;
    let forged = format!(
        "set role forger; select webhooks.set_tenant('{TENANT}', true); select webhooks.publish_event('{TENANT}', 'system.alert.fired')"
    );
    let refusal = session.refused(&forged).await;
    assert_eq!(refusal.code, "42501");
    assert!(refusal.message.contains("the system's"), "{refusal:?}");
    session
        .run("reset role; drop owned by forger; drop role forger")
        .await;
}

#[tokio::test]
async fn an_alert_that_can_not_be_published_is_shown() {
    let World { db: _db, session } = World::new("alert_unpublished").await;
    only(&session, &["no_sidecar"]).await;
    session
        .run(&format!(
            "select webhooks.set_setting('operator_tenant_id', '{OPERATOR}');
             create function public.refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end';
             create trigger refuse before insert on webhooks.event_logs for each row execute function public.refuse()"
        ))
        .await;
    assert_eq!(firing(&session).await, ["no_sidecar|"]);
    assert_eq!(session.lines(EVENTS).await, [""; 0]);
}

#[tokio::test]
async fn rules_are_changed_and_made_as_they_were() {
    let World { db: _db, session } = World::new("alert_settings").await;
    let rule = "select is_enabled, severity, threshold, for_seconds, resolve_seconds, is_changed from webhooks.alert_rules where name = 'success_rate'";
    let shipped = session.text(rule).await;
    assert_eq!(shipped, "t|warning|95|600|600|f");
    session
        .run("select webhooks.set_alert_rule('success_rate', threshold => 99.5, severity => 'critical')")
        .await;
    session
        .run(
            "select webhooks.set_alert_rule('success_rate', is_enabled => false, for_seconds => 0)",
        )
        .await;
    assert_eq!(session.text(rule).await, "f|critical|99.5|0|600|t");
    let audited = "select string_agg(action, ' ' order by id) from webhooks.audit_log where object_type = 'alert_rule' and object_id = 'success_rate'";
    session
        .run("select webhooks.reset_alert_rule('success_rate')")
        .await;
    assert_eq!(session.text(rule).await, shipped);
    assert_eq!(session.text(audited).await, "created updated deleted");
    for (call, code, message) in [
        (
            "set_alert_rule('success')",
            "42704",
            "there is no rule of alerts \"success\"",
        ),
        (
            "reset_alert_rule(null)",
            "42704",
            "there is no rule of alerts \"null\"",
        ),
        (
            "set_alert_rule('success_rate', threshold => -1)",
            "22023",
            "threshold is -1",
        ),
        (
            "set_alert_rule('success_rate', threshold => 'NaN')",
            "22023",
            "threshold is NaN",
        ),
        (
            "set_alert_rule('success_rate', for_seconds => -1)",
            "22023",
            "for_seconds is -1",
        ),
        (
            "set_alert_rule('success_rate', resolve_seconds => 604801)",
            "22023",
            "resolve_seconds is 604801",
        ),
        (
            "set_alert_rule('success_rate', severity => 'page')",
            "22023",
            "severity is \"page\"",
        ),
    ] {
        let refusal = session.refused(&format!("select webhooks.{call}")).await;
        assert_eq!(refusal.code, code, "{call}: {refusal:?}");
        assert_eq!(refusal.message, message, "{call}");
        assert!(!refusal.hint.is_empty(), "{call}");
    }
}

#[tokio::test]
async fn the_history_is_bounded() {
    let World { db: _db, session } = World::new("alert_history").await;
    only(&session, &[]).await;
    session
        .run("select webhooks.set_setting('alert_history_days', 2);
              insert into webhooks.alert_history (id, rule, severity, subject, value, threshold, unit, fired_at, resolved_at)
              select webhooks.uuid_v7_floor(now() - n * interval '1 hour'), 'r', 'info', n, 1, 0, 's', now(), now() from generate_series(0, 99) n")
        .await;
    session.run(EVALUATE).await;
    let kept = "select count(*) from webhooks.alert_history";
    assert_eq!(session.text(kept).await, "48");
    session
        .run("insert into webhooks.alert_history (rule, severity, subject, value, threshold, unit, fired_at, resolved_at)
              select 'r', 'info', n, 1, 0, 's', now(), now() from generate_series(1, 10100) n")
        .await;
    session.run(EVALUATE).await;
    assert_eq!(session.text(kept).await, "10000");
}

#[tokio::test]
async fn one_session_evaluates_and_no_other_waits() {
    let World { db, session } = World::new("alert_sessions").await;
    let other = Session::open(&db).await;
    session.run("begin").await;
    assert_ne!(session.text(EVALUATE).await, "null");
    assert_eq!(other.text(EVALUATE).await, "null");
    // Nor does anybody wait who notes how maintenance went.
    session
        .run("select webhooks_private.note_maintenance('t', null)")
        .await;
    other
        .run("set lock_timeout = '2s'; select webhooks_private.note_maintenance('t', 'e')")
        .await;
    session.run("commit").await;
    let noted = "select failing_since is null from webhooks_private.maintenance_tasks";
    assert_eq!(session.text(noted).await, "t");
    assert_ne!(other.text(EVALUATE).await, "null");
}

#[tokio::test]
async fn the_guide_has_a_section_for_each_rule() {
    let World { db: _db, session } = World::new("alert_guide").await;
    let rules = session
        .lines("select name from webhooks.alert_rules order by 1")
        .await;
    let guide = include_str!("../../../docs/how-to/set-up-alerts.md");
    let mut sections: Vec<_> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    sections.sort_unstable();
    assert_eq!(sections, rules);
}
