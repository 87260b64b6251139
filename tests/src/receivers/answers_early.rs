use anyhow::Result;

use super::Server;

/// Answers as soon as it has the head of a request, without reading its body, and closes: what lies unread makes that a
/// reset.
///
/// # Errors
/// When no socket or thread can be had.
pub fn answers_early(answer: &'static str) -> Result<Server> {
    Server::start(move |mut connection| async move {
        connection.keep_little(64 * 1024)?;
        connection.head().await?;
        connection.say(answer).await
    })
}
