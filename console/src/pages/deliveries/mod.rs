//! Deliveries: the list of them, and one with its attempts.

pub mod actions;
mod attempts;
pub mod detail;
pub mod list;
