//! Whether a request that changes something comes from a page of this console, by what browsers say of it.

use super::problem::Problem;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// # Errors
/// The request was made by a page of another site. Programs that are no browsers say nothing of it.
pub fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let is_ours = match (text(&SEC_FETCH_SITE), text(&ORIGIN)) {
        // Where TLS or loopback lets browsers say it. "none": by the person, without any page.
        (Some(site), _) => site == "same-origin" || site == "none",
        // Without TLS, and from old ones. A proxy that changes the header Host makes this fail: it needs not.
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(&HOST)
        }
        (None, None) => true,
    };
    if is_ours {
        return Ok(());
    }
    let detail = "the form is not of a page of this console";
    Err(Problem::new(StatusCode::FORBIDDEN, detail)
        .hint("Send it from the console's own page. A proxy before the console has to keep the header Host."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn other_sites_are_refused() {
        for (site, origin, is_ours) in [
            (Some("same-origin"), Some("https://c.example"), true),
            // The proxy speaks TLS, we do not; or it has another name for us.
            (Some("same-origin"), Some("https://proxy.example"), true),
            (Some("none"), None, true),
            (Some("cross-site"), Some("https://c.example"), false),
            (Some("same-site"), None, false),
            (None, Some("http://c.example"), true),
            (None, Some("https://c.example"), true),
            (None, Some("http://evil.example"), false),
            (None, Some("http://c.example.evil.example"), false),
            (None, Some("null"), false),
            (None, Some(""), false),
            (None, None, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("c.example"));
            if let Some(site) = site {
                headers.insert(SEC_FETCH_SITE.clone(), HeaderValue::from_static(site));
            }
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(check(&headers).is_ok(), is_ours, "{site:?} {origin:?}");
        }
    }
}
