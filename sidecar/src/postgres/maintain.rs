//! `maintain()`: regular upkeep, on a session of its own so that deliveries never wait for it.

use std::time::Duration;

use super::database::Database;
use super::trouble::{SessionError, in_time};

/// What is done step by step ends in so many calls, or goes on at the next interval.
const MAX_CALLS: u32 = 400;
/// Of a partition whose table is in use: so many calls in a row are tried.
const MAX_VAIN_CALLS: u32 = 20;
/// The server cancels a statement after so long.
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(10);
/// Between two partitions that are dropped: every session that publishes looks up the others anew.
const PAUSE: Duration = Duration::from_secs(1);

/// What a call leaves to the next one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Remainder {
    /// Partitions are half made: the next call comes at once.
    is_half_made: bool,
    /// More is too old: the next call comes after a pause.
    has_old: bool,
    /// So many partitions are to be dropped, and this call dropped none.
    not_dropped: Option<i64>,
}

impl Remainder {
    fn of(rows: &[(&str, i64)]) -> Self {
        let done = |task: &str| {
            let row = rows.iter().find(|(name, _)| *name == task);
            row.map_or(0, |(_, done)| *done)
        };
        let overdue = done("overdue_partitions");
        Self {
            is_half_made: done("prepare_partitions") > 0 || done("create_partitions") > 0,
            has_old: overdue > 0 || done("forget_events") > 0 || done("expire_responses") > 0,
            not_dropped: (overdue > 0 && done("drop_partitions") == 0).then_some(overdue),
        }
    }
}

/// Calls `webhooks.maintain()` until there is nothing left to do, and logs what it did.
///
/// # Errors
/// Those of the connection and of the statement.
pub async fn maintain(database: &Database) -> Result<(), SessionError> {
    let settings = [
        (
            "statement_timeout",
            STATEMENT_TIMEOUT.as_millis().to_string(),
        ),
        ("lock_timeout", "5s".to_owned()),
        ("idle_in_transaction_session_timeout", "1min".to_owned()),
    ];
    let session = database
        .connect("webhooks-sidecar maintain", &settings)
        .await?;
    let mut vain_calls = 0;
    for _ in 0..MAX_CALLS {
        let statement = "select task, done from webhooks.maintain()";
        let rows = in_time(STATEMENT_TIMEOUT, session.client.query(statement, &[])).await?;
        let rows: Vec<(&str, i64)> = rows
            .iter()
            .map(|row| (row.get("task"), row.get::<_, Option<i64>>("done")))
            .map(|(task, done)| (task, done.unwrap_or(0)))
            .collect();
        for (task, done) in &rows {
            if *done > 0 && *task != "overdue_partitions" {
                tracing::info!(task, done, "maintained");
            }
        }
        let left = Remainder::of(&rows);
        vain_calls = match left.not_dropped {
            Some(partitions) if vain_calls == MAX_VAIN_CALLS => {
                tracing::warn!(
                    partitions,
                    "old partitions are in use and can't be dropped: a long transaction may use their table"
                );
                break;
            }
            Some(_) => vain_calls + 1,
            None => 0,
        };
        if left.has_old && !left.is_half_made {
            tokio::time::sleep(PAUSE).await;
        } else if !left.is_half_made {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_half_done_is_gone_on_with() {
        let nothing = [
            ("expire_deliveries", 3),
            ("create_partitions", 0),
            ("drop_partitions", 0),
        ];
        assert_eq!(Remainder::of(&nothing), Remainder::default());
        for task in ["create_partitions", "prepare_partitions"] {
            assert!(Remainder::of(&[(task, 1)]).is_half_made, "{task}");
        }
        for task in ["forget_events", "expire_responses"] {
            let left = Remainder::of(&[(task, 1)]);
            assert!(left.has_old && left.not_dropped.is_none(), "{task}");
        }
    }

    #[test]
    fn partitions_that_are_in_use_are_told_from_those_whose_turn_comes() {
        let dropped = Remainder::of(&[("drop_partitions", 1), ("overdue_partitions", 7)]);
        assert!(dropped.has_old && dropped.not_dropped.is_none());
        let in_use = Remainder::of(&[("drop_partitions", 0), ("overdue_partitions", 7)]);
        assert!(in_use.has_old);
        assert_eq!(in_use.not_dropped, Some(7));
    }
}
