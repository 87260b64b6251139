//! The rights of roles to the rows of tenants.
//!
//! `matrix` says it, one line an object, and a new object has to have its line. `relations` and `functions` try every
//! object as every role, with the own tenant set, another one, and none.

pub mod cast;
mod failures;
mod filters;
pub mod functions;
mod logs;
pub mod matrix;
mod messages;
mod relations;
mod reused_ids;
mod secrets;
mod statistics;
mod tenants;
