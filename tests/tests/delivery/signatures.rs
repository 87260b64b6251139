use std::time::Duration;

use serde_json::json;
use standardwebhooks::Webhook;
use webhooks_tests::receiver::Reply;
use webhooks_tests::wait::{Seen, eventually};

use crate::scene::Scene;

/// The vector of the Standard Webhooks project.
const VECTOR_SECRET: &str = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[tokio::test]
async fn the_published_library_verifies_what_arrives() {
    let scene = Scene::set("signatures").await;
    let generated = scene.db.value("select webhooks.generate_secret()").await;
    let generated = generated.unwrap().unwrap();
    let prefixed = format!("whsec_{VECTOR_SECRET}");
    for (n, secret) in [generated.as_str(), VECTOR_SECRET, &prefixed]
        .iter()
        .enumerate()
    {
        let path = format!("/{n}");
        scene.receiver.verify(&path, secret);
        let columns = json!({"auth_type": "signature", "auth_config": {"secret": secret}});
        let endpoint = scene.endpoint(&path, Reply::ok(), columns).await;
        let data = json!({"title": "Ünïcödé ✓ \u{1F600}", "n": 1.50});
        let event = scene.publish_data(&endpoint, data).await;
        scene.wait(event, "delivered").await;

        let request = &scene.receiver.requests_to(&path)[0];
        let library = Webhook::new(secret).unwrap();
        library.verify(&request.body, &request.headers).unwrap();
        let mut changed = request.body.to_vec();
        changed[10] ^= 1;
        assert!(library.verify(&changed, &request.headers).is_err());
        let other = Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert!(other.verify(&request.body, &request.headers).is_err());

        // The specification's form, by this project's own code and by its SQL.
        assert!(request.signatures.unwrap().verified());
        let body_signature = request.header("x-webhook-signature").unwrap();
        let by_sql = format!(
            "select webhooks.verify_signature(webhooks.build_payload('{event}'), '{body_signature}', '{secret}')"
        );
        assert_eq!(
            scene.db.value(&by_sql).await.unwrap().as_deref(),
            Some("true")
        );
    }
}

#[test]
fn the_published_vector_holds_for_the_library_and_for_ours() {
    let (id, at) = ("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553);
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    let expected = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
    let library = Webhook::new(VECTOR_SECRET).unwrap();
    assert_eq!(library.sign(id, at, body).unwrap(), expected);
    let ours = webhooks_core::signature::Signer::new(VECTOR_SECRET).unwrap();
    assert_eq!(ours.sign_standard(id, at, body), expected);
}

/// Requests under way when a secret is renewed, and later ones, are accepted by receivers with the old one and with the
/// new one, until the time for that is over.
#[tokio::test]
async fn both_secrets_verify_while_they_overlap() {
    let scene = Scene::set("overlap").await;
    let old = format!("whsec_{VECTOR_SECRET}");
    let columns = json!({"auth_type": "signature", "auth_config": {"secret": old}, "retry_delay_seconds": 3600});
    let endpoint = scene.endpoint("/hook", Reply::status(500), columns).await;
    let event = scene.publish(&endpoint).await;
    scene.db.wait_delivery(event, "retrying").await.unwrap();
    let renew = format!("select webhooks.renew_secret('{}')", endpoint.subscription);
    let new = scene.db.value(&renew).await.unwrap().unwrap();
    scene.receiver.on("/hook", Reply::ok());
    let due = "update webhooks.delivery_queue set next_attempt_at = now()";
    scene.db.execute(due).await.unwrap();
    scene.wait(event, "delivered").await;
    let event = scene.publish(&endpoint).await;
    scene.wait(event, "delivered").await;
    let requests = scene.receiver.requests_to("/hook");
    assert_eq!(requests.len(), 3);
    for request in &requests[1..] {
        for secret in [&old, &new] {
            let library = Webhook::new(secret).unwrap();
            library.verify(&request.body, &request.headers).unwrap();
        }
        // The newest first; the header that has room for one has the newest alone.
        let signatures = request.header("webhook-signature").unwrap();
        assert_eq!(signatures.split(' ').count(), 2, "{signatures}");
        let body = webhooks_core::signature::sign_body_hex(&new, &request.body);
        let header = request.header("x-webhook-signature");
        assert_eq!(header, Some(format!("sha256={body}").as_str()));
    }
    // The time is over.
    let over = "select webhooks.set_setting('secret_overlap_seconds', 0)";
    scene.db.execute(over).await.unwrap();
    let only_new = async || {
        let event = scene.publish(&endpoint).await;
        scene.wait(event, "delivered").await;
        let requests = scene.receiver.requests_to("/hook");
        let request = requests.last().unwrap();
        let verifies = |secret: &str| {
            let library = Webhook::new(secret).unwrap();
            library.verify(&request.body, &request.headers).is_ok()
        };
        assert!(verifies(&new));
        Ok(match verifies(&old) {
            true => Seen::not_yet("the old secret still verifies"),
            false => Seen::Done(()),
        })
    };
    eventually(Duration::from_secs(20), only_new).await.unwrap();
}
