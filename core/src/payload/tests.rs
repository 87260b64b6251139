use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

pub fn event() -> Event<'static> {
    Event {
        id: Uuid::from_u128(1),
        tenant_id: Uuid::from_u128(2),
        event_type: "document.processed",
        category: "document",
        name: "Document processed",
        version: Some("1.0"),
        created_at_us: 1_795_507_200_123_456,
        data: r#"{"pages": 3, "big": 1e999999999}"#,
        resource_type: Some("document"),
        resource_id: Some(Uuid::from_u128(3)),
        resource_data: None,
        user_id: None,
        session_id: Some("never shown without a user"),
        request_id: None,
        source_ip: None,
        is_test: false,
    }
}

#[test]
fn the_specification_s_envelope_without_a_user() {
    assert_eq!(
        render_envelope(&event()),
        r#"{"id":"00000000-0000-0000-0000-000000000001","event":{"type":"document.processed","category":"document","name":"Document processed","version":"1.0","timestamp":"2026-11-24T08:00:00.123456+00:00"},"tenant_id":"00000000-0000-0000-0000-000000000002","data":{"pages":3,"big":1e999999999},"resource":{"type":"document","id":"00000000-0000-0000-0000-000000000003"}}"#
    );
}

#[test]
fn the_specification_s_envelope_with_everything() {
    let event = Event {
        resource_data: Some("[1, \"a, b\"]"),
        user_id: Some(Uuid::from_u128(4)),
        session_id: Some("s\"1\\\n"),
        source_ip: Some("192.0.2.1"),
        ..event()
    };
    assert_eq!(
        render_envelope(&event),
        r#"{"id":"00000000-0000-0000-0000-000000000001","event":{"type":"document.processed","category":"document","name":"Document processed","version":"1.0","timestamp":"2026-11-24T08:00:00.123456+00:00"},"tenant_id":"00000000-0000-0000-0000-000000000002","data":{"pages":3,"big":1e999999999},"resource":{"type":"document","id":"00000000-0000-0000-0000-000000000003","data":[1,"a, b"]},"context":{"user_id":"00000000-0000-0000-0000-000000000004","session_id":"s\"1\\\n","request_id":null,"source_ip":"192.0.2.1"}}"#
    );
}

#[test]
fn missing_parts_are_null_and_resource_data_needs_a_resource() {
    let event = Event {
        version: None,
        resource_id: None,
        resource_data: Some("{}"),
        ..event()
    };
    let body: Value = serde_json::from_str(&render_envelope(&event)).unwrap();
    assert_eq!(body["event"]["version"], json!(null));
    assert_eq!(body["resource"], json!({"type": "document", "id": null}));
}

#[test]
fn every_format_has_its_name_and_its_bytes() {
    for format in PayloadFormat::ALL {
        assert_eq!(format.name().parse(), Ok(format));
        let body: Value = serde_json::from_str(&format.render(&event())).unwrap();
        let data = match format {
            PayloadFormat::CloudEventsBinary => &body,
            _ => &body["data"],
        };
        assert_eq!(data["pages"], json!(3), "{format:?}");
    }
    let unknown = "Envelope\n".parse::<PayloadFormat>().unwrap_err();
    assert_eq!(unknown.to_string(), r#""Envelope\n" is no payload format"#);
    assert_eq!(
        PayloadFormat::Standard.render(&event()),
        r#"{"type":"document.processed","timestamp":"2026-11-24T08:00:00.123456+00:00","data":{"pages":3,"big":1e999999999}}"#
    );
    assert_eq!(
        PayloadFormat::CloudEventsBinary.render(&event()),
        r#"{"pages":3,"big":1e999999999}"#
    );
}

#[test]
fn a_test_says_so_in_every_format() {
    let test = Event {
        is_test: true,
        user_id: Some(Uuid::from_u128(4)),
        ..event()
    };
    for format in PayloadFormat::ALL {
        let without = Event {
            is_test: false,
            ..test
        };
        let (body, without) = (format.render(&test), format.render(&without));
        if format == PayloadFormat::CloudEventsBinary {
            assert_eq!(body, without, "its body is the data");
        } else {
            let end = without.strip_suffix('}').unwrap();
            assert_eq!(body, format!("{end},\"test\":true}}"), "{format:?}");
        }
    }
}

#[test]
fn the_hash_is_sha_256() {
    assert_eq!(
        crate::hex::encode(&payload_sha256("abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_survives(text in any::<String>(), control in "[\\x00-\\x1f\"\\\\\\x7f]{0,3}") {
        let text = text + &control;
        let event = Event {
            event_type: &text,
            name: &text,
            user_id: Some(Uuid::nil()),
            session_id: Some(&text),
            ..event()
        };
        let body: Value = serde_json::from_str(&render_envelope(&event)).unwrap();
        prop_assert_eq!(&body["event"]["type"], &text);
        prop_assert_eq!(&body["event"]["name"], &text);
        prop_assert_eq!(&body["context"]["session_id"], &text);
    }
}
