//! Attempts to log in: so many may fail from an address. Nobody guesses 32 random bytes; but each attempt is a
//! transaction, and an attacker's should not fill the log and the pool. Addresses from which none has failed are never
//! refused, however many others there are.

use super::client_address::ClientAddress;
use super::problem::Problem;
use super::rate_limit::Buckets;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// So many may fail at once from an address, and then one in each interval. Of IPv6 an address is the network of 64
/// bits, which is one customer's.
const AT_ONCE: u32 = 20;
const INTERVAL: Duration = Duration::from_secs(15);

/// Failed attempts to log in.
pub struct Attempts(Buckets<IpAddr>);

/// There were too many.
#[derive(Debug)]
pub struct TooMany {
    wait: Duration,
}

impl Attempts {
    pub fn new() -> Self {
        Self(Buckets::new(INTERVAL, INTERVAL * AT_ONCE))
    }

    /// Counts an attempt as failed, until [`succeeded`](Self::succeeded) takes it back: of many at once not one more gets
    /// through.
    ///
    /// # Errors
    /// Too many have failed.
    pub fn begin(&self, client: ClientAddress, now: Instant) -> Result<(), TooMany> {
        match self.0.take(client.network(), now).wait {
            Some(wait) => Err(TooMany { wait }),
            None => Ok(()),
        }
    }

    /// An attempt did not fail.
    pub fn succeeded(&self, client: ClientAddress, now: Instant) {
        self.0.give_back(&client.network(), now);
    }
}

impl From<&TooMany> for Problem {
    fn from(error: &TooMany) -> Self {
        let seconds = error.seconds();
        let detail = "too many attempts to log in from this address have failed";
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail).hint(format!("Try again in {seconds} s."))
    }
}

impl TooMany {
    fn seconds(&self) -> u64 {
        self.wait.as_secs() + 1
    }

    /// A page, with the time after which to try again.
    pub fn answer(&self, page: impl IntoResponse) -> Response {
        let mut response = page.into_response();
        let seconds = HeaderValue::from(self.seconds());
        response.headers_mut().insert(RETRY_AFTER, seconds);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn so_many_may_fail_from_an_address() {
        let attempts = Attempts::new();
        let now = Instant::now();
        let client = |text: &str| ClientAddress(text.parse().unwrap());
        let begin = |text: &str, now| attempts.begin(client(text), now);
        for i in 0..AT_ONCE {
            // One that succeeds is not counted.
            begin("192.0.2.1", now).unwrap();
            attempts.succeeded(client("192.0.2.1"), now);
            begin("192.0.2.1", now).unwrap();
            begin(&format!("2001:db8::{i:x}"), now).unwrap();
        }
        assert!(begin("192.0.2.1", now).is_err());
        assert!(begin("::ffff:192.0.2.1", now).is_err());
        assert!(begin("2001:db8::ffff", now).is_err());
        assert!(begin("2001:db8:0:1::1", now).is_ok());
        assert!(begin("192.0.2.2", now).is_ok());
        assert!(begin("192.0.2.1", now + INTERVAL).is_ok());
        assert!(begin("192.0.2.1", now + INTERVAL).is_err());
    }

    #[test]
    fn attempts_from_many_addresses_lock_nobody_out() {
        let attempts = Attempts::new();
        let now = Instant::now();
        for i in 0..200_000 {
            let client = ClientAddress(Ipv4Addr::from_bits(i).into());
            assert!(attempts.begin(client, now).is_ok(), "{i}");
        }
    }
}
