//! Failpoints, for crash tests: places of the pipeline where the process ends, or waits, because a test says so.
//!
//! Compiled only with the cargo feature `failpoints`, which nothing that is installed or packaged has, and idle even
//! then unless the environment asks:
//!
//! | variable | meaning |
//! | --- | --- |
//! | `WEBHOOKS_FAILPOINTS` | comma-separated `point=action`; points are those of [`Point`] |
//! | `WEBHOOKS_CLOCK_OFFSET_FILE` | a file with seconds by which the wall clock is wrong; read at each look at the
//! clock |
//!
//! `abort:N` ends the process, without any clean-up, when the N-th delivery passes the point. `delay:MS` makes every
//! passing wait. (The crate `fail` has no such abort, and its delays block the thread.)

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

const FAILPOINTS: &str = "WEBHOOKS_FAILPOINTS";
const CLOCK_OFFSET_FILE: &str = "WEBHOOKS_CLOCK_OFFSET_FILE";

/// A step of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// `after_claim`: claimed, nothing sent yet.
    AfterClaim,
    /// `after_send`: the receiver has answered, or not in time; nobody else knows yet.
    AfterSend,
    /// `before_record`: a batch of results is about to be written.
    BeforeRecord,
    /// `after_record`: it is written; the engine does not know yet.
    AfterRecord,
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    /// At this delivery.
    Abort(usize),
    Delay(Duration),
}

struct Failpoint {
    action: Action,
    passed: AtomicUsize,
}

/// What can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FailpointError(String);

static ARMED: OnceLock<HashMap<Point, Failpoint>> = OnceLock::new();

/// Arms what the environment asks for.
///
/// # Errors
/// Names what can't be read.
pub fn arm() -> Result<(), FailpointError> {
    tracing::warn!("built with failpoints: for tests only");
    let text = std::env::var(FAILPOINTS).unwrap_or_default();
    let actions = parse(&text)
        .map_err(|reason| FailpointError(format!("{FAILPOINTS} is {text:?}: {reason}")))?;
    let armed = actions.into_iter().map(|(point, action)| {
        let passed = AtomicUsize::new(0);
        (point, Failpoint { action, passed })
    });
    // A second call changes nothing.
    let _ = ARMED.set(armed.collect());
    Ok(())
}

/// So many deliveries pass a point.
pub async fn pass(point: Point, deliveries: usize) {
    let failpoint = ARMED.get().and_then(|armed| armed.get(&point));
    let Some(failpoint) = failpoint.filter(|_| deliveries > 0) else {
        return;
    };
    match failpoint.action {
        Action::Abort(at) => {
            let passed = failpoint.passed.fetch_add(deliveries, SeqCst) + deliveries;
            if passed >= at {
                tracing::warn!(?point, passed, "failpoint: aborting");
                std::process::abort();
            }
        }
        Action::Delay(delay) => tokio::time::sleep(delay).await,
    }
}

/// The wall clock, wrong by as much as a test wants.
pub fn clock() -> SystemTime {
    let now = SystemTime::now();
    let offset: i64 = std::env::var(CLOCK_OFFSET_FILE)
        .ok()
        .and_then(|file| std::fs::read_to_string(file).ok())
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    let distance = Duration::from_secs(offset.unsigned_abs());
    let wrong = if offset < 0 {
        now.checked_sub(distance)
    } else {
        now.checked_add(distance)
    };
    wrong.unwrap_or(now)
}

fn parse(text: &str) -> Result<Vec<(Point, Action)>, String> {
    let parts = text.split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(one).collect()
}

fn one(part: &str) -> Result<(Point, Action), String> {
    let (point, action) = part.split_once('=').ok_or("write point=action")?;
    let point = match point {
        "after_claim" => Point::AfterClaim,
        "after_send" => Point::AfterSend,
        "before_record" => Point::BeforeRecord,
        "after_record" => Point::AfterRecord,
        _ => return Err(format!("there is no failpoint {point:?}")),
    };
    let (action, number) = action.split_once(':').ok_or("write action:number")?;
    let number: u32 = number
        .parse()
        .map_err(|_| format!("{number:?} is no number"))?;
    let action = match action {
        "abort" => Action::Abort(number as usize),
        "delay" => Action::Delay(Duration::from_millis(number.into())),
        _ => return Err(format!("there is no action {action:?}")),
    };
    Ok((point, action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_actions_are_read() {
        let expected = [
            (Point::AfterSend, Action::Abort(3)),
            (
                Point::BeforeRecord,
                Action::Delay(Duration::from_millis(200)),
            ),
        ];
        let read = parse("after_send=abort:3, before_record=delay:200");
        assert_eq!(read.unwrap(), expected);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn mistakes_are_named() {
        for (bad, named) in [
            ("after_lunch=abort:1", "after_lunch"),
            ("after_send", "point=action"),
            ("after_send=abort", "action:number"),
            ("after_send=abort:x", "\"x\""),
            ("after_send=explode:1", "explode"),
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.contains(named), "{bad}: {error}");
        }
    }
}
