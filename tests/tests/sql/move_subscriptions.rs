//! Subscriptions moved by name between databases and environments.

use serde_json::{Value, json};
use webhooks_tests::database::Database;

use crate::support::session::{Session, literal};
use crate::support::world::{OTHER_TENANT, TENANT, database, subscribe};

const SECRET: &str = "whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0";

/// Three subscriptions, no two of which have a setting in common that might hide a mistake.
async fn fill(db: &Database) {
    for columns in [
        json!({"name": "signed", "auth_type": "signature", "auth_config": {"secret": SECRET}, "webhook_headers": {"x-a": SECRET},
               "template_secrets": {"a": SECRET}, "payload_template": "{{ secrets.a }}", "retry_count": 7, "rate_limit_per_second": 0.5, "ordering": "fifo"}),
        json!({"name": "it's \"odd\"", "environment": "dev", "is_active": null, "auth_config": null, "event_filters": null,
               "no_retry_statuses": []}),
        json!({"name": "off", "is_enabled": false, "disabled_reason": "HTTP status 410",
               "event_filters": {"event_data": {"a": null}, "jsonpath": "$.b"}, "subscribed_events": ["job.*"]}),
    ] {
        subscribe(db, columns).await;
    }
}

async fn export(session: &Session) -> Value {
    let export = format!("select webhooks.export_subscriptions('{TENANT}')");
    serde_json::from_str(&session.text(&export).await).unwrap()
}

fn import(subscriptions: &Value, more: &str) -> String {
    let subscriptions = literal(&subscriptions.to_string());
    format!(
        "select name, environment, action, before, after, error from webhooks.import_subscriptions('{TENANT}', {subscriptions}{more})"
    )
}

/// All that a subscription is, but for what names or dates it.
const STATE: &str =
    "select to_jsonb(s) - '{id,created_at,updated_at,version,disabled_reason}'::text[]
    from webhooks.webhook_subscriptions s order by name, environment";

#[tokio::test]
async fn to_another_database_and_back_again() {
    let (db, session) = database("export").await;
    fill(&db).await;
    let mut exported = export(&session).await;
    let names: Vec<_> = exported
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["name"])
        .collect();
    assert_eq!(names, ["it's \"odd\"", "off", "signed"]);
    let text = exported.to_string();
    assert!(!text.contains(SECRET) && !text.contains(TENANT), "{text}");
    assert_eq!(exported[2]["auth_config"], json!({"secret": null}));
    assert_eq!(exported[2]["webhook_headers"], json!({"x-a": null}));
    assert_eq!(exported[2]["template_secrets"], json!({"a": null}));
    let nobody = format!("select webhooks.export_subscriptions('{OTHER_TENANT}')");
    assert_eq!(session.text(&nobody).await, "[]");

    // Where it is already, nothing changes: neither versions nor the audit log.
    let versions = "select string_agg(version::text, ' '), (select count(*) from webhooks.audit_log) from webhooks.webhook_subscriptions";
    session
        .run("update webhooks.webhook_subscriptions set is_active = false where is_active is null")
        .await;
    let before = session.text(versions).await;
    let unchanged = [
        "it's \"odd\"|dev|unchanged|{}|{}|null",
        "off|production|unchanged|{}|{}|null",
        "signed|production|unchanged|{}|{}|null",
    ];
    assert_eq!(session.lines(&import(&exported, "")).await, unchanged);
    assert_eq!(session.text(versions).await, before);

    // Elsewhere the secrets are missing, and each that is missing is said.
    let (_other, elsewhere) = database("import").await;
    let refusal = elsewhere.refused(&import(&exported, "")).await;
    assert_eq!(refusal.code, "22023");
    assert_eq!(
        refusal.message,
        "1 of 3 subscriptions can't be imported, so none was"
    );
    assert!(
        refusal
            .everything
            .contains("\\\"signed\\\" (production): invalid webhook_headers"),
        "{refusal:?}"
    );
    let count = "select count(*) from webhooks.webhook_subscriptions";
    assert_eq!(elsewhere.text(count).await, "0");
    exported[2]["webhook_headers"] = json!({"x-a": SECRET});
    exported[2]["auth_config"] = json!({"secret": SECRET});
    exported[2]["template_secrets"] = json!({"a": SECRET});
    let created = elsewhere.lines(&import(&exported, "")).await;
    assert_eq!(created.len(), 3);
    assert!(
        created.iter().all(|line| line.contains("|created|null|{")),
        "{created:?}"
    );
    assert!(
        created.iter().all(|line| !line.contains(SECRET)),
        "{created:?}"
    );
    // Null and {} mean the same.
    let state = STATE.replace(
        "to_jsonb(s)",
        "(to_jsonb(s) || jsonb_build_object('event_filters', coalesce(event_filters, '{}'), 'auth_config', coalesce(auth_config, '{}')))",
    );
    assert_eq!(elsewhere.lines(&state).await, session.lines(&state).await);
    assert_eq!(elsewhere.lines(&import(&exported, "")).await.len(), 3);
}

#[tokio::test]
async fn a_dry_run_says_what_would_become_of_each() {
    let (db, session) = database("dry_run").await;
    fill(&db).await;
    for _ in 0..2 {
        subscribe(
            &db,
            json!({"name": "twice", "webhook_url": "https://x.example/"}),
        )
        .await;
    }
    // Of another tenant: neither found nor changed.
    subscribe(
        &db,
        json!({"tenant_id": OTHER_TENANT, "name": "new", "webhook_url": "https://x.example/"}),
    )
    .await;
    let before = session.lines(STATE).await;
    let entries = session
        .text("select count(*) from webhooks.audit_log")
        .await;
    let items = json!([
        {"name": "signed", "retry_count": 7},
        {"name": "off", "retry_count": 9, "webhook_headers": {"x-n": SECRET}},
        {"name": "signed", "environment": "staging", "webhook_url": "https://x.example/", "webhook_headers": {"x-n": SECRET}},
        {"name": "new", "webhook_url": "ftp://x.example/"},
        {"name": "twice", "retry_count": 1},
        {"name": "signed"},
        {"name": "new2", "webhook_url": "https://x.example/", "retry_cuont": 1},
        {"webhook_url": "https://x.example/"},
        "off"
    ]);
    let found = session.lines(&import(&items, ", dry_run => true")).await;
    let expected = [
        "signed|production|unchanged|{}|{}|null",
        "off|production|updated|{\"retry_count\": 3, \"webhook_headers\": {}}|{\"retry_count\": 9, \"webhook_headers\": {\"x-n\": \"[redacted]\"}}|null",
        "signed|staging|created|null|{\"name\": \"signed\", \"environment\": \"staging\", \"webhook_url\": \"https://x.example/\", \"webhook_headers\": {\"x-n\": \"[redacted]\"}}|null",
        "new|production|invalid|null|null|invalid webhook_url: the URL must start with https:// or http:// and a host",
        "twice|production|invalid|null|null|there are 2 subscriptions of this name and environment",
        "signed|production|invalid|null|null|name and environment are there twice",
        "new2|production|invalid|null|null|a subscription has no setting \"retry_cuont\"",
        "null|production|invalid|null|null|invalid name: null",
        "null|production|invalid|null|null|a subscription's settings are an object, not string",
    ];
    assert_eq!(found, expected);
    // And nothing became of any; nor does it when some are invalid.
    let refusal = session.refused(&import(&items, "")).await;
    assert_eq!(
        refusal.message,
        "6 of 9 subscriptions can't be imported, so none was"
    );
    for named in [
        "must start with https",
        "there are 2",
        "there twice",
        "retry_cuont",
        "name: null",
        "not string",
    ] {
        assert!(refusal.everything.contains(named), "{named}: {refusal:?}");
    }
    assert!(!refusal.everything.contains(SECRET));
    assert_eq!(session.lines(STATE).await, before);
    let now = session
        .text("select count(*) from webhooks.audit_log")
        .await;
    assert_eq!(now, entries);
    // Without those, what was foretold comes.
    let valid = Value::from(items.as_array().unwrap()[..3].to_vec());
    assert_eq!(session.lines(&import(&valid, "")).await, expected[..3]);
    let again = session.lines(&import(&valid, "")).await;
    assert!(
        again.iter().all(|line| line.contains("|unchanged|{}|{}|")),
        "{again:?}"
    );

    for (items, found) in [("{}", "object"), ("null", "null"), ("5", "number")] {
        let refusal = session
            .refused(&format!(
                "select * from webhooks.import_subscriptions('{TENANT}', '{items}')"
            ))
            .await;
        assert_eq!(
            refusal.message,
            format!("subscriptions to import are an array, not {found}")
        );
        assert_eq!(refusal.code, "22023");
        assert!(!refusal.hint.is_empty());
    }
}

/// Two imports of the same make nothing twice.
#[tokio::test]
async fn imports_wait_for_each_other() {
    let (db, session) = database("import_race").await;
    let late = Session::open(&db).await;
    let items = json!([{"name": "a", "webhook_url": "https://x.example/"}]);
    session.run(&format!("begin; {}", import(&items, ""))).await;
    let import = import(&items, "");
    let (found, ()) = tokio::join!(late.lines(&import), async {
        session.wait_until_blocked(&late).await;
        session.run("commit").await;
    });
    assert_eq!(found, ["a|production|unchanged|{}|{}|null"]);
}

#[tokio::test]
async fn to_another_environment_with_their_secrets() {
    let (db, session) = database("copy").await;
    fill(&db).await;
    let copy = |arguments: &str| {
        format!("select name, action from webhooks.copy_subscriptions('{TENANT}', {arguments})")
    };
    let production = ["off|created", "signed|created"];
    let before = session.lines(STATE).await;
    assert_eq!(
        session.lines(&copy("'production', 'staging', true")).await,
        production
    );
    assert_eq!(session.lines(STATE).await, before);
    assert_eq!(
        session.lines(&copy("'production', 'staging'")).await,
        production
    );
    let differences = "
        select count(*) from webhooks.webhook_subscriptions a join webhooks.webhook_subscriptions b using (tenant_id, name)
        where a.environment = 'production' and b.environment = 'staging'
          and (to_jsonb(a) - '{id,created_at,updated_at,version,environment}'::text[])
              is distinct from (to_jsonb(b) - '{id,created_at,updated_at,version,environment}'::text[])";
    assert_eq!(session.text(differences).await, "0");
    // A subscription that is there already stays as it is.
    session
        .run("update webhooks.webhook_subscriptions set retry_count = 0 where environment = 'staging' and name = 'off';
              delete from webhooks.webhook_subscriptions where environment = 'staging' and name = 'signed'")
        .await;
    assert_eq!(
        session.lines(&copy("'production', 'staging'")).await,
        ["off|exists", "signed|created"]
    );
    let kept = "select retry_count from webhooks.webhook_subscriptions where environment = 'staging' and name = 'off'";
    assert_eq!(session.text(kept).await, "0");
    let secrets = format!(
        "select count(*) from webhooks.webhook_subscriptions where auth_config ->> 'secret' = '{SECRET}'"
    );
    assert_eq!(session.text(&secrets).await, "2");
    assert!(session.lines(&copy("'staging', 'dev', true")).await.len() == 2);

    for (arguments, message) in [
        ("'prod', 'dev'", "invalid environment: prod"),
        ("'dev', null", "invalid environment: null"),
        (
            "'dev', 'dev'",
            "subscriptions of dev can't be copied to where they are",
        ),
    ] {
        let refusal = session.refused(&copy(arguments)).await;
        assert_eq!(
            (refusal.code.as_str(), refusal.message.as_str()),
            ("22023", message)
        );
        assert!(!refusal.hint.is_empty());
    }
}
