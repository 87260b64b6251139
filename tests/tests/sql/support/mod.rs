//! Worlds, sessions, claims and records that many tests of this program need.
//!
//! | module | what it is |
//! | --- | --- |
//! | `world` | databases with subscriptions and events |
//! | `session` | a session, as psql would have it |
//! | `listener` | a session that hears notifications |
//! | `claim` | `claim_deliveries()`, as a sidecar calls it |
//! | `record` | `record_attempts()`, as a sidecar calls it |

pub mod claim;
pub mod composite;
pub mod listener;
pub mod record;
pub mod session;
pub mod world;
