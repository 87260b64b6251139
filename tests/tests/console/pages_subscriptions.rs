use serde_json::json;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::browser::location;
use crate::scene::Scene;
use crate::visit::{Visit, filled};

const HOSTILE: &str = "<script>alert(\"1\")</script>'\"&";

fn assert_harmless(page: &str) {
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(!page.contains("alert(\"1\")"), "{page}");
    assert!(page.contains("&lt;script&gt;alert"), "{page}");
}

/// What stands in the place of an error about a setting.
fn error_at<'p>(page: &'p str, setting: &str) -> &'p str {
    let place = format!("id=\"error-{setting}\"");
    let (_, rest) = page
        .split_once(&place)
        .unwrap_or_else(|| panic!("no place for {setting}: {page}"));
    rest.split_once('>')
        .unwrap()
        .1
        .split("</p>")
        .next()
        .unwrap()
}

#[tokio::test]
async fn a_subscription_is_created_changed_and_deleted() {
    let scene = Scene::set("pages_subscription").await;
    let tenant = scene.db.tenant();
    let mut visit = Visit::of_manager(&scene, tenant).await;
    let empty = visit.page("/subscriptions").await;
    assert!(empty.contains("There is no subscription yet"), "{empty}");
    assert!(empty.contains("webhooks.create_subscription("), "{empty}");
    let form = visit.page("/subscriptions/new").await;
    for label in ["Name", "Environment", "URL", "Method", "Active"] {
        assert!(
            form.contains(&format!("{label}</label>")) || form.contains(label),
            "{label}"
        );
    }
    assert!(
        form.contains("after 1 min, 2 min, 4 min: 7 min in all"),
        "{form}"
    );

    let id = visit
        .subscribe(HOSTILE, "https://hooks.example.com/a")
        .await;
    let page = visit
        .page(&format!("/subscriptions/{id}?done=created"))
        .await;
    assert_harmless(&page);
    assert!(page.contains("The subscription was created."), "{page}");
    assert_harmless(&visit.page("/subscriptions").await);
    assert_harmless(&visit.page(&format!("/subscriptions/{id}/edit")).await);

    let changed = filled(&[
        ("name", "Invoices"),
        ("webhook_url", "https://hooks.example.com/b"),
        ("auth_type", "none"),
        ("retry_count", "5"),
        ("version", "1"),
    ]);
    let one = format!("/subscriptions/{id}");
    let page = visit.follow(&one, &changed).await;
    assert!(page.contains("The changes were saved."), "{page}");
    let stored = "select concat_ws(' ', name, webhook_url, retry_count, version) from webhooks.webhook_subscriptions";
    assert_eq!(
        scene.db.value(stored).await.unwrap().unwrap(),
        "Invoices https://hooks.example.com/b 5 2"
    );
    // Somebody who had the form open since before.
    let stale = visit.post(&one, &changed).await;
    assert_eq!(stale.status, 409, "{stale:?}");
    assert!(
        stale
            .body
            .contains("was changed since this form was opened"),
        "{stale:?}"
    );

    for _ in 0..3 {
        scene
            .db
            .publish(tenant, "job.created", json!({}))
            .await
            .unwrap();
    }
    let page = visit.page(&one).await;
    assert!(page.contains("ends 3 outstanding deliveries"), "{page}");
    let page = visit.follow(&format!("{one}/delete"), &[]).await;
    assert!(page.contains("Deleted."), "{page}");
    let left = "select (select count(*) from webhooks.webhook_subscriptions) + (select count(*) from webhooks.delivery_queue)";
    assert_eq!(scene.db.value(left).await.unwrap().unwrap(), "0");
    assert_eq!(visit.get(&one).await.status, 404);
}

#[tokio::test]
async fn all_settings_go_through_the_form() {
    let scene = Scene::set("pages_all_settings").await;
    let mut visit = Visit::of_manager(&scene, scene.db.tenant()).await;
    let fields = [
        ("name", "a"),
        ("description", "of\r\ntwo lines"),
        ("environment", "staging"),
        ("webhook_url", "https://x.example/"),
        ("delivery", "push"),
        ("webhook_method", "PUT"),
        ("subscribed_events", "job.*"),
        ("subscribed_events", "document.uploaded"),
        ("auth_type", "api_key"),
        ("api_key", "hush4711"),
        ("api_key_header", "x-key"),
        ("header_name", "x-a"),
        ("header_value", "hush4712"),
        ("header_name", ""),
        ("header_value", ""),
        ("timeout_seconds", "10"),
        ("retry_count", "7"),
        ("retry_delay_seconds", "5"),
        ("retry_schedule", "5 s, 2 h"),
        ("no_retry_statuses", "410, 422"),
        ("ordering", "fifo"),
        ("endpoint_verification", "none"),
        ("max_in_flight", "3"),
        ("rate_limit_per_second", "0.5"),
        ("rate_limit_burst", "2"),
        ("max_payload_size_kb", "64"),
        ("breaker_failure_threshold", "4"),
        ("breaker_cooldown_seconds", "30"),
        ("payload_format", "envelope"),
        (
            "payload_template",
            "{\"key\": \"{{ secrets.key }}\",\r\n \"type\": \"{{ event.type }}\"}",
        ),
        ("payload_content_type", "application/json"),
        ("secret_name", "key"),
        ("secret_value", "hush4713"),
        ("filter_resource_type", "job"),
        ("filter_event_data", "{\"n\": {\"$gt\": 1}}"),
        ("filter_jsonpath", "$.n ? (@ > 2)"),
        ("is_enabled", "true"),
    ];
    let answer = visit.post("/subscriptions", &fields).await;
    let page = location(&answer).to_owned();
    let path = page.split('?').next().unwrap().to_owned();
    let stored = &scene
        .db
        .rows("select * from webhooks.webhook_subscriptions")
        .await
        .unwrap()[0];
    let expected = json!({
        "name": "a", "description": "of\ntwo lines", "environment": "staging", "webhook_url": "https://x.example/",
        "webhook_method": "PUT", "subscribed_events": ["job.*", "document.uploaded"], "auth_type": "api_key",
        "auth_config": {"api_key": "hush4711", "header": "x-key"}, "webhook_headers": {"x-a": "hush4712"},
        "timeout_seconds": 10, "retry_count": 7, "retry_delay_seconds": 5, "retry_schedule": "5 s, 2 h",
        "no_retry_statuses": [410, 422], "ordering": "fifo", "endpoint_verification": "none", "max_in_flight": 3,
        "rate_limit_per_second": 0.5, "rate_limit_burst": 2, "max_payload_size_kb": 64, "breaker_failure_threshold": 4,
        "breaker_cooldown_seconds": 30, "payload_format": "envelope",
        "payload_template": "{\"key\": \"{{ secrets.key }}\",\n \"type\": \"{{ event.type }}\"}",
        "payload_content_type": "application/json", "template_secrets": {"key": "hush4713"},
        "event_filters": {"resource_type": "job", "event_data": {"n": {"$gt": 1}}, "jsonpath": "$.n ? (@ > 2)"},
        "is_active": false, "is_enabled": true
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&stored[name], value, "{name}");
    }

    // Saved as it is, with secrets left blank: all of it stays.
    for page in [path.clone(), format!("{path}/edit")] {
        let shown = visit.browser.get(&page).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        assert!(!shown.body.contains("hush47"), "{page} shows a secret");
    }
    let mut again = fields.to_vec();
    for (name, value) in &mut again {
        if ["api_key", "header_value", "secret_value"].contains(name) {
            *value = "";
        }
    }
    again.push(("version", "1"));
    let one = path.rsplit("/subscriptions/").next().unwrap().to_owned();
    let saved = visit.post(&format!("/subscriptions/{one}"), &again).await;
    assert_eq!(saved.status, 303, "{saved:?}");
    let stored = &scene
        .db
        .rows("select * from webhooks.webhook_subscriptions")
        .await
        .unwrap()[0];
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&stored[name], value, "{name} after saving");
    }
    for line in scene.console.log() {
        assert!(!line.contains("hush47"), "{}", line.raw);
    }
}

#[tokio::test]
async fn errors_stand_at_their_field_and_what_was_typed_stays() {
    let scene = Scene::set("pages_errors").await;
    let mut visit = Visit::of_manager(&scene, scene.db.tenant()).await;
    for (field, value, setting, says) in [
        (
            "retry_count",
            "101",
            "retry_count",
            "invalid retry_count: 101. It takes 0 to 100.",
        ),
        (
            "retry_count",
            "many",
            "retry_count",
            "invalid retry_count: &quot;many&quot;.",
        ),
        (
            "webhook_url",
            "ftp://x",
            "webhook_url",
            "must start with https:// or http://",
        ),
        ("name", " ", "name", "invalid name: null"),
        (
            "subscribed_events",
            "no.such",
            "subscribed_events",
            "names &quot;no.such&quot;",
        ),
        (
            "no_retry_statuses",
            "200",
            "no_retry_statuses",
            "invalid no_retry_statuses",
        ),
        (
            "retry_schedule",
            "soon",
            "retry_schedule",
            "invalid retry_schedule: soon",
        ),
        (
            "filter_event_data",
            "{",
            "event_filters",
            "event_data is no JSON",
        ),
        (
            "filter_jsonpath",
            "$.",
            "event_filters",
            "invalid event_filters",
        ),
        ("payload_template", "{{ x", "payload_template", "line 1"),
        (
            "payload_content_type",
            "text/plain",
            "payload_content_type",
            "without a payload_template",
        ),
    ] {
        let mut fields = filled(&[
            ("auth_type", "none"),
            (field, value),
            ("description", HOSTILE),
        ]);
        for (name, usual) in [
            ("name", "typed"),
            ("webhook_url", "https://x.example/typed"),
        ] {
            if field != name {
                fields.push((name, usual));
            }
        }
        let refused = visit.post("/subscriptions", &fields).await;
        assert_eq!(refused.status, 400, "{field}: {refused:?}");
        let error = error_at(&refused.body, setting);
        assert!(error.contains(says), "{field}: {error}");
        assert_harmless(&refused.body);
        if field != "name" {
            assert!(
                refused.body.contains("value=\"typed\""),
                "{field}: {refused:?}"
            );
        }
        // While typing it says the same, in the same place.
        let checked = visit.post("/subscriptions/check", &fields).await;
        assert_eq!(checked.status, 200, "{checked:?}");
        assert_eq!(error_at(&checked.body, setting), error, "{field}");
    }
    let none = "select count(*) from webhooks.webhook_subscriptions";
    assert_eq!(scene.db.value(none).await.unwrap().unwrap(), "0");
}

#[tokio::test]
async fn a_check_previews_the_request_and_saves_nothing() {
    let scene = Scene::set("pages_check").await;
    let tenant = scene.db.tenant();
    let mut visit = Visit::of_manager(&scene, tenant).await;
    for (event, n) in [
        ("job.created", 1),
        ("job.created", 5),
        ("document.uploaded", 9),
    ] {
        scene
            .db
            .publish(tenant, event, json!({"n": n}))
            .await
            .unwrap();
    }
    let fields = filled(&[
        ("name", "a"),
        ("webhook_url", "https://x.example/"),
        ("subscribed_events", "job.created"),
        ("filter_event_data", "{\"n\": {\"$gt\": 2}}"),
        (
            "payload_template",
            "{\"text\": \"<b>{{ event.type }}</b>\"}",
        ),
        ("retry_schedule", "standard-webhooks"),
    ]);
    let checked = visit.post("/subscriptions/check", &fields).await;
    assert_eq!(checked.status, 200, "{checked:?}");
    for part in [
        "The database takes it as it is.",
        "Of the last 3 events, <strong>1</strong> matches.",
        "POST https://x.example/",
        "webhook-signature: ***",
        "{&quot;text&quot;: &quot;&lt;b&gt;job.created&lt;/b&gt;&quot;}",
        "28 h in all",
    ] {
        assert!(checked.body.contains(part), "{part}: {}", checked.body);
    }
    assert_eq!(error_at(&checked.body, "name"), "");
    let none = "select count(*) from webhooks.webhook_subscriptions";
    assert_eq!(scene.db.value(none).await.unwrap().unwrap(), "0");

    let id = visit.subscribe("b", "https://x.example/").await;
    let changes = filled(&[
        ("name", "c"),
        ("webhook_url", "https://x.example/c"),
        ("auth_type", "none"),
        ("version", "1"),
    ]);
    let checked = visit
        .post(&format!("/subscriptions/{id}/check"), &changes)
        .await;
    assert!(
        checked.body.contains("POST https://x.example/c"),
        "{checked:?}"
    );
    let stored = "select name || version from webhooks.webhook_subscriptions";
    assert_eq!(scene.db.value(stored).await.unwrap().unwrap(), "b1");
}

#[tokio::test]
async fn a_filter_is_made_of_rows() {
    let scene = Scene::set("pages_filter").await;
    let mut visit = Visit::of_manager(&scene, scene.db.tenant()).await;
    let row = |path, operator, value| {
        [
            ("filter_path", path),
            ("filter_operator", operator),
            ("filter_value", value),
        ]
    };
    let mut fields = filled(&[
        ("name", "a"),
        ("webhook_url", "https://x.example/"),
        ("auth_type", "none"),
        ("filter_event_data", "{\"n\": {\"$lt\": 9}}"),
    ]);
    for row in [
        row("kind", "", "invoice"),
        row("n", "$gt", "2"),
        row("", "", "left out"),
        row("tags.0", "$in", "[\"a\", \"b\"]"),
    ] {
        fields.extend(row);
    }
    // More rows, without a script: what was typed stays, and nothing is saved.
    let mut asked = fields.clone();
    asked.push(("more", "conditions"));
    let form = visit.post("/subscriptions", &asked).await;
    assert_eq!(form.status, 200, "{form:?}");
    assert_eq!(form.body.matches("name=\"filter_path\"").count(), 11);
    assert!(form.body.contains("value=\"tags.0\""), "{form:?}");
    let number = "select count(*) from webhooks.webhook_subscriptions";
    assert_eq!(scene.db.value(number).await.unwrap().unwrap(), "0");

    let created = visit.post("/subscriptions", &fields).await;
    let one = location(&created).split('?').next().unwrap().to_owned();
    let stored = "select (event_filters = '{\"event_data\": {\"kind\": \"invoice\", \"n\": {\"$gt\": 2, \"$lt\": 9},
        \"tags.0\": {\"$in\": [\"a\", \"b\"]}}}')::text from webhooks.webhook_subscriptions";
    assert_eq!(scene.db.value(stored).await.unwrap().unwrap(), "true");
    let edit = visit.browser.get(&format!("{one}/edit")).await;
    for part in [
        "value=\"kind\"",
        "value=\"invoice\"",
        "value=\"$lt\" selected",
        "value=\"[&quot;a&quot;,&quot;b&quot;]\"",
    ] {
        assert!(edit.body.contains(part), "{part}: {edit:?}");
    }
    fields.extend(row("n", "$gt", "3"));
    let refused = visit.post("/subscriptions", &fields).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let error = error_at(&refused.body, "event_filters");
    assert!(error.contains("two conditions on &quot;n&quot;"), "{error}");
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let scene = Scene::set("pages_secret").await;
    let mut visit = Visit::of_manager(&scene, scene.db.tenant()).await;
    let shown = |page: &str| {
        let (_, rest) = page
            .split_once("id=\"new-secret\">")
            .unwrap_or_else(|| panic!("{page}"));
        rest.split('<').next().unwrap().to_owned()
    };
    let stored = "select auth_config ->> 'secret' from webhooks.webhook_subscriptions";
    let fields = filled(&[("name", "a"), ("webhook_url", "https://x.example/")]);
    let created = visit.post("/subscriptions", &fields).await;
    assert_eq!(created.status, 200, "{created:?}");
    assert_eq!(created.header("cache-control"), Some("no-store"));
    let first = shown(&created.body);
    assert!(first.starts_with("whsec_"), "{first}");
    assert_eq!(scene.db.value(stored).await.unwrap().unwrap(), first);
    for language in ["openssl", "Python", "Node.js", "Go", "Rust"] {
        assert!(created.body.contains(language), "{language}");
    }
    let id = scene
        .db
        .value("select id from webhooks.webhook_subscriptions")
        .await;
    let one = format!("/subscriptions/{}", id.unwrap().unwrap());

    let renewed = visit.post(&format!("{one}/secret"), &[]).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    assert_eq!(renewed.header("cache-control"), Some("no-store"));
    let second = shown(&renewed.body);
    assert_ne!(second, first);
    assert_eq!(scene.db.value(stored).await.unwrap().unwrap(), second);
    assert!(renewed.body.contains("Until <time"), "{renewed:?}");
    for page in [
        one.clone(),
        format!("{one}/edit"),
        "/subscriptions/export".to_owned(),
    ] {
        assert!(!visit.page(&page).await.contains("whsec_M"), "{page}");
        assert!(!visit.page(&page).await.contains(&second), "{page}");
    }

    // A secret of the receiver's own is not shown at all; one that begins to sign gets one.
    let mut fields = filled(&[
        ("name", "a"),
        ("webhook_url", "https://x.example/"),
        ("version", "2"),
        ("auth_type", "none"),
    ]);
    assert_eq!(visit.post(&one, &fields).await.status, 303);
    fields.retain(|(name, _)| *name != "auth_type" && *name != "version");
    fields.extend([("auth_type", "signature"), ("version", "3")]);
    let signs = visit.post(&one, &fields).await;
    assert_eq!(
        scene.db.value(stored).await.unwrap().unwrap(),
        shown(&signs.body)
    );
    fields.retain(|(name, _)| *name != "version");
    fields.extend([
        ("signing_secret", "whsec_b3VyIG93biBzZWNyZXQgb2YgMjQ="),
        ("version", "4"),
    ]);
    assert_eq!(visit.post(&one, &fields).await.status, 303);
    for line in scene.console.log() {
        assert!(!line.contains("whsec_"), "{}", line.raw);
    }
}

#[tokio::test]
async fn a_test_shows_the_receivers_answer() {
    let scene = Scene::set("pages_test").await;
    let receiver = Receiver::start().unwrap();
    receiver.on(
        "/hook",
        Reply::status(418)
            .header("x-odd", HOSTILE)
            .body(HOSTILE.to_owned()),
    );
    let mut visit = Visit::of_manager(&scene, scene.db.tenant()).await;
    let id = visit.subscribe("a", &receiver.url("/hook")).await;
    let one = format!("/subscriptions/{id}");
    assert!(
        visit
            .page(&one)
            .await
            .contains("not on the public internet")
    );
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    let page = visit
        .follow(&format!("{one}/test"), &[("event_type", "job.created")])
        .await;
    assert_harmless(&page);
    for part in ["<dd>418</dd>", "id=\"test-result\"", "x-odd: "] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let sent = receiver.wait_for(1).await.unwrap();
    assert_eq!(sent[0].header("x-webhook-event-type"), Some("job.created"));
    let page = visit.page(&one).await;
    assert!(page.contains("418"), "{page}");

    // The example is a start.
    let page = visit
        .page(&format!("{one}?event_type=document.uploaded"))
        .await;
    for part in [
        "name=\"event_data\"",
        "of document.uploaded",
        "option value=\"document.uploaded\" selected",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let fields = [
        ("event_type", "job.created"),
        ("event_data", "{\"own\": 1.50}"),
    ];
    visit.follow(&format!("{one}/test"), &fields).await;
    let sent = receiver.wait_for(2).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&sent[1].body).unwrap();
    assert!(body.to_string().contains("\"own\":1.5"), "{body}");
    let wrong = [("event_type", "job.created"), ("event_data", "{own")];
    let refused = visit.post(&format!("{one}/test"), &wrong).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    for part in ["event_data is no JSON", "{own</textarea>"] {
        assert!(refused.body.contains(part), "{part}: {refused:?}");
    }

    // Of no type that there is.
    let refused = visit
        .post(&format!("{one}/test"), &[("event_type", "no.such")])
        .await;
    assert_eq!(refused.status, 404, "{refused:?}");
    // A delivery of another subscription.
    let other = visit.subscribe("b", &receiver.url("/hook")).await;
    let delivery = "select delivery_id from webhooks.delivery_attempts limit 1";
    let delivery = scene.db.value(delivery).await.unwrap().unwrap();
    let answer = visit
        .get(&format!("/subscriptions/{other}/test/{delivery}"))
        .await;
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[tokio::test]
async fn what_matches_is_explained() {
    let scene = Scene::set("pages_matching").await;
    let tenant = scene.db.tenant();
    let mut visit = Visit::of_manager(&scene, tenant).await;
    let fields = filled(&[
        ("name", "a"),
        ("webhook_url", "https://x.example/"),
        ("auth_type", "none"),
        ("filter_jsonpath", "$.n ? (@ > 2)"),
    ]);
    let answer = visit.post("/subscriptions", &fields).await;
    let one = location(&answer).split('?').next().unwrap().to_owned();
    let page = visit.browser.get(&one).await;
    assert!(
        page.body.contains("No event was published in the last day"),
        "{page:?}"
    );
    let miss = scene
        .db
        .publish(tenant, "job.created", json!({"n": 1}))
        .await
        .unwrap();
    let hit = scene
        .db
        .publish(tenant, "job.created", json!({"n": 3}))
        .await
        .unwrap();
    let page = visit.browser.get(&format!("{one}?event={miss}")).await;
    for part in [
        "Of the last 2 events, <strong>1</strong> matches.",
        "it does not match",
        "event_filters.jsonpath",
    ] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    let page = visit.browser.get(&format!("{one}?event={hit}")).await;
    assert!(page.body.contains("it matches"), "{page:?}");
    let theirs = scene
        .db
        .publish(scene.db.tenant(), "job.created", json!({"n": 3}));
    let theirs = theirs.await.unwrap();
    for event in [
        theirs.to_string(),
        "00000000-0000-7000-8000-00000000dead".to_owned(),
    ] {
        let page = visit.browser.get(&format!("{one}?event={event}")).await;
        assert!(page.body.contains("There is no event"), "{page:?}");
    }
    let page = visit
        .browser
        .get(&format!("{one}?event=%3Cscript%3Ealert(%221%22)"))
        .await;
    assert_harmless(&page.body);
}

#[tokio::test]
async fn a_breaker_is_reset_and_a_receiver_verified() {
    let scene = Scene::set("pages_breaker").await;
    let mut visit = Visit::of_manager(&scene, scene.db.tenant()).await;
    let id = visit.subscribe("a", "https://x.example/").await;
    let one = format!("/subscriptions/{id}");
    let open = format!(
        "insert into webhooks_private.subscription_breakers
             (subscription_id, state, since, probe_at, failing_since, last_error)
         values ('{id}', 'open', now(), now() + interval '1 hour', now() - interval '1 hour', '{}')",
        HOSTILE.replace('\'', "''")
    );
    scene.db.execute(&open).await.unwrap();
    let page = visit.page(&one).await;
    assert_harmless(&page);
    assert!(page.contains("breaker open"), "{page}");
    let renewed = visit.page(&format!("{one}/state")).await;
    assert_harmless(&renewed);
    assert!(renewed.starts_with("<dl"), "{renewed}");
    assert!(
        visit
            .page("/subscriptions?state=breaker+open")
            .await
            .contains(&id)
    );
    assert!(
        !visit
            .page("/subscriptions?state=healthy")
            .await
            .contains(&id)
    );
    let page = visit.follow(&format!("{one}/reset-breaker"), &[]).await;
    assert!(page.contains("The circuit breaker is closed"), "{page}");
    assert!(!page.contains("Reset breaker"), "{page}");
    let page = visit.follow(&format!("{one}/reset-breaker"), &[]).await;
    assert!(page.contains("There was nothing to reset."), "{page}");

    let refused = visit.post(&format!("{one}/verify"), &[]).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(
        refused.body.contains("needs no verification"),
        "{refused:?}"
    );
    let settings = "select webhooks.set_setting('verification_origin', 'events.example.com'),
        webhooks.set_setting('endpoint_verification', 'required')";
    scene.db.execute(settings).await.unwrap();
    assert!(visit.page(&one).await.contains("unverified"));
    let page = visit.follow(&format!("{one}/verify"), &[]).await;
    assert!(page.contains("is asked whether it agrees"), "{page}");
}
