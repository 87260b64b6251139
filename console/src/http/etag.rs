//! Entity tags (RFC 9110, 8.8.3): the version of a subscription in quotes.

use super::problem::Problem;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The tag of a version.
pub fn of(version: i64) -> HeaderValue {
    // Digits and quotes.
    HeaderValue::from_str(&format!("\"{version}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Whether a condition is made of the version that is changed.
pub fn has_condition(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_MATCH)
}

/// # Errors
/// The client has changed, or wants to delete, another version than this one.
pub fn check(headers: &HeaderMap, version: i64) -> Result<(), Problem> {
    if is_listed(headers, &IF_MATCH, version) {
        return Ok(());
    }
    let current = format!("the subscription has changed: its version is {version}");
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, current)
        .hint("Read it again, and send its ETag as If-Match."))
}

/// Whether the client has this version already.
pub fn is_known(headers: &HeaderMap, version: i64) -> bool {
    is_listed(headers, &IF_NONE_MATCH, version)
}

fn is_listed(headers: &HeaderMap, name: &HeaderName, version: i64) -> bool {
    let tag = format!("\"{version}\"");
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|listed| listed == "*" || listed == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_they_stand() {
        for (sent, is_same) in [
            ("\"7\"", true),
            ("\"6\", \"7\"", true),
            ("*", true),
            ("\"8\"", false),
            ("7", false),
            // If-Match compares strongly.
            ("W/\"7\"", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_static(sent));
            assert_eq!(check(&headers, 7).is_ok(), is_same, "{sent}");
        }
    }
}
