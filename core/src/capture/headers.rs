//! Response headers as a JSON object.

use super::storable;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What stands for headers that were left out. No header can have this name.
const OMITTED: &str = "(omitted)";
const REDACTED: &str = "[redacted]";

/// Headers whose values are credentials.
const SENSITIVE: [&str; 7] = [
    "authentication-info",
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "set-cookie2",
    "x-amz-security-token",
];

/// Response headers as the text of a JSON object of strings, fit for `jsonb`.
///
/// Names are in lower case; values of a repeated name are joined by `, ` in their order; values that are credentials
/// read `[redacted]`. An empty name stands for a line that is no header, and is left out. At most `cap_count` names and `cap_bytes` bytes (names and values before JSON escaping, and
/// two for each header) are kept; then `"(omitted)": "3 headers"` says how many were not.
pub fn headers_json<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    cap_bytes: usize,
    cap_count: usize,
) -> String {
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    let mut left = cap_bytes;
    let mut omitted: u64 = 0;
    for (name, value) in headers {
        let value = if is_sensitive(name) {
            REDACTED.as_bytes()
        } else {
            value
        };
        // Before anything is copied: cleaning only makes it longer.
        if name.is_empty() || cost(name.len(), value.len()) > left {
            omitted += 1;
            continue;
        }
        let name = storable(name.to_ascii_lowercase().as_bytes());
        let value = storable(value);
        let cost = cost(name.len(), value.len());
        if cost > left || (kept.len() >= cap_count && !kept.contains_key(&name)) {
            omitted += 1;
            continue;
        }
        left -= cost;
        kept.entry(name)
            .and_modify(|joined| {
                joined.push_str(", ");
                joined.push_str(&value);
            })
            .or_insert(value);
    }
    let mut object: Map<String, Value> = kept
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    if omitted > 0 {
        let plural = if omitted == 1 { "" } else { "s" };
        object.insert(OMITTED.into(), format!("{omitted} header{plural}").into());
    }
    Value::Object(object).to_string()
}

/// As in HTTP/1, `name: value`; when a name repeats, the two bytes in between are for the `, `.
fn cost(name: usize, value: usize) -> usize {
    name.saturating_add(value).saturating_add(2)
}

fn is_sensitive(name: &str) -> bool {
    SENSITIVE.iter().any(|s| s.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn captured(headers: &[(&str, &[u8])], cap_bytes: usize, cap_count: usize) -> Value {
        serde_json::from_str(&headers_json(headers.iter().copied(), cap_bytes, cap_count)).unwrap()
    }

    #[test]
    fn names_are_lowered_and_values_joined_cleaned_and_redacted() {
        let headers: [(&str, &[u8]); 8] = [
            ("Content-Type", b"text/plain"),
            ("x-a", b"1"),
            ("X-A", b"2, 3"),
            ("x-bad", b"a\xff\0\"\\"),
            ("Set-Cookie", b"session=hush"),
            ("set-cookie", b"b=hush"),
            ("x-empty", b""),
            ("proxy-authorization", b"hush"),
        ];
        assert_eq!(
            captured(&headers, 1000, 100),
            json!({
                "content-type": "text/plain", "x-a": "1, 2, 3", "x-bad": "a\u{fffd}\u{fffd}\"\\",
                "set-cookie": "[redacted], [redacted]", "x-empty": "", "proxy-authorization": "[redacted]",
            })
        );
        assert_eq!(captured(&[], 1000, 100), json!({}));
        assert_eq!(
            captured(&[("", b""), ("a", b"1")], 1000, 100),
            json!({"a": "1", "(omitted)": "1 header"})
        );
    }

    #[test]
    fn what_exceeds_the_caps_is_counted() {
        let headers: [(&str, &[u8]); 4] = [
            ("a", b"12345"),
            ("large", b"0123456789"),
            ("b", b"1"),
            ("a", b"6"),
        ];
        assert_eq!(
            captured(&headers, 16, 100),
            json!({"a": "12345, 6", "b": "1", "(omitted)": "1 header"})
        );
        assert_eq!(
            captured(&headers, 1000, 1),
            json!({"a": "12345, 6", "(omitted)": "2 headers"})
        );
        assert_eq!(captured(&headers, 0, 0), json!({"(omitted)": "4 headers"}));
    }
}
