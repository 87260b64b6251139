//! A client that asks for one thing at a time.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PATIENCE;

/// Gets a path from an address (host and port).
///
/// Returns: the status and the body.
///
/// # Errors
/// When there is no answer in time, or none that is HTTP.
pub async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
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
    let status = head.split(' ').nth(1).context("no status")?;
    Ok((status.parse()?, body.to_owned()))
}
