//! Results of the database, for the OpenAPI document: the columns of its views and the results of its functions, whose
//! comments the descriptions are. A test compares both.

#![expect(
    dead_code,
    reason = "types that describe JSON of the database, and are never made"
)]

pub mod delivery;
pub mod event;
pub mod poll;
pub mod subscription;
pub mod tenant;
