//! How many requests a client may send: so many a minute with an access token or in a session, and as many from an
//! address with none that is known to be valid. What a token is worth, the database says; so the first request with one
//! counts for its address, and for the token once it was accepted. Whoever tries tokens is stopped before the database is
//! asked.

mod buckets;

pub use buckets::Buckets;

use super::acceptance::Acceptance;
use super::client_address::ClientAddress;
use super::problem::Problem;
use super::{credentials, secret, session};
use axum::extract::{Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use buckets::Level;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// draft-ietf-httpapi-ratelimit-headers.
static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A quota is for as long.
const WINDOW: Duration = Duration::from_secs(60);

/// What each client has left of its quota.
pub struct RateLimits {
    quota: NonZeroU32,
    /// By the hash of what is sent, which differs between tokens and sessions.
    credentials: Buckets<[u8; 32]>,
    addresses: Buckets<IpAddr>,
}

/// What requests are sent with: the one kind says nothing where the other one counts.
#[derive(Clone, Copy)]
pub enum Kind {
    /// The header Authorization.
    Token,
    /// The cookie.
    Session,
}

/// Whom a request counts for.
#[derive(Clone, Copy)]
enum Client {
    Credentials(Kind, [u8; 32]),
    Address(IpAddr),
}

impl Kind {
    fn hash(self, headers: &HeaderMap) -> Option<[u8; 32]> {
        match self {
            Self::Token => credentials::token_hash(headers),
            Self::Session => session::secret_in(headers).map(secret::hash),
        }
    }
}

impl RateLimits {
    /// So many requests a minute.
    pub fn new(quota: NonZeroU32) -> Self {
        let interval = WINDOW / quota.get();
        Self {
            quota,
            credentials: Buckets::new(interval, WINDOW),
            addresses: Buckets::new(interval, WINDOW),
        }
    }

    fn client(&self, kind: Kind, hash: Option<[u8; 32]>, address: IpAddr) -> Client {
        match hash.filter(|hash| self.credentials.has(hash)) {
            Some(hash) => Client::Credentials(kind, hash),
            None => Client::Address(address),
        }
    }

    fn take(&self, client: Client, now: Instant) -> Level {
        match client {
            Client::Credentials(_, hash) => self.credentials.take(hash, now),
            Client::Address(address) => self.addresses.take(address, now),
        }
    }

    fn headers(&self, client: Client, level: &Level, headers: &mut HeaderMap) {
        let name = match client {
            Client::Credentials(Kind::Token, _) => "token",
            Client::Credentials(Kind::Session, _) => "session",
            Client::Address(_) => "address",
        };
        let (quota, seconds) = (self.quota, WINDOW.as_secs());
        let (left, full_in) = (level.left, whole_seconds(level.full_in));
        for (header, value) in [
            (
                &RATE_LIMIT_POLICY,
                format!("\"{name}\";q={quota};w={seconds}"),
            ),
            (&RATE_LIMIT, format!("\"{name}\";r={left};t={full_in}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(header.clone(), value);
            }
        }
    }

    fn refusal(&self, client: Client, level: &Level, wait: Duration) -> Response {
        let whose = match client {
            Client::Credentials(Kind::Token, _) => "this access token",
            Client::Credentials(Kind::Session, _) => "this session",
            Client::Address(_) => "this address, with no access token or session that is known,",
        };
        let seconds = whole_seconds(wait).max(1);
        let detail = format!("{whose} has sent {} requests within a minute", self.quota);
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
        let mut response = problem
            .hint(format!(
                "Try again in {seconds} s, and send requests more slowly."
            ))
            .into_response();
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        self.headers(client, level, headers);
        response
    }
}

/// Rounded up.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Lets a request through, or refuses it. Answers say how many more there may be. Without limits none is refused.
pub async fn limit(
    State((limits, kind)): State<(Option<Arc<RateLimits>>, Kind)>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(limits) = limits else {
        return next.run(request).await;
    };
    let address = ClientAddress::of(request.extensions()).network();
    let hash = kind.hash(request.headers());
    let mut client = limits.client(kind, hash, address);
    let mut level = limits.take(client, Instant::now());
    if let Some(wait) = level.wait {
        return limits.refusal(client, &level, wait);
    }
    let acceptance = Acceptance::default();
    request.extensions_mut().insert(acceptance.clone());
    let mut response = next.run(request).await;
    if let (Client::Address(_), Some(hash)) = (client, hash)
        && acceptance.is_accepted()
    {
        let now = Instant::now();
        limits.addresses.give_back(&address, now);
        client = Client::Credentials(kind, hash);
        level = limits.take(client, now);
    }
    limits.headers(client, &level, response.headers_mut());
    response
}
