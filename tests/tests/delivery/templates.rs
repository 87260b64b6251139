//! Bodies that a subscription's `payload_template` makes.

use serde_json::{Value, json};
use standardwebhooks::Webhook;
use webhooks_tests::receiver::Reply;

use crate::scene::{Scene, text};

#[tokio::test]
async fn a_template_s_body_is_signed_typed_and_previewed_as_it_is_sent() {
    let scene = Scene::set("templates").await;
    let secret = scene.db.value("select webhooks.generate_secret()").await;
    let secret = secret.unwrap().unwrap();
    let title = "Ünï \"quoted\" \\ <b> ✓\n";
    let cases = [
        (
            None,
            r#"{"text": "New: {{ data.title }} of {{ resource.type }}{{ context.user_id }}", "n": {{ data.n + 1 }}}"#,
            "application/json",
            json!({"text": format!("New: {title} of "), "n": 3}).to_string(),
        ),
        (
            Some("application/vnd.example+json"),
            "{{ data }}",
            "application/vnd.example+json",
            json!({"n": 2, "title": title}).to_string(),
        ),
        (
            Some("text/plain; charset=utf-8"),
            "{{ event.type }}: {{ data.title }}",
            "text/plain; charset=utf-8",
            format!("document.uploaded: {title}"),
        ),
        (
            Some("application/x-www-form-urlencoded"),
            "text={{ data.title | urlencode }}",
            "application/x-www-form-urlencoded",
            "text=%C3%9Cn%C3%AF%20%22quoted%22%20%5C%20%3Cb%3E%20%E2%9C%93%0A".to_owned(),
        ),
    ];
    let example = "select webhooks.register_event_type('document.uploaded', example => '{\"title\": \"A\", \"n\": 1}')";
    scene.db.execute(example).await.unwrap();
    for (n, (content_type, template, sent_type, expected)) in cases.into_iter().enumerate() {
        let path = format!("/{n}");
        let columns = json!({
            "payload_template": template, "payload_content_type": content_type, "subscribed_events": ["document.uploaded"],
            "auth_type": "signature", "auth_config": {"secret": secret},
        });
        let endpoint = scene.endpoint(&path, Reply::ok(), columns).await;
        let data = json!({"title": title, "n": 2});
        let event = scene.publish_data(&endpoint, data).await;
        let (delivery, _) = scene.wait(event, "delivered").await;
        let request = &scene.receiver.requests_to(&path)[0];
        assert_eq!(request.header("content-type"), Some(sent_type));
        let body = std::str::from_utf8(&request.body).unwrap();
        match serde_json::from_str::<Value>(&expected) {
            Ok(json) => assert_eq!(request.json(), json),
            Err(_) => assert_eq!(body, expected),
        }
        Webhook::new(&secret)
            .unwrap()
            .verify(&request.body, &request.headers)
            .unwrap();
        let preview = format!(
            "select webhooks.build_payload('{event}', '{}')",
            endpoint.subscription
        );
        assert_eq!(
            scene.db.value(&preview).await.unwrap().as_deref(),
            Some(body)
        );
        assert_eq!(delivery["payload_size_bytes"], body.len());
    }
}

/// Nothing is sent, nothing is retried, the receiver is not blamed; the next event is delivered.
#[tokio::test]
async fn an_event_that_a_template_can_t_take_fails_with_the_reason() {
    let scene = Scene::set("template_fails").await;
    scene
        .db
        .execute("select webhooks.register_event_type('document.uploaded', example => '{\"title\": \"A\"}')")
        .await
        .unwrap();
    let endpoint = scene
        .endpoint(
            "/hook",
            Reply::ok(),
            json!({"payload_template": "{\n\"text\": {% if data.loop is defined %}{% for x in range(90000) %}{% for y in range(90000) %}{% endfor %}{% endfor %}{% endif %}\n\"{{ data.title }}\"}",
                   "subscribed_events": ["document.uploaded"], "retry_count": 5, "max_payload_size_kb": 2, "breaker_failure_threshold": 1}),
        )
        .await;
    for (data, reason) in [
        (
            json!({"name": "hush"}),
            "payload_template: line 3: undefined value; nothing was sent",
        ),
        (
            json!({"title": "hush".repeat(1000)}),
            "payload_template: the body is larger than 2048 bytes, which is max_payload_size_kb or four times the event and 256 KiB; nothing was sent",
        ),
        (
            json!({"title": "x", "loop": true}),
            "payload_template: line 2: the template works too long; nothing was sent",
        ),
    ] {
        let event = scene.publish_data(&endpoint, data).await;
        let (delivery, attempts) = scene.wait(event, "failed").await;
        assert_eq!(text(&delivery["error_message"]), reason);
        assert_eq!(attempts.len(), 1);
        assert_eq!(delivery["http_status_code"], Value::Null);
    }
    assert_eq!(scene.receiver.count(), 0);
    let event = scene
        .publish_data(&endpoint, json!({"title": "good"}))
        .await;
    scene.wait(event, "delivered").await;
    assert_eq!(scene.receiver.requests()[0].json(), json!({"text": "good"}));
}

#[tokio::test]
async fn secrets_are_sent_and_nobody_sees_them() {
    let scene = Scene::set("template_secrets").await;
    let secret = "s3cr3t \"/+<é";
    let columns = |template: &str, content_type: Option<&str>| {
        json!({
            "payload_template": template, "payload_content_type": content_type, "template_secrets": {"token": secret},
            "subscribed_events": ["document.uploaded"], "retry_count": 0,
        })
    };
    for (path, template, content_type, expected) in [
        (
            "/json",
            r#"{"token": "{{ secrets.token }}", "bare": {{ secrets.token }}}"#,
            None,
            json!({"token": secret, "bare": secret}).to_string(),
        ),
        (
            "/form",
            "token={{ secrets.token | urlencode }}",
            Some("application/x-www-form-urlencoded"),
            "token=s3cr3t%20%22/%2B%3C%C3%A9".to_owned(),
        ),
        (
            "/xml",
            "<t>{{ secrets.token }}</t>",
            Some("text/xml"),
            "<t>s3cr3t &quot;&#x2f;+&lt;é</t>".to_owned(),
        ),
    ] {
        let columns = columns(template, content_type);
        let endpoint = scene.endpoint(path, Reply::ok(), columns).await;
        let event = scene.publish(&endpoint).await;
        scene.wait(event, "delivered").await;
        let body = &scene.receiver.requests_to(path)[0].body;
        match serde_json::from_str::<Value>(&expected) {
            Ok(json) => assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), json),
            Err(_) => assert_eq!(std::str::from_utf8(body).unwrap(), expected),
        }
    }
    // Another one from the next attempt on.
    let renew = "update webhooks.webhook_subscriptions set template_secrets = '{\"token\": \"new\"}' where webhook_url like '%/json'";
    scene.db.execute(renew).await.unwrap();
    let publish = "select webhooks.publish_event(tenant_id, 'document.uploaded') from webhooks.webhook_subscriptions where webhook_url like '%/json'";
    let event = scene.db.value(publish).await.unwrap().unwrap();
    scene.wait(event.parse().unwrap(), "delivered").await;
    let new = json!({"token": "new", "bare": "new"});
    assert_eq!(scene.receiver.requests_to("/json")[1].json(), new);

    // An event that a template fails with says nothing of them; nor does what is captured.
    for (path, template, reason) in [
        (
            "/undefined",
            "{\"t\": {{ secrets.token }}, \"x\": {{ data.not_there }}}",
            "payload_template: line 1: undefined value; nothing was sent",
        ),
        (
            "/captured",
            "{% set t %}{{ secrets.token }}{% endset %}{{ t }}",
            "payload_template: line 1: invalid operation; nothing was sent",
        ),
        (
            "/no-json",
            "{{ secrets.token }}{{ secrets.token }}",
            "payload_template: the result is no JSON at line 1, column 17: trailing characters; nothing was sent",
        ),
    ] {
        let mut columns = columns(template, None);
        columns["subscribed_events"] = json!(["order.unheard_of"]);
        scene
            .db
            .execute("insert into webhooks.event_types (name, category) values ('order.unheard_of', 'order') on conflict do nothing")
            .await
            .unwrap();
        let endpoint = scene.endpoint(path, Reply::ok(), columns).await;
        let publish = format!(
            "select webhooks.publish_event(tenant_id, 'order.unheard_of') from webhooks.webhook_subscriptions where id = '{}'",
            endpoint.subscription
        );
        let event = scene.db.value(&publish).await.unwrap().unwrap();
        let (delivery, _) = scene.wait(event.parse().unwrap(), "failed").await;
        assert_eq!(text(&delivery["error_message"]), reason);
        assert!(!scene.sidecar.log_tail(usize::MAX).contains("s3cr3t"));
    }
    assert_eq!(scene.receiver.count(), 4);
}
