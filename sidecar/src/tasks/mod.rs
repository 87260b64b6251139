//! What runs: tasks that wait for events and make others do the work.
//!
//! - [`engine`]: the loop that owns all state: events in, commands out; [`session`]: the connection with the shards'
//!   locks, which executes its commands
//! - [`requests`]: deliveries under way; [`sender`]: one attempt; [`recorder`]: results back to SQL; [`verifier`]:
//!   answers of receivers back to SQL; [`slots`]: how many requests of each database may be under way; [`destinations`]:
//!   how many to each host; [`chores`]: upkeep and observation, each a [`chore`]; [`monitor`]: metrics and health for who
//!   asks; [`span_export`]: spans for a collector
//! - [`session_health`]: what is wrong with the session with the database; [`delivery_log`]: what the log says of
//!   deliveries
//! - [`backoff`], [`complaint`], [`warnings`], [`late`]: how long to wait, and how often to say what is wrong

mod backoff;
mod chore;
pub mod chores;
mod complaint;
mod delivery_log;
pub mod destinations;
pub mod engine;
mod late;

pub mod monitor;
pub mod recorder;
pub mod requests;
pub mod sender;
pub mod session;
pub mod session_health;
pub mod slots;
pub mod span_export;
pub mod verifier;
mod warnings;
