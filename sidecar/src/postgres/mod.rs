//! Reaching PostgreSQL as libpq does.
//!
//! [`conninfo`] reads the connection string, [`service_file`] and the PG* variables complete it, [`settings`] are what they mean,
//! [`passfile`] has the passwords; [`tls`] encrypts, [`connect`] goes over the servers, [`startup`] sets a session up, [`pooler`]
//! finds out what stands between; [`trouble`] says what is wrong, and [`standing`] how often that is said.

pub mod banner;
pub mod clock_skew;
mod connect;
pub mod conninfo;
mod passfile;
mod pooler;
mod service_file;
pub mod settings;
pub mod standing;
mod startup;
mod tls;
pub mod trouble;

pub use connect::{Connector, Session};
pub use trouble::ConnectError;
