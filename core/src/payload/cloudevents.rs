//! CloudEvents 1.0: the attributes of an event, as members of a JSON object (structured mode) or as headers (binary mode).
//!
//! | attribute | value |
//! | --- | --- |
//! | `specversion` | `1.0` |
//! | `id` | the event's id |
//! | `source` | `urn:uuid:` and the tenant's id |
//! | `type` | the event type |
//! | `subject` | the resource's type and id, joined by a slash; what there is of them |
//! | `time` | when it was published |
//! | `datacontenttype` | `application/json` |
//! | `category`, `eventname`, `eventversion` | as in the envelope's `event` |
//! | `userid`, `sessionid`, `requestid`, `sourceip` | as in the envelope's `context`: there only with a user |
//! | `test` | `true`, a Boolean: there only if the event is a test's |
//!
//! The last three rows are extensions. An attribute without a value is left out, and so is an empty one.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md> and, beside it, `formats/json-format.md` and
//! `bindings/http-protocol-binding.md`.

use super::{Event, FIXED_PART, push_compact, push_test, push_text, timestamp, variable_part};
use std::borrow::Cow;
use std::fmt::Write;

/// The body in structured mode.
pub fn render_structured(event: &Event<'_>) -> String {
    let mut out = String::with_capacity(2 * FIXED_PART + variable_part(event));
    out.push('{');
    for (name, _, value) in attributes(event) {
        push_text(&mut out, name);
        out.push(':');
        push_text(&mut out, &value);
        out.push(',');
    }
    // In binary mode this is the request's own Content-Type.
    out.push_str("\"datacontenttype\":\"application/json\",\"data\":");
    push_compact(&mut out, event.data);
    push_test(&mut out, event);
    out.push('}');
    out
}

/// The attributes as headers in binary mode.
pub fn headers(event: &Event<'_>) -> Vec<(&'static str, String)> {
    let test = event.is_test.then(|| ("ce-test", "true".to_owned()));
    attributes(event)
        .map(|(_, header, value)| (header, percent_encoded(&value)))
        .chain(test)
        .collect()
}

/// Names, their headers, and values: text that the specification's type String allows. (`test` is a Boolean.)
fn attributes<'e>(
    event: &'e Event<'_>,
) -> impl Iterator<Item = (&'static str, &'static str, Cow<'e, str>)> {
    let mut time = String::with_capacity(32);
    timestamp::push_iso_format(&mut time, event.created_at_us);
    let context = |value: Option<&'e str>| event.user_id.and(value).map(Cow::Borrowed);
    [
        ("specversion", "ce-specversion", Some("1.0".into())),
        ("id", "ce-id", Some(event.id.to_string().into())),
        (
            "source",
            "ce-source",
            Some(format!("urn:uuid:{}", event.tenant_id).into()),
        ),
        ("type", "ce-type", Some(event.event_type.into())),
        ("subject", "ce-subject", subject(event)),
        ("time", "ce-time", Some(time.into())),
        ("category", "ce-category", Some(event.category.into())),
        ("eventname", "ce-eventname", Some(event.name.into())),
        (
            "eventversion",
            "ce-eventversion",
            event.version.map(Cow::Borrowed),
        ),
        (
            "userid",
            "ce-userid",
            event.user_id.map(|id| id.to_string().into()),
        ),
        ("sessionid", "ce-sessionid", context(event.session_id)),
        ("requestid", "ce-requestid", context(event.request_id)),
        ("sourceip", "ce-sourceip", context(event.source_ip)),
    ]
    .into_iter()
    .filter_map(|(name, header, value)| Some((name, header, allowed(value?))))
    .filter(|(.., value)| !value.is_empty())
}

fn subject<'e>(event: &'e Event<'_>) -> Option<Cow<'e, str>> {
    match (event.resource_type, event.resource_id) {
        (Some(resource), Some(id)) => Some(format!("{resource}/{id}").into()),
        (Some(resource), None) => Some(resource.into()),
        (None, Some(id)) => Some(id.to_string().into()),
        (None, None) => None,
    }
}

/// The text with U+FFFD for what a String must not have: control characters and code points that are no characters.
fn allowed(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_allowed = |c: char| {
        let code = u32::from(c);
        !c.is_control() && !(0xfdd0..=0xfdef).contains(&code) && code & 0xfffe != 0xfffe
    };
    if text.chars().all(is_allowed) {
        return text;
    }
    let replaced = |c| {
        if is_allowed(c) {
            c
        } else {
            char::REPLACEMENT_CHARACTER
        }
    };
    text.chars().map(replaced).collect::<String>().into()
}

/// As the HTTP binding's section 3.1.3.2 says: space, quotation mark, percent and all but visible ASCII are encoded.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'%' => {}
            0x21..=0x7e => {
                out.push(char::from(byte));
                continue;
            }
            _ => {}
        }
        // Writing to a String does not fail.
        let _ = write!(out, "%{byte:02X}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::event;
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use uuid::Uuid;

    #[test]
    fn structured() {
        assert_eq!(
            render_structured(&event()),
            r#"{"specversion":"1.0","id":"00000000-0000-0000-0000-000000000001","source":"urn:uuid:00000000-0000-0000-0000-000000000002","type":"document.processed","subject":"document/00000000-0000-0000-0000-000000000003","time":"2026-11-24T08:00:00.123456+00:00","category":"document","eventname":"Document processed","eventversion":"1.0","datacontenttype":"application/json","data":{"pages":3,"big":1e999999999}}"#
        );
    }

    #[test]
    fn binary() {
        let event = Event {
            name: "Üb\u{1}er \"100 %\"",
            version: Some(""),
            resource_type: None,
            user_id: Some(Uuid::from_u128(4)),
            session_id: Some("s"),
            ..event()
        };
        let lines: Vec<_> = headers(&event)
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        assert_eq!(
            lines,
            [
                "ce-specversion: 1.0",
                "ce-id: 00000000-0000-0000-0000-000000000001",
                "ce-source: urn:uuid:00000000-0000-0000-0000-000000000002",
                "ce-type: document.processed",
                "ce-subject: 00000000-0000-0000-0000-000000000003",
                "ce-time: 2026-11-24T08:00:00.123456+00:00",
                "ce-category: document",
                "ce-eventname: %C3%9Cb%EF%BF%BDer%20%22100%20%25%22",
                "ce-userid: 00000000-0000-0000-0000-000000000004",
                "ce-sessionid: s",
            ]
        );
    }

    #[test]
    fn a_test_says_so_in_both_modes() {
        let event = Event {
            is_test: true,
            ..event()
        };
        assert!(render_structured(&event).ends_with(r#","test":true}"#));
        let last = headers(&event).pop();
        assert_eq!(last, Some(("ce-test", "true".to_owned())));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever the texts are: attributes are allowed by the specification, and both modes say the same.
        #[test]
        fn any_text_becomes_a_valid_attribute(text in any::<String>(), more in "[\\x00-\\x1f\"%\\\\ \u{7f}\u{85}\u{fdd0}\u{fffe}\u{1ffff}]{0,3}") {
            let text = text + &more;
            let event = Event { name: &text, category: &text, resource_type: Some(&text), resource_id: None, ..event() };
            let structured: Value = serde_json::from_str(&render_structured(&event)).unwrap();
            for (name, value) in headers(&event) {
                let name = name.strip_prefix("ce-").unwrap();
                prop_assert!(name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
                prop_assert!(!value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b'"'));
                let mut decoded = Vec::new();
                let mut bytes = value.bytes();
                while let Some(byte) = bytes.next() {
                    decoded.push(if byte == b'%' {
                        let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    } else {
                        byte
                    });
                }
                let decoded = String::from_utf8(decoded).unwrap();
                let is_forbidden = |c: char| {
                    c.is_control() || u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c)
                };
                prop_assert!(!decoded.chars().any(is_forbidden));
                prop_assert_eq!(&structured[name], &decoded);
            }
            prop_assert_eq!(structured.get("subject").is_some(), !text.is_empty());
        }
    }
}
