use anyhow::Result;

use super::Server;

/// Answers each request with the same bytes without end, as fast as they are taken.
///
/// # Errors
/// When no socket or thread can be had.
pub fn floods(bytes: &'static str) -> Result<Server> {
    let many = bytes.repeat(1 + 16 * 1024 / bytes.len());
    Server::start(move |mut connection| {
        let many = many.clone();
        async move {
            connection.request().await?;
            loop {
                connection.say(&many).await?;
            }
        }
    })
}
