//! Subscriptions from templates, and that the shipped ones make what their receivers take.
//!
//! The requirements are those that the receivers document:
//! Slack <https://docs.slack.dev/reference/block-kit/blocks>, Discord <https://docs.discord.com/developers/resources/webhook>,
//! Teams <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook> and
//! <http://adaptivecards.io/schemas/adaptive-card.json>, PagerDuty <https://developer.pagerduty.com/docs/events-api-v2/trigger-events>.

use serde_json::{Value, json};
use webhooks_tests::database::{Database, MANAGER_ROLE};

use crate::support::session::{Session, literal};
use crate::support::world::TENANT;

/// A manager of [`TENANT`].
async fn manager(db: &Database) -> Session {
    let manager = Session::open_as(db, MANAGER_ROLE).await;
    manager
        .run(&format!(
            "select webhooks.set_tenant('{TENANT}', for_session => true)"
        ))
        .await;
    manager
}

fn create(template: &str, overrides: &Value) -> String {
    format!(
        "select webhooks.create_subscription_from_template('{TENANT}', {}, {})",
        literal(template),
        literal(&overrides.to_string())
    )
}

/// The least that each shipped template needs.
fn needs(template: &str) -> Value {
    let mut overrides = json!({"name": template, "subscribed_events": ["*"]});
    match template {
        "pagerduty" => overrides["routing_key"] = json!("0123456789abcdef0123456789abcdef"),
        _ => overrides["webhook_url"] = json!("https://receiver.example/hook"),
    }
    overrides
}

/// Panics if a receiver would refuse the body.
fn assert_taken(template: &str, body: &Value) {
    let text = |value: &Value, max: usize| {
        let text = value
            .as_str()
            .unwrap_or_else(|| panic!("{template}: no text: {value}"));
        // The strictest way to count.
        let length = text.encode_utf16().count();
        assert!(
            (1..=max).contains(&length),
            "{template}: {length} of {max}: {text:.80}"
        );
    };
    match template {
        "slack" => {
            text(&body["text"], 40_000);
            assert!(
                !body["text"].as_str().unwrap().contains(['<', '>']),
                "{body}"
            );
            let blocks = body["blocks"].as_array().unwrap();
            assert!(blocks.len() <= 50);
            for block in blocks {
                match block["type"].as_str().unwrap() {
                    "header" => {
                        assert_eq!(block["text"]["type"], "plain_text");
                        text(&block["text"]["text"], 150);
                    }
                    "section" => text(&block["text"]["text"], 3000),
                    "context" => {
                        for element in block["elements"].as_array().unwrap() {
                            assert_eq!(element["type"], "plain_text");
                            text(&element["text"], 3000);
                        }
                    }
                    other => panic!("{other}"),
                }
            }
        }
        "discord" => {
            let embeds = body["embeds"].as_array().unwrap();
            assert!((1..=10).contains(&embeds.len()));
            for embed in embeds {
                text(&embed["title"], 256);
                text(&embed["description"], 4096);
                text(&embed["footer"]["text"], 2048);
                assert!(embed["timestamp"].as_str().unwrap().contains('T'));
            }
            let total: usize = ["title", "description"]
                .iter()
                .map(|name| embeds[0][name].as_str().unwrap().encode_utf16().count())
                .sum();
            assert!(total + 200 <= 6000);
            assert_eq!(body["allowed_mentions"], json!({"parse": []}));
        }
        "microsoft-teams" => {
            assert!(
                body.to_string().len() <= 28_000,
                "{}",
                body.to_string().len()
            );
            assert_eq!(body["type"], "message");
            let attachment = &body["attachments"][0];
            assert_eq!(
                attachment["contentType"],
                "application/vnd.microsoft.card.adaptive"
            );
            let card = &attachment["content"];
            assert_eq!(card["type"], "AdaptiveCard");
            assert_eq!(card["version"], "1.4");
            for element in card["body"].as_array().unwrap() {
                match element["type"].as_str().unwrap() {
                    "TextBlock" => text(&element["text"], 10_000),
                    "FactSet" => {
                        for fact in element["facts"].as_array().unwrap() {
                            text(&fact["title"], 100);
                            text(&fact["value"], 1000);
                        }
                    }
                    other => panic!("{other}"),
                }
            }
        }
        "pagerduty" => {
            assert_eq!(body["routing_key"], "***");
            assert_eq!(body["event_action"], "trigger");
            text(&body["dedup_key"], 255);
            let payload = &body["payload"];
            text(&payload["summary"], 1024);
            text(&payload["source"], 1024);
            let severity = payload["severity"].as_str().unwrap();
            assert!(["critical", "error", "warning", "info"].contains(&severity));
            assert!(payload["timestamp"].as_str().unwrap().contains('T'));
            assert!(payload["custom_details"].is_object());
        }
        "automation" => {
            text(&body["event_id"], 36);
            assert!(
                body["data"].is_object()
                    && body["resource_type"].is_string() | body["resource_type"].is_null()
            );
        }
        "plain-json" => assert!(body["event"]["type"].is_string()),
        "standard-webhooks" => assert_eq!(body.as_object().unwrap().len(), 3),
        other => panic!("what does {other} require?"),
    }
}

#[tokio::test]
async fn every_shipped_template_makes_what_its_receiver_takes() {
    let db = Database::fresh("shipped").await.unwrap();
    let manager = manager(&db).await;
    let admin = Session::open(&db).await;
    // Ordinary, empty, hostile and long ones.
    let quoted = "\"}]}<!channel> @everyone & \\ \u{1F600}\n`{{ id }}`";
    let events = [
        json!({"event_data": {"title": "x"}, "event_name": "Paid", "resource_type": "order", "resource_id": TENANT, "user_id": TENANT}),
        json!({"event_data": {}, "event_name": ""}),
        json!({"event_data": {quoted: quoted}, "event_name": quoted, "resource_type": quoted}),
        json!({"event_data": {"text": "\u{1F600}\u{1}\"".repeat(4000)}, "event_name": "\u{1F600}".repeat(100)}),
    ];
    let mut ids = Vec::new();
    for event in &events {
        let publish = format!(
            "select webhooks.publish_event('{TENANT}', 'job.failed', event_name => e ->> 'event_name', event_data => e -> 'event_data',
                 resource_type => e ->> 'resource_type', resource_id => (e ->> 'resource_id')::uuid, user_id => (e ->> 'user_id')::uuid)
             from (select {}::jsonb as e) t",
            // PostgreSQL's JSON has no \u0000, which none has.
            literal(&event.to_string())
        );
        ids.push(admin.text(&publish).await);
    }
    let templates = "select name from webhooks.shipped_templates() order by 1";
    let templates = manager.lines(templates).await;
    assert_eq!(
        templates,
        [
            "automation",
            "discord",
            "microsoft-teams",
            "pagerduty",
            "plain-json",
            "slack",
            "standard-webhooks"
        ]
    );
    for template in templates {
        let id = manager.text(&create(&template, &needs(&template))).await;
        let preview = format!("select body from webhooks.preview_payload('{id}')");
        let body = manager.text(&preview).await;
        assert_taken(&template, &serde_json::from_str(&body).unwrap());
        for event in &ids {
            let preview = format!("select body from webhooks.preview_payload('{id}', '{event}')");
            let body = manager.text(&preview).await;
            assert_taken(&template, &serde_json::from_str(&body).unwrap());
        }
    }
    // Signed with a secret that is told on request.
    let signing = "select auth_type, auth_config from webhooks.subscription_settings where name = 'standard-webhooks'";
    assert_eq!(manager.text(signing).await, r#"signature|{"secret": null}"#);
}

#[tokio::test]
async fn overrides_and_templates_of_a_tenants_own() {
    let db = Database::fresh("own_templates").await.unwrap();
    let manager = manager(&db).await;
    let add = |name: &str, settings: Value, placeholders: Value| {
        format!(
            "insert into webhooks.subscription_templates (tenant_id, name, settings, placeholders) values ('{TENANT}', '{name}', {}, {})",
            literal(&settings.to_string()),
            literal(&placeholders.to_string())
        )
    };
    let settings = json!({
        "webhook_url": "https://<<host>>/rooms/<<room>>", "retry_count": 7, "subscribed_events": ["job.*"],
        "payload_template": "{\"room\": \"<<room>>\", \"text\": \"{{ event.type }}\"}", "name": "In <<room>>",
    });
    let placeholders = json!({"room": "The room's number", "host": "Its server"});
    manager.run(&add("rooms", settings, placeholders)).await;
    // It hides the shipped one.
    manager
        .run(&add(
            "plain-json",
            json!({"payload_format": "cloudevents"}),
            json!({}),
        ))
        .await;
    let rooms = json!({"room": "17", "host": "chat.example.com", "retry_count": 2, "webhook_headers": {"x": "y"}, "auth_type": "api_key", "auth_config": {"api_key": "hush"}});
    let id = manager.text(&create("rooms", &rooms)).await;
    let made = format!(
        "select name, webhook_url, retry_count, subscribed_events, payload_template, auth_config, webhook_headers, timeout_seconds
         from webhooks.subscription_settings where id = '{id}'"
    );
    assert_eq!(
        manager.text(&made).await,
        r#"In 17|https://chat.example.com/rooms/17|2|["job.*"]|{"room": "17", "text": "{{ event.type }}"}|{"api_key": null}|{"x": null}|30"#
    );
    let plain = json!({"webhook_url": "https://x.example/"});
    manager.run(&create("plain-json", &plain)).await;
    let format =
        "select payload_format from webhooks.webhook_subscriptions where name = 'plain-json'";
    assert_eq!(manager.text(format).await, "cloudevents");

    for (statement, code, message) in [
        (
            create("no-such", &plain),
            "42704",
            "there is no template \"no-such\"",
        ),
        (
            create("slack", &json!({})),
            "22023",
            "invalid webhook_url: null",
        ),
        (
            create("slack", &json!([])),
            "22023",
            "overrides are no JSON object",
        ),
        (
            create(
                "slack",
                &json!({"webhook_url": "https://x.example/", "colour": "hush"}),
            ),
            "22023",
            "there is nothing to override called \"colour\"",
        ),
        (
            create("slack", &json!({"tenant_id": TENANT})),
            "22023",
            "there is nothing to override called \"tenant_id\"",
        ),
        (
            create("pagerduty", &json!({})),
            "22023",
            "template \"pagerduty\" needs a value for routing_key",
        ),
        (
            create("pagerduty", &json!({"routing_key": ["hush"]})),
            "22023",
            "invalid template_secrets: \"routing_key\" must be a string, not an array",
        ),
        (
            create(
                "rooms",
                &json!({"room": "a\", \"x\": \"{{ id }}", "host": "x"}),
            ),
            "22023",
            "template \"rooms\" needs a value for room",
        ),
        (
            add(
                "x",
                json!({"payload_template": "{{ secrets.key }} <<key>>"}),
                json!({"key": "which"}),
            ),
            "22023",
            "invalid placeholder \"key\"",
        ),
        (
            add(
                "x",
                json!({"payload_template": "{{ secrets.key | upper }}"}),
                json!({"key": "which"}),
            ),
            "22023",
            "invalid payload_template: line 1: a secret can only be printed",
        ),
        (
            add("x", json!({"template_secrets": {"key": "hush"}}), json!({})),
            "22023",
            "a template can't set \"template_secrets\"",
        ),
        (
            create(
                "slack",
                &json!({"webhook_url": "https://x.example/", "retry_count": 101}),
            ),
            "22023",
            "invalid retry_count: 101",
        ),
        (
            add("x", json!({"auth_config": {"secret": "hush"}}), json!({})),
            "22023",
            "a template can't set \"auth_config\"",
        ),
        (
            add("x", json!({"version": 1}), json!({})),
            "22023",
            "a template can't set \"version\"",
        ),
        (
            add("x", json!([1]), json!({})),
            "22023",
            "settings and placeholders of a template are JSON objects",
        ),
        (
            add("x", json!({"name": "x"}), json!({"room": "which"})),
            "22023",
            "invalid placeholder \"room\"",
        ),
        (
            add("x", json!({"name": "<<name>>"}), json!({"name": "which"})),
            "22023",
            "invalid placeholder \"name\"",
        ),
    ] {
        let refusal = manager.refused(&statement).await;
        assert_eq!(refusal.code, code, "{statement}: {refusal:?}");
        assert!(refusal.message.starts_with(message), "{refusal:?}");
        assert!(!refusal.hint.is_empty(), "{refusal:?}");
        assert!(!refusal.everything.contains("hush"), "{refusal:?}");
    }
}

/// Templates and URLs may have keys in them, and an auditor reads the log of all tenants.
#[tokio::test]
async fn the_audit_log_has_no_keys_of_templates() {
    let db = Database::fresh("audited_templates").await.unwrap();
    let manager = manager(&db).await;
    let settings = json!({"webhook_url": "https://chat.example.com/hush", "payload_template": "{\"key\": \"hush\"}"});
    manager
        .run(&format!(
            "insert into webhooks.subscription_templates (tenant_id, name, settings) values ('{TENANT}', 'chat', {})",
            literal(&settings.to_string())
        ))
        .await;
    manager.run(&create("chat", &json!({}))).await;
    manager
        .run("update webhooks.subscription_templates set description = 'x';
              update webhooks.subscription_templates set settings = jsonb_set(settings, '{payload_template}', '\"hush\"');
              update webhooks.webhook_subscriptions set payload_template = '\"hush\"'")
        .await;
    let session = Session::open(&db).await;
    let log = session
        .lines("select object_type, action, before, after from webhooks.audit_log order by id")
        .await;
    assert_eq!(log.len(), 5, "{log:?}");
    for entry in &log {
        assert!(!entry.contains("hush"), "{entry}");
    }
    assert!(
        log[1].contains(r#""payload_template": "[redacted]""#),
        "{log:?}"
    );
    assert!(
        log[0].contains("https://chat.example.com/[redacted]"),
        "{log:?}"
    );
    assert!(log[2].contains(r#"{"description": "x"}"#), "{log:?}");
}

/// Only the sidecar can read a value for a placeholder that the template prints as a secret.
#[tokio::test]
async fn secrets_given_for_placeholders_are_kept_as_secrets() {
    let db = Database::fresh("template_secrets").await.unwrap();
    let manager = manager(&db).await;
    let hostile = "hush\"}, {{ id }} \\ <b>";
    manager
        .run(&format!(
            "insert into webhooks.subscription_templates (tenant_id, name, settings, placeholders) values ('{TENANT}', 'bot', {}, {})",
            literal(&json!({"webhook_url": "https://<<host>>/", "subscribed_events": ["*"], "payload_template": "{\"token\": {{ secrets.token }}, \"also\": \"{{ secrets.also }}\"}"}).to_string()),
            literal(&json!({"host": "Its server", "token": "The bot's token"}).to_string()),
        ))
        .await;
    let pagerduty = create("pagerduty", &json!({"routing_key": "hush"}));
    let bot = create(
        "bot",
        &json!({"host": "x.example", "token": hostile, "template_secrets": {"also": "hush too"}}),
    );
    let stored = "select template_secrets from webhooks.webhook_subscriptions where id = ";
    let admin = Session::open(&db).await;
    for (create, expected) in [
        (pagerduty, json!({"routing_key": "hush"})),
        (bot, json!({"token": hostile, "also": "hush too"})),
    ] {
        let id = manager.text(&create).await;
        let found = admin.text(&format!("{stored}'{id}'")).await;
        assert_eq!(serde_json::from_str::<Value>(&found).unwrap(), expected);
        let seen = format!(
            "select s::text, p::text from webhooks.subscription_settings s, webhooks.preview_payload(s.id) p where s.id = '{id}'"
        );
        let seen = manager.text(&seen).await;
        assert!(seen.contains("***") && !seen.contains("hush"), "{seen}");
    }
    for (template, overrides, message) in [
        (
            "bot",
            json!({"host": "x", "token": "hush"}),
            "invalid payload_template: there is no secret \"also\" in template_secrets",
        ),
        (
            "bot",
            json!({"host": "x", "token": "", "template_secrets": {"also": "hush"}}),
            "template \"bot\" needs a value for token",
        ),
    ] {
        let refusal = manager.refused(&create(template, &overrides)).await;
        assert_eq!(refusal.code, "22023", "{refusal:?}");
        assert_eq!(refusal.message, message);
        assert!(!refusal.hint.is_empty(), "{refusal:?}");
        assert!(!refusal.everything.contains("hush"), "{refusal:?}");
    }
}

/// PostgreSQL's error for a null shows the row, in which there may be URLs and keys.
#[tokio::test]
async fn a_template_without_tenant_or_name_is_not_shown() {
    let db = Database::fresh("nameless").await.unwrap();
    let session = Session::open(&db).await;
    for columns in ["null, 'x'", "'11111111-1111-4111-8111-111111111111', null"] {
        let insert = format!(
            "insert into webhooks.subscription_templates (tenant_id, name, settings) values ({columns}, '{{\"webhook_url\": \"https://hush4711.example\"}}')"
        );
        let refusal = session.refused(&insert).await;
        assert_eq!(refusal.code, "23502", "{refusal:?}");
        assert!(!refusal.everything.contains("hush4711"), "{refusal:?}");
    }
}
