//! The HTTP API: a real cluster, the real console, and requests to it.
//!
//! # Layout
//! - `scene`: a database, a console and tokens
//! - `subscriptions`: created, read, listed, changed and deleted; `deliveries`: listed, read, tested and made again
//! - `events`: published, listed and read; `recovery`: many deliveries made again, and what is known of a receiver
//! - `templates`: made and used; `transfer`: export and import; `numbers`: metrics and usage; `audit`: the audit log
//! - `access`: who may do what, and that a tenant reaches nothing of another one; `problems`: what is wrong with a request
//! - `openapi`: how the API is described; `schemathesis`: that it is as described
//! - `rate_limits`: how many requests there may be; `metrics`: what is counted; `process`: health, signals, and a database that is away

// `cfg(test)` tells clippy that the modules' helpers are tests too, where `unwrap` is fine.
#[cfg(test)]
mod access;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod events;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod process;
#[cfg(test)]
mod rate_limits;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod schemathesis;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod transfer;
