//! Circuit breakers as SQL keeps and shows them.

use serde_json::json;
use webhooks_tests::database::Database;

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{publish_many, subscribe};

const SUBSCRIPTION: &str = "00000000-0000-7000-8000-000000000001";
const HEALTH: &str = "select breaker_state, round(extract(epoch from now() - breaker_since) / 60), round(extract(epoch from probe_at - now()) / 60),
    round(extract(epoch from now() - failing_since) / 60), last_error, is_delivered_to from webhooks.subscription_health";

async fn queue(name: &str, n: u32) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    subscribe(&db, json!({"id": SUBSCRIPTION})).await;
    publish_many(&db, "job.created", n).await;
    let session = Session::open(&db).await;
    (db, session)
}

/// The effect of a result on a breaker: its state, since when the receiver has failed and when it is tried again, in ms.
type Breaker = (&'static str, Option<u32>, Option<u32>);

/// Nothing new.
const SAME: Breaker = ("same", None, None);

/// Records that the first deliveries failed, one for each breaker.
///
/// Returns: how many of these results came too late.
async fn fail(session: &Session, attempt: u32, breakers: &[Breaker]) -> usize {
    let null = |ms: &Option<u32>| ms.map_or("null".to_owned(), |ms| ms.to_string());
    let values = breakers
        .iter()
        .zip(1..)
        .map(|((state, failing, probe), n)| {
            let (failing, probe) = (null(failing), null(probe));
            format!("({n}, nullif('{state}', 'same'), {failing}::bigint, {probe}::bigint)")
        });
    let deliveries = format!(
        "select * from (select *, row_number() over (order by id) as n from webhooks.delivery_queue) q
         join (values {}) v (n, state, failing, probe) using (n) order by n",
        values.collect::<Vec<_>>().join(", ")
    );
    let record = Record::of(deliveries, "retrying")
        .with("attempt", attempt)
        .with(
            "error_message",
            format_args!("'HTTP status 50{attempt}'::text"),
        )
        .with("retry_after_ms", "0::bigint")
        .with("breaker", "d.state")
        .with("failing_for_ms", "d.failing")
        .with("probe_in_ms", "d.probe");
    session.lines(&record.to_string()).await.len()
}

#[tokio::test]
async fn a_breaker_is_shown_from_its_opening_to_its_end() {
    let (_db, session) = queue("breaker", 2).await;
    session
        .run("update webhooks.webhook_subscriptions set created_at = now() - interval '9 min'")
        .await;
    assert_eq!(session.text(HEALTH).await, "closed|9|null|null|null|t");
    fail(&session, 0, &[("failing", Some(120_000), None)]).await;
    assert_eq!(
        session.text(HEALTH).await,
        "closed|9|null|2|HTTP status 500|t"
    );
    fail(&session, 1, &[("open", Some(300_000), Some(600_000))]).await;
    assert_eq!(session.text(HEALTH).await, "open|0|10|5|HTTP status 501|t");

    // Time passes; the probe fails, too: it has been open all the while.
    let passes = "update webhooks_private.subscription_breakers set since = since - interval '20 min', probe_at = probe_at - interval '12 min'";
    session.run(passes).await;
    assert_eq!(
        session.text(HEALTH).await,
        "half_open|2|-2|5|HTTP status 501|t"
    );
    fail(&session, 2, &[("open", Some(1_500_000), Some(600_000))]).await;
    assert_eq!(
        session.text(HEALTH).await,
        "open|20|10|25|HTTP status 502|t"
    );
    let loaded = "select is_breaker_open, round(probe_in_ms / 60000.0), round(failing_for_ms / 60000.0), breaker_failure_threshold,
                         breaker_cooldown_seconds from webhooks_private.load_subscriptions(array(select id from webhooks.webhook_subscriptions))";
    assert_eq!(session.text(loaded).await, "t|10|25|10|60");

    // The last word of a batch counts, and a late writer has none.
    let both = &[("open", Some(0), Some(60_000)), ("closed", None, None)];
    session
        .run("update webhooks.delivery_queue set attempt = 3")
        .await;
    assert_eq!(fail(&session, 3, both).await, 0);
    assert_eq!(
        session.text(HEALTH).await,
        "closed|0|null|null|HTTP status 503|t"
    );
    assert_eq!(
        fail(&session, 3, &[("open", Some(0), Some(60_000))]).await,
        1
    );
    assert_eq!(
        session.text(HEALTH).await,
        "closed|0|null|null|HTTP status 503|t"
    );
}

#[tokio::test]
async fn another_receiver_or_an_enabling_hand_starts_anew() {
    let (db, session) = queue("anew", 1).await;
    let states = "select count(*) from webhooks_private.subscription_breakers";
    let open = &[("open", Some(0), Some(600_000))];
    for (n, change) in [
        "update webhooks.webhook_subscriptions set webhook_url = 'http://y.example/'",
        "update webhooks.webhook_subscriptions set auth_type = 'api_key', auth_config = '{\"api_key\": \"k\"}'",
        "update webhooks.webhook_subscriptions set is_enabled = false",
        "update webhooks.webhook_subscriptions set name = 'n', rate_limit_per_second = 5",
        "select webhooks.reset_breaker('00000000-0000-7000-8000-000000000001')",
    ]
    .into_iter()
    .enumerate()
    {
        session
            .run("update webhooks.webhook_subscriptions set is_enabled = true where not is_enabled; update webhooks.delivery_queue set attempt = 0; truncate webhooks.delivery_attempts")
            .await;
        fail(&session, 0, open).await;
        session.run(change).await;
        let kept = if n == 2 || n == 3 { "1" } else { "0" };
        assert_eq!(session.text(states).await, kept, "{change}");
    }
    session
        .run("update webhooks.webhook_subscriptions set is_enabled = false")
        .await;
    let unknown = "select webhooks.reset_breaker('00000000-0000-7000-8000-0000000000ff')";
    let refused = session.refused(unknown).await;
    assert!(
        refused
            .message
            .contains("00000000-0000-7000-8000-0000000000ff")
    );
    // A success of what was never known to fail leaves no row.
    session.run("truncate webhooks_private.subscription_breakers; truncate webhooks.delivery_attempts; update webhooks.delivery_queue set attempt = 0").await;
    fail(&session, 0, &[("closed", None, None)]).await;
    assert_eq!(session.text(states).await, "0");

    session
        .run("insert into webhooks_private.subscription_breakers values (webhooks.uuid_v7(), 'closed', now())")
        .await;
    db.execute("delete from webhooks.webhook_subscriptions")
        .await
        .unwrap();
    session
        .run("select webhooks_private.remove_orphans()")
        .await;
    assert_eq!(session.text(states).await, "0");
}

/// A pause that a receiver asks for is shown while it lasts, and is neither a failure nor a success.
#[tokio::test]
async fn a_pause_is_shown_until_it_is_over() {
    let (_db, session) = queue("pauses", 4).await;
    let pause = "select breaker_state, failing_since is null, round(extract(epoch from throttled_until - now()) / 60), throttled_since <= now(),
                        throttle_status from webhooks.subscription_health";
    assert_eq!(session.text(pause).await, "closed|t|null|null|null");
    let wait = &[("throttled", None, Some(600_000))];
    fail(&session, 0, wait).await;
    assert_eq!(session.text(pause).await, "closed|t|10|t|null");
    let loaded = "select round(throttled_for_ms / 60000.0), is_breaker_open, failing_for_ms, round(verify_in_ms / 60000.0)
                  from webhooks_private.load_subscriptions(array(select id from webhooks.webhook_subscriptions))";
    assert_eq!(session.text(loaded).await, "10|f|null|10");
    // A shorter one does not end it, in a batch with a failure neither.
    let both = &[
        ("throttled", None, Some(60_000)),
        ("open", Some(60_000), Some(300_000)),
        SAME,
        SAME,
    ];
    session
        .run("update webhooks.delivery_queue set attempt = 1")
        .await;
    fail(&session, 1, both).await;
    assert_eq!(session.text(pause).await, "open|f|10|t|null");
    // Once it is over, the next one has its own beginning.
    session
        .run("update webhooks_private.subscription_breakers set throttled_until = now() - interval '1 min', throttled_since = now() - interval '1 hour'")
        .await;
    assert_eq!(session.text(pause).await, "open|f|null|null|null");
    fail(&session, 2, &[("throttled", None, Some(120_000))]).await;
    assert_eq!(session.text(pause).await, "open|f|2|t|null");
    let since = "select throttled_since > now() - interval '1 min' from webhooks_private.subscription_breakers";
    assert_eq!(session.text(since).await, "t");
    // Another way of asking the same receiver ends a breaker, not the pause; another receiver ends both.
    session
        .run("update webhooks.webhook_subscriptions set webhook_headers = '{\"x\": \"y\"}'")
        .await;
    assert_eq!(session.text(pause).await, "closed|t|2|t|null");
    session
        .run("update webhooks.webhook_subscriptions set webhook_url = 'https://y.example/'")
        .await;
    assert_eq!(session.text(pause).await, "closed|t|null|null|null");
}
