//! Circuit breakers as SQL keeps and shows them.

use serde_json::json;
use webhooks_tests::database::Database;

use crate::session::Session;

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const SUBSCRIPTION: &str = "00000000-0000-7000-8000-000000000001";
const HEALTH: &str = "select breaker_state, round(extract(epoch from now() - breaker_since) / 60), round(extract(epoch from probe_at - now()) / 60),
    round(extract(epoch from now() - failing_since) / 60), last_error, is_delivered_to from webhooks.subscription_health";

async fn queue(name: &str, n: u32) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    let columns =
        json!({"id": SUBSCRIPTION, "tenant_id": TENANT, "webhook_url": "http://x.example/"});
    db.subscribe(columns).await.unwrap();
    let published = db.publish_many(TENANT.parse().unwrap(), "job.created", n);
    published.await.unwrap();
    let session = Session::open(&db).await;
    (db, session)
}

/// Records that the first `n` deliveries failed, and what that means: a breaker's state and two times in minutes.
async fn fail(session: &Session, n: u32, attempt: u32, breaker: &str) -> String {
    let record = format!(
        "select count(l) from (
             select array_agg(id) d, array_agg(subscription_id) s, array_agg({attempt}) a, array_agg('retrying'::text) r, array_agg(null::integer) i,
                    array_agg(null::text) t, array_agg('HTTP status 50' || {attempt}) e, array_agg(0::bigint) z, array_agg(null::bytea) b
             from (select * from webhooks.delivery_queue order by id limit {n}) q
         ) q,
         webhooks_private.record_attempts(d, s, a, r, i, t, t, e, z, z, i, b, z, t, {breaker}) l"
    );
    session.text(&record).await
}

#[tokio::test]
async fn a_breaker_is_shown_from_its_opening_to_its_end() {
    let (_db, session) = queue("breaker", 2).await;
    session
        .run("update webhooks.webhook_subscriptions set created_at = now() - interval '9 min'")
        .await;
    assert_eq!(session.text(HEALTH).await, "closed|9|null|null|null|t");
    fail(
        &session,
        1,
        0,
        "array['failing'], array[120000], array[null::bigint]",
    )
    .await;
    assert_eq!(
        session.text(HEALTH).await,
        "closed|9|null|2|HTTP status 500|t"
    );
    fail(
        &session,
        1,
        1,
        "array['open'], array[300000], array[600000]",
    )
    .await;
    assert_eq!(session.text(HEALTH).await, "open|0|10|5|HTTP status 501|t");

    // Time passes; the probe fails, too: it has been open all the while.
    let passes = "update webhooks_private.subscription_breakers set since = since - interval '20 min', probe_at = probe_at - interval '12 min'";
    session.run(passes).await;
    assert_eq!(
        session.text(HEALTH).await,
        "half_open|2|-2|5|HTTP status 501|t"
    );
    fail(
        &session,
        1,
        2,
        "array['open'], array[1500000], array[600000]",
    )
    .await;
    assert_eq!(
        session.text(HEALTH).await,
        "open|20|10|25|HTTP status 502|t"
    );
    let loaded = "select is_breaker_open, round(probe_in_ms / 60000.0), round(failing_for_ms / 60000.0), breaker_failure_threshold,
                         breaker_cooldown_seconds from webhooks_private.load_subscriptions(array(select id from webhooks.webhook_subscriptions))";
    assert_eq!(session.text(loaded).await, "t|10|25|10|60");

    // The last word of a batch counts, and a late writer has none.
    let both = "array['open', 'closed'], array[0, null::bigint], array[60000, null::bigint]";
    session
        .run("update webhooks.delivery_queue set attempt = 3")
        .await;
    assert_eq!(fail(&session, 2, 3, both).await, "0");
    assert_eq!(
        session.text(HEALTH).await,
        "closed|0|null|null|HTTP status 503|t"
    );
    assert_eq!(
        fail(&session, 1, 3, "array['open'], array[0], array[60000]").await,
        "1"
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
    let open = "array['open'], array[0], array[600000]";
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
        fail(&session, 1, 0, open).await;
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
    fail(
        &session,
        1,
        0,
        "array['closed'], array[null::bigint], array[null::bigint]",
    )
    .await;
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
    let wait = "array['throttled'], array[null::bigint], array[600000]";
    fail(&session, 1, 0, wait).await;
    assert_eq!(session.text(pause).await, "closed|t|10|t|null");
    let loaded = "select round(throttled_for_ms / 60000.0), is_breaker_open, failing_for_ms, round(verify_in_ms / 60000.0)
                  from webhooks_private.load_subscriptions(array(select id from webhooks.webhook_subscriptions))";
    assert_eq!(session.text(loaded).await, "10|f|null|10");
    // A shorter one does not end it, in a batch with a failure neither.
    let both = "array['throttled', 'open', null, null], array[null, 60000, null, null::bigint], array[60000, 300000, null, null::bigint]";
    session
        .run("update webhooks.delivery_queue set attempt = 1")
        .await;
    fail(&session, 4, 1, both).await;
    assert_eq!(session.text(pause).await, "open|f|10|t|null");
    // Once it is over, the next one has its own beginning.
    session
        .run("update webhooks_private.subscription_breakers set throttled_until = now() - interval '1 min', throttled_since = now() - interval '1 hour'")
        .await;
    assert_eq!(session.text(pause).await, "open|f|null|null|null");
    fail(
        &session,
        1,
        2,
        "array['throttled'], array[null::bigint], array[120000]",
    )
    .await;
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
