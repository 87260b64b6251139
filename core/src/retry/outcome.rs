//! Outcomes of an attempt.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Outcome of an attempt. `Display` is the short text for the log: no URL, no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The receiver answered: a complete head came, and as much of the body as came in time.
    Response {
        /// The HTTP status.
        status: u16,
        /// The Retry-After header, see [`wait_asked_for`](super::wait_asked_for).
        retry_after: Option<Duration>,
    },
    /// The deadline for connecting, sending and reading passed.
    Timeout,
    /// No connection: refused, unreachable.
    Connect,
    /// The host has no address, or its name could not be resolved.
    Dns,
    /// The TLS handshake failed: certificate, protocol.
    Tls,
    /// The host's addresses are refused by the address policy.
    AddressRefused,
    /// The connection broke after it was made and before an answer: reset, closed.
    Io,
    /// What came is no answer, or one without end.
    NotHttp,
    /// The body is larger than the subscription takes; nothing was sent.
    PayloadTooLarge {
        /// The body's size.
        size_bytes: u64,
        /// The subscription's limit.
        limit_bytes: u64,
    },
    /// No request could be made from the subscription as it is stored; nothing was sent.
    InvalidRequest,
    /// The attempt panicked, and whether anything was sent is not known.
    Panicked,
}

impl Outcome {
    /// How long the receiver asked to wait; only these statuses may ask.
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Response {
                status: 429 | 502 | 503 | 504,
                retry_after: Some(delay),
            } => *delay,
            _ => Duration::ZERO,
        }
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response { status, .. } => {
                let note = match status {
                    300..400 => " (redirects are not followed)",
                    _ => "",
                };
                write!(f, "HTTP status {status}{note}")
            }
            Self::Timeout => f.write_str("timed out"),
            Self::Connect => f.write_str("could not connect"),
            Self::Dns => f.write_str("could not resolve the host"),
            Self::Tls => f.write_str("TLS handshake failed"),
            Self::AddressRefused => f.write_str("the host's address is not allowed"),
            Self::Io => f.write_str("the connection broke"),
            Self::NotHttp => f.write_str("the answer is not valid HTTP/1.1"),
            Self::PayloadTooLarge {
                size_bytes,
                limit_bytes,
            } => write!(
                f,
                "payload of {size_bytes} bytes is larger than the subscription's max_payload_size_kb ({limit_bytes} bytes)"
            ),
            Self::InvalidRequest => {
                f.write_str("no valid request can be made from the subscription's settings")
            }
            Self::Panicked => {
                f.write_str("internal error: the attempt panicked; see the sidecar's log")
            }
        }
    }
}
