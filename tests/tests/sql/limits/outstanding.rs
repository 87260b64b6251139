use serde_json::json;
use webhooks_tests::PATIENCE;
use webhooks_tests::wait::{Seen, eventually};

use super::{OTHER_TENANT, TENANT, attempt, count, database, insert, limit, publish};
use crate::support::record::Record;
use crate::support::session::{Refusal, Session};
use crate::support::world::subscribe;

const OUTSTANDING: &str = "max_outstanding_deliveries";

/// Publishes until that is refused: a count is used for a moment.
async fn publish_until_refused(session: &Session) -> Refusal {
    let publish = publish(TENANT);
    let refused = async || {
        Ok(match attempt(session, &publish).await {
            Ok(()) => Seen::not_yet("published"),
            Err(refusal) => Seen::Done(refusal),
        })
    };
    eventually(PATIENCE, refused).await.unwrap()
}

async fn publish_until_accepted(session: &Session) {
    let publish = publish(TENANT);
    let accepted = async || {
        Ok(match attempt(session, &publish).await {
            Ok(()) => Seen::Done(()),
            Err(refusal) => Seen::not_yet(refusal.message),
        })
    };
    eventually(PATIENCE, accepted).await.unwrap();
}

#[tokio::test]
async fn with_too_much_outstanding_nothing_is_published() {
    let (db, session) = database("limit_outstanding").await;
    limit(&session, OUTSTANDING, 10).await;
    session.run(&insert(TENANT, 9)).await;
    let other = Session::open(&db).await;
    for session in [&session, &other] {
        let refusal = publish_until_refused(session).await;
        assert_eq!(
            refusal.message,
            format!("tenant {TENANT} has reached its limit of 10 outstanding deliveries")
        );
        assert!(refusal.hint.contains("max_outstanding_deliveries => ..."));
    }
    let queued = count(&session, "delivery_queue").await;
    // A count is used for a while, the longer the slower the machine.
    assert!((10..2000).contains(&queued), "{queued}");
    assert_eq!(count(&session, "event_logs").await, queued);
    other.run(&insert(OTHER_TENANT, 100)).await;
    // Raised: at once.
    limit(&session, OUTSTANDING, 100).await;
    other.run(&publish(TENANT)).await;
    limit(&session, OUTSTANDING, 5).await;
    publish_until_refused(&other).await;
    // Some are made.
    let made = format!(
        "delete from webhooks.delivery_queue where id in (select id from webhooks.delivery_queue where tenant_id = '{TENANT}' offset 2)"
    );
    session.run(&made).await;
    publish_until_accepted(&session).await;
}

/// Ready, waiting for its time or a retry, in a lane: whatever is outstanding counts.
#[tokio::test]
async fn all_outstanding_deliveries_count_against_the_limit() {
    let (db, session) = database("limit_counts").await;
    subscribe(&db, json!({"ordering": "fifo"})).await;
    let off = subscribe(&db, json!({})).await;
    session.run(&insert(TENANT, 5)).await;
    session
        .run(&format!(
            "update webhooks.webhook_subscriptions set is_enabled = false where id = '{off}';
             update webhooks.delivery_queue set next_attempt_at = now() + interval '1 h'
             where id in (select id from webhooks.delivery_queue order by subscription_id, id limit 4);
             {}",
            insert(OTHER_TENANT, 7)
        ))
        .await;
    let all = format!(
        "select count(*), webhooks_private.count_outstanding('{TENANT}') from webhooks.delivery_queue where tenant_id = '{TENANT}'"
    );
    assert_eq!(session.text(&all).await, "15|15");
    let some = format!("select webhooks_private.count_outstanding('{TENANT}', 6)");
    assert_eq!(session.text(&some).await, "6");
    assert_eq!(session.text(&some.replace(TENANT, OTHER_TENANT)).await, "6");
    let usage = format!(
        "select used, maximum, is_own from webhooks.tenant_usage('{TENANT}') where name = 'outstanding_deliveries'"
    );
    assert_eq!(session.text(&usage).await, "15|null|f");
}

/// Also what was queued before by a session that has planned the count when there was nothing.
#[tokio::test]
async fn counting_reads_no_table_from_end_to_end() {
    let (_db, session) = database("limit_plans").await;
    session
        .run("analyze webhooks.delivery_queue; analyze webhooks.webhook_subscriptions; analyze webhooks.tenant_limits")
        .await;
    limit(&session, OUTSTANDING, 1_000_000).await;
    for _ in 0..7 {
        session.run(&publish(TENANT)).await;
    }
    session
        .run(&format!(
            "insert into webhooks.tenant_limits select gen_random_uuid(), n, n, n from generate_series(1, 3000) n; {}; {}",
            insert(OTHER_TENANT, 20_000),
            insert(TENANT, 100)
        ))
        .await;
    let scans = "select sum(seq_scan) from pg_stat_xact_user_tables
        where schemaname in ('webhooks', 'webhooks_private') and relname in ('delivery_queue', 'tenant_limits', 'webhook_subscriptions', 'setting_overrides')";
    session.run("begin").await;
    let before = session.text(scans).await;
    for n in 0..8 {
        session.run(&publish(TENANT)).await;
        let counted = format!("select webhooks_private.count_outstanding('{TENANT}', 1000000)");
        assert_eq!(session.text(&counted).await, (108 + n).to_string());
    }
    assert_eq!(session.text(scans).await, before);
    session.run("commit").await;
}

/// Made again by hand counts, and waits for room.
#[tokio::test]
async fn replays_and_retries_wait_for_room() {
    let (_db, session) = database("limit_replay").await;
    session.run(&insert(TENANT, 3)).await;
    let first = "select * from webhooks.delivery_queue order by id limit 1";
    let failed = Record::of(first, "failed").with("http_status_code", 500);
    session.run(&failed.to_string()).await;
    let replay = format!(
        "select deliveries from webhooks.replay_events('{TENANT}', now() - interval '1 h', now() + interval '1 h')"
    );
    let retry = format!(
        "select webhooks.retry_failed(id) from webhooks.webhook_subscriptions where tenant_id = '{TENANT}'"
    );
    limit(&session, OUTSTANDING, 2).await;
    for again in [&replay, &retry] {
        let refusal = attempt(&session, again).await.unwrap_err();
        assert!(refusal.message.ends_with("2 outstanding deliveries"));
    }
    // To look is allowed, and so is a single delivery.
    let dry = replay.replace("'1 h')", "'1 h', dry_run => true)");
    assert_eq!(session.text(&dry).await, "1");
    session
        .run("begin; select webhooks.retry_delivery(delivery_id) from webhooks.delivery_attempts; rollback")
        .await;
    limit(&session, OUTSTANDING, 3).await;
    assert_eq!(session.text(&retry).await, "1");
    attempt(&session, &replay).await.unwrap_err();
}
