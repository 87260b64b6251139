//! The harness of the integration tests: real clusters, real sidecar processes, a real HTTP receiver.
//!
//! # Layout
//! | module | use |
//! | --- | --- |
//! | [`cluster`] | a throw-away PostgreSQL: start, stop, kill -9, restart; psql, dump, restore, standby |
//! | [`database`] | a database of its own per test, with the extension, roles, and helpers to subscribe and publish |
//! | [`receiver`] | an HTTP server that records what it gets and answers as told, however badly |
//! | [`receivers`] | HTTP servers with one habit each, as the world has them |
//! | [`sidecar`] | the real `webhooks-sidecar`: its log, signals and end |
//! | [`console`] | the real `webhooks-console`, and requests to it |
//! | [`dns`] | a DNS server that answers as told, or not at all |
//! | [`pooler`] | a connection pooler in transaction or session mode |
//! | [`proxy`] | a TCP connection that can stall or break, between any two of them |
//! | [`latency`] | events at a steady rate, and how long each took from commit to receipt |
//! | [`ledger`] | events that were committed, rolled back and received, compared |
//! | [`usage`] | CPU, memory, WAL and statements of a run |
//! | [`chaos`] | faults at random, and whether the promise held |
//! | [`wait`] | waiting for SQL conditions |
//! | [`seed`] | randomness that can be had again |
//! | [`json`] | indented JSON, for people to read |
//! | [`process`], [`environment`] | child processes, and the machine's settings |
//!
//! # A test
//! ```no_run
//! # use webhooks_tests::{database::Database, receiver::{Receiver, Reply}, sidecar::Sidecar};
//! # use serde_json::json;
//! # async fn test() -> anyhow::Result<()> {
//! let db = Database::fresh("retries").await?;
//! let receiver = Receiver::start()?;
//! receiver.on_sequence("/hook", [Reply::status(503), Reply::ok()]);
//! let tenant = db.tenant();
//! db.subscribe(json!({"tenant_id": tenant, "webhook_url": receiver.url("/hook"), "retry_delay_seconds": 0})).await?;
//! let mut sidecar = Sidecar::start(&db).await?;
//! let event = db.publish(tenant, "document.uploaded", json!({"title": "x"})).await?;
//! let delivery = db.wait_delivery(event, "delivered").await?;
//! assert_eq!(delivery["delivery_attempt"], 2);
//! # Ok(()) }
//! ```
//!
//! Wait for signals, never for time: [`receiver::Receiver::wait_for`], [`sidecar::Sidecar::wait_log`],
//! [`database::Database::wait_delivery`], [`wait::eventually`].

pub mod chaos;
pub mod cluster;
pub mod console;
pub mod database;
pub mod dns;
pub mod environment;
pub mod http;
pub mod json;
pub mod latency;
pub mod ledger;
mod log;
pub mod pooler;
pub mod process;
mod progress;
pub mod proxy;
pub mod receiver;
pub mod receivers;
pub mod seed;
pub mod sidecar;
pub mod usage;
pub mod wait;
mod watchdog;

use std::time::Duration;

/// How long waits last that should end at once: generous, for they cost nothing when all is well.
pub const PATIENCE: Duration = Duration::from_secs(30);
