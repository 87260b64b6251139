//! Who has a page open: the session in a cookie, and the tenant in the path.

use super::acceptance;
use super::problem::Problem;
use super::secret;
use super::trace::RequestId;
use crate::database::{Access, Connection, Credentials, Proof};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::{COOKIE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use uuid::Uuid;

/// The name of the cookie, where there is no TLS, and elsewhere: "__Host-" keeps other hosts of the domain from setting one.
const COOKIE_NAME: &str = "webhooks_session";
const SECURE_COOKIE_NAME: &str = "__Host-webhooks_session";

/// What forms hand back signs them, whatever is in them.
const FORM: &str = "csrf";

/// A session. Whether it is valid is known when its request begins.
pub struct Session {
    pub who: Credentials,
    /// What its forms have to hand back.
    pub csrf: String,
    secret: String,
}

impl Session {
    /// Whether a form handed back what this session's forms have to.
    pub fn signed(&self, csrf: &str) -> bool {
        secret::is_signature(&self.secret, FORM, "", csrf)
    }

    /// A signature of a text, which none but this session's pages have.
    pub fn sign(&self, purpose: &str, text: &str) -> String {
        secret::signature(&self.secret, purpose, text)
    }

    /// Whether a signature is one that [`sign`](Self::sign) made.
    pub fn has_signed(&self, purpose: &str, text: &str, signature: &str) -> bool {
        secret::is_signature(&self.secret, purpose, text, signature)
    }

    /// What the session is for, whatever it permits.
    ///
    /// # Errors
    /// The database's: SQLSTATE 28000 if it has ended.
    pub async fn access(
        &self,
        connection: &Connection<'_>,
    ) -> Result<Access, tokio_postgres::Error> {
        let access = connection
            .session_access(&secret::hash(&self.secret))
            .await?;
        self.who.accepted.store(true, Relaxed);
        Ok(access)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let secret = secret_in(&parts.headers).map(str::to_owned);
        let secret = secret.ok_or_else(|| {
            Problem::new(StatusCode::UNAUTHORIZED, "there is no session").hint("Log in.")
        })?;
        Ok(Self {
            csrf: secret::signature(&secret, FORM, ""),
            who: Credentials {
                proof: Proof::Session(secret::hash(&secret)),
                tenant: tenant(parts, state).await?,
                request_id: RequestId::of(&parts.extensions),
                follows_link: parts.method.is_safe(),
                accepted: acceptance::flag(&parts.extensions),
            },
            secret,
        })
    }
}

/// The tenant of paths that name one.
async fn tenant<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Option<Uuid>, Problem> {
    let Ok(path) = RawPathParams::from_request_parts(parts, state).await else {
        return Ok(None);
    };
    let Some((_, given)) = path.iter().find(|(name, _)| *name == "tenant_id") else {
        return Ok(None);
    };
    let tenant = given.parse().map(Some);
    tenant.map_err(|_| {
        Problem::new(StatusCode::NOT_FOUND, "the path has no UUID of a tenant")
            .hint("Begin at the overview.")
    })
}

/// The secret of the session that the browser has.
pub fn secret_in(headers: &HeaderMap) -> Option<&str> {
    let expected = cookie_name(headers);
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == expected)
        .map(|(_, value)| value)
}

fn cookie_name(headers: &HeaderMap) -> &'static str {
    match is_loopback(headers) {
        true => COOKIE_NAME,
        false => SECURE_COOKIE_NAME,
    }
}

/// How browsers are to keep the cookie.
#[derive(Clone, Copy)]
pub struct CookiePolicy {
    /// Pages may be shown in frames of other sites: then the cookie is sent there, too, and is another one in each site.
    pub is_embedded: bool,
}

impl CookiePolicy {
    /// The header that gives a browser its session.
    ///
    /// # Errors
    /// The secret is none of ours.
    pub fn set(
        self,
        secret: &str,
        lasts: Duration,
        headers: &HeaderMap,
    ) -> Result<HeaderValue, Problem> {
        let seconds = lasts.as_secs();
        self.header(secret, seconds, headers)
    }

    /// The header that takes the session from a browser.
    ///
    /// # Errors
    /// None.
    pub fn remove(self, headers: &HeaderMap) -> Result<HeaderValue, Problem> {
        self.header("", 0, headers)
    }

    fn header(
        self,
        value: &str,
        seconds: u64,
        headers: &HeaderMap,
    ) -> Result<HeaderValue, Problem> {
        let rest = match (self.is_embedded, is_loopback(headers)) {
            (true, _) => "; SameSite=None; Secure; Partitioned",
            (false, false) => "; SameSite=Lax; Secure",
            // Without TLS, where nobody is in between.
            (false, true) => "; SameSite=Lax",
        };
        let name = cookie_name(headers);
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly{rest}");
        HeaderValue::from_str(&text).map_err(|error| {
            tracing::error!("the cookie can't be written: {error}");
            Problem::fault()
        })
    }
}

/// Whether the browser and this program are on one machine, as the browser sees it. A proxy between them may have an
/// address of this machine for us.
fn is_loopback(headers: &HeaderMap) -> bool {
    let is_proxied = |name: &&str| headers.contains_key(*name);
    if ["forwarded", "x-forwarded-for"].iter().any(is_proxied) {
        return false;
    }
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Uri>().ok());
    let host = authority.as_ref().and_then(Uri::host).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &'static str, cookie: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        headers.insert(COOKIE, HeaderValue::from_static(cookie));
        headers
    }

    #[test]
    fn the_cookie_is_secure_unless_the_host_is_this_machine() {
        let policy = CookiePolicy { is_embedded: false };
        for (host, secure) in [
            ("console.example.com", true),
            ("console.example.com:8443", true),
            ("192.0.2.7:9745", true),
            ("localhost.example.com", true),
            ("", true),
            ("localhost:9745", false),
            ("127.0.0.1:9745", false),
            ("[::1]:9745", false),
        ] {
            let cookie = policy.set("x", Duration::from_secs(60), &headers(host, ""));
            let cookie = cookie.unwrap().to_str().unwrap().to_owned();
            assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
            assert_eq!(cookie.contains("Secure"), secure, "{host}");
            assert_eq!(cookie.starts_with("__Host-"), secure, "{host}");
        }
        let mut proxied = headers("localhost", "");
        proxied.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        let cookie = policy.set("x", Duration::from_secs(60), &proxied).unwrap();
        assert!(cookie.to_str().unwrap().ends_with("Secure"));
        let policy = CookiePolicy { is_embedded: true };
        let cookie = policy.remove(&headers("localhost", "")).unwrap();
        let expected =
            "webhooks_session=; Path=/; Max-Age=0; HttpOnly; SameSite=None; Secure; Partitioned";
        assert_eq!(cookie, expected);
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        for (host, cookies, secret) in [
            ("localhost", "webhooks_session=abc", Some("abc")),
            ("localhost", "theme=dark; webhooks_session=abc", Some("abc")),
            ("localhost", "xwebhooks_session=abc", None),
            ("localhost", "webhooks_session", None),
            ("c.example", "__Host-webhooks_session=abc", Some("abc")),
            // Any host of the domain could have set this one.
            ("c.example", "webhooks_session=abc", None),
            ("c.example", "", None),
        ] {
            assert_eq!(secret_in(&headers(host, cookies)), secret, "{cookies}");
        }
    }
}
