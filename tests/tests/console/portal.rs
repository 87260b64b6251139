//! Portal links.

use webhooks_tests::console::Console;
use webhooks_tests::database::{CONSOLE_ROLE, Database};

use crate::browser::{Browser, location, portal_link};
use crate::scene::Scene;

#[tokio::test]
async fn a_link_logs_one_browser_in() {
    let scene = Scene::set("portal").await;
    let (tenant, other) = (scene.db.tenant(), scene.db.tenant());
    let link = portal_link(&scene, tenant, ", session_length => '1 hour'").await;
    let (path, secret) = link.split_once('#').unwrap();
    // Whatever looks at the link, without its secret, does not use it up.
    let mut browser = Browser::new(&scene);
    for _ in 0..3 {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("/portal.js\""), "{page:?}");
        assert_eq!(browser.cookie, None);
    }
    let answer = browser.submit(path, &[("link", secret)]).await;
    assert_eq!(location(&answer), "/");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.contains("Max-Age=3600") || cookie.contains("Max-Age=3599"),
        "{cookie}"
    );
    assert!(!cookie.contains(secret), "{cookie}");
    assert_eq!(location(&browser.get("/").await), format!("/t/{tenant}"));
    let page = browser.get(&format!("/t/{tenant}")).await;
    assert_eq!(page.status, 200, "{page:?}");
    // For that tenant alone.
    for id in [
        other.to_string(),
        "00000000-0000-7000-8000-00000000dead".to_owned(),
    ] {
        let page = browser.get(&format!("/t/{id}")).await;
        assert_eq!(page.status, 403, "{page:?}");
    }
    assert_eq!(browser.get("/t/x").await.status, 404);

    let mut second = Browser::new(&scene);
    let refused = second.submit(path, &[("link", secret)]).await;
    assert_eq!(
        (refused.status, &second.cookie),
        (403, &None),
        "{refused:?}"
    );
    assert!(
        refused.body.contains("the link is not valid"),
        "{refused:?}"
    );
    for line in scene.console.log() {
        assert!(!line.contains(secret), "{}", line.raw);
    }
}

#[tokio::test]
async fn of_two_requests_at_once_one_opens_the_link() {
    let scene = Scene::set("portal_twice").await;
    let link = portal_link(&scene, scene.db.tenant(), "").await;
    let requests = (0..8).map(|_| async {
        let mut browser = Browser::new(&scene);
        // As a person pastes it: with the console's address before it.
        let whole = format!("https://console.example.com{link}");
        browser.submit("/portal", &[("link", &whole)]).await.status
    });
    let mut statuses = futures_util::future::join_all(requests).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 403, 403, 403, 403, 403, 403, 403]);
    let sessions = "select count(*) from webhooks_private.access_tokens where kind = 'session'";
    assert_eq!(scene.db.value(sessions).await.unwrap().unwrap(), "1");
}

#[tokio::test]
async fn a_link_and_its_session_end() {
    let scene = Scene::set("portal_ends").await;
    let tenant = scene.db.tenant();
    let link = portal_link(&scene, tenant, "").await;
    let expire = "update webhooks_private.access_tokens set expires_at = now()";
    scene.db.execute(expire).await.unwrap();
    let mut browser = Browser::new(&scene);
    let refused = browser.submit("/portal", &[("link", &link)]).await;
    assert_eq!(refused.status, 403, "{refused:?}");

    let link = portal_link(&scene, tenant, "").await;
    browser.submit("/portal", &[("link", &link)]).await;
    let page = format!("/t/{tenant}");
    assert_eq!(browser.get(&page).await.status, 200);
    scene.db.execute(expire).await.unwrap();
    assert!(location(&browser.get(&page).await).starts_with("/login"));
    // Revoked while in use: by the id that the link had.
    let link = portal_link(&scene, tenant, "").await;
    browser.submit("/portal", &[("link", &link)]).await;
    assert_eq!(browser.get(&page).await.status, 200);
    let revoke = format!(
        "select webhooks.revoke_access_token('{tenant}', id) from webhooks.list_access_tokens('{tenant}', '{{session}}')"
    );
    scene.db.execute(&revoke).await.unwrap();
    assert!(location(&browser.get(&page).await).starts_with("/login"));
}

#[tokio::test]
async fn a_portal_is_embedded_where_it_may_be() {
    let db = Database::fresh("portal_embedded").await.unwrap();
    let ancestors = ["--frame-ancestors", "self https://app.example.com"];
    let console = Console::start_with(&db.url(CONSOLE_ROLE), &ancestors)
        .await
        .unwrap();
    let scene = Scene { console, db };
    let link = portal_link(&scene, scene.db.tenant(), "").await;
    let mut browser = Browser::new(&scene);
    let page = browser.get("/portal").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.ends_with("frame-ancestors 'self' https://app.example.com"),
        "{policy}"
    );
    let answer = browser.submit("/portal", &[("link", &link)]).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=None; Secure; Partitioned"),
        "{cookie}"
    );
}

#[tokio::test]
async fn the_brand_is_on_all_pages() {
    let logo = tempfile::Builder::new().suffix(".svg").tempfile().unwrap();
    std::fs::write(logo.path(), "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
    let db = Database::fresh("portal_brand").await.unwrap();
    let arguments = [
        "--brand-name",
        "Acme <Events>",
        "--brand-logo",
        logo.path().to_str().unwrap(),
        "--brand-color",
        "#0b5fc0",
    ];
    let console = Console::start_with(&db.url(CONSOLE_ROLE), &arguments)
        .await
        .unwrap();
    let scene = Scene { console, db };
    let tenant = scene.db.tenant();
    let link = portal_link(&scene, tenant, "").await;
    let mut browser = Browser::new(&scene);
    let page = browser.get("/portal").await;
    assert!(page.body.contains("Acme &lt;Events&gt;"), "{page:?}");
    browser.submit("/portal", &[("link", &link)]).await;
    let page = browser.get(&format!("/t/{tenant}")).await;
    assert!(page.body.contains("src=\"/brand/logo\""), "{page:?}");
    let style = browser.get("/brand.css").await;
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert!(style.body.contains("--accent: #0b5fc0;"), "{style:?}");
    let image = browser.get("/brand/logo").await;
    assert_eq!(image.header("content-type"), Some("image/svg+xml"));
    let policy = image.header("content-security-policy").unwrap();
    assert!(policy.ends_with("sandbox"), "{policy}");
}
