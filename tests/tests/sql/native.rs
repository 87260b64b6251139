//! The functions in Rust; what they compute is tested in `webhooks-core`, here that SQL reaches it.

use crate::support::world::database;

#[tokio::test]
async fn ids_ascend_and_know_their_time() {
    let (_db, session) = database("ids").await;
    let ids = "select count(*), count(distinct id), bool_and(id > before), bool_and(substr(id::text, 15, 1) = '7'),
            bool_and(id >= webhooks.uuid_v7_floor(at - interval '1 s') and id < webhooks.uuid_v7_floor(at + interval '10 s'))
        from (select id, lag(id, 1, '00000000-0000-0000-0000-000000000000') over (order by n) as before, at
              from (select n, webhooks.uuid_v7() as id, statement_timestamp() as at from generate_series(1, 10000) n offset 0) i) t";
    assert_eq!(session.text(ids).await, "10000|10000|t|t|t");
    assert_eq!(
        session
            .text("select webhooks.uuid_v7_floor('2025-01-02 03:04:05.678Z')")
            .await,
        "019424f8-632e-0000-0000-000000000000"
    );
}

#[tokio::test]
async fn signatures_and_secrets_are_made_and_verified() {
    let (_db, session) = database("signatures").await;
    // HMAC-SHA256 as Python's hmac computes it.
    let known = "dd4c86abe4ac825abd9632c4462534ad33b36f1a65bbe9692c246c54b5875b68";
    let sign = "select webhooks.generate_signature('{\"a\": 1}', 'topsecret')";
    assert_eq!(session.text(sign).await, known);
    let verify = |payload: &str, signature: &str, secret: &str| {
        format!("select webhooks.verify_signature('{payload}', '{signature}', '{secret}')")
    };
    for (payload, signature, secret, expected) in [
        ("{\"a\": 1}", known, "topsecret", "t"),
        ("{\"a\": 1}", &format!("sha256={known}"), "topsecret", "t"),
        ("{\"a\": 2}", known, "topsecret", "f"),
        ("{\"a\": 1}", known, "topsecre", "f"),
        ("{\"a\": 1}", &known[..62], "topsecret", "f"),
        ("{\"a\": 1}", "", "topsecret", "f"),
        ("{\"a\": 1}", "no hex at all", "topsecret", "f"),
    ] {
        let verify = verify(payload, signature, secret);
        assert_eq!(session.text(&verify).await, expected, "{verify}");
    }
    let nulls = "select num_nulls(webhooks.generate_signature(null, 'x'), webhooks.generate_signature('x', null),
                                  webhooks.verify_signature('x', null, 'x'))";
    assert_eq!(session.text(nulls).await, "3");
    // Each one new, and one that a subscription takes.
    let secrets = "select count(distinct webhooks.generate_secret()), count(distinct webhooks.generate_api_key()),
            min(webhooks.generate_secret()) like 'whsec\\_%', min(length(webhooks.generate_api_key()))
        from generate_series(1, 100)";
    assert_eq!(session.text(secrets).await, "100|100|t|43");
    session
        .run(
            "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, auth_type, auth_config)
             values (webhooks.uuid_v7(), 'x', 'http://x.example/', 'signature', jsonb_build_object('secret', webhooks.generate_secret())),
                    (webhooks.uuid_v7(), 'x', 'http://x.example/', 'api_key', jsonb_build_object('api_key', webhooks.generate_api_key()))",
        )
        .await;
}

#[tokio::test]
async fn the_payload_is_the_events() {
    let (_db, session) = database("payload").await;
    session
        .run(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data, created_at, resource_type,
                 resource_id, user_id, session_id, request_id, source_ip)
             values ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002', 'job.created', 'job', 'J \"1\"',
                 '{\"b\": 1.50, \"a\": \"ü\"}', '2025-01-02 03:04:05.678901Z', 'job', '00000000-0000-7000-8000-000000000003',
                 '00000000-0000-7000-8000-000000000004', 's', 'r', '192.0.2.1')",
        )
        .await;
    let build = "select webhooks.build_payload('00000000-0000-7000-8000-000000000001')";
    let expected = r#"{"id":"00000000-0000-7000-8000-000000000001","event":{"type":"job.created","category":"job","name":"J \"1\"","version":"1.0","timestamp":"2025-01-02T03:04:05.678901+00:00"},"tenant_id":"00000000-0000-7000-8000-000000000002","data":{"a":"ü","b":1.50},"resource":{"type":"job","id":"00000000-0000-7000-8000-000000000003"},"context":{"user_id":"00000000-0000-7000-8000-000000000004","session_id":"s","request_id":"r","source_ip":"192.0.2.1"}}"#;
    assert_eq!(session.text(build).await, expected);
    let request = |format: &str, event: &str| {
        format!(
            "select r.headers, r.body from webhooks_private.render_request({format}, null, null, null, {event}, webhooks.uuid_v7(), 'job.created', 'job', 'j', '1.0', 0, '{{\"a\": 1}}', null, null, null, null, null, null, null) r"
        )
    };
    assert_eq!(
        session
            .text(&request("'standard'", "webhooks.uuid_v7()"))
            .await,
        r#"{"content-type": "application/json"}|{"type":"job.created","timestamp":"1970-01-01T00:00:00+00:00","data":{"a":1}}"#
    );
    let binary = request(
        "'cloudevents-binary'",
        "'00000000-0000-7000-8000-000000000001'",
    );
    let binary = session.text(&binary).await;
    assert!(
        binary.contains(r#""ce-id": "00000000-0000-7000-8000-000000000001""#),
        "{binary}"
    );
    assert!(binary.ends_with(r#"|{"a":1}"#), "{binary}");
    for (format, event) in [("null", "webhooks.uuid_v7()"), ("'envelope'", "null")] {
        let nothing: [String; 0] = [];
        assert_eq!(session.lines(&request(format, event)).await, nothing);
    }
    let refusal = session
        .refused(&request("'xml'", "webhooks.uuid_v7()"))
        .await;
    assert_eq!(refusal.code, "22023", "{refusal:?}");
    assert!(
        refusal.message.contains("\"xml\" is no payload format"),
        "{refusal:?}"
    );
    assert!(refusal.hint.contains("cloudevents-binary"), "{refusal:?}");
    for nothing in ["webhooks.uuid_v7()", "null"] {
        let nothing = format!("select webhooks.build_payload({nothing})");
        assert_eq!(session.text(&nothing).await, "null");
    }
    // In the format of whoever gets it, and for nobody else.
    session
        .run(
            "insert into webhooks.webhook_subscriptions (id, tenant_id, name, webhook_url) values
                 ('00000000-0000-7000-8000-00000000000a', '00000000-0000-7000-8000-000000000002', 'ours', 'http://x.example/'),
                 ('00000000-0000-7000-8000-00000000000b', '00000000-0000-7000-8000-000000000009', 'theirs', 'http://x.example/')",
        )
        .await;
    let build = |event: &str, subscription: &str| {
        format!(
            "select webhooks.build_payload({event}, subscription_id => '00000000-0000-7000-8000-00000000000{subscription}')"
        )
    };
    let event = "'00000000-0000-7000-8000-000000000001'";
    assert_eq!(session.text(&build(event, "a")).await, expected);
    assert_eq!(session.text(&build("null", "a")).await, "null");
    session
        .run("update webhooks.webhook_subscriptions set payload_format = 'cloudevents-binary' where name = 'ours'")
        .await;
    assert_eq!(
        session.text(&build(event, "a")).await,
        r#"{"a":"ü","b":1.50}"#
    );
    for (event, subscription, code, message) in [
        (
            event,
            "b",
            "22023",
            "subscription 00000000-0000-7000-8000-00000000000b is another tenant's",
        ),
        (
            event,
            "c",
            "42704",
            "there is no subscription 00000000-0000-7000-8000-00000000000c",
        ),
        ("null", "c", "42704", "there is no subscription"),
    ] {
        let refusal = session.refused(&build(event, subscription)).await;
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert!(refusal.message.starts_with(message), "{refusal:?}");
        assert!(!refusal.hint.is_empty(), "{refusal:?}");
    }
}
