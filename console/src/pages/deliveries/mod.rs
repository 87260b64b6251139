//! Deliveries: the list of them, and one with its attempts.

pub mod actions;
mod attempts;
mod delivery;
pub mod detail;
pub mod list;
