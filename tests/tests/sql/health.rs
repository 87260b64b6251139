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
         webhooks.record_attempts(d, s, a, r, i, t, t, e, z, z, i, b, z, t, {breaker}) l"
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
    let passes = "update webhooks.subscription_breakers set since = since - interval '20 min', probe_at = probe_at - interval '12 min'";
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
                         breaker_cooldown_seconds from webhooks.load_subscriptions(array(select id from webhooks.webhook_subscriptions))";
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
    let states = "select count(*) from webhooks.subscription_breakers";
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
    session.run("truncate webhooks.subscription_breakers; truncate webhooks.delivery_attempts; update webhooks.delivery_queue set attempt = 0").await;
    fail(
        &session,
        1,
        0,
        "array['closed'], array[null::bigint], array[null::bigint]",
    )
    .await;
    assert_eq!(session.text(states).await, "0");

    session
        .run("insert into webhooks.subscription_breakers values (webhooks.uuid_v7(), 'closed', now())")
        .await;
    db.execute("delete from webhooks.webhook_subscriptions")
        .await
        .unwrap();
    session.run("select webhooks.remove_orphans()").await;
    assert_eq!(session.text(states).await, "0");
}
