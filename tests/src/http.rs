//! A client that asks for one thing at a time.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PATIENCE;

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Lines of the head, but the first.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Gets a path from an address (host and port).
///
/// Returns: the status and the body.
///
/// # Errors
/// When there is no answer in time, or none that is HTTP.
pub async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let answer = send(address, "GET", path, &[], "").await?;
    Ok((answer.status, answer.body))
}

/// Sends a request to an address (host and port).
///
/// # Errors
/// When there is no answer in time, or none that is HTTP.
pub async fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer> {
    let mut request = format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    request.push_str(body);
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, exchange)
        .await
        .with_context(|| format!("{address}{path} does not answer"))??;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer of HTTP")?;
    let (first, head) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1).context("no status")?;
    Ok(Answer {
        status: status.parse()?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
