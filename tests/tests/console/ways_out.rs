//! Sessions that permit little: each has somewhere to begin, sees nothing that leads to a refusal, and can be ended.

use uuid::Uuid;
use webhooks_tests::http::Answer;

use crate::browser::{Browser, location};
use crate::scene::Scene;

/// The links of the navigation.
fn sections(page: &str) -> Vec<String> {
    let (_, rest) = page.split_once("<nav class=\"sections\"").unwrap();
    let (nav, _) = rest.split_once("</nav>").unwrap();
    let links = nav.split("href=\"").skip(1);
    links
        .map(|link| link.split('"').next().unwrap().to_owned())
        .collect()
}

async fn scopes(scene: &Scene) -> Vec<String> {
    let all = "select string_agg(scope, ',') from webhooks_private.access_scopes()";
    let all = scene.db.value(all).await.unwrap().unwrap();
    all.split(',').map(str::to_owned).collect()
}

/// Begins at the start.
async fn begin(browser: &mut Browser<'_>, start: &str) -> Answer {
    let mut answer = browser.get(start).await;
    if answer.status == 303 {
        let to = location(&answer).to_owned();
        answer = browser.get(&to).await;
    }
    answer
}

async fn check(scene: &Scene, who: Option<Uuid>, tenant: Uuid, scope: &str) {
    let token = scene.client(who, scope).await.token;
    let mut browser = Browser::new(scene);
    browser.log_in(&token).await;
    let start = match who {
        Some(_) => "/".to_owned(),
        None => format!("/?tenant={tenant}"),
    };
    let first = begin(&mut browser, &start).await;
    assert_eq!(first.status, 200, "{scope}: {first:?}");
    assert!(first.body.contains("action=\"/logout\""), "{scope}");
    let own = sections(&first.body);
    for path in &own {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{scope} {path}: {page:?}");
        assert_eq!(sections(&page.body), own, "{scope} {path}");
    }
    // What it may not see tells it what it may, and lets it go.
    let base = format!("/t/{tenant}");
    for path in ["", "/subscriptions", "/events", "/audit", "/recover"] {
        let path = format!("{base}{path}");
        if own.contains(&path) {
            continue;
        }
        let refused = browser.get(&path).await;
        assert_eq!(refused.status, 403, "{scope} {path}: {refused:?}");
        assert_eq!(sections(&refused.body), own, "{scope} {path}");
    }
    let csrf = browser.csrf(tenant).await;
    let ended = browser.submit("/logout", &[("csrf", &csrf)]).await;
    assert_eq!(location(&ended), "/login", "{scope}");
}

#[tokio::test]
async fn a_session_with_any_scope_alone_has_a_way_in_and_out() {
    let scene = Scene::set("ways_out").await;
    let tenant = scene.db.tenant();
    for scope in scopes(&scene).await {
        if !scope.starts_with("operator:") {
            check(&scene, Some(tenant), tenant, &scope).await;
        }
        check(&scene, None, tenant, &scope).await;
    }
}

/// The program's list of scopes is the database's.
#[tokio::test]
async fn the_description_has_the_scopes_of_the_database() {
    let scene = Scene::set("scopes_described").await;
    let (_, document) = scene.console.get("/api/openapi.json").await.unwrap();
    for scope in scopes(&scene).await {
        let is_of_tenant = !scope.starts_with("operator:");
        let named = format!("`{scope}` ");
        assert_eq!(document.contains(&named), is_of_tenant, "{scope}");
    }
}
