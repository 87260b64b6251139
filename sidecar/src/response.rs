//! The response: status, and as much of headers and body as the log keeps.

use crate::clock;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{DATE, RETRY_AFTER};
use std::time::Duration;
use webhooks_core::capture;
use webhooks_core::retry::wait_asked_for;

/// Most headers that the log keeps.
const MAX_HEADERS: usize = 64;
/// A longer body is not read to its end: the status counts, the connection is closed instead of kept alive.
const MAX_READ: usize = 256 * 1024;

/// What is known of a response so far; it outlives the reading, which a deadline or a reset may end at any point.
pub struct Capture {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// JSON object.
    pub headers: String,
    kept: Vec<u8>,
    read: usize,
}

impl Capture {
    /// The head of a response.
    pub fn begin(response: &Response<Incoming>, max_headers: usize) -> Self {
        let headers = response.headers();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            status: response.status().as_u16(),
            retry_after: text(RETRY_AFTER)
                .and_then(|value| wait_asked_for(value, text(DATE), clock::now())),
            headers: capture::headers_json(
                headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_bytes())),
                max_headers,
                MAX_HEADERS,
            ),
            kept: Vec::new(),
            read: 0,
        }
    }

    /// Reads the body to its end, or to [`MAX_READ`]. As it comes: what is only logged is never decompressed.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn read(&mut self, mut body: Incoming, max_body: usize) -> Result<(), hyper::Error> {
        while self.read <= MAX_READ
            && let Some(frame) = body.frame().await
        {
            // What is no data is a trailer.
            let Ok(chunk) = frame?.into_data() else {
                continue;
            };
            self.read += chunk.len();
            let room = max_body - self.kept.len();
            self.kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Ok(())
    }

    /// As much of the body as is kept; `None`: there was none.
    pub fn body(&self) -> Option<String> {
        (self.read > 0).then(|| capture::body_text(&self.kept, self.read > self.kept.len()))
    }

    /// Whether the status alone decides: a success must be complete, a refusal need not be.
    pub fn is_refusal(&self) -> bool {
        !(200..300).contains(&self.status)
    }
}
