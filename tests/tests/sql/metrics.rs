//! Numbers: what `roll_up()` counts is what the log has, and reports say what a query of the log would say.

mod doctor;
mod reports;
mod rollups;
mod specification;
