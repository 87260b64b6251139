use serde_json::json;
use webhooks_tests::database::Database;

use crate::support::claim::Claim;
use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{TENANT, publish_many, subscribe};

const SUBSCRIPTION: &str = "00000000-0000-7000-8000-000000000001";
/// 2025-01-02 03:04:05.678901 UTC, in microseconds.
const ATTEMPTED: &str = "1735787045678901";
const QUEUE: &str = "select e.event_data ->> 'n', q.attempt, q.next_attempt_at is null from webhooks.delivery_queue q
     join webhooks.event_logs e on e.id = q.event_log_id order by q.id";
const ATTEMPTS: &str = "select e.event_data ->> 'n', a.delivery_attempt, a.delivery_status
     from webhooks.delivery_attempts a join webhooks.event_logs e on e.id = a.event_log_id
     order by a.delivery_id, a.delivery_attempt";

/// One subscription and events with data {"n": 1} and so on; their deliveries' ids.
async fn queue(name: &str, events: u32) -> (Database, Session, Vec<String>) {
    let db = Database::fresh(name).await.unwrap();
    subscribe(&db, json!({"id": SUBSCRIPTION})).await;
    publish_many(&db, "job.created", events).await;
    let session = Session::open(&db).await;
    let ids = session
        .lines("select id from webhooks.delivery_queue order by id")
        .await;
    (db, session, ids)
}

/// A result, with what most tests don't care about left null.
struct Result<'a> {
    delivery: &'a str,
    attempt: i32,
    status: &'a str,
    retry_after_ms: &'a str,
    disable_reason: &'a str,
}

impl<'a> Result<'a> {
    fn of(delivery: &'a str, attempt: i32, status: &'a str) -> Self {
        Self {
            delivery,
            attempt,
            status,
            retry_after_ms: "null",
            disable_reason: "null",
        }
    }

    fn retry_after_ms(mut self, ms: &'a str) -> Self {
        self.retry_after_ms = ms;
        self
    }

    fn disables(mut self, reason: &'a str) -> Self {
        self.disable_reason = reason;
        self
    }
}

/// Records a batch. Returns: the numbers in `results` of those that came too late.
async fn record(session: &Session, results: &[Result<'_>]) -> Vec<usize> {
    let values = results.iter().map(|r| {
        format!(
            "('{}'::uuid, {}, '{}', {}::bigint, {}::text)",
            r.delivery, r.attempt, r.status, r.retry_after_ms, r.disable_reason
        )
    });
    let results_of = format!(
        "select v.*, (select q.subscription_id from webhooks.delivery_queue q where q.id = v.id) as subscription_id
         from (values {}) v (id, attempt, status, retry_after_ms, disable_reason)",
        values.collect::<Vec<_>>().join(", ")
    );
    let record = Record::of(results_of, "")
        .with("status", "d.status")
        .with("attempted_at_us", format_args!("{ATTEMPTED}::bigint"))
        .with("duration_us", "1000::bigint")
        .with("payload_size", "null::integer")
        .with("retry_after_ms", "d.retry_after_ms")
        .with("disable_reason", "d.disable_reason");
    let late = session.lines(&record.to_string()).await;
    let position = |id: &String| results.iter().position(|r| r.delivery == id).unwrap();
    late.iter().map(position).collect()
}

#[tokio::test]
async fn a_result_is_logged_as_the_sidecar_reports_it() {
    let (_db, session, ids) = queue("reported", 1).await;
    let record = Record::of_all("delivered")
        .with("http_status_code", 201)
        .with("response_headers", r#"'{"x": ["1"]}'::text"#)
        .with("response_body", "'thanks'::text")
        .with("error_message", "'none'::text")
        .with("attempted_at_us", format_args!("{ATTEMPTED}::bigint"))
        .with("duration_us", "1500000::bigint")
        .with("payload_size", 42)
        .with("payload_hash", r"'\xc0ffee'::bytea");
    session.run(&record.to_string()).await;
    let attempt = "select delivery_id, delivery_attempt, http_status_code, attempted_at at time zone 'utc', delivered_at at time zone 'utc',
            next_retry_at, duration_us, subscription_id, tenant_id, payload_size_bytes, delivery_status, payload_sha256,
            response_headers, response_body, error_message, event_log_id = (select id from webhooks.event_logs)
        from webhooks.delivery_attempts";
    let id = &ids[0];
    let expected = format!(
        "{id}|1|201|2025-01-02 03:04:05.678901|2025-01-02 03:04:07.178901|null|1500000|{SUBSCRIPTION}|{TENANT}|42|\
         delivered|\\xc0ffee|{{\"x\": [\"1\"]}}|thanks|none|t"
    );
    assert_eq!(session.text(attempt).await, expected);
    // And so it is in the view, once.
    let delivery = "select id, delivery_status, delivery_attempt, http_status_code, payload_hash, response_body, duration_us
                    from webhooks.webhook_delivery_logs";
    let expected = format!("{id}|delivered|1|201|c0ffee|thanks|1500000");
    assert_eq!(session.text(delivery).await, expected);
    assert!(session.lines(QUEUE).await.is_empty());
}

#[tokio::test]
async fn each_status_does_what_it_says() {
    let (_db, session, ids) = queue("statuses", 5).await;
    let late = record(
        &session,
        &[
            Result::of(&ids[0], 0, "delivered"),
            Result::of(&ids[1], 0, "failed"),
            Result::of(&ids[2], 0, "expired"),
            Result::of(&ids[3], 0, "retrying").retry_after_ms("60000"),
        ],
    )
    .await;
    assert!(late.is_empty());
    assert_eq!(session.lines(QUEUE).await, ["4|1|f", "5|0|t"]);
    assert_eq!(
        session.lines(ATTEMPTS).await,
        ["1|1|delivered", "2|1|failed", "3|1|expired", "4|1|retrying"]
    );
    let delivered = "select string_agg(delivery_status, ' ') from webhooks.delivery_attempts where delivered_at is not null";
    assert_eq!(session.text(delivered).await, "delivered");
    // The retry is due then, and says so everywhere.
    let due = "select q.next_attempt_at = a.next_retry_at, q.next_attempt_at = v.next_retry_at,
                      q.next_attempt_at between now() + interval '50 s' and clock_timestamp() + interval '60 s'
               from webhooks.delivery_queue q join webhooks.delivery_attempts a on a.delivery_id = q.id
               join webhooks.webhook_delivery_logs v on v.id = q.id";
    assert_eq!(session.text(due).await, "t|t|t");
    let view = "select e.event_data ->> 'n', delivery_status, delivery_attempt, attempted_at is null
                from webhooks.webhook_delivery_logs v join webhooks.event_logs e on e.id = v.event_log_id order by v.id";
    assert_eq!(
        session.lines(view).await,
        [
            "1|delivered|1|f",
            "2|failed|1|f",
            "3|expired|1|f",
            "4|retrying|1|f",
            "5|pending|1|t"
        ]
    );
    // Its second attempt is another row; the delivery is still one.
    let second = Result::of(&ids[3], 1, "delivered");
    assert!(record(&session, &[second]).await.is_empty());
    assert_eq!(
        session.lines(ATTEMPTS).await[3..],
        ["4|1|retrying", "4|2|delivered"]
    );
    assert_eq!(session.lines(view).await[3], "4|delivered|2|f");
    assert_eq!(session.lines(view).await.len(), 5);
}

#[tokio::test]
async fn a_late_writer_changes_nothing() {
    let (_db, session, ids) = queue("late", 3).await;
    let first = Result::of(&ids[0], 0, "retrying").retry_after_ms("3600000");
    assert!(record(&session, &[first]).await.is_empty());
    let (queue, attempts) = (session.lines(QUEUE).await, session.lines(ATTEMPTS).await);
    let snapshot = "select string_agg(s::text, ' ') from webhooks.webhook_subscriptions s";
    let subscription = session.text(snapshot).await;

    let unknown = "99999999-9999-7999-8999-999999999999";
    for status in ["delivered", "failed", "expired", "retrying"] {
        let late = record(
            &session,
            &[
                Result::of(&ids[0], 0, status).disables("'late'"),
                Result::of(&ids[1], 1, status).disables("'early'"),
                Result::of(unknown, 0, status).disables("'unknown'"),
            ],
        )
        .await;
        assert_eq!(late, [0, 1, 2], "{status}");
        assert_eq!(session.lines(QUEUE).await, queue);
        assert_eq!(session.lines(ATTEMPTS).await, attempts);
        assert_eq!(session.text(snapshot).await, subscription);
    }
    // The others of its batch are recorded, also another result of the same delivery.
    let late = record(
        &session,
        &[
            Result::of(&ids[1], 7, "failed"),
            Result::of(&ids[0], 0, "failed"),
            Result::of(&ids[0], 1, "delivered"),
            Result::of(&ids[2], 0, "delivered"),
        ],
    )
    .await;
    assert_eq!(late, [0, 1]);
    assert_eq!(session.lines(QUEUE).await, ["2|0|t"]);
    assert_eq!(
        session.lines(ATTEMPTS).await,
        ["1|1|retrying", "1|2|delivered", "3|1|delivered"]
    );
    // Nothing is recorded twice.
    let again = Result::of(&ids[2], 0, "delivered");
    assert_eq!(record(&session, &[again]).await, [0]);
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_subscription() {
    let (db, session, ids) = queue("gone", 3).await;
    // On another shard than the one that is claimed below.
    subscribe(
        &db,
        json!({"id": "00000000-0000-7000-8000-000000000002", "webhook_url": "http://y.example/"}),
    )
    .await;
    let gone = Result::of(&ids[0], 0, "failed").disables("'HTTP status 410'");
    assert!(record(&session, &[gone]).await.is_empty());
    let state =
        "select is_active, is_enabled, disabled_reason, version from webhooks.webhook_subscriptions
                 where id = '00000000-0000-7000-8000-000000000001'";
    assert_eq!(session.text(state).await, "t|f|HTTP status 410|2");
    // The others wait; new events pass it by.
    assert_eq!(session.lines(QUEUE).await, ["2|0|t", "3|0|t"]);
    let claim = format!("select count(*) from {}", Claim::of_shards(&[1]));
    assert_eq!(session.text(&claim).await, "0");
    let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created')");
    session.run(&publish).await;
    let queued = "select count(*) from webhooks.delivery_queue
                  where subscription_id = '00000000-0000-7000-8000-000000000001'";
    assert_eq!(session.text(queued).await, "2");
    // The first reason stays, whatever was still under way.
    let straggler = Result::of(&ids[1], 0, "failed").disables("'another'");
    assert!(record(&session, &[straggler]).await.is_empty());
    assert_eq!(session.text(state).await, "t|f|HTTP status 410|2");
    // Enabled again, what waited goes on.
    session
        .run("update webhooks.webhook_subscriptions set is_enabled = true where not is_enabled")
        .await;
    assert_eq!(session.text(state).await, "t|t|null|3");
    assert_eq!(session.text(&claim).await, "1");
}

#[tokio::test]
async fn a_type_that_is_no_more_does_not_stop_the_recording() {
    let (_db, session, ids) = queue("type_gone", 1).await;
    session
        .run(
            "insert into webhooks.event_types (name, category) values ('order.paid', 'order');
             update webhooks.webhook_subscriptions set subscribed_events = '[\"order.paid\"]';
             delete from webhooks.event_types where name = 'order.paid'",
        )
        .await;
    let gone = Result::of(&ids[0], 0, "failed").disables("'HTTP status 410'");
    assert!(record(&session, &[gone]).await.is_empty());
    let enabled = "select is_enabled from webhooks.webhook_subscriptions";
    assert_eq!(session.text(enabled).await, "f");
}

#[tokio::test]
async fn results_of_deleted_deliveries_are_late() {
    let (_db, session, ids) = queue("cancelled", 2).await;
    session
        .run("delete from webhooks.webhook_subscriptions")
        .await;
    let late = Result::of(&ids[0], 0, "delivered");
    assert_eq!(record(&session, &[late]).await, [0]);
    assert!(session.lines(ATTEMPTS).await.is_empty());
}

/// DELETE locks the subscription first and its deliveries then; a 410 must not do it the other way round.
#[tokio::test]
async fn a_receiver_that_is_gone_while_its_subscription_is_deleted() {
    let (db, session, ids) = queue("gone_deleted", 2).await;
    let deleter = Session::open(&db).await;
    deleter
        .run("begin; select from webhooks.webhook_subscriptions for update")
        .await;
    let results = [
        Result::of(&ids[0], 0, "failed").disables("'HTTP status 410'"),
        Result::of(&ids[1], 0, "delivered"),
    ];
    let (late, ()) = tokio::join!(record(&session, &results), async {
        deleter.wait_until_blocked(&session).await;
        deleter
            .run("delete from webhooks.webhook_subscriptions; commit")
            .await;
    });
    assert_eq!(late, [0, 1]);
    assert!(session.lines(QUEUE).await.is_empty());
}

/// Nothing of it is lost, and nothing of its batch.
#[tokio::test]
async fn a_finished_delivery_that_was_queued_again_by_hand() {
    let (_db, session, ids) = queue("requeued", 3).await;
    session
        .run("create temporary table once as select * from webhooks.delivery_queue")
        .await;
    for (attempt, status) in [(0, "retrying"), (1, "delivered")] {
        let result = Result::of(&ids[0], attempt, status).retry_after_ms("0");
        assert!(record(&session, &[result]).await.is_empty());
    }
    let again = format!(
        "insert into webhooks.delivery_queue select * from once where id = '{}'",
        ids[0]
    );
    session.run(&again).await;
    let late = record(
        &session,
        &[
            Result::of(&ids[0], 0, "retrying").retry_after_ms("0"),
            Result::of(&ids[1], 0, "delivered"),
            Result::of(&ids[2], 7, "delivered"),
        ],
    )
    .await;
    assert_eq!(late, [2]);
    assert_eq!(session.lines(QUEUE).await, ["1|1|f", "3|0|t"]);
    assert!(
        record(&session, &[Result::of(&ids[0], 1, "failed")])
            .await
            .is_empty()
    );
    assert_eq!(session.lines(QUEUE).await, ["3|0|t"]);
    assert_eq!(
        session.lines(ATTEMPTS).await,
        [
            "1|1|retrying",
            "1|2|delivered",
            "1|3|retrying",
            "1|4|failed",
            "2|1|delivered"
        ]
    );
}
