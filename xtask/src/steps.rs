//! A header before each long step, and how long it took after it. On standard error, where cargo's progress goes.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The steps of one command.
pub struct Steps {
    total: usize,
    done: usize,
    started: Instant,
}

impl Steps {
    /// `total` steps will follow.
    pub fn new(total: usize) -> Self {
        Self {
            total,
            done: 0,
            started: Instant::now(),
        }
    }

    /// Runs one step.
    pub fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.done += 1;
        let header = format!("[{}/{}] {name}", self.done, self.total);
        eprintln!("\n{header}");
        let started = Instant::now();
        let result = work();
        let took = seconds(started.elapsed());
        match &result {
            Ok(_) => eprintln!("{header} … {took}"),
            Err(_) => eprintln!("{header} … FAILED after {took}"),
        }
        result
    }

    /// Counts a step that cannot run because an earlier one failed.
    pub fn skip(&mut self) {
        self.done += 1;
    }

    /// Time since the first step.
    pub fn elapsed(&self) -> String {
        seconds(self.started.elapsed())
    }
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f32()),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}
