//! Waiting for a condition that nothing announces, such as the answer of an SQL query.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const POLL: Duration = Duration::from_millis(10);

/// The result of looking at a condition.
#[derive(Debug)]
pub enum Seen<T> {
    /// It holds.
    Done(T),
    /// It does not hold yet: the state that was seen instead, for the message at time-out.
    NotYet(String),
}

impl<T> Seen<T> {
    /// Not yet: this was seen instead.
    pub fn not_yet(state: impl Display) -> Self {
        Self::NotYet(state.to_string())
    }

    /// `Done` if the value passes; otherwise the value itself is what was seen.
    pub fn done_if(value: T, passes: impl FnOnce(&T) -> bool) -> Self
    where
        T: std::fmt::Debug,
    {
        if passes(&value) {
            Self::Done(value)
        } else {
            Self::NotYet(format!("{value:?}"))
        }
    }
}

/// Checks a condition every 10 ms until it holds.
///
/// # Errors
/// After `timeout`, with the last state seen; at once when the condition itself fails.
pub async fn eventually<T, F>(timeout: Duration, mut condition: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Seen<T>>>,
{
    let deadline = Instant::now() + timeout;
    loop {
        match condition().await? {
            Seen::Done(value) => return Ok(value),
            Seen::NotYet(state) if Instant::now() >= deadline => {
                bail!("not reached within {timeout:?}; last seen: {state}")
            }
            Seen::NotYet(_) => tokio::time::sleep(POLL).await,
        }
    }
}
