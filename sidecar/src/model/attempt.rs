//! An attempt of a delivery, from the exchange with the receiver to the result that is recorded.
//!
//! An [`Exchange`] with the receiver becomes a decision ([`webhooks_core::retry::decide`]), the decision an
//! [`AttemptResult`], and the [`Attempt`] with it a row of `record_attempts()`. A delivery for which neither a request
//! nor a result was made is [`NotSent`]: it stays in the queue as it was.

use super::policy::BreakerChange;
use std::time::{Duration, SystemTime};
use uuid::Uuid;
use webhooks_core::retry::Throttle;

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    Delivered,
    /// Another attempt is due after this time.
    Retry {
        after: Duration,
    },
    Failed,
    /// Its time was over before it could be sent.
    Expired,
}

/// What an attempt says of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointSignal {
    Success,
    Failure,
    /// It works, and wants less.
    Busy,
    /// Nothing: no request was made, or the request was not at fault of the endpoint.
    None,
}

/// What went over the wire, and when.
#[derive(Debug)]
pub struct Exchange {
    pub attempted_at: SystemTime,
    pub duration: Duration,
    /// How often the request was sent again on a new connection.
    pub resent_count: u16,
    /// `None`: no body was made.
    pub payload: Option<Payload>,
    /// `None`: there was no answer.
    pub response: Option<Response>,
}

/// The body of a request, as it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Payload {
    /// In bytes.
    pub size: usize,
    pub sha256: [u8; 32],
}

/// As much of an answer as is recorded.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// A JSON object; `None`: they are not to be recorded.
    pub headers: Option<String>,
    /// `None`: there was none, or it is not to be recorded.
    pub body: Option<String>,
}

impl Response {
    /// Bytes of headers and body.
    pub fn size(&self) -> usize {
        let parts = [&self.headers, &self.body];
        parts.into_iter().flatten().map(String::len).sum()
    }
}

/// An attempt that ended.
#[derive(Debug)]
pub struct Attempt {
    pub delivery_id: Uuid,
    pub subscription_id: Uuid,
    pub tenant_id: Uuid,
    /// The receiver's; `None`: its URL can't be used.
    pub host: Option<String>,
    pub is_test: bool,
    /// Attempts made before: the fence.
    pub attempt: i32,
    pub exchange: Exchange,
    pub result: AttemptResult,
    /// Why it is not delivered.
    pub error: Option<String>,
    /// What it says of the endpoint, and what that changed.
    pub signal: EndpointSignal,
    pub breaker: Option<BreakerChange>,
    /// What the receiver asked of all that goes to it.
    pub throttle: Option<Throttle>,
    /// It disables its subscription, and why.
    pub disable_reason: Option<String>,
    /// How many sessions had been lost when it was handed over to be recorded.
    pub session: u64,
}

impl Attempt {
    /// The time until another attempt is due.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.result {
            AttemptResult::Retry { after } => Some(after),
            AttemptResult::Delivered | AttemptResult::Failed | AttemptResult::Expired => None,
        }
    }

    pub fn http_status(&self) -> Option<u16> {
        self.exchange.response.as_ref().map(|r| r.status)
    }

    /// Bytes that the response takes.
    pub fn response_size(&self) -> usize {
        self.exchange.response.as_ref().map_or(0, Response::size)
    }

    /// Keeps nothing of the response but its status. Returns what there was.
    pub fn take_response(&mut self) -> (Option<String>, Option<String>) {
        match &mut self.exchange.response {
            Some(response) => (response.headers.take(), response.body.take()),
            None => (None, None),
        }
    }

    /// Has these headers and this body recorded.
    pub fn set_response(&mut self, (headers, body): (Option<String>, Option<String>)) {
        if let Some(response) = &mut self.exchange.response {
            (response.headers, response.body) = (headers, body);
        }
    }
}

/// Nothing was sent, and nobody is to blame but this machine: the delivery is to be made later.
#[derive(Debug)]
pub struct NotSent {
    pub delivery_id: Uuid,
}

#[cfg(test)]
impl Attempt {
    /// One for tests: a failed one is tried again at once.
    pub fn sample(delivery_id: Uuid, subscription_id: Uuid, signal: EndpointSignal) -> Self {
        Self {
            delivery_id,
            subscription_id,
            tenant_id: Uuid::nil(),
            host: None,
            is_test: false,
            attempt: 0,
            exchange: Exchange {
                attempted_at: std::time::UNIX_EPOCH,
                duration: Duration::ZERO,
                resent_count: 0,
                payload: None,
                response: None,
            },
            result: match signal {
                EndpointSignal::Failure => AttemptResult::Retry {
                    after: Duration::ZERO,
                },
                _ => AttemptResult::Delivered,
            },
            error: None,
            signal,
            breaker: None,
            throttle: None,
            disable_reason: None,
            session: 0,
        }
    }
}
