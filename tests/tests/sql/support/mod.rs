//! What many tests of this program begin with, ask and do.
//!
//! | module | what it is |
//! | --- | --- |
//! | `world` | databases with subscriptions and events |
//! | `session` | a session, as psql would have it |
//! | `listener` | a session that hears notifications |
//! | `claim` | a sidecar's question: what is to be delivered? |
//! | `record` | a sidecar's report: what became of it |

pub mod claim;
pub mod composite;
pub mod listener;
pub mod record;
pub mod session;
pub mod world;
