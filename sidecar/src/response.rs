//! The response: status, and as much of headers and body as the log keeps.

use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use std::time::{Duration, SystemTime};
use webhooks_core::capture;
use webhooks_core::retry::parse_retry_after;

/// Most headers that the log keeps.
const MAX_HEADERS: usize = 64;
/// A longer body is not read to its end: the status counts, the connection is closed instead of kept alive.
const MAX_READ: usize = 256 * 1024;

/// What is kept.
pub struct Captured {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// JSON object.
    pub headers: String,
    pub body: Option<String>,
}

/// Reads a response to its end, or to [`MAX_READ`].
///
/// # Errors
/// Those of the connection, with what was known until then.
pub async fn capture(
    mut response: Response,
    max_headers: usize,
    max_body: usize,
) -> Result<Captured, (Captured, reqwest::Error)> {
    let mut captured = Captured {
        status: response.status().as_u16(),
        retry_after: response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| parse_retry_after(value, SystemTime::now())),
        headers: capture::headers_json(
            response
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes())),
            max_headers,
            MAX_HEADERS,
        ),
        body: None,
    };
    let mut kept = Vec::new();
    let mut read = 0;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                read += chunk.len();
                let room = max_body - kept.len();
                kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if read > MAX_READ {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                captured.body = text(&kept, read);
                return Err((captured, error));
            }
        }
    }
    captured.body = text(&kept, read);
    Ok(captured)
}

fn text(kept: &[u8], read: usize) -> Option<String> {
    (read > 0).then(|| capture::body_text(kept, read > kept.len()))
}
