//! A subscription's `webhook_headers`: headers that its requests carry beside the sidecar's own.
//!
//! `authorization` may be set here when the subscription's authentication does not set it itself; which headers
//! clash with an [`Auth`](crate::auth::Auth) is that module's business.

use crate::excerpt::{Excerpt, kind};
use serde_json::Value;
use std::collections::BTreeMap;
use thiserror::Error;

/// Most headers of a subscription.
pub const MAX_COUNT: usize = 50;
/// Most bytes of all names and values together: common servers refuse more than 8 KiB of headers in all.
pub const MAX_BYTES: usize = 8 * 1024;

/// Names that the sidecar or the HTTP client sets, or that belong to the connection (RFC 9110, 7.6.1).
const RESERVED: [&str; 15] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "traceparent",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
const RESERVED_PREFIXES: [&str; 4] = ["webhook-", "x-webhook-", "proxy-", "ce-"];

/// What is wrong with `webhook_headers`. Shows names, never values: those may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Not an object.
    #[error("must be an object of header names and string values, not {0}")]
    NotAnObject(&'static str),
    /// A name that HTTP does not allow.
    #[error("{0} is not a header name: letters, digits and !#$%&'*+-.^_`|~ only, 256 at most")]
    BadName(String),
    /// A name that is not the subscription's to set.
    #[error("header {0} is reserved: the sidecar or the HTTP connection sets it")]
    Reserved(String),
    /// The same name twice, in different cases.
    #[error("header {0} is there twice: names do not differ by upper and lower case")]
    Duplicate(String),
    /// A value that is not a string.
    #[error("the value of header {name} must be a string, not {found}")]
    ValueKind {
        /// The header.
        name: String,
        /// The kind of value.
        found: &'static str,
    },
    /// A value with characters that HTTP does not allow, or that not every server takes.
    #[error(
        "the value of header {name} has a character that is not visible ASCII, space or tab at byte {position}"
    )]
    BadValue {
        /// The header.
        name: String,
        /// Byte offset in the value.
        position: usize,
    },
    /// More headers than the limit.
    #[error("{0} headers; {MAX_COUNT} at most")]
    TooMany(usize),
    /// More bytes than the limit.
    #[error("{0} bytes of names and values; {MAX_BYTES} at most")]
    TooLarge(usize),
}

/// Checks `webhook_headers`: an object of names and values, null counting as `{}`.
///
/// Returns: names in lower case, in alphabetical order, with their values trimmed.
///
/// # Errors
/// For the first header that may not be sent, naming it.
pub fn validate_headers(headers: &Value) -> Result<Vec<(String, String)>, HeaderError> {
    let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
    Ok(written_headers(headers)?.into_iter().map(lower).collect())
}

/// Checks `webhook_headers` as [`validate_headers`] does.
///
/// Returns: names as they are written, in alphabetical order of their lower case, with their values trimmed.
///
/// # Errors
/// For the first header that may not be sent, naming it.
pub fn written_headers(headers: &Value) -> Result<Vec<(String, String)>, HeaderError> {
    let fields = match headers {
        Value::Null => return Ok(Vec::new()),
        Value::Object(fields) => fields,
        other => return Err(HeaderError::NotAnObject(kind(other))),
    };
    if fields.len() > MAX_COUNT {
        return Err(HeaderError::TooMany(fields.len()));
    }
    let mut checked = BTreeMap::new();
    let mut bytes = 0;
    for (name, value) in fields {
        let lower = check_name(name)?;
        if is_reserved(&lower) {
            return Err(HeaderError::Reserved(lower));
        }
        let value = value.as_str().ok_or_else(|| HeaderError::ValueKind {
            name: lower.clone(),
            found: kind(value),
        })?;
        let value = check_value(value).map_err(|position| HeaderError::BadValue {
            name: lower.clone(),
            position,
        })?;
        bytes += lower.len() + value.len();
        let written = (name.clone(), value.to_owned());
        if checked.insert(lower, written).is_some() {
            return Err(HeaderError::Duplicate(name.to_ascii_lowercase()));
        }
    }
    if bytes > MAX_BYTES {
        return Err(HeaderError::TooLarge(bytes));
    }
    Ok(checked.into_values().collect())
}

/// The name in lower case, if it is a token of RFC 9110.
pub(crate) fn check_name(name: &str) -> Result<String, HeaderError> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > 256 || !name.bytes().all(is_token) {
        return Err(HeaderError::BadName(Excerpt(name).to_string()));
    }
    Ok(name.to_ascii_lowercase())
}

/// Whether a name in lower case is not the subscription's to set.
pub(crate) fn is_reserved(lower: &str) -> bool {
    RESERVED.contains(&lower) || RESERVED_PREFIXES.iter().any(|p| lower.starts_with(p))
}

/// The value without surrounding space, or where it has a byte that may not be sent.
pub(crate) fn check_value(value: &str) -> Result<&str, usize> {
    let allowed = |b: u8| matches!(b, b'\t' | b' '..=b'~');
    match value.bytes().position(|b| !allowed(b)) {
        Some(position) => Err(position),
        None => Ok(value.trim_matches([' ', '\t'])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn error(headers: &Value) -> String {
        validate_headers(headers).unwrap_err().to_string()
    }

    #[test]
    fn good_headers_come_back_clean() {
        assert_eq!(validate_headers(&json!(null)).unwrap(), []);
        assert_eq!(validate_headers(&json!({})).unwrap(), []);
        let pairs = validate_headers(&json!({
            "X-Team": " a\tb ", "authorization": "Basic eA==", "accept": "", "x-webhooks": "~"
        }));
        let expected = [
            ("accept", ""),
            ("authorization", "Basic eA=="),
            ("x-team", "a\tb"),
            ("x-webhooks", "~"),
        ];
        assert_eq!(
            pairs.unwrap(),
            expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        let written = written_headers(&json!({"X-TEAM-id": " a ", "authorization": "b"}));
        let expected = [("authorization", "b"), ("X-TEAM-id", "a")];
        assert_eq!(
            written.unwrap(),
            expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn bad_headers_are_named_and_their_values_are_not_shown() {
        let cases = [
            (json!([]), "must be an object"),
            (json!({"": "x"}), r#""" is not a header name"#),
            (json!({"a b": "x"}), r#""a b" is not a header name"#),
            (json!({"a:": "x"}), r#""a:" is not"#),
            (json!({"é": "x"}), r#""é" is not"#),
            (json!({"a\r\nb": "x"}), r#""a\r\nb" is not"#),
            (json!({"Host": "x"}), "header host is reserved"),
            (
                json!({"Content-Type": "x"}),
                "header content-type is reserved",
            ),
            (
                json!({"Transfer-Encoding": "x"}),
                "header transfer-encoding is",
            ),
            (json!({"User-Agent": "x"}), "header user-agent is reserved"),
            (json!({"Webhook-Id": "x"}), "header webhook-id is reserved"),
            (
                json!({"X-Webhook-Signature": "x"}),
                "header x-webhook-signature is",
            ),
            (json!({"CE-Type": "x"}), "header ce-type is reserved"),
            (
                json!({"Traceparent": "x"}),
                "header traceparent is reserved",
            ),
            (
                json!({"Proxy-Authorization": "x"}),
                "header proxy-authorization is",
            ),
            (
                json!({"a": 5}),
                "the value of header a must be a string, not a number",
            ),
            (
                json!({"a": "topsecret\r\nx: y"}),
                "the value of header a has a character that is not visible ASCII, space or tab at byte 9",
            ),
            (json!({"a": "topsecret\u{0}"}), "the value of header a has"),
            (json!({"a": "topsecret\u{7f}"}), "the value of header a has"),
            (json!({"a": "topsecreté"}), "the value of header a has"),
            (json!({"X-A": "1", "x-a": "2"}), "header x-a is there twice"),
        ];
        for (headers, message) in cases {
            let error = error(&headers);
            assert!(error.starts_with(message), "{headers}: {error}");
            assert!(!error.contains("topsecret"), "{error}");
        }
    }

    #[test]
    fn limits() {
        let many = |n: usize| Value::Object((0..n).map(|i| (format!("h{i}"), json!(""))).collect());
        assert!(validate_headers(&many(50)).is_ok());
        assert_eq!(error(&many(51)), "51 headers; 50 at most");
        let large = |n: usize| json!({"ab": "x".repeat(n)});
        assert!(validate_headers(&large(8190)).is_ok());
        assert_eq!(
            error(&large(8191)),
            "8193 bytes of names and values; 8192 at most"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// No request can be split or smuggled: whatever is accepted is a token and free of control characters.
        #[test]
        fn accepted_headers_are_inert(name in "[a-zA-Z\\-: \r\n\u{0}é]{1,8}|.{1,8}", value in "[ -~\t\r\n\u{0}é]{0,8}|.{0,8}") {
            if let Ok(headers) = validate_headers(&json!({name: value})) {
                for (name, value) in headers {
                    prop_assert!(name.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b':'));
                    prop_assert!(value.bytes().all(|b| b == b'\t' || (0x20..0x7f).contains(&b)));
                    prop_assert_eq!(value.trim(), value.as_str());
                }
            }
        }

        /// Any object ends in headers within the limits, each as it was given, or in an error that shows no value.
        #[test]
        fn whole_objects_are_taken_or_refused_in_silence(
            fields in prop::collection::btree_map(
                "[a-cA-C]{1,2}|(x-|webhook-|proxy-|te)[a-z]{0,3}|.{0,6}",
                prop_oneof![
                    9 => "[ -~\t]{0,8}hush[ -~\t]{0,3000}|[\r\n\u{0}é]?hush".prop_map(Value::String),
                    1 => prop::sample::select(vec![json!(null), json!(1), json!(["hush"]), json!({"a": "hush"})]),
                ],
                0..60,
            ),
        ) {
            let given = Value::Object(fields.clone().into_iter().collect());
            match validate_headers(&given) {
                Ok(headers) => {
                    prop_assert_eq!(headers.len(), fields.len(), "one is lost");
                    prop_assert!(headers.len() <= MAX_COUNT);
                    prop_assert!(headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>() <= MAX_BYTES);
                    prop_assert!(headers.is_sorted_by(|a, b| a.0 < b.0), "a name comes twice");
                    for (name, value) in &fields {
                        let name = name.to_ascii_lowercase();
                        prop_assert!(!is_reserved(&name));
                        let value = value.as_str().unwrap().trim_matches([' ', '\t']);
                        prop_assert!(headers.contains(&(name, value.to_owned())));
                    }
                }
                Err(error) => {
                    let shown = format!("{error} {error:?}");
                    prop_assert!(!shown.contains("hush") && error.to_string().len() < 1000, "{}", shown);
                }
            }
        }
    }
}
