//! Crowds: the effect of many receivers, or of one that misbehaves with much queued, on all others.
//!
//! A program of its own, and one test of it at a time: latency and memory are measured, and the tests of other
//! programs don't run meanwhile.
//!
//! # Layout
//! - `fairness`: the latency of others; `held_xmin`: beside a transaction that keeps dead rows; `memory`: of the
//!   sidecar

// `cfg(test)` tells clippy that the modules' helpers are tests too, where `unwrap` is fine.
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod held_xmin;
#[cfg(test)]
mod memory;

/// One test at a time.
#[cfg(test)]
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
