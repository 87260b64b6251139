//! Logging in with an access token.

use webhooks_tests::console::Console;
use webhooks_tests::database::{CONSOLE_ROLE, Database};

use crate::browser::{Browser, READ, location};
use crate::scene::Scene;

#[tokio::test]
async fn a_token_opens_a_session() {
    let scene = Scene::set("login").await;
    let tenant = scene.db.tenant();
    let token = scene.client(Some(tenant), READ).await.token;
    let mut browser = Browser::new(&scene);
    let page = browser.get("/").await;
    assert_eq!(location(&page), "/login");
    let page = browser.get("/login").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("name=\"token\""), "{page:?}");

    let answer = browser
        .submit("/login", &[("token", &format!(" {token}\n"))])
        .await;
    assert_eq!(location(&answer), "/");
    let cookie = answer.header("set-cookie").unwrap();
    // This console is on the browser's own machine: there is no TLS.
    let flags = "; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax";
    let lasts_as_long =
        cookie.ends_with(flags) || cookie.ends_with(&flags.replace("43200", "43199"));
    assert!(lasts_as_long, "{cookie}");
    assert!(!cookie.contains(&token), "{cookie}");
    let first = format!("/t/{tenant}/subscriptions");
    assert_eq!(location(&browser.get("/").await), first);

    // Elsewhere the cookie goes over TLS alone.
    let mut other = Browser::new(&scene);
    let headers = [
        ("sec-fetch-site", "same-origin"),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    let answer = other
        .submit_with("/login", &[("token", &token)], &headers)
        .await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-webhooks_session="), "{cookie}");
    assert!(cookie.ends_with("; SameSite=Lax; Secure"), "{cookie}");
    // A second login ends the session that was before.
    let mut before = Browser::new(&scene);
    before.cookie.clone_from(&browser.cookie);
    browser.log_in(&token).await;
    assert_ne!(browser.cookie, before.cookie);
    assert_eq!(location(&before.get("/").await), "/login");
}

#[tokio::test]
async fn a_login_leads_back_to_the_page() {
    let scene = Scene::set("login_next").await;
    let tenant = scene.db.tenant();
    let token = scene.client(Some(tenant), READ).await.token;
    let mut browser = Browser::new(&scene);
    let page = browser.get(&format!("/t/{tenant}?a=b&c=d")).await;
    let login = location(&page).to_owned();
    assert_eq!(
        login,
        format!("/login?next=%2Ft%2F{tenant}%3Fa%3Db%26c%3Dd")
    );
    let form = browser.get(&login).await;
    let next = format!("/t/{tenant}?a=b&c=d");
    let field = format!("name=\"next\" value=\"{}\"", next.replace('&', "&amp;"));
    assert!(form.body.contains(&field), "{form:?}");
    let answer = browser
        .submit("/login", &[("token", &token), ("next", &next)])
        .await;
    assert_eq!(location(&answer), next);
    // To other sites no link leads.
    for next in [
        "//evil.example",
        "https://evil.example/t/",
        "/t/\\",
        "/t/\r\nx: y",
    ] {
        let mut browser = Browser::new(&scene);
        let answer = browser
            .submit("/login", &[("token", &token), ("next", next)])
            .await;
        assert_eq!(location(&answer), "/", "{next}");
    }
    // A part of a page leads the whole page there.
    let mut browser = Browser::new(&scene);
    let part = browser
        .send(
            "GET",
            &format!("/t/{tenant}"),
            &[("hx-request", "true")],
            "",
        )
        .await;
    assert_eq!(
        (part.status, part.header("hx-redirect")),
        (204, Some("/login"))
    );
}

#[tokio::test]
async fn what_is_no_token_opens_nothing() {
    let scene = Scene::set("login_wrong").await;
    let tenant = scene.db.tenant();
    let token = scene.client(Some(tenant), READ).await.token;
    let link = crate::browser::portal_link(&scene, tenant, "").await;
    let mut browser = Browser::new(&scene);
    for wrong in [
        "whtok_wrong",
        "",
        "<script>",
        &link,
        link.split('#').nth(1).unwrap(),
    ] {
        let answer = browser.submit("/login", &[("token", wrong)]).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(browser.cookie, None);
        assert!(
            answer.body.contains("the access token is not valid"),
            "{answer:?}"
        );
        assert!(!answer.body.contains("<script>"), "{answer:?}");
    }
    let missing = browser.submit("/login", &[("x", "y")]).await;
    assert_eq!(missing.status, 400, "{missing:?}");
    // People are told so by a page.
    assert!(missing.body.starts_with("<!DOCTYPE html>"), "{missing:?}");
    // No other site logs anybody in.
    for headers in [
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
        [("origin", "https://evil.example")],
        [("origin", "null")],
    ] {
        let answer = browser
            .submit_with("/login", &[("token", &token)], &headers)
            .await;
        assert_eq!(
            (answer.status, &browser.cookie),
            (403, &None),
            "{headers:?}"
        );
    }
    for line in scene.console.log() {
        for secret in ["whtok_", "whlink_", "webhooks_session"] {
            assert!(!line.contains(secret), "{}", line.raw);
        }
    }
}

#[tokio::test]
async fn so_many_attempts_may_fail() {
    let db = Database::fresh("login_limit").await.unwrap();
    let console = Console::start_with(&db.url(CONSOLE_ROLE), &["--behind-proxy"])
        .await
        .unwrap();
    let scene = Scene { console, db };
    let token = scene.client(Some(scene.db.tenant()), READ).await.token;
    let mut browser = Browser::new(&scene);
    let ours = [
        ("sec-fetch-site", "same-origin"),
        // What the client says itself is before what the proxy saw.
        ("x-forwarded-for", "192.0.2.1, 198.51.100.7"),
    ];
    for _ in 0..20 {
        // One that succeeds is not counted.
        let answer = browser
            .submit_with("/login", &[("token", &token)], &ours)
            .await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let answer = browser
            .submit_with("/login", &[("token", "x")], &ours)
            .await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    // One more in so many seconds may fail.
    for n in 0..20 {
        let answer = browser.submit_with("/login", &[("token", "x")], &ours);
        if answer.await.status == 429 {
            break;
        }
        assert!(n < 19, "none is refused");
    }
    for path in ["/login", "/portal"] {
        let field = if path == "/login" { "token" } else { "link" };
        let refused = browser.submit_with(path, &[(field, &token)], &ours).await;
        assert_eq!(refused.status, 429, "{refused:?}");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=300).contains(&wait), "{wait}");
    }
    let others = [
        ("sec-fetch-site", "same-origin"),
        ("x-forwarded-for", "198.51.100.8"),
    ];
    let answer = browser
        .submit_with("/login", &[("token", &token)], &others)
        .await;
    assert_eq!(answer.status, 303, "{answer:?}");
}
