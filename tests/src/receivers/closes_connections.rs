use std::time::Duration;

use anyhow::Result;

use super::{OK, Server};

/// When a server closes a connection after an answer that did not say so.
#[derive(Debug, Clone, Copy)]
pub enum Closing {
    /// At once.
    AtOnce,
    /// When nothing came for so long, without a word.
    Idle(Duration),
    /// When nothing came for so long, and says so: with 408, as RFC 9110 has it.
    IdleWith408(Duration),
    /// When the next request comes, which gets no answer.
    NextRequest,
    /// When the next request comes, by a reset.
    ResetNextRequest,
    /// When the next request comes, with the 408 that was meant for the time before it.
    NextRequestWith408,
    /// The same, and a reset before its body is complete.
    ResetNextRequestWith408,
    /// When the next request comes, after a byte of an answer.
    NextRequestInTheMiddle,
}

const TIMED_OUT: &str =
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

const TIMED_OUT_IN_PART: &str =
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 9\r\nConnection: close\r\n\r\nslow";

/// Answers 200 and keeps the connection, until it does not.
///
/// # Errors
/// When no socket or thread can be had.
pub fn closes_connections(closing: Closing) -> Result<Server> {
    Server::start(move |mut connection| async move {
        loop {
            connection.request().await?;
            connection.say(OK).await?;
            match closing {
                Closing::AtOnce => return Ok(()),
                Closing::Idle(after) => {
                    if !connection.is_spoken_to(after).await? {
                        return Ok(());
                    }
                }
                Closing::IdleWith408(after) => {
                    if !connection.is_spoken_to(after).await? {
                        return connection.say(TIMED_OUT).await;
                    }
                }
                Closing::NextRequest => return connection.request().await,
                Closing::ResetNextRequest => {
                    connection.request().await?;
                    return connection.reset_on_close();
                }
                Closing::NextRequestWith408 => {
                    connection.request().await?;
                    return connection.say(TIMED_OUT).await;
                }
                Closing::ResetNextRequestWith408 => {
                    connection.request().await?;
                    connection.say(TIMED_OUT_IN_PART).await?;
                    return connection.reset_on_close();
                }
                Closing::NextRequestInTheMiddle => {
                    connection.request().await?;
                    return connection.say("H").await;
                }
            }
        }
    })
}
