//! The printed report.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{Outcome, Struck};

/// Cases of one promise that are printed.
const SHOWN: usize = 20;

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.fault.to_string();
        write!(f, "{:7.1} s  {fault:42}", self.at.as_secs_f64())?;
        match self.recovery {
            Some(recovery) => write!(
                f,
                "first delivery after {}, all shards {}",
                seconds(recovery.first),
                seconds(recovery.all)
            ),
            None => write!(f, "the next one follows at once"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_faults(f)?;
        let counts = &self.counts;
        writeln!(
            f,
            "\n{} events committed ({} of them match nothing), {} rolled back, {} deliveries",
            counts.committed, counts.unmatched, counts.rolled_back, counts.deliveries
        )?;
        writeln!(
            f,
            "{} requests: {} retries, {} repeats of the {} answers that a fault could keep from being recorded",
            counts.requests, counts.retries, counts.repeats, counts.exposed
        )?;
        writeln!(f, "settled in {}\n", seconds(self.settled))?;
        for violation in &self.violations {
            let cases = &violation.cases;
            writeln!(f, "BROKEN, {} times: {}", cases.len(), violation.promise)?;
            for case in cases.iter().take(SHOWN) {
                writeln!(f, "    {case}")?;
            }
            if cases.len() > SHOWN {
                writeln!(f, "    and {} more", cases.len() - SHOWN)?;
            }
        }
        write!(
            f,
            "{}  seed {}",
            if self.holds() { "PASS" } else { "FAIL" },
            self.seed
        )
    }
}

impl Outcome {
    fn write_faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_name: BTreeMap<&str, Vec<&Struck>> = BTreeMap::new();
        for struck in &self.struck {
            by_name.entry(struck.fault.name()).or_default().push(struck);
        }
        writeln!(
            f,
            "{:32}{:>5}{:>16}{:>16}{:>16}",
            "fault", "times", "first: median", "first: worst", "shards: worst"
        )?;
        for (name, all) in by_name {
            let measured = || all.iter().filter_map(|struck| struck.recovery);
            let mut first: Vec<Duration> = measured().map(|r| r.first).collect();
            first.sort_unstable();
            let shown = |time: Option<&Duration>| time.map_or("-".to_owned(), |t| seconds(*t));
            let shards = measured().map(|r| r.all).max();
            writeln!(
                f,
                "{name:32}{:>5}{:>16}{:>16}{:>16}",
                all.len(),
                shown(first.get(first.len() / 2)),
                shown(first.last()),
                shown(shards.as_ref())
            )?;
        }
        Ok(())
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
