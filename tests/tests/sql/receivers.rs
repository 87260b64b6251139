//! Settings of a subscription about its receiver: values that are refused, notices, and secrets after a replacement.

use serde_json::{Value, json};
use webhooks_tests::database::Database;

use crate::support::session::literal;
use crate::support::world::{TENANT, database, subscribe};

/// The notices that psql shows when a subscription with these columns is made.
async fn told(db: &Database, columns: Value) -> String {
    let mut row = json!({"tenant_id": TENANT, "name": "it", "webhook_url": "https://x.example/"});
    let row_columns = row.as_object_mut().unwrap();
    row_columns.extend(columns.as_object().unwrap().clone());
    let names = row_columns.keys().cloned().collect::<Vec<_>>().join(", ");
    let row = literal(&row.to_string());
    let insert = format!(
        "insert into webhooks.webhook_subscriptions ({names}) select {names}
         from jsonb_populate_record(null::webhooks.webhook_subscriptions, {row})"
    );
    let mut psql = db.cluster().client_program("psql", db.name());
    psql.args(["-c", &insert]);
    let output = tokio::task::spawn_blocking(move || psql.output());
    let output = output.await.unwrap().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn settings_that_could_never_be_sent_are_refused() {
    let (db, _session) = database("receivers_refused").await;
    for (url, reason) in [
        ("https://{tenant}.example.com/", "no host name"),
        ("https://a..b/", "a dot too many"),
        (&format!("https://{}.example/", "a".repeat(64)), "63"),
        (&format!("https://{}example/", "a.".repeat(124)), "253"),
        ("https://a!b.example/", "no host name"),
        ("https://-a.example/", "begins or ends with -"),
        ("https://x.example:0/", "port 0"),
        ("https://x.example/{id}", "percent-encode"),
        ("https://x.example/ä", "percent-encode"),
        ("https://x.example/?q=\"a\"", "percent-encode"),
    ] {
        let said = told(&db, json!({"webhook_url": url})).await;
        assert!(
            said.contains("ERROR:  invalid webhook_url: "),
            "{url}: {said}"
        );
        assert!(
            said.contains(reason) && said.contains("HINT:"),
            "{url}: {said}"
        );
    }
    let signed =
        |secret: &str| json!({"auth_type": "signature", "auth_config": {"secret": secret}});
    for (secret, reason) in [
        ("whsk_hush0000000000000000000000000000", "asymmetric"),
        ("whpk_hush0000000000000000000000000000", "asymmetric"),
        (
            "WHSEC_hush0000000000000000000000000",
            "must start with whsec_",
        ),
        ("v1,whsec_hush", "must start with whsec_"),
        (" hush0000000000000000000000000000000", "a space"),
        ("hush0000000000000000000000000000000\n", "a space"),
        ("\"hush0000000000000000000000000000\"", "quotation mark"),
        ("hush000000000000\r\n0000000000000000", "control character"),
    ] {
        let said = told(&db, signed(secret)).await;
        assert!(
            said.contains("ERROR:  invalid auth_config: \"secret\": "),
            "{secret:?}: {said}"
        );
        assert!(said.contains(reason), "{secret:?}: {said}");
        assert!(
            said.contains("webhooks.generate_secret()"),
            "{secret:?}: {said}"
        );
        assert!(!said.contains("hush"), "{said}");
    }
}

#[tokio::test]
async fn settings_that_work_only_in_places_get_a_notice() {
    let (db, session) = database("receivers_told").await;
    let cloudevents = |columns: Value| {
        let mut all = json!({"payload_format": "cloudevents-binary"});
        all.as_object_mut()
            .unwrap()
            .extend(columns.as_object().unwrap().clone());
        all
    };
    let signed =
        |secret: &str| json!({"auth_type": "signature", "auth_config": {"secret": secret}});
    for (columns, expected) in [
        (json!({}), ""),
        (
            json!({"webhook_url": "http://x.example/", "webhook_method": "PUT"}),
            "",
        ),
        (json!({"webhook_url": "https://9.9.9.9/"}), ""),
        (
            json!({"webhook_url": "http://127.0.0.1:8080/"}),
            "not on the public internet: loopback",
        ),
        (
            json!({"webhook_url": "http://localhost/"}),
            "not on the public internet: loopback",
        ),
        (
            json!({"webhook_url": "http://0x7f.1/"}),
            "not on the public internet: loopback",
        ),
        (
            json!({"webhook_url": "https://[fd00::1]/"}),
            "not on the public internet: ",
        ),
        (
            json!({"webhook_url": "https://10.0.0.1/"}),
            "not on the public internet: private",
        ),
        (cloudevents(json!({})), ""),
        (
            cloudevents(json!({"webhook_method": "PATCH"})),
            "with POST, not PATCH",
        ),
        (
            cloudevents(json!({"webhook_url": "HTTP://x.example/"})),
            "over https",
        ),
        (json!({"retry_schedule": "standard-webhooks"}), ""),
        (
            json!({"retry_schedule": "4 d, 4 d"}),
            "longer than deliveries live: max_delivery_age_seconds is 604800",
        ),
        (signed("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"), ""),
        (
            signed("whsec_c2hvcnQ="),
            "the signing secret is short: its key has 5 bytes",
        ),
        (signed("hush"), "the signing secret is short"),
    ] {
        let said = told(&db, columns.clone()).await;
        assert!(!said.contains("ERROR"), "{columns}: {said}");
        assert_eq!(said.is_empty(), expected.is_empty(), "{columns}: {said}");
        assert!(
            said.contains(expected) && !said.contains("hush"),
            "{columns}: {said}"
        );
    }
    let noted = "select count(*) filter (where address_note = 'loopback'), count(address_note) from webhooks.subscription_health";
    assert_eq!(session.text(noted).await, "3|5");
}

/// Rows that an older version took are restored, and stay as they are until somebody changes what is wrong with them.
#[tokio::test]
async fn settings_that_were_taken_before_are_restored() {
    let (_db, session) = database("receivers_restored").await;
    session
        .run(&format!(
            "set check_function_bodies = off;
             insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, auth_type, auth_config)
             values ('{TENANT}', 'old', 'https://x.example/ä', 'signature', '{{\"secret\": \"WHSEC_x \"}}');
             reset check_function_bodies;
             update webhooks.webhook_subscriptions set description = 'still ours', retry_count = 5;
             select webhooks.adopt_database(outstanding => 'keep');
             select count(*) from webhooks_private.load_subscriptions(array(select id from webhooks.webhook_subscriptions))"
        ))
        .await;
    let refusal = session
        .refused("update webhooks.webhook_subscriptions set webhook_url = 'https://x.example/ö'")
        .await;
    assert!(refusal.message.contains("percent-encode"), "{refusal:?}");
    // Its secret is not in the way of another URL.
    session
        .run("update webhooks.webhook_subscriptions set webhook_url = 'https://x.example/new'")
        .await;
}

#[tokio::test]
async fn replaced_secrets_are_kept_for_a_while() {
    let (db, session) = database("receivers_retired").await;
    let id = subscribe(
        &db,
        json!({"webhook_url": "https://x.example/", "auth_type": "signature",
                         "auth_config": {"secret": "the first secret, which is long enough"}}),
    )
    .await;
    let loaded = format!(
        "select retired_secrets, retired_secrets_for_ms[1] between 86390000 and 86400000 from webhooks_private.load_subscriptions('{{{id}}}')"
    );
    let renew = format!("select webhooks.renew_secret('{id}')");
    assert_eq!(session.text(&loaded).await, "null|null");
    let second = session.text(&renew).await;
    session.text(&renew).await;
    assert_eq!(
        session.text(&loaded).await,
        format!("{{{second},\"the first secret, which is long enough\"}}|t")
    );
    // At most three; one that is in use again is no more retired.
    for _ in 0..5 {
        session.text(&renew).await;
    }
    let count = "select count(*) from webhooks_private.retired_secrets";
    assert_eq!(session.text(count).await, "3");
    session
        .run("update webhooks.webhook_subscriptions set auth_config = jsonb_build_object('secret', (select secret from webhooks_private.retired_secrets order by retired_at limit 1))")
        .await;
    let in_use = "select count(*) from webhooks_private.retired_secrets r join webhooks.webhook_subscriptions s on s.auth_config ->> 'secret' = r.secret";
    assert_eq!(session.text(in_use).await, "0");
    // A change of other columns retires no secret.
    session
        .run("truncate webhooks_private.retired_secrets; update webhooks.webhook_subscriptions set auth_config = '{\"secret\": null}', name = 'x'")
        .await;
    assert_eq!(session.text(count).await, "0");
    // No log of ours has one.
    session.text(&renew).await;
    let audited = format!(
        "select count(*) from webhooks.audit_log a where a::text like '%{second}%' or a::text like '%the first secret%'"
    );
    assert_eq!(session.text(&audited).await, "0");
    let forgotten = "select done from webhooks.maintain() where task = 'forget_secrets'";
    assert_eq!(session.text(forgotten).await, "0");
    session
        .run("update webhooks_private.retired_secrets set retired_at = retired_at - interval '1 day'")
        .await;
    assert_eq!(session.text(&loaded).await, "null|null");
    assert_eq!(session.text(forgotten).await, "1");
    // Nor does it survive that there is no secret, or no subscription.
    session.text(&renew).await;
    session
        .run("update webhooks.webhook_subscriptions set auth_type = 'none', auth_config = '{}'")
        .await;
    assert_eq!(session.text(count).await, "0");
    session
        .run("update webhooks.webhook_subscriptions set auth_type = 'signature', auth_config = '{\"secret\": \"another secret, which is long enough\"}'")
        .await;
    session.text(&renew).await;
    assert_eq!(session.text(count).await, "1");
    session
        .run(&format!("select webhooks.delete_subscription('{id}')"))
        .await;
    assert_eq!(session.text(count).await, "0");
}
