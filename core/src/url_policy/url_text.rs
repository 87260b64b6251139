//! What a `webhook_url` may look like.

use std::net::IpAddr;
use thiserror::Error;
use url::{Host, Url};

/// Longest URL, in bytes: what servers and proxies commonly take.
const MAX_BYTES: usize = 2048;

/// What is wrong with a URL. Shows at most its scheme: paths and queries of webhook URLs often are secrets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Longer than the limit.
    #[error("the URL has {0} bytes; {MAX_BYTES} at most")]
    TooLong(usize),
    /// Parsers drop these or differ on them.
    #[error(
        "the URL has a space, control character or backslash at byte {0}; percent-encode it or remove it"
    )]
    BadCharacter(usize),
    /// Not `http` or `https`, or not followed by `://` and a host.
    #[error("the URL must start with https:// or http:// and a host")]
    NotHttp,
    /// `user:password@`.
    #[error("the URL has user information before the host; use auth_config for credentials")]
    UserInfo,
    /// `#…` would never be sent.
    #[error("the URL has a fragment (#), which is never sent; remove it")]
    Fragment,
    /// Port 0.
    #[error("the URL has port 0")]
    PortZero,
    /// Everything else that the URL Standard refuses.
    #[error("not a URL: {0}")]
    Invalid(#[from] url::ParseError),
}

/// Reads a `webhook_url`.
///
/// Returns: the URL as the [URL Standard](https://url.spec.whatwg.org) normalises it, so that odd spellings of an
/// IPv4 address (`http://2130706433/`, `http://0x7f.1/`) are plain ones.
///
/// # Errors
/// If it is not a plain `http` or `https` URL with a host.
pub fn parse_webhook_url(text: &str) -> Result<Url, UrlError> {
    if text.len() > MAX_BYTES {
        return Err(UrlError::TooLong(text.len()));
    }
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if let Some((position, _)) = text.char_indices().find(|(_, c)| is_bad(*c)) {
        return Err(UrlError::BadCharacter(position));
    }
    // The URL Standard forgives http:host, http:/host and http:////host; curl and people read them otherwise.
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::NotHttp)?;
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    if !is_http || rest.starts_with('/') {
        return Err(UrlError::NotHttp);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let url = Url::parse(text)?;
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    if url.port() == Some(0) {
        return Err(UrlError::PortZero);
    }
    match url.host() {
        Some(Host::Domain("")) | None => Err(UrlError::NotHttp),
        Some(_) => Ok(url),
    }
}

/// The URL's host if it is an address, so that no resolver will see it.
pub fn host_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_are_normalised() {
        let cases = [
            ("https://example.com/hook", "https://example.com/hook"),
            ("HTTP://EXAMPLE.com", "http://example.com/"),
            (
                "https://example.com:443/a?b=c%20d",
                "https://example.com/a?b=c%20d",
            ),
            ("http://localhost:8080", "http://localhost:8080/"),
            (
                "https://bücher.example/ä",
                "https://xn--bcher-kva.example/%C3%A4",
            ),
            (
                "https://example.com/@user?to=a@b",
                "https://example.com/@user?to=a@b",
            ),
            ("http://2130706433/", "http://127.0.0.1/"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
            ("http://0177.0.0.1/", "http://127.0.0.1/"),
            ("http://127.1/", "http://127.0.0.1/"),
            ("http://１２７.0.0.1/", "http://127.0.0.1/"),
            ("http://[::FFFF:7f00:1]:80/", "http://[::ffff:7f00:1]/"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                parse_webhook_url(text).unwrap().as_str(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn addresses_are_seen_in_every_spelling() {
        let address = |text| host_address(&parse_webhook_url(text).unwrap());
        let loopback: IpAddr = [127, 0, 0, 1].into();
        assert_eq!(address("http://2130706433/"), Some(loopback));
        assert_eq!(address("http://0x7f.1/"), Some(loopback));
        assert_eq!(address("http://[::1]/"), Some("::1".parse().unwrap()));
        assert_eq!(address("http://localhost/"), None);
    }

    #[test]
    fn bad_urls_are_refused_without_showing_them() {
        let invalid = UrlError::Invalid;
        let cases = [
            ("", UrlError::NotHttp),
            ("hush", UrlError::NotHttp),
            ("ftp://hush/", UrlError::NotHttp),
            ("file:///hush", UrlError::NotHttp),
            ("javascript:hush//", UrlError::NotHttp),
            ("http:hush", UrlError::NotHttp),
            ("http:/hush", UrlError::NotHttp),
            ("http:///hush", UrlError::NotHttp),
            ("https://", invalid(url::ParseError::EmptyHost)),
            ("https://?hush", invalid(url::ParseError::EmptyHost)),
            ("https://:80/", invalid(url::ParseError::EmptyHost)),
            ("https://hush:99999/", invalid(url::ParseError::InvalidPort)),
            (
                "https://1.2.3.999/",
                invalid(url::ParseError::InvalidIpv4Address),
            ),
            (
                "https://[::hush]/",
                invalid(url::ParseError::InvalidIpv6Address),
            ),
            ("https://a<b/", invalid(url::ParseError::IdnaError)),
            ("https://user:hush@example.com/", UrlError::UserInfo),
            ("https://hush@example.com/", UrlError::UserInfo),
            ("https://@example.com/", UrlError::UserInfo),
            ("https://example.com/#hush", UrlError::Fragment),
            ("https://example.com/#", UrlError::Fragment),
            ("https://example.com:0/", UrlError::PortZero),
            (" https://example.com/", UrlError::BadCharacter(0)),
            ("https://example.com/a b", UrlError::BadCharacter(21)),
            ("https://exam\tple.com/", UrlError::BadCharacter(12)),
            (
                "https://example.com/\r\nhush: 1",
                UrlError::BadCharacter(20),
            ),
            ("https://example.com/\u{a0}", UrlError::BadCharacter(20)),
            (
                "https://good.example\\@evil.example/",
                UrlError::BadCharacter(20),
            ),
        ];
        for (text, expected) in cases {
            let error = parse_webhook_url(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
        let long = format!("https://example.com/{}", "x".repeat(2029));
        assert_eq!(parse_webhook_url(&long), Err(UrlError::TooLong(2049)));
        assert!(parse_webhook_url(&long[..2048]).is_ok());
    }
}
