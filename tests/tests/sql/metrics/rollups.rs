//! Each attempt is counted once, whatever becomes of its delivery and of the call that counts.

use std::fmt::Write as _;

use rand::Rng as _;
use serde_json::json;
use webhooks_tests::seed::seeded;

use crate::support::record::Record;
use crate::support::session::{Session, literal};
use crate::support::world::{OTHER_TENANT, TENANT, World, subscription_id};

/// Without a margin: what was committed is counted.
const ROLL_UP: &str = "select webhooks_private.roll_up('0 s')";

const MEASURES: &str = "sum(delivered), sum(failed), sum(retrying), sum(expired), sum(cancelled), sum(delivered_by_retry),
    sum(failed_after_retry), coalesce(sum(response_us), 0)";

/// What the log says of every subscription and hour.
async fn logged(session: &Session) -> Vec<String> {
    session
        .lines(&format!(
            "select tenant_id, subscription_id, hour, is_test, {MEASURES},
                    max(attempted_at) filter (where delivered = 1), max(attempted_at) filter (where failed + retrying = 1)
             from webhooks_private.attempt_measures group by 1, 2, 3, 4 order by 1, 2, 3, 4"
        ))
        .await
}

/// What reports add up: what is counted, and what is not counted yet.
async fn reported(session: &Session) -> Vec<String> {
    session
        .lines(&format!(
            "select t.id, subscription_id, hour, is_test, {MEASURES}, max(last_delivered_at), max(last_failed_at)
             from (values ('{TENANT}'::uuid), ('{OTHER_TENANT}')) t (id), webhooks_private.counted_attempts(t.id, '-infinity')
             group by 1, 2, 3, 4 order by 1, 2, 3, 4"
        ))
        .await
}

/// What is counted.
async fn counted(session: &Session) -> Vec<String> {
    session
        .lines(&format!(
            "select tenant_id, subscription_id, hour, is_test, {MEASURES}, max(last_delivered_at), max(last_failed_at)
             from webhooks_private.attempts_hourly group by 1, 2, 3, 4 order by 1, 2, 3, 4"
        ))
        .await
}

async fn assert_all_counted(session: &Session) {
    // Ids are of whole milliseconds: none of this one.
    session.run("select pg_sleep(0.002)").await;
    session.run(ROLL_UP).await;
    assert_eq!(counted(session).await, logged(session).await);
    for (count, log) in [
        (
            "select coalesce(sum(b.r), 0), coalesce(sum(b.s), 0), coalesce(sum(b.p), 0) from webhooks_private.latencies_hourly h, unnest(h.receipts, h.responses, h.publications) b (r, s, p)",
            "select count(receipt_us), count(response_us), count(publish_us) filter (where publish_us < 20000 or not exists (select from webhooks.redeliveries r where r.delivery_id = m.delivery_id)) from webhooks_private.attempt_measures m where not is_test",
        ),
        (
            "select tenant_id, event_type, sum(events) from webhooks_private.events_hourly group by 1, 2 order by 1, 2",
            "select tenant_id, event_type, count(*) from webhooks.event_logs where is_test is not true group by 1, 2 order by 1, 2",
        ),
        (
            "select delivery_id, attempt from webhooks_private.rollup_outstanding order by 1",
            "select id, attempt from webhooks.delivery_queue order by 1",
        ),
    ] {
        assert_eq!(
            session.lines(count).await,
            session.lines(log).await,
            "{log}"
        );
    }
}

/// Records the attempts of a random part of what is ready.
fn record_some(status: &str, share: u32) -> String {
    let some = format!(
        "select * from webhooks.delivery_queue where next_attempt_at is null and shard < 16 and random() * 100 < {share}"
    );
    let record = Record::of(some, status);
    let record = match status {
        "retrying" => record
            .with("retry_after_ms", "60000::bigint")
            .with("http_status_code", 500),
        _ => record.with("duration_us", "(random() * 3000000)::bigint"),
    };
    record.to_string()
}

#[tokio::test]
async fn rolled_up_numbers_are_those_of_the_log() {
    let world = World::new("rollups").await;
    let session = &world.session;
    let late = Session::open(&world.db).await;
    let (own, retried, doomed) = (
        subscription_id("a0"),
        subscription_id("b1"),
        subscription_id("c2"),
    );
    world.subscribe(&own, json!({})).await;
    world.subscribe(&retried, json!({"ordering": "fifo"})).await;
    world.subscribe(&doomed, json!({})).await;
    let other = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events)
         values ('{OTHER_TENANT}', 'other', 'http://y.example/', '[\"*\"]')"
    );
    session.run(&other).await;

    let publish = |tenant: &str, n: u32| {
        format!(
            "select count(webhooks.publish_event('{tenant}', 'job.created')) from generate_series(1, {n})"
        )
    };
    let steps = [
        publish(TENANT, 7),
        publish(OTHER_TENANT, 3),
        record_some("delivered", 50),
        record_some("retrying", 50),
        record_some("failed", 20),
        // Retries become due.
        "update webhooks.delivery_queue set next_attempt_at = null where random() < 0.5".to_owned(),
        // A result that was held back.
        record_some("delivered", 30).replace("clock_timestamp()", "clock_timestamp() - interval '5 minutes'"),
        "update webhooks.delivery_queue set expires_at = now() - interval '1 day' where random() < 0.1; \
         select webhooks_private.expire_deliveries()".to_owned(),
        format!("select webhooks.replay_events('{TENANT}', now() - interval '1 minute', now(), max_events => 3)"),
        format!("select webhooks.retry_failed('{own}', now() - interval '1 hour')"),
        format!("select webhooks.test_subscription('{own}')"),
        Record::of("select * from webhooks.delivery_queue where shard >= 16", "delivered").to_string(),
        format!("select webhooks.cancel_deliveries('{retried}')"),
        // A retry by the clock of another hour.
        record_some("delivered", 30).replace("clock_timestamp()", "clock_timestamp() + interval '1 hour'"),
        ROLL_UP.to_owned(),
        // The server stops before it commits.
        format!("begin; {ROLL_UP}; rollback"),
    ];
    let mut done = String::new();
    let mut random = seeded();
    for round in 0..120 {
        // A publisher that takes its time: what it publishes is there long after it got its ids.
        if round % 10 == 2 {
            late.run(&format!("begin; {}", publish(TENANT, 2))).await;
        }
        if round % 10 == 8 {
            late.run("commit").await;
        }
        if round == 90 {
            let delete = format!(
                "delete from webhooks.webhook_subscriptions where id = {}",
                literal(&doomed)
            );
            assert_all_counted(session).await;
            session.run(&delete).await;
        }
        let step = &steps[random.random_range(0..steps.len())];
        writeln!(done, "{step}").unwrap();
        session.run(step).await;
        assert_eq!(reported(session).await, logged(session).await, "{done}");
    }
    late.run("commit").await;
    assert_all_counted(session).await;
    assert!(counted(session).await.len() > 5, "{done}");
}
