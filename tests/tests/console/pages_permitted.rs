//! Pages offer what their session may do, and nothing else.

use std::collections::BTreeSet;

use webhooks_tests::console::Console;
use webhooks_tests::database::CONSOLE_ROLE;

use crate::browser::Browser;
use crate::page_list::{FORMS, Ids, of_operators};
use crate::scene::{ALL_SCOPES, Scene};
use crate::visit::Visit;

/// What links of a page lead to, below this console.
fn links(page: &str) -> BTreeSet<String> {
    let all = page.split("href=\"").skip(1);
    let all = all.map(|rest| rest.split(['"', '#']).next().unwrap().replace("&amp;", "&"));
    all.filter(|link| link.starts_with('/') && !link.starts_with("/assets/"))
        .collect()
}

/// The scopes that the guide for portals gives.
fn scopes_of_the_guide() -> String {
    let guide = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/how-to/open-the-portal.md"
    );
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, rest) = guide.split_once("scopes => '{").unwrap();
    rest.split('}').next().unwrap().split_whitespace().collect()
}

#[tokio::test]
async fn no_link_leads_where_the_session_may_not_go() {
    let scene = Scene::set("page_links").await;
    let ids = Ids::make(&scene).await;
    let portal = scopes_of_the_guide();
    let of_a_tenant = [
        "metrics:read",
        "events:read",
        "audit:read",
        "webhook_subscriptions:read",
        "webhook_subscriptions:retry",
        "metrics:read,webhook_subscriptions:read",
        "metrics:read,events:read",
        "webhook_subscriptions:retry,audit:read",
        "webhook_subscriptions:read,webhook_subscriptions:create",
        "webhook_subscriptions:read,webhook_subscriptions:update,webhook_subscriptions:test",
        &portal,
        ALL_SCOPES,
    ];
    let of_operators_alone = [
        "operator:read",
        "operator:read,metrics:read",
        "operator:read,events:read",
        "operator:read,webhook_subscriptions:read",
    ];
    let sessions = of_a_tenant
        .map(|scopes| (Some(ids.tenant), scopes))
        .into_iter()
        .chain(of_operators_alone.map(|scopes| (None, scopes)));
    for (tenant, scopes) in sessions {
        let mut browser = Browser::new(&scene);
        browser
            .log_in(&scene.client(tenant, scopes).await.token)
            .await;
        let mut found = BTreeSet::new();
        for page in ids.pages().into_iter().chain(of_operators()) {
            let answer = browser.get(&page.path).await;
            if answer.status == 200 {
                found.extend(links(&answer.body).into_iter().map(|to| (to, page.name)));
            }
        }
        assert!(!found.is_empty(), "{scopes}: no page");
        let mut seen = BTreeSet::new();
        for (link, page) in found {
            if seen.insert(link.clone()) {
                let status = browser.get(&link).await.status;
                assert!(
                    [200, 303].contains(&status),
                    "{scopes}: {page} links {link}, which answers {status}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_portal_of_the_guide_does_what_it_says() {
    let scene = Scene::set("page_portal_guide").await;
    let ids = Ids::make(&scene).await;
    let scopes = scopes_of_the_guide();
    let mut visit = Visit::begin(&scene, ids.tenant, &scopes).await;
    for page in ids.pages() {
        let answer = visit.browser.get(&page.path).await;
        // The audit log is the application's.
        let expected = if page.name == "audit" {
            403
        } else {
            page.status
        };
        assert_eq!(answer.status, expected, "{}: {answer:?}", page.path);
    }
    // A subscription is made, tested and deleted, a delivery made again.
    let own = visit.subscribe("own", "https://x.example/own").await;
    for (form, fields) in [
        (
            format!("/subscriptions/{own}/test"),
            &[("event_type", "job.created")][..],
        ),
        (format!("/deliveries/{}/retry", ids.cancelled), &[]),
        (format!("/subscriptions/{own}/delete"), &[]),
    ] {
        let answer = visit.post(&form, fields).await;
        assert_eq!(answer.status, 303, "{form}: {answer:?}");
    }
}

#[tokio::test]
async fn a_read_only_console_offers_no_action() {
    let scene = Scene::set("page_read_only").await;
    let ids = Ids::make(&scene).await;
    let scopes = format!("{ALL_SCOPES},operator:read");
    let token = scene.client(None, &scopes).await.token;
    let unchanged = "select md5(string_agg(s::text, '' order by s.id)) || (select count(*) from webhooks.delivery_queue)
        from webhooks.webhook_subscriptions s";
    let before = scene.db.value(unchanged).await.unwrap();
    let Scene { db, .. } = scene;
    let url = db.url(CONSOLE_ROLE);
    let console = Console::start_with(&url, &["--read-only"]).await.unwrap();
    let scene = Scene { console, db };
    let mut visit = Visit::with(&scene, ids.tenant, &token).await;
    for page in ids.pages().into_iter().chain(of_operators()) {
        let answer = visit.browser.get(&page.path).await;
        if FORMS.contains(&page.name) {
            assert_eq!(answer.status, 403, "{}: {answer:?}", page.path);
            assert!(
                answer.body.contains("the console is read-only"),
                "{answer:?}"
            );
            continue;
        }
        assert_eq!(answer.status, page.status, "{}: {answer:?}", page.path);
        let forms: Vec<&str> = answer
            .body
            .split("<form")
            .skip(1)
            .filter(|form| form.split('>').next().unwrap().contains("method=\"post\""))
            .collect();
        assert!(
            forms.iter().all(|form| form.contains("action=\"/logout\"")),
            "{}: {forms:?}",
            page.path
        );
        for link in links(&answer.body) {
            let is_form = ["/new", "/edit", "/import"].iter().any(|end| {
                let path = link.split('?').next().unwrap();
                path.ends_with(end)
            });
            assert!(!is_form, "{} links {link}", page.path);
        }
    }
    // What it would be can be seen.
    let recover = visit
        .page("/recover?what=events&to=2100-01-01T00:00:00")
        .await;
    for part in ["1 new delivery", "the console is read-only"] {
        assert!(recover.contains(part), "{part}: {recover}");
    }
    let template = visit.page("/templates/show?name=pagerduty").await;
    assert!(
        template.contains("&quot;routing_key&quot;: &quot;***&quot;"),
        "{template}"
    );
    for (path, fields) in ids.actions() {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let refused = visit.post(&path, &fields).await;
        assert_eq!(refused.status, 403, "{path}: {refused:?}");
        assert!(
            refused.body.contains("the console is read-only"),
            "{path}: {refused:?}"
        );
    }
    assert_eq!(scene.db.value(unchanged).await.unwrap(), before);
}
