//! Endpoint verification as SQL keeps and shows it; what sidecars make of it is in `delivery`.

use serde_json::json;
use webhooks_tests::database::{Database, MANAGER_ROLE, MONITOR_ROLE};

use crate::support::composite::Composite;
use crate::support::listener::Listener;
use crate::support::session::{Session, literal};
use crate::support::world::{TENANT, subscribe};

const SUBSCRIPTION: &str = "00000000-0000-7000-8000-000000000001";
const URL: &str = "http://x.example/secret";
const ORIGIN: &str = "events.example.com";
const SET_ORIGIN: &str = "select webhooks.set_setting('verification_origin', 'events.example.com')";
const HEALTH: &str =
    "select verification_state, verification_since is not null, allowed_rate_per_minute,
     round(extract(epoch from next_verification_at - now())), verification_error from webhooks.subscription_health";
const LOADED: &str =
    "select needs_verification, is_verified, allowed_rate_per_minute, may_verify, verify_in_ms is null or verify_in_ms <= 0
     from webhooks_private.load_subscriptions(array(select id from webhooks.webhook_subscriptions))";

async fn subscribed(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    session.run(SET_ORIGIN).await;
    subscribe(
        &db,
        json!({"id": SUBSCRIPTION, "webhook_url": URL, "endpoint_verification": "options"}),
    )
    .await;
    (db, session)
}

/// Records an answer of this URL to this origin; `rest`: further attributes.
async fn answer(
    session: &Session,
    url: &str,
    origin: &str,
    state: &str,
    rest: &[(&'static str, &str)],
) {
    let mut answer = Composite::of("verification_answer")
        .with("subscription_id", literal(SUBSCRIPTION))
        .with("webhook_url", literal(url))
        .with("origin", literal(origin))
        .with("state", literal(state));
    for (attribute, value) in rest {
        answer.set(attribute, value);
    }
    session
        .run(&format!(
            "select webhooks_private.record_verifications(array[{answer}])"
        ))
        .await;
}

const REFUSED: &[(&str, &str)] = &[("error", "'no'")];
const VERIFIED: &[(&str, &str)] = &[("allowed_rate_per_minute", "100")];

#[tokio::test]
async fn a_receiver_that_does_not_agree_is_asked_ever_later() {
    let (_db, session) = subscribed("verifications").await;
    assert_eq!(session.text(HEALTH).await, "pending|f|null|null|null");
    assert_eq!(session.text(LOADED).await, "t|f|null|t|t");
    for delay in [60, 120, 240, 480] {
        answer(&session, URL, ORIGIN, "refused", REFUSED).await;
        let expected = format!("refused|t|null|{delay}|no");
        assert_eq!(session.text(HEALTH).await, expected);
    }
    assert_eq!(session.text(LOADED).await, "t|f|null|t|f");
    // As often as it takes: up to a day, or an hour if there was no answer, or when it says.
    session
        .run("update webhooks_private.subscription_verifications set tries = 1000")
        .await;
    for (state, retry_after, delay) in [
        ("refused", "null", 86400),
        ("pending", "null", 3600),
        ("pending", "7200000", 7200),
    ] {
        let rest = [("error", "'no'"), ("retry_after_ms", retry_after)];
        answer(&session, URL, ORIGIN, state, &rest).await;
        let expected = format!("{state}|t|null|{delay}|no");
        assert_eq!(session.text(HEALTH).await, expected);
    }
    answer(&session, URL, ORIGIN, "verified", VERIFIED).await;
    assert_eq!(session.text(HEALTH).await, "verified|t|100|null|null");
    assert_eq!(session.text(LOADED).await, "t|t|100|t|t");
    // A late answer changes nothing.
    answer(&session, URL, ORIGIN, "refused", REFUSED).await;
    assert_eq!(session.text(HEALTH).await, "verified|t|100|null|null");
}

#[tokio::test]
async fn an_answer_is_that_of_one_url_and_for_one_origin() {
    let (db, session) = subscribed("verified_url").await;
    answer(
        &session,
        "http://other.example/",
        ORIGIN,
        "verified",
        VERIFIED,
    )
    .await;
    assert_eq!(session.text(HEALTH).await, "pending|f|null|null|null");
    // Another origin's answer is no answer, until that is the one.
    answer(&session, URL, "old.example.com", "verified", VERIFIED).await;
    assert_eq!(session.text(HEALTH).await, "pending|f|null|null|null");
    assert_eq!(session.text(LOADED).await, "t|f|null|t|t");
    answer(&session, URL, ORIGIN, "refused", REFUSED).await;
    assert_eq!(session.text(HEALTH).await, "refused|t|null|60|no");
    answer(&session, URL, ORIGIN, "verified", VERIFIED).await;

    let changed = |columns: &str| format!("update webhooks.webhook_subscriptions set {columns}");
    for (columns, kept) in [
        (
            "name = 'n', retry_count = 5, webhook_headers = '{\"x\": \"y\"}'",
            true,
        ),
        ("is_enabled = false", true),
        ("is_enabled = true", true),
        (
            "auth_type = 'api_key', auth_config = '{\"api_key\": \"k\"}'",
            false,
        ),
        ("webhook_url = 'http://x.example/secret?'", false),
        ("webhook_url = 'http://x.example/secret'", true),
    ] {
        session.run(&changed(columns)).await;
        let state = if kept { "verified" } else { "pending" };
        let shown = session.text(HEALTH).await;
        assert!(shown.starts_with(state), "{columns}: {shown}");
        if !kept {
            session
                .run("update webhooks.webhook_subscriptions set webhook_url = 'http://x.example/secret'")
                .await;
            answer(&session, URL, ORIGIN, "verified", VERIFIED).await;
        }
    }
    // A receiver is asked anew after a call of verify_subscription().
    session
        .run("delete from webhooks_private.subscription_verifications")
        .await;
    answer(&session, URL, ORIGIN, "refused", REFUSED).await;
    session.run(&changed("is_enabled = false")).await;
    assert_eq!(session.text(LOADED).await, "t|f|null|f|f");
    session.run(&changed("is_enabled = true")).await;
    assert_eq!(session.text(HEALTH).await, "pending|f|null|null|null");

    answer(&session, URL, ORIGIN, "verified", VERIFIED).await;
    db.execute("delete from webhooks.webhook_subscriptions")
        .await
        .unwrap();
    let rows = "select count(*) from webhooks_private.subscription_verifications";
    assert_eq!(session.text(rows).await, "0");
    session
        .run("insert into webhooks_private.subscription_verifications (subscription_id, webhook_url, origin, state, since, tries)
              values (webhooks.uuid_v7(), 'x', 'x', 'pending', now(), 1); select webhooks_private.remove_orphans()")
        .await;
    assert_eq!(session.text(rows).await, "0");
}

#[tokio::test]
async fn days_without_agreement_disable_the_subscription() {
    let (_db, session) = subscribed("verification_days").await;
    let enabled = "select is_enabled, disabled_reason from webhooks.webhook_subscriptions";
    for (tries, age, setting, expected) in [
        (9, "119 hours", 120, "t|null"),
        (1, "1000 hours", 120, "t|null"),
        (9, "1000 hours", 0, "t|null"),
        (
            9,
            "121 hours",
            120,
            "f|its receiver did not agree to deliveries for 121 hours (disable_after_failing_hours is 120); last: no",
        ),
    ] {
        session
            .run("delete from webhooks_private.subscription_verifications")
            .await;
        answer(&session, URL, ORIGIN, "refused", REFUSED).await;
        session
            .run(&format!(
                "select webhooks.set_setting('disable_after_failing_hours', {setting});
                 update webhooks_private.subscription_verifications set tries = {tries}, failing_since = now() - interval '{age}'"
            ))
            .await;
        answer(&session, URL, ORIGIN, "refused", REFUSED).await;
        assert_eq!(session.text(enabled).await, expected);
    }
    // The system did it, and why.
    let audited = "select action, reason like 'its receiver did not agree%' from webhooks.audit_log order by id desc limit 1";
    assert_eq!(session.text(audited).await, "disabled|t");
}

#[tokio::test]
async fn the_setting_decides_where_the_subscription_does_not() {
    let db = Database::fresh("verification_policy").await.unwrap();
    let session = Session::open(&db).await;
    session.run(SET_ORIGIN).await;
    for own in [json!(null), json!("none"), json!("options")] {
        let name = own.as_str().unwrap_or("null").to_owned();
        subscribe(
            &db,
            json!({"name": name, "webhook_url": URL, "endpoint_verification": own}),
        )
        .await;
    }
    let needed = "select string_agg(s.name, ' ' order by s.name) from webhooks.webhook_subscriptions s
                  join webhooks_private.load_subscriptions(array(select id from webhooks.webhook_subscriptions)) l on l.id = s.id
                  join webhooks.subscription_health h on h.subscription_id = s.id
                  where l.needs_verification and h.verification_state = 'pending'";
    for (setting, expected) in [
        ("none", "options"),
        ("options", "null options"),
        ("required", "none null options"),
    ] {
        session
            .run(&format!(
                "select webhooks.set_setting('endpoint_verification', '{setting}')"
            ))
            .await;
        assert_eq!(session.text(needed).await, expected);
    }
    // Without it, nobody would know for whom to ask.
    let refused = session
        .refused("select webhooks.reset_setting('verification_origin')")
        .await;
    assert_eq!(refused.code, "55000");
    assert!(
        refused.hint.contains("endpoint_verification"),
        "{refused:?}"
    );
    session
        .run("select webhooks.reset_setting('endpoint_verification'); select webhooks.reset_setting('verification_origin')")
        .await;
    let shown = "select verification_state, verification_error from webhooks.subscription_health where name = 'options'";
    assert_eq!(
        session.text(shown).await,
        "pending|the setting verification_origin is not set"
    );
    let refused = session
        .refused("select webhooks.set_setting('endpoint_verification', 'options')")
        .await;
    assert_eq!(refused.code, "55000");
    assert!(refused.hint.contains("verification_origin"), "{refused:?}");
}

#[tokio::test]
async fn text_settings_are_checked() {
    let db = Database::fresh("text_settings").await.unwrap();
    let session = Session::open(&db).await;
    let long = format!("{}.example.com", "a".repeat(64));
    let longest = format!("{}example", "a.".repeat(124));
    for (name, value) in [
        ("endpoint_verification", "'always'"),
        ("endpoint_verification", "1"),
        ("endpoint_verification", "null"),
        ("verification_origin", "''"),
        ("verification_origin", "'https://example.com'"),
        ("verification_origin", "'example.com:443'"),
        ("verification_origin", "'example..com'"),
        ("verification_origin", "'-a.example.com'"),
        ("verification_origin", "'*.example.com'"),
        ("verification_origin", "E'a.example\\r\\nX: y'"),
        ("verification_origin", &format!("'{long}'")),
        ("verification_origin", &format!("'{longest}'")),
        ("retry_delay", "'x'"),
        ("max_retry_delay_seconds", "'many'"),
    ] {
        let set = format!("select webhooks.set_setting('{name}', {value})");
        let refusal = session.refused(&set).await;
        let expected = if name == "retry_delay" {
            "42704"
        } else {
            "22023"
        };
        assert_eq!(refusal.code, expected, "{set}: {refusal:?}");
        assert!(refusal.message.contains(name), "{set}: {refusal:?}");
        assert!(!refusal.hint.is_empty(), "{set}: {refusal:?}");
    }
    session
        .run("select webhooks.set_setting('max_retry_delay_seconds', '77'), webhooks.set_setting('verification_origin', 'a-1.Example.com')")
        .await;
    let values = "select name, value, text_value, default_text from webhooks.settings
                  where name in ('max_retry_delay_seconds', 'verification_origin', 'endpoint_verification') order by name";
    assert_eq!(
        session.lines(values).await,
        [
            "endpoint_verification|null|none|none",
            "max_retry_delay_seconds|77|null|null",
            "verification_origin|null|a-1.Example.com|null"
        ]
    );
    let audited = "select after ->> 'text_value' from webhooks.audit_log where object_type = 'setting' and object_id = 'verification_origin'";
    assert_eq!(session.text(audited).await, "a-1.Example.com");
}

#[tokio::test]
async fn sidecars_hear_whom_to_ask() {
    let (db, session) = subscribed("verification_heard").await;
    let mut sidecar = Listener::on(&db, "webhooks_changed").await;
    let verify = format!("verify {SUBSCRIPTION}");
    for (statement, asks) in [
        (format!("select webhooks.verify_subscription('{SUBSCRIPTION}')"), true),
        ("update webhooks.webhook_subscriptions set name = 'n'".to_owned(), false),
        ("update webhooks.webhook_subscriptions set webhook_url = 'http://y.example/'".to_owned(), true),
        ("update webhooks.webhook_subscriptions set is_enabled = false".to_owned(), false),
        ("update webhooks.webhook_subscriptions set webhook_url = 'http://z.example/'".to_owned(), false),
        ("update webhooks.webhook_subscriptions set is_enabled = true".to_owned(), true),
        ("update webhooks.webhook_subscriptions set endpoint_verification = 'none'".to_owned(), false),
        ("update webhooks.webhook_subscriptions set endpoint_verification = 'options'".to_owned(), true),
        ("set webhooks.notify = off; update webhooks.webhook_subscriptions set webhook_url = 'http://a.example/'; reset webhooks.notify".to_owned(), false),
    ] {
        session.run(&statement).await;
        let heard = sidecar.heard("webhooks_changed").await;
        assert_eq!(heard.contains(&verify), asks, "{statement}: {heard:?}");
    }
    let other = subscribe(
        &db,
        json!({"webhook_url": URL, "endpoint_verification": "options"}),
    )
    .await;
    subscribe(&db, json!({"webhook_url": URL})).await;
    assert_eq!(
        sidecar.heard("webhooks_changed").await,
        [format!("verify {other}")]
    );
}

/// A manager asks, and sees the answer of its own; a monitor sees everybody's, without URLs.
#[tokio::test]
async fn managers_ask_and_monitors_watch() {
    let (db, session) = subscribed("verification_roles").await;
    answer(&session, URL, ORIGIN, "verified", VERIFIED).await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    let verify = format!("select webhooks.verify_subscription('{SUBSCRIPTION}')");
    let refused = manager.refused(&verify).await;
    assert_eq!(refused.code, "42704", "no tenant: {refused:?}");
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    assert_eq!(manager.text(HEALTH).await, "verified|t|100|null|null");
    let version = "select version from webhooks.webhook_subscriptions";
    let before = manager.text(version).await;
    manager.run(&verify).await;
    assert_eq!(manager.text(HEALTH).await, "pending|f|null|null|null");
    assert_ne!(
        manager.text(version).await,
        before,
        "a claim knows it, notified or not"
    );
    let audited = "select action, object_type, object_id, tenant_id, acting_role from webhooks.audit_log order by id desc limit 1";
    assert_eq!(
        session.text(audited).await,
        format!("verification_requested|subscription|{SUBSCRIPTION}|{TENANT}|{MANAGER_ROLE}")
    );
    answer(&session, URL, ORIGIN, "refused", REFUSED).await;
    let monitor = Session::open_as(&db, MONITOR_ROLE).await;
    // The kind of failure alone: a receiver's words may name anything.
    assert_eq!(monitor.text(HEALTH).await, "refused|t|null|60|failed");
    let url = monitor
        .refused("select webhook_url from webhooks_private.subscription_verifications")
        .await;
    assert_eq!(url.code, "42501");

    manager
        .run("update webhooks.webhook_subscriptions set endpoint_verification = 'none'")
        .await;
    let refused = manager.refused(&verify).await;
    assert_eq!(refused.code, "55000");
    assert!(refused.hint.contains("endpoint_verification = 'options'"));
    // Written directly, an answer would be anybody's.
    let forged = manager
        .refused("update webhooks_private.subscription_verifications set state = 'verified'")
        .await;
    assert_eq!(forged.code, "42501");
}
