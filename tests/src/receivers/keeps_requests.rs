use anyhow::Result;

use super::Server;

/// Answers each request so, and keeps the connection: for what is on the wire, see [`Server::heads`].
///
/// # Errors
/// When no socket or thread can be had.
pub fn keeps_requests(answer: &'static str) -> Result<Server> {
    Server::start(move |mut connection| async move {
        loop {
            connection.request().await?;
            connection.say(answer).await?;
        }
    })
}
