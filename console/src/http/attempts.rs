//! Attempts to log in: so many may fail, from an address and in all. Nobody guesses 32 random bytes; but each attempt is
//! a transaction, and an attacker's should not fill the log and the pool.

use super::client_address::ClientAddress;
use super::problem::Problem;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures are counted for so long.
const PERIOD: Duration = Duration::from_secs(300);
/// From an address. Of IPv6 it is the network of 64 bits, which is one customer's.
const PER_ADDRESS: u32 = 20;
/// From all addresses: so many are remembered.
const IN_ALL: u32 = 2000;

/// Failed attempts to log in.
pub struct Attempts(Mutex<Counts>);

struct Counts {
    since: Instant,
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// There were too many.
#[derive(Debug)]
pub struct TooMany {
    wait: Duration,
}

impl Attempts {
    pub fn new() -> Self {
        Self(Mutex::new(Counts {
            since: Instant::now(),
            all: 0,
            by_address: HashMap::new(),
        }))
    }

    /// Counts an attempt as failed, until [`succeeded`](Self::succeeded) takes it back: of many at once not one more gets
    /// through.
    ///
    /// # Errors
    /// Too many have failed.
    pub fn begin(&self, client: ClientAddress, now: Instant) -> Result<(), TooMany> {
        let address = client.network();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(counts.since) >= PERIOD {
            counts.since = now;
            counts.all = 0;
            counts.by_address.clear();
        }
        let of_address = counts.by_address.get(&address).copied();
        let of_address = of_address.unwrap_or_default();
        if of_address >= PER_ADDRESS || counts.all >= IN_ALL {
            let wait = PERIOD.saturating_sub(now.duration_since(counts.since));
            return Err(TooMany { wait });
        }
        counts.all += 1;
        counts.by_address.insert(address, of_address + 1);
        Ok(())
    }

    /// An attempt did not fail.
    pub fn succeeded(&self, client: ClientAddress) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if let Some(of_address) = counts.by_address.get_mut(&client.network()) {
            *of_address = of_address.saturating_sub(1);
        }
    }
}

impl From<&TooMany> for Problem {
    fn from(error: &TooMany) -> Self {
        let minutes = error.wait.as_secs().div_ceil(60).max(1);
        let detail = "too many attempts to log in have failed";
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
            .hint(format!("Try again in {minutes} minutes."))
    }
}

impl TooMany {
    /// A page, with the time after which to try again.
    pub fn answer(&self, page: impl IntoResponse) -> Response {
        let mut response = page.into_response();
        let seconds = self.wait.as_secs().max(1);
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
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
        for i in 0..PER_ADDRESS {
            // One that succeeds is not counted.
            begin("192.0.2.1", now).unwrap();
            attempts.succeeded(client("192.0.2.1"));
            begin("192.0.2.1", now).unwrap();
            begin(&format!("2001:db8::{i:x}"), now).unwrap();
        }
        assert!(begin("192.0.2.1", now).is_err());
        assert!(begin("::ffff:192.0.2.1", now).is_err());
        assert!(begin("2001:db8::ffff", now).is_err());
        assert!(begin("2001:db8:0:1::1", now).is_ok());
        assert!(begin("192.0.2.2", now).is_ok());
        assert!(begin("192.0.2.1", now + PERIOD).is_ok());
    }

    #[test]
    fn so_many_may_fail_in_all() {
        let attempts = Attempts::new();
        let now = Instant::now();
        let clients = (0..3000).map(|i| ClientAddress(Ipv4Addr::from_bits(i).into()));
        let begun = clients.filter(|client| attempts.begin(*client, now).is_ok());
        assert_eq!(begun.count(), 2000);
    }
}
