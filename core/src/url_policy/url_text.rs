//! What a `webhook_url` may look like.

use super::{AddressPolicy, Refusal};
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
    /// A host that no name server could know, for example a placeholder that nobody filled in.
    #[error("the URL's host is no host name: {0}")]
    BadHost(&'static str),
    /// A path or query that is not sent as it is written.
    #[error(
        "the URL has a character at byte {0} that a path or query can't have; percent-encode it"
    )]
    Unencoded(usize),
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
        Some(Host::Domain(name)) => {
            check_name(name)?;
            Ok(url)
        }
        Some(_) => Ok(url),
    }
}

/// Reads a `webhook_url` that somebody writes: [`parse_webhook_url`], and a path and query that can be sent as they are
/// written. Those that were stored before may have others, which are sent percent-encoded.
///
/// # Errors
/// As [`parse_webhook_url`], and [`UrlError::Unencoded`].
pub fn check_webhook_url(text: &str) -> Result<Url, UrlError> {
    let url = parse_webhook_url(text)?;
    let (start, rest) = after_authority(text);
    let unencoded = rest
        .bytes()
        .position(|byte| !is_sendable(byte) || matches!(byte, b'{' | b'}'));
    match unencoded {
        Some(position) => Err(UrlError::Unencoded(start + position)),
        None => Ok(url),
    }
}

/// The path and query of a URL that [`parse_webhook_url`] takes, byte for byte: nothing is resolved (`/a/../b`), decoded or
/// encoded (`%2e`, `'`) but what can't be sent.
pub fn request_target(text: &str) -> String {
    let (_, rest) = after_authority(text);
    let mut target = String::with_capacity(rest.len() + 1);
    if !rest.starts_with('/') {
        target.push('/');
    }
    for byte in rest.bytes() {
        if is_sendable(byte) {
            target.push(char::from(byte));
        } else {
            target.push_str(&format!("%{byte:02X}"));
        }
    }
    target
}

/// Where the path or query begins, and both.
fn after_authority(text: &str) -> (usize, &str) {
    let authority = text.find("://").map_or(0, |at| at + "://".len());
    let start = text[authority..]
        .find(['/', '?', '#'])
        .map_or(text.len(), |at| authority + at);
    (start, &text[start..])
}

/// What RFC 3986 has in a path or query, and what else is sent as it is by all that is common: `|`, `^`, `[`, `]`, `{`, `}`.
fn is_sendable(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'#' | b'\\')
}

/// RFC 1123, 2.1, and underscores, which are common in private networks. International names are in their ASCII form.
fn check_name(name: &str) -> Result<(), UrlError> {
    let problem = |problem| Err(UrlError::BadHost(problem));
    // The root's dot may be written.
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > 253 {
        return problem("it has more than 253 characters");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return problem("it has a dot too many");
        }
        if label.len() > 63 {
            return problem("a part between dots has more than 63 characters");
        }
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !label.bytes().all(is_fine) {
            return problem("it has other characters than letters, digits, - and _");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return problem("a part between dots begins or ends with -");
        }
    }
    Ok(())
}

/// What is special about the URL's host, if its text says so: an address that is not on the public internet, or a name of
/// this machine. The default policy for addresses refuses it.
pub fn special_host(url: &Url) -> Option<&'static str> {
    let address = host_address(url);
    match address {
        Some(address) => match AddressPolicy::default().check(address).err()?.reason {
            Refusal::Special(kind) | Refusal::Always(kind) => Some(kind),
            // Nothing is, by default.
            Refusal::Denied(_) => None,
        },
        None => {
            let name = url.host_str()?.trim_end_matches('.');
            let is_local = name == "localhost" || name.ends_with(".localhost");
            is_local.then_some("loopback")
        }
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
    fn a_host_is_one_that_there_can_be() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        for host in [
            "example.com.",
            "my_service",
            "xn--bcher-kva.example",
            "bücher.example",
            "a-b.c1.example",
            &format!("{label}.example"),
            &longest,
        ] {
            let url = format!("https://{host}/");
            assert!(parse_webhook_url(&url).is_ok(), "{host}");
        }
        for host in [
            "{tenant}.example.com",
            "a..b",
            "example..",
            ".example",
            "a!b",
            "$host",
            "a,b",
            "a;b",
            "a&b",
            "a=b",
            "(a)",
            "a~b",
            "a'b",
            "a\"b",
            "a`b",
            "*.example",
            "-a.example",
            "a-.example",
            &format!("{label}a.example"),
            &format!("{longest}a"),
            &format!("{}.example", "ü".repeat(60)),
        ] {
            let url = format!("https://{host}/");
            let error = parse_webhook_url(&url).unwrap_err();
            let is_host = matches!(error, UrlError::BadHost(_) | UrlError::Invalid(_));
            assert!(is_host, "{host}: {error}");
        }
    }

    #[test]
    fn the_target_is_what_was_written() {
        let cases = [
            ("https://example.com", "/"),
            ("https://example.com?", "/?"),
            ("https://example.com?a=/b?c", "/?a=/b?c"),
            ("https://example.com/", "/"),
            ("https://example.com/a/../b/./c", "/a/../b/./c"),
            ("https://example.com/%2e%2E/%7e", "/%2e%2E/%7e"),
            ("https://example.com//a//", "//a//"),
            ("https://example.com/a'b|c^d[e]", "/a'b|c^d[e]"),
            (
                "https://example.com/a?b='c'|^[]&d=100%",
                "/a?b='c'|^[]&d=100%",
            ),
            ("https://example.com/a;b=c,d:@!$&()*+", "/a;b=c,d:@!$&()*+"),
        ];
        for (text, target) in cases {
            assert_eq!(request_target(text), target, "{text}");
            assert!(check_webhook_url(text).is_ok(), "{text}");
        }
        // Stored before this was refused.
        let cases = [
            ("https://example.com/ä?ö", 20, "/%C3%A4?%C3%B6"),
            ("https://example.com/a?b=\"c\"", 24, "/a?b=%22c%22"),
            ("https://example.com/<a>", 20, "/%3Ca%3E"),
            ("https://example.com/`", 20, "/%60"),
            ("https://example.com/{id}", 20, "/{id}"),
        ];
        for (text, position, target) in cases {
            let refused = check_webhook_url(text);
            assert_eq!(refused, Err(UrlError::Unencoded(position)), "{text}");
            assert!(parse_webhook_url(text).is_ok(), "{text}");
            assert_eq!(request_target(text), target, "{text}");
        }
    }

    #[test]
    fn special_hosts_are_known_by_their_text() {
        let special = |text| special_host(&parse_webhook_url(text).unwrap());
        assert_eq!(special("http://127.0.0.1:8080/"), Some("loopback"));
        assert_eq!(special("http://2130706433/"), Some("loopback"));
        assert_eq!(special("http://[::1]/"), Some("loopback"));
        assert_eq!(special("http://localhost:3000/"), Some("loopback"));
        assert_eq!(special("http://api.LOCALHOST./"), Some("loopback"));
        assert_eq!(special("http://10.1.2.3/"), Some("private (10.0.0.0/8)"));
        assert!(special("http://[fd00::1]/").is_some());
        assert_eq!(special("https://9.9.9.9/"), None);
        assert_eq!(special("https://localhost.example/"), None);
        assert_eq!(special("https://example.com/"), None);
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
