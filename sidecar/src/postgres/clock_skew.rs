//! How far this machine's clock is from the database server's, measured on a session.

use crate::clock;
use std::time::{Duration, Instant, SystemTime};
use tokio_postgres::{Client, Error, Statement};

/// Worth a warning from here on.
const WARN_ABOVE: Duration = Duration::from_secs(5);
/// And over below this.
const FINE_BELOW: Duration = Duration::from_secs(2);
/// With a longer answer, what it says is too old.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(1);

/// The server's clock, as it was seen.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The server's time, somewhere between asking and the answer.
    server: SystemTime,
    asked: Instant,
    round_trip: Duration,
    /// This machine's time at the answer.
    own: SystemTime,
}

pub async fn prepare(client: &Client) -> Result<Statement, Error> {
    client
        .prepare("select pg_catalog.clock_timestamp() as time")
        .await
}

/// # Errors
/// Those of the session.
pub async fn measure(client: &Client, statement: &Statement) -> Result<Sample, Error> {
    let asked = Instant::now();
    let server = client.query_one(statement, &[]).await?.get("time");
    let (answered, own) = clock::wall();
    Ok(Sample {
        server,
        asked,
        round_trip: answered.saturating_duration_since(asked),
        own,
    })
}

impl Sample {
    /// By how much the server's clock is ahead, in seconds; within the half of the round trip.
    fn ahead(&self) -> f64 {
        seconds_between(self.own, self.server) + self.round_trip.as_secs_f64() / 2.0
    }

    fn uncertainty(&self) -> f64 {
        self.round_trip.as_secs_f64() / 2.0 + 0.001
    }
}

fn seconds_between(from: SystemTime, to: SystemTime) -> f64 {
    match to.duration_since(from) {
        Ok(ahead) => ahead.as_secs_f64(),
        Err(behind) => -behind.duration().as_secs_f64(),
    }
}

/// What a sample says.
#[derive(Debug, PartialEq)]
pub struct Reading {
    /// At this moment, the time is this.
    pub at: Instant,
    pub time: SystemTime,
    pub verdict: Verdict,
}

/// What is to be said.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    Nothing,
    /// By so many seconds the server is ahead.
    Differs(f64),
    AgreesAgain,
}

/// Whether the clocks differ.
#[derive(Default)]
pub struct Skew {
    differs: bool,
    is_known: bool,
}

impl Skew {
    /// Reads a sample; `None`: it is not worth it.
    pub fn take(&mut self, sample: &Sample) -> Option<Reading> {
        if self.is_known && sample.round_trip > LONGEST_ROUND_TRIP {
            return None;
        }
        self.is_known = true;
        let ahead = sample.ahead();
        let (at, time) = if ahead.abs() <= sample.uncertainty() {
            // They agree as far as can be seen: this machine's is as good, and has no noise.
            (sample.asked + sample.round_trip, sample.own)
        } else {
            (sample.asked + sample.round_trip / 2, sample.server)
        };
        let bound = if self.differs { FINE_BELOW } else { WARN_ABOVE };
        let differed = std::mem::replace(&mut self.differs, ahead.abs() > bound.as_secs_f64());
        let verdict = match (differed, self.differs) {
            (_, true) => Verdict::Differs(ahead),
            (true, false) => Verdict::AgreesAgain,
            (false, false) => Verdict::Nothing,
        };
        Some(Reading { at, time, verdict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(ahead_ms: i64, round_trip_ms: u64) -> Sample {
        let round_trip = Duration::from_millis(round_trip_ms);
        let asked = Instant::now();
        let own = SystemTime::now() + round_trip;
        let middle = own - round_trip / 2;
        let distance = Duration::from_millis(ahead_ms.unsigned_abs());
        Sample {
            server: if ahead_ms < 0 {
                middle - distance
            } else {
                middle + distance
            },
            asked,
            round_trip,
            own,
        }
    }

    /// Returns: by how much the server is ahead, if that is to be said.
    fn differs(skew: &mut Skew, ahead_ms: i64, round_trip_ms: u64) -> Option<f64> {
        match skew.take(&sample(ahead_ms, round_trip_ms))?.verdict {
            Verdict::Differs(ahead) => Some((ahead * 10.0).round() / 10.0),
            _ => None,
        }
    }

    #[test]
    fn a_warning_comes_late_and_goes_later() {
        let mut skew = Skew::default();
        assert_eq!(differs(&mut skew, 4900, 10), None);
        assert_eq!(differs(&mut skew, 5100, 10), Some(5.1));
        assert_eq!(differs(&mut skew, 2100, 10), Some(2.1));
        // Too slow to know.
        assert_eq!(skew.take(&sample(0, 1100)), None);
        let again = skew.take(&sample(1900, 10)).unwrap();
        assert_eq!(again.verdict, Verdict::AgreesAgain);
        assert_eq!(differs(&mut skew, -4900, 10), None);
        assert_eq!(differs(&mut skew, -5100, 400), Some(-5.1));
    }

    #[test]
    fn what_is_not_seen_to_differ_is_this_machines_time() {
        let close = sample(200, 500);
        let reading = Skew::default().take(&close).unwrap();
        assert_eq!(
            (reading.at, reading.time),
            (close.asked + close.round_trip, close.own)
        );
        let apart = sample(300, 500);
        let reading = Skew::default().take(&apart).unwrap();
        assert_eq!(
            (reading.at, reading.time),
            (apart.asked + apart.round_trip / 2, apart.server)
        );
        // The first, however slow it is.
        let slow = sample(60_000, 3000);
        assert!(Skew::default().take(&slow).is_some());
    }
}
