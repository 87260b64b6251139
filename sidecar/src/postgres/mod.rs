//! PostgreSQL: sessions, and one file per SQL function that the sidecar calls. Each of these files has the statement,
//! its parameters, and the decoder of its rows, by the names of the columns.
//!
//! - [`database`] opens sessions, [`identity`] finds out that it is no other one again, [`trouble`] says what is wrong
//!   with them
//! - [`owner`]: the session that owns shards, listens and claims; [`notification`]: what it hears
//! - on that session: [`claim`] (rows: [`claim_row`], events: [`events`]), [`load`] (what is loaded already:
//!   [`subscription_cache`]), [`promote`], [`balance`], [`doorbell`], [`changed`], [`sidecar_settings`], [`clock_skew`];
//!   [`version`]: whether this sidecar works with the extension there
//! - on sessions of their own: [`record`], [`locked`], [`verify`], [`maintain`]; on one that is kept ([`kept_session`]):
//!   [`observe`], [`alerts`]
//! - for `webhooks-sidecar doctor`: [`doctor`]
//! - on any: [`blockers`]; [`composite`]: values of composite types as parameters; [`unreadable`]: rows that can't be
//!   read

pub mod alerts;
pub mod balance;
pub mod blockers;
mod changed;
pub mod claim;
mod claim_row;
pub mod clock_skew;
mod composite;
mod database;
pub mod doctor;
mod doorbell;
mod events;
mod identity;
pub mod kept_session;
mod load;
mod locked;
pub mod maintain;
pub mod notification;
pub mod observe;
pub mod owner;
pub mod promote;
pub mod record;
mod sidecar_settings;
pub mod subscription_cache;
pub mod trouble;
mod unreadable;
pub mod verify;
pub mod version;

pub use database::Database;
pub use identity::Identities;
