//! JSON Web Tokens of an identity provider.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use tokio::process::Command;
use uuid::Uuid;
use webhooks_tests::PATIENCE;
use webhooks_tests::console::Console;
use webhooks_tests::database::{CONSOLE_ROLE, Database};
use webhooks_tests::environment::console_program;
use webhooks_tests::http::Answer;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::wait::{Seen, eventually};

use crate::browser::{Browser, location};
use crate::issuer::{AUDIENCE, Key, NAME, claims, key_set, seconds, sign, unsigned};
use crate::scene::{SUBSCRIPTIONS, Scene, parse, problem};

/// A scene whose console trusts an issuer.
async fn trusting(name: &str, keys: &str, more: &[&str]) -> Scene {
    let db = Database::fresh(name).await.unwrap();
    let mut arguments = vec![
        "--jwt-keys",
        keys,
        "--jwt-issuer",
        NAME,
        "--jwt-audience",
        AUDIENCE,
    ];
    arguments.extend(more);
    let console = Console::start_with(&db.url(CONSOLE_ROLE), &arguments)
        .await
        .unwrap();
    Scene { console, db }
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

async fn get(scene: &Scene, token: &str, tenant: Option<Uuid>) -> Answer {
    let authorization = format!("Bearer {token}");
    let tenant = tenant.map(|tenant| tenant.to_string());
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(tenant.as_deref().map(|tenant| ("webhooks-tenant", tenant)));
    let answer = scene.console.send("GET", SUBSCRIPTIONS, &headers, "").await;
    answer.unwrap()
}

#[tokio::test]
async fn a_jwt_of_each_algorithm_is_as_a_token() {
    let keys = [Key::rsa("r"), Key::ed25519("e"), Key::secret("s")];
    let set = file(&key_set(&keys.each_ref()));
    let scene = trusting("jwt", set.path().to_str().unwrap(), &[]).await;
    let (tenant, other) = (scene.db.tenant(), scene.db.tenant());
    for id in [tenant, other] {
        let manager = scene.manager(id).await;
        manager.subscribe("a", "https://x.example/").await;
    }
    for key in &keys {
        let token = key.token(&claims(&tenant.to_string(), &json!({})));
        let listed = parse(&get(&scene, &token, None).await);
        assert_eq!(listed.as_array().unwrap().len(), 1);
        assert_eq!(listed[0]["tenant_id"], tenant.to_string());
        // Scopes and audience as an array, too.
        let changed = json!({"scope": ["webhook_subscriptions:read"], "aud": ["x", AUDIENCE]});
        let token = key.token(&claims(&tenant.to_string(), &changed));
        assert_eq!(get(&scene, &token, Some(tenant)).await.status, 200);
        // Another tenant's rows are another one's.
        let refused = problem(&get(&scene, &token, Some(other)).await);
        let expected = format!("the JWT is not for tenant {other}");
        assert_eq!(refused, (403, expected));
        let changed = json!({"scope": "openid webhook_subscriptions:test"});
        let token = key.token(&claims(&tenant.to_string(), &changed));
        let refused = problem(&get(&scene, &token, None).await);
        let lacks = "the JWT lacks the scope \"webhook_subscriptions:read\"";
        assert_eq!(refused, (403, lacks.to_owned()));
        for line in scene.console.log() {
            assert!(!line.contains(&token), "{}", line.raw);
        }
    }
    // Access tokens are accepted as before, and a JWT opens no session.
    let manager = scene.manager(tenant).await;
    assert_eq!(manager.get(SUBSCRIPTIONS).await.status, 200);
    let token = keys[0].token(&claims(&tenant.to_string(), &json!({})));
    let mut browser = Browser::new(&scene);
    let refused = browser.submit("/login", &[("token", &token)]).await;
    assert_eq!(refused.status, 403);
    browser.cookie = Some(format!("webhooks_session={token}"));
    assert_eq!(location(&browser.get("/").await), "/login");
}

#[tokio::test]
async fn what_is_wrong_with_a_jwt_is_refused() {
    let (rsa, secret) = (Key::rsa("r"), Key::secret("s"));
    let stranger = Key::rsa("r");
    let set = file(&key_set(&[&rsa, &secret]));
    let scene = trusting("jwt_wrong", set.path().to_str().unwrap(), &[]).await;
    let tenant = scene.db.tenant();
    let with = |changed| claims(&tenant.to_string(), &changed);
    let right = with(json!({}));
    let public = EncodingKey::from_secret(rsa.pem.as_bytes()).unwrap();
    let good = rsa.token(&right);
    let mut parts: Vec<&str> = good.split('.').collect();
    let other_claims = rsa.token(&with(json!({"scope": "events:publish"})));
    parts[1] = other_claims.split('.').nth(1).unwrap();
    let mixed = parts.join(".");
    for (token, detail) in [
        (
            unsigned("r", &right),
            "the JWT is malformed, or its algorithm is not supported",
        ),
        // The public key, which everybody has, is no secret to sign with.
        (
            sign(Algorithm::HS256, Some("r"), &right, &public),
            "the algorithm of the JWT is not that of its key",
        ),
        (
            sign(Algorithm::RS512, Some("r"), &right, &rsa.signs),
            "the algorithm of the JWT is not that of its key",
        ),
        (
            sign(Algorithm::HS512, Some("s"), &right, &secret.signs),
            "the algorithm of the JWT is not that of its key",
        ),
        (stranger.token(&right), "the signature of the JWT is wrong"),
        (mixed, "the signature of the JWT is wrong"),
        (
            sign(Algorithm::RS256, Some("x"), &right, &rsa.signs),
            "the issuer has no key that the JWT names",
        ),
        // There are two keys.
        (
            sign(Algorithm::RS256, None, &right, &rsa.signs),
            "the issuer has no key that the JWT names",
        ),
        (
            rsa.token(&with(json!({"exp": seconds(-120)}))),
            "the JWT has expired",
        ),
        (
            rsa.token(&with(json!({"nbf": seconds(120)}))),
            "the JWT is not valid yet",
        ),
        (
            rsa.token(&with(json!({"exp": null}))),
            "the JWT has no claim \"exp\"",
        ),
        (
            rsa.token(&with(json!({"aud": "other"}))),
            "the JWT is for another audience",
        ),
        (
            rsa.token(&with(json!({"aud": null}))),
            "the JWT has no claim \"aud\"",
        ),
        (
            rsa.token(&with(json!({"iss": "https://evil.example/"}))),
            "the JWT is of another issuer",
        ),
        (
            rsa.token(&with(json!({"iss": null}))),
            "the JWT has no claim \"iss\"",
        ),
        (
            rsa.token(&with(json!({"tenant_id": null}))),
            "the JWT has no UUID as claim \"tenant_id\"",
        ),
        (
            rsa.token(&with(json!({"tenant_id": "*"}))),
            "the JWT has no UUID as claim \"tenant_id\"",
        ),
        (
            rsa.token(&with(json!({"scope": null}))),
            "the JWT has no scopes as claim \"scope\"",
        ),
        (
            "a.b.c".to_owned(),
            "the JWT is malformed, or its algorithm is not supported",
        ),
    ] {
        let answer = get(&scene, &token, None).await;
        assert_eq!(problem(&answer), (401, detail.to_owned()), "{token}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(!answer.body.contains(&token), "{answer:?}");
    }
    assert_eq!(get(&scene, &good, None).await.status, 200);
}

#[tokio::test]
async fn claims_have_the_names_that_options_say() {
    let key = Key::ed25519("e");
    let pem = file(&key.pem);
    let more = [
        "--jwt-tenant-claim",
        "https://example.com/tenant",
        "--jwt-scope-claim",
        "permissions",
        "--jwt-user-claim",
        "oid",
        "--jwt-all-tenants",
    ];
    let scene = trusting("jwt_claims", pem.path().to_str().unwrap(), &more).await;
    let (tenant, user) = (scene.db.tenant(), Uuid::now_v7());
    let changed = |tenant: &str| {
        json!({
            "https://example.com/tenant": tenant, "oid": user, "tenant_id": null, "scope": null,
            "permissions": ["webhook_subscriptions:read", "webhook_subscriptions:create"],
        })
    };
    let token = key.token(&claims("", &changed(&tenant.to_string())));
    let authorization = format!("Bearer {token}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let body = json!({"name": "x", "webhook_url": "https://x.example/"}).to_string();
    let created = scene
        .console
        .send("POST", SUBSCRIPTIONS, &headers, &body)
        .await
        .unwrap();
    assert_eq!(parse(&created)["created_by"], user.to_string());
    // All tenants are one that the request names.
    let token = key.token(&claims("", &changed("*")));
    let refused = problem(&get(&scene, &token, None).await);
    assert_eq!(refused, (400, "no tenant is named".to_owned()));
    let listed = parse(&get(&scene, &token, Some(tenant)).await);
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn keys_at_an_address_are_kept_and_asked_for_again() {
    let (rsa, secret) = (Key::rsa("r"), Key::secret("s"));
    let issuer = Receiver::start().unwrap();
    issuer.on("/jwks", Reply::status(503));
    let local = ["--jwt-allow-network", "127.0.0.1/32"];
    let scene = trusting("jwt_address", &issuer.url("/jwks"), &local).await;
    let tenant = scene.db.tenant();
    let right = claims(&tenant.to_string(), &json!({}));
    let token = rsa.token(&right);
    // Nothing is known of the keys: that says nothing about the token.
    let answer = get(&scene, &token, None).await;
    let away = "the keys of the issuer are not available".to_owned();
    assert_eq!(problem(&answer), (503, away));
    assert!(answer.header("retry-after").is_some());
    scene
        .console
        .wait_log(|line| line.contains("HTTP status 503"))
        .await
        .unwrap();

    // A secret that everybody can read is none.
    let set = key_set(&[&rsa, &secret]);
    issuer.on("/jwks", Reply::ok().body(set));
    eventually(PATIENCE, async || {
        let status = get(&scene, &token, None).await.status;
        Ok(Seen::done_if(status, |status| *status == 200))
    })
    .await
    .unwrap();
    let asked = issuer.requests_to("/jwks").len();
    for unknown in [
        secret.token(&right),
        sign(Algorithm::RS256, Some("x"), &right, &rsa.signs),
        sign(Algorithm::RS256, Some("y"), &right, &rsa.signs),
    ] {
        let refused = problem(&get(&scene, &unknown, None).await);
        let detail = "the issuer has no key that the JWT names".to_owned();
        assert_eq!(refused, (401, detail));
    }
    // Not for each token that names another key.
    assert_eq!(issuer.requests_to("/jwks").len(), asked);
    // What is known stays so while the issuer is away.
    drop(issuer);
    assert_eq!(get(&scene, &token, None).await.status, 200);
}

/// What a name means is known when keys are fetched.
#[tokio::test]
async fn keys_are_not_fetched_from_addresses_that_are_not_public() {
    let issuer = Receiver::start().unwrap();
    let key = Key::rsa("r");
    issuer.on("/jwks", Reply::ok().body(key_set(&[&key])));
    let url = issuer.url("/jwks").replace("127.0.0.1", "localhost");
    let scene = trusting("jwt_private", &url, &[]).await;
    let token = key.token(&claims(&scene.db.tenant().to_string(), &json!({})));
    assert_eq!(get(&scene, &token, None).await.status, 503);
    scene
        .console
        .wait_log(|line| line.contains("allow the network of the identity provider"))
        .await
        .unwrap();
    assert!(issuer.requests_to("/jwks").is_empty());
}

#[tokio::test]
async fn a_console_does_not_start_with_keys_that_are_not_safe() {
    let empty = file("{\"keys\": []}");
    let empty = empty.path().to_str().unwrap();
    let others = ["--jwt-issuer", "x", "--jwt-audience", "x"];
    for (keys, others, reason) in [
        ("http://idp.example.com/jwks", &others[..], "use https"),
        ("https://10.0.0.1/jwks", &others, "--jwt-allow-network"),
        ("http://127.0.0.1/jwks", &others, "--jwt-allow-network"),
        ("/no/such/file", &others, "No such file"),
        (empty, &others, "it has no key"),
        (empty, &[], "--jwt-issuer"),
        (empty, &others[..2], "--jwt-audience"),
    ] {
        let ended = Command::new(console_program().unwrap())
            .args(["run", "--listen", "0", "--jwt-keys", keys])
            .args(others)
            .env("DATABASE_URL", "host=/nowhere user=x dbname=x")
            .kill_on_drop(true)
            .output();
        let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap();
        let ended = ended.unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success(), "{keys}: {said}");
        assert!(said.contains(reason), "{keys}: {said}");
    }
}
