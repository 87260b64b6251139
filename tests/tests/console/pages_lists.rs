use serde_json::{Value, json};
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::browser::location;
use crate::scene::{ALL_SCOPES, Scene};
use crate::visit::{Visit, filled};

#[tokio::test]
async fn subscriptions_are_filtered_and_come_in_pages() {
    let scene = Scene::set("pages_list").await;
    let tenant = scene.db.tenant();
    let make = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, environment, is_enabled, subscribed_events)
         select '{tenant}', 'n' || lpad(n::text, 3, '0') || case when n = 7 then '<b>&' else '' end,
                'https://h' || n || '.example/secret-path', case when n > 100 then 'dev' else 'production' end, n <> 9,
                case when n = 8 then '[\"job.failed\"]'::jsonb else '[\"document.*\"]' end
         from generate_series(1, 120) n"
    );
    scene.db.execute(&make).await.unwrap();
    let theirs = scene.db.tenant();
    Visit::of_manager(&scene, theirs)
        .await
        .subscribe("theirs", "https://x.example/")
        .await;

    let mut visit = Visit::of_manager(&scene, tenant).await;
    let names = |page: &str| -> Vec<String> {
        let rows = page.split("aria-label=\"Choose ").skip(1);
        rows.map(|row| row[..4].to_owned()).collect()
    };
    let all: Vec<String> = (1..=120).map(|n| format!("n{n:03}")).collect();
    let (mut listed, mut path, mut pages) = (Vec::new(), Some("/subscriptions".to_owned()), 0);
    while let Some(next) = path {
        let page = visit.page(&next).await;
        assert!(
            !page.contains("secret-path") && !page.contains("theirs"),
            "{page}"
        );
        assert!(!page.contains("<b>&"), "{page}");
        listed.extend(names(&page));
        pages += 1;
        path = page.split("class=\"pages\"").nth(1).and_then(|rest| {
            let (_, rest) = rest.split_once("/subscriptions?")?;
            let query = rest.split('"').next()?.replace("&amp;", "&");
            query
                .contains("cursor=")
                .then(|| format!("/subscriptions?{query}"))
        });
        assert!(pages < 9);
    }
    assert_eq!((listed, pages), (all.clone(), 3));
    for (query, shown) in [
        ("q=N008", vec!["n008"]),
        ("q=h17.example", vec!["n017"]),
        ("q=%3Cb%3E%26", vec!["n007"]),
        ("event=job.failed", vec!["n008"]),
        ("state=disabled", vec!["n009"]),
        ("state=disabled&environment=dev", vec![]),
        ("q=nothing", vec![]),
        (
            "environment=dev&q=n11",
            (110..120).map(|n| &*all[n - 1]).collect(),
        ),
    ] {
        let page = visit.page(&format!("/subscriptions?{query}")).await;
        assert_eq!(names(&page), shown, "{query}");
        assert_eq!(
            page.contains("No subscription is like that."),
            shown.is_empty(),
            "{query}"
        );
    }
    let refused = visit.get("/subscriptions?cursor=x").await;
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[tokio::test]
async fn many_are_enabled_and_disabled_at_once() {
    let scene = Scene::set("pages_bulk").await;
    let tenant = scene.db.tenant();
    let mut visit = Visit::of_manager(&scene, tenant).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(visit.subscribe(name, "https://x.example/").await);
    }
    let enabled = "select string_agg(name, '' order by name) from webhooks.webhook_subscriptions where is_enabled";
    let chosen = [
        ("id", ids[0].as_str()),
        ("id", &ids[1]),
        ("enabled", "false"),
    ];
    let page = visit.follow("/subscriptions/enabled", &chosen).await;
    assert!(page.contains("Disabled: no event matches"), "{page}");
    assert_eq!(scene.db.value(enabled).await.unwrap().unwrap(), "c");
    let one = [
        ("id", ids[0].as_str()),
        ("enabled", "true"),
        ("from", "one"),
    ];
    let answer = visit.post("/subscriptions/enabled", &one).await;
    assert!(location(&answer).ends_with(&format!("{}?done=enabled", ids[0])));
    assert_eq!(scene.db.value(enabled).await.unwrap().unwrap(), "ac");
    let page = visit
        .follow("/subscriptions/enabled", &[("enabled", "true")])
        .await;
    assert!(page.contains("Nothing was chosen."), "{page}");

    // Those chosen as a file: from the list's form, or without one for who may only read.
    let names = |answer: &webhooks_tests::http::Answer| -> Vec<String> {
        let exported: Value = serde_json::from_str(&answer.body).unwrap();
        let all = exported.as_array().unwrap().iter();
        all.map(|s| s["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let chosen = [("id", ids[0].as_str()), ("id", &ids[2])];
    let file = visit.post("/subscriptions/export", &chosen).await;
    assert_eq!(names(&file), ["a", "c"]);
    let none = visit.follow("/subscriptions/export", &[]).await;
    assert!(none.contains("Nothing was chosen."), "{none}");
    let mut reader = Visit::begin(&scene, tenant, "webhook_subscriptions:read").await;
    let one = reader
        .get(&format!("/subscriptions/export?id={}", ids[1]))
        .await;
    assert_eq!(names(&one), ["b"]);
    assert_eq!(names(&reader.get("/subscriptions/export").await).len(), 3);

    // All or none: one of them is somebody else's.
    let mut other = Visit::of_manager(&scene, scene.db.tenant()).await;
    let theirs = other.subscribe("d", "https://x.example/").await;
    let chosen = [
        ("id", ids[0].as_str()),
        ("id", &theirs),
        ("enabled", "false"),
    ];
    let refused = visit.post("/subscriptions/enabled", &chosen).await;
    assert_eq!(refused.status, 404, "{refused:?}");
    let file = visit.post("/subscriptions/export", &chosen[..2]).await;
    assert_eq!(names(&file), ["a"]);
    assert_eq!(scene.db.value(enabled).await.unwrap().unwrap(), "acd");
}

#[tokio::test]
async fn a_list_shows_how_receivers_do() {
    let scene = Scene::set("pages_health").await;
    let receiver = Receiver::start().unwrap();
    receiver.on("/good", Reply::ok());
    receiver.on("/bad", Reply::status(400));
    let tenant = scene.db.tenant();
    let mut visit = Visit::of_manager(&scene, tenant).await;
    visit.subscribe("good", &receiver.url("/good")).await;
    let url = receiver.url("/bad");
    let bad = filled(&[
        ("name", "bad"),
        ("webhook_url", &url),
        ("auth_type", "none"),
        ("retry_count", "0"),
    ]);
    assert_eq!(visit.post("/subscriptions", &bad).await.status, 303);
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    let event = scene
        .db
        .publish(tenant, "job.created", json!({}))
        .await
        .unwrap();
    let ended =
        format!("select count(*) from webhooks.delivery_attempts where event_log_id = '{event}'");
    scene.db.wait_value(&ended, "2").await.unwrap();
    let page = visit.page("/subscriptions").await;
    for part in [
        "100.0 %",
        "0.0 %",
        "1 attempts in 24 hours",
        "<svg class=\"sparkline\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

/// Every page and every form about a subscription.
const PAGES: [&str; 3] = ["", "/state", "/edit"];
const FORMS: [&str; 7] = [
    "",
    "/check",
    "/test",
    "/secret",
    "/reset-breaker",
    "/verify",
    "/delete",
];

#[tokio::test]
async fn another_tenants_subscription_is_not_found() {
    let scene = Scene::set("pages_foreign").await;
    let (tenant, other) = (scene.db.tenant(), scene.db.tenant());
    let theirs = Visit::of_manager(&scene, other)
        .await
        .subscribe("theirs-4711", "https://x.example/")
        .await;
    let event = scene
        .db
        .publish(other, "job.created", json!({}))
        .await
        .unwrap();
    let delivery = format!("select id from webhooks.delivery_queue where event_log_id = '{event}'");
    let delivery = scene.db.value(&delivery).await.unwrap().unwrap();
    let before = "select md5(string_agg(s::text, '')) from webhooks.webhook_subscriptions s";
    let unchanged = scene.db.value(before).await.unwrap();

    let operator = scene
        .client(None, &format!("metrics:read,{ALL_SCOPES}"))
        .await
        .token;
    let customer = Visit::of_manager(&scene, tenant).await;
    // Who may do everything for all tenants looks at one of them.
    let operator = Visit::with(&scene, tenant, &operator).await;
    for mut visit in [customer, operator] {
        let ours = visit.subscribe("ours", "https://x.example/").await;
        for page in PAGES {
            let answer = visit.get(&format!("/subscriptions/{theirs}{page}")).await;
            assert_eq!(answer.status, 404, "{page}: {answer:?}");
            assert!(!answer.body.contains("theirs-4711"), "{answer:?}");
        }
        for id in [&theirs, &ours] {
            let path = format!("/subscriptions/{id}/test/{delivery}");
            assert_eq!(visit.get(&path).await.status, 404, "{path}");
        }
        let fields = filled(&[
            ("name", "mine now"),
            ("webhook_url", "https://x.example/"),
            ("version", "1"),
        ]);
        for form in FORMS {
            let answer = visit
                .post(&format!("/subscriptions/{theirs}{form}"), &fields)
                .await;
            assert_eq!(answer.status, 404, "{form}: {answer:?}");
        }
        let gone = visit
            .post(&format!("/subscriptions/{ours}/delete"), &[])
            .await;
        assert_eq!(gone.status, 303, "{gone:?}");
    }
    assert_eq!(scene.db.value(before).await.unwrap(), unchanged);

    // The tenant of the path is another one.
    let mut visit = Visit::of_manager(&scene, tenant).await;
    visit.tenant = format!("/t/{other}");
    for page in [
        "/subscriptions",
        "/subscriptions/new",
        "/subscriptions/export",
        "/templates",
    ] {
        let answer = visit.get(page).await;
        assert!([403, 404].contains(&answer.status), "{page}: {answer:?}");
        assert!(!answer.body.contains("theirs-4711"), "{answer:?}");
    }
    let fields = filled(&[("name", "a"), ("webhook_url", "https://x.example/")]);
    let answer = visit.post("/subscriptions", &fields).await;
    assert!([403, 404].contains(&answer.status), "{answer:?}");
    assert_eq!(scene.db.value(before).await.unwrap(), unchanged);
}

#[tokio::test]
async fn a_session_that_may_only_read_has_no_forms_and_is_refused() {
    let scene = Scene::set("pages_read_only").await;
    let tenant = scene.db.tenant();
    let id = Visit::of_manager(&scene, tenant)
        .await
        .subscribe("a", "https://x.example/")
        .await;
    let mut visit = Visit::begin(&scene, tenant, "webhook_subscriptions:read").await;
    let one = format!("/subscriptions/{id}");
    for page in [
        "/subscriptions".to_owned(),
        one.clone(),
        "/templates".to_owned(),
        "/templates/show?name=slack".to_owned(),
    ] {
        let shown = visit.page(&page).await;
        let forms: Vec<&str> = shown
            .split("<form")
            .skip(1)
            .filter(|form| form.split('>').next().unwrap().contains("method=\"post\""))
            .collect();
        assert_eq!(forms.len(), 1, "{page}: {forms:?}");
        assert!(forms[0].contains("/logout"), "{page}: {forms:?}");
        for link in ["/subscriptions/new", "/edit\"", "/subscriptions/import"] {
            assert!(!shown.contains(link), "{page} links {link}");
        }
    }
    for page in [
        "/subscriptions/new",
        "/subscriptions/import",
        &format!("{one}/edit"),
        &format!("{one}/test/{id}"),
        "/templates/edit",
        "/templates/edit?name=slack",
    ] {
        let refused = visit.get(page).await;
        assert_eq!(refused.status, 403, "{page}: {refused:?}");
    }
    for (form, fields) in forms(&one, &id) {
        let refused = visit.post(&form, &fields).await;
        assert_eq!(refused.status, 403, "{form}: {refused:?}");
    }
    let kept = "select count(*) from webhooks.webhook_subscriptions where version = 1";
    assert_eq!(scene.db.value(kept).await.unwrap().unwrap(), "1");
}

#[tokio::test]
async fn a_form_of_another_session_is_refused() {
    let scene = Scene::set("pages_csrf").await;
    let tenant = scene.db.tenant();
    let mut visit = Visit::of_manager(&scene, tenant).await;
    let id = visit.subscribe("a", "https://x.example/").await;
    let one = format!("/subscriptions/{id}");
    for (form, fields) in forms(&one, &id) {
        for csrf in ["", "x"] {
            let refused = visit.post_with(&form, &fields, csrf).await;
            assert_eq!(refused.status, 403, "{form}: {refused:?}");
        }
    }
    let kept = "select count(*) from webhooks.webhook_subscriptions where version = 1";
    assert_eq!(scene.db.value(kept).await.unwrap().unwrap(), "1");
}

/// All forms, each with fields that would be taken.
fn forms<'f>(one: &str, id: &'f str) -> Vec<(String, Vec<(&'f str, &'f str)>)> {
    let filled = filled(&[
        ("name", "b"),
        ("webhook_url", "https://x.example/"),
        ("version", "1"),
    ]);
    let import = vec![("subscriptions", "[]")];
    let template = vec![
        ("name", "t"),
        ("settings", "{}"),
        ("placeholders", "{}"),
        ("is_new", "true"),
    ];
    let mut forms: Vec<(String, Vec<(&str, &str)>)> = FORMS
        .iter()
        .map(|form| (format!("{one}{form}"), filled.clone()))
        .collect();
    forms.extend([
        ("/subscriptions".to_owned(), filled.clone()),
        ("/subscriptions/check".to_owned(), filled),
        (
            "/subscriptions/enabled".to_owned(),
            vec![("id", id), ("enabled", "false")],
        ),
        ("/subscriptions/import".to_owned(), import.clone()),
        ("/subscriptions/import/preview".to_owned(), import),
        ("/templates/edit".to_owned(), template),
        ("/templates/delete".to_owned(), vec![("name", "t")]),
    ]);
    forms
}

#[tokio::test]
async fn an_import_is_shown_before_it_is_made() {
    let scene = Scene::set("pages_import").await;
    let mut visit = Visit::of_manager(&scene, scene.db.tenant()).await;
    visit.subscribe("a", "https://x.example/a").await;
    visit.subscribe("b", "https://x.example/b").await;
    let export = visit.get("/subscriptions/export").await;
    assert_eq!(export.status, 200, "{export:?}");
    assert!(
        export
            .header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );
    let mut exported: Value = serde_json::from_str(&export.body).unwrap();
    assert_eq!(exported.as_array().unwrap().len(), 2);
    exported[0]["retry_count"] = json!(9);
    exported.as_array_mut().unwrap().push(json!({
        "name": "<script>alert(\"1\")</script>", "webhook_url": "https://x.example/c", "subscribed_events": ["*"],
        "auth_type": "api_key", "auth_config": {"api_key": "hush4711"}
    }));
    let json = exported.to_string();
    let stored = "select string_agg(concat_ws(' ', left(name, 3), retry_count), ', ' order by name) from webhooks.webhook_subscriptions";
    let preview = visit
        .post("/subscriptions/import/preview", &[("subscriptions", &json)])
        .await;
    assert_eq!(preview.status, 200, "{preview:?}");
    for part in [
        "1 created, 1 updated, 1 unchanged, 0 invalid.",
        "<td>retry_count</td><td class=\"wide\"><code>3</code></td><td class=\"wide\"><code>9</code></td>",
        "Import: create 1 and update 1",
    ] {
        assert!(preview.body.contains(part), "{part}: {preview:?}");
    }
    assert!(!preview.body.contains("<script>alert"), "{preview:?}");
    assert_eq!(scene.db.value(stored).await.unwrap().unwrap(), "a 3, b 3");
    let page = visit
        .follow("/subscriptions/import", &[("subscriptions", &json)])
        .await;
    assert!(page.contains("The subscriptions were imported."), "{page}");
    assert_eq!(
        scene.db.value(stored).await.unwrap().unwrap(),
        "<sc 3, a 9, b 3"
    );

    let invalid = r#"[{"name": "d", "webhook_url": "ftp://x", "subscribed_events": ["*"]}]"#;
    let preview = visit
        .post(
            "/subscriptions/import/preview",
            &[("subscriptions", invalid)],
        )
        .await;
    assert!(preview.body.contains("1 invalid"), "{preview:?}");
    assert!(preview.body.contains("invalid webhook_url"), "{preview:?}");
    assert!(!preview.body.contains("Import: create"), "{preview:?}");
    for json in [invalid, "{}", "no json", "[1]"] {
        let refused = visit
            .post("/subscriptions/import", &[("subscriptions", json)])
            .await;
        assert_eq!(refused.status, 400, "{json}: {refused:?}");
    }
    // Who may only create may not import, which updates.
    let mut creator = Visit::begin(&scene, scene.db.tenant(), "webhook_subscriptions:create").await;
    for form in ["/subscriptions/import", "/subscriptions/import/preview"] {
        let refused = creator.post(form, &[("subscriptions", "[]")]).await;
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    for line in scene.console.log() {
        assert!(!line.contains("hush4711"), "{}", line.raw);
    }
}
