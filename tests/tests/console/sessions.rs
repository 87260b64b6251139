//! Sessions of browsers: what they permit, what their forms need, and what browsers may do with pages.

use webhooks_tests::console::Console;
use webhooks_tests::database::{CONSOLE_ROLE, Database};

use crate::browser::{Browser, READ, location};
use crate::scene::{ALL_SCOPES, SUBSCRIPTIONS, Scene, problem};

const SCOPES: &str = "metrics:read,webhook_subscriptions:read";

#[tokio::test]
async fn a_form_is_of_its_session() {
    let scene = Scene::set("csrf").await;
    let tenant = scene.db.tenant();
    let token = scene.client(Some(tenant), SCOPES).await.token;
    let mut browser = Browser::new(&scene);
    browser.log_in(&token).await;
    let csrf = browser.csrf(tenant).await;
    let mut other = Browser::new(&scene);
    other.log_in(&token).await;
    let others = other.csrf(tenant).await;
    assert_ne!(csrf, others);
    let session = browser.cookie.clone().unwrap();
    assert!(!session.contains(&csrf));
    for fields in [
        &[("x", "y")][..],
        &[("csrf", "")],
        &[("csrf", others.as_str())],
        &[("csrf", &csrf[1..])],
        &[("csrf", "x"), ("csrf", csrf.as_str())],
    ] {
        let refused = browser.submit("/logout", fields).await;
        assert_eq!(refused.status, 403, "{fields:?}: {refused:?}");
        assert!(
            refused.body.contains("of a page of this session"),
            "{refused:?}"
        );
    }
    for site in ["cross-site", "same-site"] {
        let headers = [("sec-fetch-site", site)];
        let refused = browser
            .submit_with("/logout", &[("csrf", &csrf)], &headers)
            .await;
        assert_eq!(refused.status, 403, "{site}");
    }
    let headers = [("origin", "https://evil.example")];
    let refused = browser
        .submit_with("/logout", &[("csrf", &csrf)], &headers)
        .await;
    assert_eq!(refused.status, 403);
    // A form is no text that another site's form can send, and nothing else than a form.
    let headers = [("content-type", "text/plain")];
    let body = format!("csrf={csrf}");
    let refused = browser.send("POST", "/logout", &headers, &body).await;
    assert_eq!(refused.status, 415);
    assert_eq!(browser.get(&format!("/t/{tenant}")).await.status, 200);

    let answer = browser.submit("/logout", &[("csrf", &csrf)]).await;
    assert_eq!(location(&answer), "/login");
    assert_eq!(browser.cookie, None);
    // The session has ended, not just the cookie.
    browser.cookie = Some(session);
    assert_eq!(location(&browser.get("/").await), "/login");
    assert_eq!(other.get(&format!("/t/{tenant}")).await.status, 200);
}

#[tokio::test]
async fn a_session_is_no_token_and_a_token_no_session() {
    let scene = Scene::set("session_kinds").await;
    let tenant = scene.db.tenant();
    let token = scene.client(Some(tenant), SCOPES).await.token;
    let mut browser = Browser::new(&scene);
    browser.log_in(&token).await;
    let cookie = browser.cookie.clone().unwrap();
    let secret = cookie.strip_prefix("webhooks_session=").unwrap();
    let authorization = format!("Bearer {secret}");
    let headers = [("authorization", authorization.as_str())];
    let refused = scene.console.send("GET", SUBSCRIPTIONS, &headers, "").await;
    assert_eq!(problem(&refused.unwrap()).0, 401);
    // The API does not go by cookies, which other sites' forms could use.
    assert_eq!(problem(&browser.get(SUBSCRIPTIONS).await).0, 401);
    browser.cookie = Some(format!("webhooks_session={token}"));
    let page = browser.get(&format!("/t/{tenant}")).await;
    assert!(location(&page).starts_with("/login"));
    for line in scene.console.log() {
        assert!(!line.contains(secret), "{}", line.raw);
    }
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let scene = Scene::set("session_revoked").await;
    let tenant = scene.db.tenant();
    let token = scene.client(Some(tenant), SCOPES).await.token;
    let mut browser = Browser::new(&scene);
    browser.log_in(&token).await;
    let page = format!("/t/{tenant}");
    assert_eq!(browser.get(&page).await.status, 200);
    let revoke = format!(
        "select webhooks.revoke_access_token('{tenant}', id) from webhooks.list_access_tokens('{tenant}') where kind = 'token'"
    );
    scene.db.execute(&revoke).await.unwrap();
    assert!(location(&browser.get(&page).await).starts_with("/login"));
}

#[tokio::test]
async fn an_operator_has_the_pages_of_all_tenants() {
    let scene = Scene::set("session_operator").await;
    let token = scene.client(None, SCOPES).await.token;
    let mut browser = Browser::new(&scene);
    browser.log_in(&token).await;
    // Without operator:read there is no list of tenants.
    let page = browser.get("/").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("name=\"tenant\""), "{page:?}");
    for _ in 0..2 {
        let tenant = scene.db.tenant();
        let chosen = browser.get(&format!("/?tenant={tenant}")).await;
        let page = browser.get(location(&chosen)).await;
        assert_eq!(page.status, 200, "{page:?}");
    }
    assert_eq!(browser.get("/?tenant=acme").await.status, 400);
}

#[tokio::test]
async fn browsers_may_do_with_pages_what_pages_need() {
    let scene = Scene::set("page_headers").await;
    let tenant = scene.db.tenant();
    let token = scene.client(Some(tenant), SCOPES).await.token;
    let mut browser = Browser::new(&scene);
    browser.log_in(&token).await;
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    for path in ["/login", "/portal", "/", &format!("/t/{tenant}"), "/t/x"] {
        let page = browser.get(path).await;
        let header = |name| {
            page.header(name)
                .unwrap_or_else(|| panic!("{path}: {name}"))
        };
        assert_eq!(header("content-security-policy"), policy, "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        // Nothing that this policy forbids.
        for inline in [" style=", "<style", "onclick=", "javascript:"] {
            assert!(!page.body.contains(inline), "{path}: {inline}");
        }
        let scripts = page.body.matches("<script").count();
        assert_eq!(
            page.body.matches("<script src=\"/assets/").count(),
            scripts,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_console_that_only_reads_changes_nothing() {
    let db = Database::fresh("read_only").await.unwrap();
    let console = Console::start_with(&db.url(CONSOLE_ROLE), &["--read-only"])
        .await
        .unwrap();
    let scene = Scene { console, db };
    let tenant = scene.db.tenant();
    let client = scene.client(Some(tenant), ALL_SCOPES).await;
    assert_eq!(client.get(SUBSCRIPTIONS).await.status, 200);
    let body = serde_json::json!({"name": "x", "webhook_url": "https://x.example/"});
    let refused = client.post(SUBSCRIPTIONS, &body).await;
    assert_eq!(
        problem(&refused),
        (403, "the console is read-only".to_owned())
    );
    let id = "00000000-0000-7000-8000-00000000dead";
    for (method, path) in [
        ("PATCH", format!("{SUBSCRIPTIONS}{id}")),
        ("DELETE", format!("{SUBSCRIPTIONS}{id}")),
        ("POST", format!("{SUBSCRIPTIONS}{id}/test")),
        ("POST", format!("{SUBSCRIPTIONS}{id}/secret")),
        ("POST", format!("{SUBSCRIPTIONS}{id}/retry-failed")),
        ("POST", format!("{SUBSCRIPTIONS}{id}/deliveries/{id}/retry")),
    ] {
        let refused = client.send(method, &path, &[], "{}").await;
        assert_eq!(problem(&refused).0, 403, "{method} {path}: {refused:?}");
    }
    // Who may see it can log in.
    let token = scene.client(Some(tenant), READ).await.token;
    Browser::new(&scene).log_in(&token).await;
}
