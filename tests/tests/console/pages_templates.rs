use crate::scene::Scene;
use crate::visit::{Visit, filled};

#[tokio::test]
async fn a_subscription_is_made_of_a_shipped_template() {
    let scene = Scene::set("pages_of_template").await;
    let mut visit = Visit::of_manager(&scene, scene.db.tenant()).await;
    let list = visit.page("/templates").await;
    for name in ["slack", "pagerduty", "standard-webhooks"] {
        assert!(
            list.contains(&format!("/templates/show?name={name}\"")),
            "{name}: {list}"
        );
    }
    let shown = visit.page("/templates/show?name=pagerduty").await;
    for part in [
        "routing_key",
        "An example of a request",
        "&quot;routing_key&quot;: &quot;***&quot;",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let form = visit.page("/subscriptions/new?template=pagerduty").await;
    for part in [
        "name=\"placeholder_routing_key\"",
        "value=\"https://events.pagerduty.com/v2/enqueue\"",
        "value=\"400, 410\"",
        "value=\"system.error\" checked",
    ] {
        assert!(form.contains(part), "{part}: {form}");
    }
    let template = "select settings ->> 'payload_template' from webhooks.shipped_templates() where name = 'pagerduty'";
    let template = scene.db.value(template).await.unwrap().unwrap();
    let template = template.replace('\n', "\r\n");
    // As a browser sends the form back, with another name and no key.
    let mut fields = filled(&[
        ("template", "pagerduty"),
        ("name", "On call"),
        ("webhook_url", "https://events.pagerduty.com/v2/enqueue"),
        ("auth_type", "none"),
        ("subscribed_events", "system.error"),
        ("subscribed_events", "job.failed"),
        ("subscribed_events", "extraction.failed"),
        ("rate_limit_per_second", "2"),
        ("max_payload_size_kb", "512"),
        ("no_retry_statuses", "400, 410"),
        ("payload_template", &template),
    ]);
    let refused = visit.post("/subscriptions", &fields).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused.body.contains("needs a value for routing_key"),
        "{refused:?}"
    );
    fields.push(("placeholder_routing_key", "hush4711"));
    let page = visit.follow("/subscriptions", &fields).await;
    assert!(!page.contains("hush4711"), "{page}");
    let stored = "select concat_ws(' ', name, rate_limit_per_second, template_secrets ->> 'routing_key', auth_type)
        from webhooks.webhook_subscriptions";
    assert_eq!(
        scene.db.value(stored).await.unwrap().unwrap(),
        "On call 2 hush4711 none"
    );
    let signed = filled(&[
        ("template", "standard-webhooks"),
        ("name", "Signed"),
        ("webhook_url", "https://x.example/"),
        ("payload_format", "standard"),
    ]);
    let created = visit.post("/subscriptions", &signed).await;
    assert!(
        created.body.contains("id=\"new-secret\">whsec_"),
        "{created:?}"
    );
    let refused = visit
        .post("/subscriptions", &filled(&[("template", "no-such")]))
        .await;
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[tokio::test]
async fn own_templates_are_written_and_deleted() {
    let scene = Scene::set("pages_templates").await;
    let tenant = scene.db.tenant();
    let mut visit = Visit::of_manager(&scene, tenant).await;
    let name = "<script>alert(\"1\")</script>&";
    let written = [
        ("name", name),
        ("description", name),
        (
            "settings",
            "{\"payload_template\": \"{\\\"channel\\\": \\\"<<channel>>\\\"}\", \"retry_count\": 1}",
        ),
        ("placeholders", "{\"channel\": \"Which channel\"}"),
        ("is_new", "true"),
    ];
    let page = visit.follow("/templates/edit", &written).await;
    assert!(page.contains("The template was saved."), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");
    let query = "name=%3Cscript%3Ealert%28%221%22%29%3C%2Fscript%3E%26";
    let shown = visit.page(&format!("/templates/show?{query}")).await;
    assert!(!shown.contains("<script>alert"), "{shown}");
    assert!(
        shown.contains("{&quot;channel&quot;: &quot;channel&quot;}"),
        "{shown}"
    );
    assert!(
        visit
            .page(&format!("/templates/edit?{query}"))
            .await
            .contains("readonly")
    );
    // Twice is no new one.
    let refused = visit.post("/templates/edit", &written).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    for part in ["there is a template", "Give this one another name"] {
        assert!(refused.body.contains(part), "{part}: {refused:?}");
    }
    // An own one of a shipped one is created, and an own one is changed.
    for (scope, of_shipped, of_own) in [("create", 200, 403), ("update", 403, 200)] {
        let scopes = format!("webhook_subscriptions:read,webhook_subscriptions:{scope}");
        let mut other = Visit::begin(&scene, tenant, &scopes).await;
        for (query, status) in [("name=slack", of_shipped), (query, of_own)] {
            let form = other.get(&format!("/templates/edit?{query}")).await;
            assert_eq!(form.status, status, "{scope} {query}: {form:?}");
        }
    }

    let mut changed = written;
    changed[2].1 = "{\"payload_template\": \"{\\\"to\\\": \\\"<<channel>>\\\"}\"}";
    changed[4].1 = "false";
    assert_eq!(visit.post("/templates/edit", &changed).await.status, 303);
    for (field, value, says) in [
        ("settings", "{", "invalid settings: it is no JSON"),
        ("settings", "{\"auth_config\": {}}", "can&#39;t set"),
        ("placeholders", "[]", "are JSON objects"),
        (
            "placeholders",
            "{\"nowhere\": \"x\"}",
            "invalid placeholder",
        ),
    ] {
        let mut wrong = changed;
        for pair in &mut wrong {
            if pair.0 == field {
                pair.1 = value;
            }
        }
        let refused = visit.post("/templates/edit", &wrong).await;
        assert_eq!(refused.status, 400, "{value}: {refused:?}");
        let says = says.replace("&#39;", "'");
        assert!(refused.body.contains(&says), "{value}: {refused:?}");
    }
    let settings = "select settings::text from webhooks.subscription_templates";
    assert!(
        scene
            .db
            .value(settings)
            .await
            .unwrap()
            .unwrap()
            .contains("to")
    );

    // Of another tenant there is none.
    let mut other = Visit::of_manager(&scene, scene.db.tenant()).await;
    for page in ["show", "edit"] {
        let answer = other.get(&format!("/templates/{page}?{query}")).await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    for (form, fields) in [
        ("/templates/edit", &changed[..]),
        ("/templates/delete", &written[..1]),
    ] {
        let answer = other.post(form, fields).await;
        assert_eq!(answer.status, 404, "{form}: {answer:?}");
    }
    let page = visit.follow("/templates/delete", &written[..1]).await;
    assert!(page.contains("The template was deleted."), "{page}");
    assert_eq!(scene.db.value(settings).await.unwrap(), None);
}
