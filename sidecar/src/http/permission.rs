//! Permission: what a receiver's answer to the validation request means. CloudEvents' "HTTP 1.1 Web Hooks for Event
//! Delivery" 1.0.2, 4.2.

use crate::model::Permission;
use hyper::header::{HeaderMap, HeaderName};

const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// Reads an answer. Only the headers agree: many servers answer any OPTIONS with 200, and some add their headers to
/// every error, too, so both must be right. The rate may be missing: those that allow any often leave it out.
pub fn read(status: u16, headers: &HeaderMap, origin: &str) -> Permission {
    let refused = |reason: &str| {
        Permission::Refused(format!(
            "HTTP status {status} {reason}: the receiver did not agree"
        ))
    };
    if !(200..300).contains(&status) {
        return refused("to OPTIONS");
    }
    let mut allowed = headers.get_all(ALLOWED_ORIGIN).iter().peekable();
    if allowed.peek().is_none() {
        return refused("without WebHook-Allowed-Origin");
    }
    let agrees = allowed.any(|value| {
        let value = value.as_bytes().trim_ascii();
        value == b"*" || value.eq_ignore_ascii_case(origin.as_bytes())
    });
    if !agrees {
        return refused("with another WebHook-Allowed-Origin");
    }
    let mut least = None;
    for value in headers.get_all(ALLOWED_RATE) {
        let value = value.as_bytes().trim_ascii();
        if value == b"*" {
            continue;
        }
        match number(value) {
            Some(rate) => least = Some(least.map_or(rate, |least: u32| least.min(rate))),
            None => return refused("with a WebHook-Allowed-Rate that is neither * nor above 0"),
        }
    }
    Permission::Given(least)
}

/// A positive integer; a very large one is as good as any.
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    let max = i32::MAX.unsigned_abs();
    match text.parse::<u32>().map_or(max, |rate| rate.min(max)) {
        0 => None,
        rate => Some(rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn answer(status: u16, headers: &[(HeaderName, &[u8])]) -> Permission {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        read(status, &map, "events.example.com")
    }

    #[test]
    fn the_headers_agree_and_nothing_else() {
        for origin in [
            "*",
            "events.example.com",
            "Events.EXAMPLE.com",
            "events.example.com ",
        ] {
            for status in [200, 204] {
                let given = answer(status, &[(ALLOWED_ORIGIN, origin.as_bytes())]);
                assert_eq!(given, Permission::Given(None), "{origin}");
            }
        }
        for origin in [
            &b""[..],
            b"other.example.com",
            b"example.com",
            b"*.example.com",
            b"**",
            b"events.example.com, *",
            b"https://events.example.com",
            b"\xff",
        ] {
            let refused = answer(200, &[(ALLOWED_ORIGIN, origin)]);
            assert!(matches!(refused, Permission::Refused(_)), "{origin:?}");
        }
        for status in [301, 401, 405, 410, 429, 500] {
            let refused = answer(status, &[(ALLOWED_ORIGIN, b"*")]);
            let Permission::Refused(reason) = refused else {
                panic!("{status}");
            };
            assert!(reason.contains(&status.to_string()), "{reason}");
        }
        assert!(matches!(answer(200, &[]), Permission::Refused(_)));
    }

    #[test]
    fn a_rate_is_a_positive_integer_or_any() {
        let cases: &[(&[&str], Option<Option<u32>>)] = &[
            (&[], Some(None)),
            (&["*"], Some(None)),
            (&["100"], Some(Some(100))),
            (&[" 100 "], Some(Some(100))),
            (&["100", "*", "60"], Some(Some(60))),
            (
                &["99999999999999999999"],
                Some(Some(i32::MAX.unsigned_abs())),
            ),
            (&["0"], None),
            (&["-1"], None),
            (&["+1"], None),
            (&["1.5"], None),
            (&["100/min"], None),
            (&[""], None),
        ];
        for (rates, expected) in cases {
            let mut headers = vec![(ALLOWED_ORIGIN, &b"*"[..])];
            headers.extend(rates.iter().map(|rate| (ALLOWED_RATE, rate.as_bytes())));
            let found = match answer(200, &headers) {
                Permission::Given(rate) => Some(rate),
                Permission::Refused(_) => None,
            };
            assert_eq!(&found, expected, "{rates:?}");
        }
    }
}
