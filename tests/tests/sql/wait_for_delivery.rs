//! `wait_for_delivery()`: what it sees, and when it would wait in vain.

use std::time::{Duration, Instant};

use serde_json::json;
use webhooks_tests::PATIENCE;
use webhooks_tests::database::{Database, MANAGER_ROLE};
use webhooks_tests::wait::{Seen, eventually};

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

const NOBODY: &str = "99999999-9999-7999-8999-999999999999";
const A: &str = "00000000-0000-7000-8000-000000000001";

async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    subscribe(&db, json!({"id": A})).await;
    let session = Session::open(&db).await;
    (db, session)
}

/// Publishes an event.
///
/// Returns: its delivery.
async fn publish(session: &Session, more: &str) -> String {
    let event = format!("select webhooks.publish_event('{TENANT}', 'job.created'{more})");
    let event = session.text(&event).await;
    let delivery = format!("select id from webhooks.delivery_queue where event_log_id = '{event}'");
    session.text(&delivery).await
}

fn wait(delivery: &str, timeout: &str) -> String {
    format!("select * from webhooks.wait_for_delivery('{delivery}', '{timeout}')")
}

/// Records an attempt, as a sidecar does.
async fn record(session: &Session, delivery: &str, status: &str, code: u32, retry_ms: &str) {
    let record = Record::of_delivery(delivery, status)
        .with("http_status_code", code)
        .with("response_headers", r#"'{"x": ["y"]}'::text"#)
        .with("response_body", "'body'::text")
        .with("error_message", "'said'::text")
        .with("duration_us", "7::bigint")
        .with("payload_size", 2)
        .with("retry_after_ms", format_args!("{retry_ms}::bigint"));
    session.run(&record.to_string()).await;
}

/// Waits until that session does.
async fn is_waiting(session: &Session, waiting: &Session) {
    let state = format!(
        "select wait_event from pg_stat_activity where pid = {}",
        waiting.pid()
    );
    let sleeps = async || {
        Ok(Seen::done_if(session.text(&state).await, |e| {
            e == "PgSleep"
        }))
    };
    eventually(PATIENCE, sleeps).await.unwrap();
}

#[tokio::test]
async fn a_wait_sees_commits_of_other_sessions() {
    let (db, session) = database("wait").await;
    let waiting = Session::open(&db).await;
    for (isolation, status, expected) in [
        (
            "",
            "delivered",
            r#"t|delivered|2|201|{"x": ["y"]}|body|said|7|null"#,
        ),
        (
            "begin; ",
            "failed",
            r#"t|failed|2|201|{"x": ["y"]}|body|said|7|null"#,
        ),
        (
            "begin isolation level read uncommitted; ",
            "expired",
            r#"t|expired|1|201|{"x": ["y"]}|body|said|7|null"#,
        ),
    ] {
        let delivery = publish(&session, "").await;
        let statement = format!("{isolation}{}", wait(&delivery, "30 s"));
        let waited = waiting.text(&statement);
        let attempts = async {
            is_waiting(&session, &waiting).await;
            // Not the end yet.
            record(&session, &delivery, "retrying", 503, "1000").await;
            record(&session, &delivery, status, 201, "null").await;
        };
        let (waited, ()) = tokio::join!(waited, attempts);
        assert_eq!(waited, expected);
        // Done is done.
        let at_once = wait(&delivery, "0");
        assert_eq!(session.text(&at_once).await, expected);
        waiting.run("commit").await;
    }
}

#[tokio::test]
async fn at_the_timeout_it_says_what_is_known_so_far() {
    let (_db, session) = database("wait_timeout").await;
    let delivery = publish(&session, "").await;
    let pending = "f|pending|0|null|null|null|null|null|null";
    let began = Instant::now();
    assert_eq!(session.text(&wait(&delivery, "0")).await, pending);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(session.text(&wait(&delivery, "300 ms")).await, pending);
    assert!(began.elapsed() >= Duration::from_millis(300));
    record(&session, &delivery, "retrying", 503, "60000").await;
    let soon = format!(
        "select is_final, status, attempts, http_status_code, response_body, next_retry_at > now() from webhooks.wait_for_delivery('{delivery}', '30 s')"
    );
    // The next attempt is only after that.
    let began = Instant::now();
    assert_eq!(session.text(&soon).await, "f|retrying|1|503|body|t");
    let later = publish(&session, ", deliver_after => now() + interval '1 h'").await;
    let later = format!(
        "select is_final, status, attempts, next_retry_at > now() from webhooks.wait_for_delivery('{later}')"
    );
    assert_eq!(session.text(&later).await, "f|pending|0|t");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn where_it_would_wait_in_vain_it_says_so() {
    let (_db, session) = database("wait_refused").await;
    let delivery = publish(&session, "").await;
    for isolation in ["repeatable read", "serializable"] {
        let begin = format!("begin isolation level {isolation}");
        session.run(&begin).await;
        let refusal = session.refused(&wait(&delivery, "1 s")).await;
        assert_eq!(refusal.code, "25000");
        assert!(
            refusal.message.contains(&isolation.to_uppercase()),
            "{refusal:?}"
        );
        assert!(refusal.hint.contains("READ COMMITTED"), "{refusal:?}");
        session.run("rollback").await;
    }
    // An event that is not committed is not delivered: in one statement, in one transaction, in a savepoint.
    let test = format!("webhooks.test_subscription('{A}')");
    let in_vain = async |statements: &str| {
        let refusal = session.refused(statements).await;
        assert_eq!(refusal.code, "25000", "{refusal:?}");
        assert!(refusal.message.contains("by this very transaction"));
        assert!(refusal.hint.contains("Commit first"), "{refusal:?}");
        assert!(refusal.hint.contains(r"\gset"), "{refusal:?}");
        session.run("rollback").await;
    };
    let both = format!("select * from webhooks.wait_for_delivery({test})");
    in_vain(&both).await;
    let last = "select * from webhooks.wait_for_delivery((select max(id::text)::uuid from webhooks.delivery_queue))";
    in_vain(&format!("begin; select {test}; {last}")).await;
    in_vain(&format!(
        "begin; select {test}; savepoint a; {}",
        "select 1; release a; savepoint b; ".to_owned() + last
    ))
    .await;
    in_vain(&format!(
        "begin; savepoint a; select {test}; savepoint b; {last}"
    ))
    .await;
    // A retry that this transaction hastened.
    record(&session, &delivery, "retrying", 503, "60000").await;
    in_vain(&format!(
        "begin; select webhooks.retry_delivery('{delivery}'); {}",
        wait(&delivery, "1 s")
    ))
    .await;
    // Others' it may wait for, whatever it has written itself.
    let others = format!(
        "begin; select {test}; select status from webhooks.wait_for_delivery('{delivery}', '0')"
    );
    let seen = session.lines(&others).await;
    assert_eq!(seen.last().map(String::as_str), Some("retrying"));
    session.run("rollback").await;
    assert_eq!(
        session
            .text("select count(*) from webhooks.delivery_queue")
            .await,
        "1"
    );

    for timeout in ["'5 min 1 s'", "'-1 s'", "null"] {
        let wait = format!("select * from webhooks.wait_for_delivery('{delivery}', {timeout})");
        let refusal = session.refused(&wait).await;
        assert_eq!(refusal.code, "22023", "{timeout}");
        assert!(refusal.message.starts_with("timeout is "), "{refusal:?}");
        assert!(refusal.hint.contains("5 minutes"), "{refusal:?}");
    }
}

#[tokio::test]
async fn others_deliveries_are_as_if_they_were_not_there() {
    let (db, session) = database("wait_whose").await;
    let delivery = publish(&session, "").await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    for tenant in ["", "22222222-2222-4222-8222-222222222222"] {
        manager
            .run(&format!("set webhooks.tenant_id = '{tenant}'"))
            .await;
        for unknown in [delivery.as_str(), NOBODY] {
            let refusal = manager.refused(&wait(unknown, "1 s")).await;
            let retry = format!("select webhooks.retry_delivery('{unknown}')");
            let retry = manager.refused(&retry).await;
            assert_eq!(
                (&refusal.code, &refusal.message, &refusal.hint),
                (&retry.code, &retry.message, &retry.hint)
            );
            assert_eq!(refusal.message, format!("there is no delivery {unknown}"));
        }
    }
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    record(&session, &delivery, "delivered", 200, "null").await;
    let own = format!("select status, response_body from webhooks.wait_for_delivery('{delivery}')");
    assert_eq!(manager.text(&own).await, "delivered|body");
}

/// It ends at once when it is told to, and when there is nothing left to wait for.
#[tokio::test]
async fn a_wait_can_be_cancelled() {
    let (db, session) = database("wait_cancel").await;
    let waiting = Session::open(&db).await;
    for (end, code) in [
        (
            format!("select pg_cancel_backend({})", waiting.pid()),
            "57014",
        ),
        (
            format!("select webhooks.delete_subscription('{A}')"),
            "42704",
        ),
    ] {
        let delivery = publish(&session, "").await;
        let began = Instant::now();
        let statement = wait(&delivery, "5 min");
        let waited = waiting.refused(&statement);
        let ended = async {
            is_waiting(&session, &waiting).await;
            session.run(&end).await;
        };
        let (refusal, ()) = tokio::join!(waited, ended);
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert!(began.elapsed() < PATIENCE);
    }
}
