//! Deliveries that expire while they are held back.

use serde_json::json;
use webhooks_tests::database::Database;

use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

const FIFO: &str = "00000000-0000-7000-8000-000000000001";
const DISABLED: &str = "00000000-0000-7000-8000-000000000002";
const SLOW: &str = "00000000-0000-7000-8000-000000000003";

/// How many deliveries each maintain() ends.
const EXPIRED: &str = "select done from webhooks.maintain() where task = 'expire_deliveries'";

async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    for columns in [
        json!({"id": FIFO, "ordering": "fifo"}),
        json!({"id": DISABLED, "is_enabled": true}),
        json!({"id": SLOW, "timeout_seconds": 300}),
    ] {
        subscribe(&db, columns).await;
    }
    (db, session)
}

#[tokio::test]
async fn is_ended_whatever_holds_it_back() {
    let (_db, session) = database("held_back").await;
    let publish = |more: &str| {
        format!("select webhooks.publish_event('{TENANT}', 'job.created', expires_at => {more})")
    };
    let kept = session.text(&publish("now() + interval '1 hour'")).await;
    session.text(&publish("'infinity'")).await;
    let late = session
        .text(&publish("clock_timestamp() + interval '1 s'"))
        .await;
    // A head of a lane that waits for its retry, one that waits by itself, one that is disabled.
    session
        .run(&format!(
            "update webhooks.delivery_queue set attempt = 1, next_attempt_at = now() + interval '1 h' where event_log_id = '{kept}' and subscription_id = '{FIFO}';
             update webhooks.delivery_queue set attempt = 2, next_attempt_at = now() + interval '1 h' where event_log_id = '{late}' and subscription_id = '{SLOW}';
             update webhooks.webhook_subscriptions set is_enabled = false where id = '{DISABLED}'"
        ))
        .await;
    assert_eq!(session.text(EXPIRED).await, "0");
    let expire = |ago: &str| {
        format!(
            "update webhooks.delivery_queue set expires_at = now() - interval '{ago}' where event_log_id = '{late}'"
        )
    };
    // A request may still be under way.
    session.run(&expire("50 s")).await;
    assert_eq!(session.text(EXPIRED).await, "0");
    session.run(&expire("65 s")).await;
    assert_eq!(session.text(EXPIRED).await, "2");
    session.run(&expire("335 s")).await;
    assert_eq!(session.text(EXPIRED).await, "1");
    let log = "select right(subscription_id::text, 1), delivery_attempt, delivery_status, http_status_code, is_test
               from webhooks.webhook_delivery_logs where delivery_status not in ('pending', 'retrying') order by 1";
    assert_eq!(
        session.lines(log).await,
        [
            "1|1|expired|null|f",
            "2|1|expired|null|f",
            "3|3|expired|null|f"
        ]
    );
    // A monitor may read it, too.
    let reason =
        "select distinct error_message, failure = error_message from webhooks.delivery_attempts";
    assert_eq!(
        session.lines(reason).await,
        ["expires_at or max_delivery_age_seconds has passed; nothing was sent|t"]
    );
    let left = "select count(*) from webhooks.delivery_queue";
    assert_eq!(session.text(left).await, "6");
}

#[tokio::test]
async fn is_ended_when_it_is_too_old() {
    let (_db, session) = database("too_old").await;
    session
        .run("select webhooks.set_setting('max_delivery_age_seconds', 60)")
        .await;
    let publish = |more: &str| {
        format!(
            "select webhooks.publish_event('{TENANT}', 'job.created', idempotency_key => gen_random_uuid()::text{more})"
        )
    };
    let event = session.text(&publish("")).await;
    let later = session
        .text(&publish(", deliver_after => now() + interval '1 h'"))
        .await;
    let age = |event: &str, ago: &str| {
        format!(
            "update webhooks.delivery_queue
             set id = overlay(id::text placing left(webhooks.uuid_v7_floor(now() - interval '{ago}')::text, 13) from 1)::uuid
             where event_log_id = '{event}'"
        )
    };
    session.run(&age(&event, "6 min")).await;
    session.run(&age(&later, "1 d")).await;
    assert_eq!(session.text(EXPIRED).await, "0");
    session.run(&age(&event, "7 min")).await;
    assert_eq!(session.text(EXPIRED).await, "3");
    // Meant for later, whose time has come just now: not old.
    session
        .run("update webhooks.event_logs set deliver_after = now() - interval '2 min'; update webhooks.delivery_queue set next_attempt_at = null")
        .await;
    assert_eq!(session.text(EXPIRED).await, "0");
    session
        .run("update webhooks.event_logs set deliver_after = now() - interval '8 min'")
        .await;
    assert_eq!(session.text(EXPIRED).await, "3");
}

/// One that somebody has locked is left for the next time.
#[tokio::test]
async fn expiry_waits_for_no_lock() {
    let (db, session) = database("expired_locked").await;
    session
        .run(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created');
             update webhooks.delivery_queue set expires_at = now() - interval '1 h'"
        ))
        .await;
    let other = Session::open(&db).await;
    other
        .run(&format!(
            "begin; select from webhooks.delivery_queue where subscription_id = '{FIFO}' for update"
        ))
        .await;
    assert_eq!(session.text(EXPIRED).await, "2");
    other.run("commit").await;
    assert_eq!(session.text(EXPIRED).await, "1");
}
