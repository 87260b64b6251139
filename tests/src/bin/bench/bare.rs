//! The baseline of deliveries: a loop of requests to the same receiver with the same client library, and no database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;

/// Requests under way at once: enough to keep both sides busy.
pub const CONCURRENCY: usize = 64;

/// Sends `n` bodies of 1 KB, so many at once; returns requests per second.
pub async fn requests_per_second(url: &str, n: u64, at_once: usize) -> Result<f64> {
    // Two users of TLS in one process; whoever installs first wins, and both want the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tcp_nodelay(true)
        .build()?;
    let url: Arc<str> = url.into();
    let body = bytes::Bytes::from(vec![b'x'; 1300]);
    let left = Arc::new(AtomicU64::new(n));
    let started = Instant::now();
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let (client, url, body, left) = (
                client.clone(),
                Arc::clone(&url),
                body.clone(),
                Arc::clone(&left),
            );
            tokio::spawn(async move {
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                    .is_ok()
                {
                    let request = client
                        .post(&*url)
                        .header("content-type", "application/json")
                        .body(body.clone());
                    request.send().await?.bytes().await?;
                }
                Ok::<_, reqwest::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(n as f64 / started.elapsed().as_secs_f64())
}
