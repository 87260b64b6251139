use std::time::Duration;

use anyhow::Result;

use super::{OK, Server};

/// Reads the head of a request, then nothing for so long, then the rest, and answers 200.
///
/// # Errors
/// When no socket or thread can be had.
pub fn stops_reading(pause: Duration) -> Result<Server> {
    Server::start(move |mut connection| async move {
        connection.keep_little(64 * 1024)?;
        loop {
            let (length, mut read) = connection.head().await?;
            tokio::time::sleep(pause).await;
            let mut space = vec![0; 64 * 1024];
            while read < length {
                read += connection.read(&mut space).await?;
            }
            connection.say(OK).await?;
        }
    })
}
