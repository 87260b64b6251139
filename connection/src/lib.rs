//! How the programs of transactional webhooks reach the database: as libpq does, so that a connection string that works
//! with psql works with them.
//!
//! # Layout
//! - [`conninfo`] reads the connection string and completes it from the service file and the PG* variables;
//!   [`settings`] are what the parameters mean; `passfile` has passwords by server, and [`password_file`] the only one;
//!   [`warnings`]: what works, but hardly as meant
//! - [`connect`] goes over the servers and opens sessions; `tls` encrypts them, `startup` sets them up, `pooler` finds
//!   out what stands between, [`timeline`] recognises a primary from before a failover
//! - [`trouble`]: what is wrong, and what an operator can do about it; [`program`]: what it calls the program

pub mod connect;
pub mod conninfo;
mod passfile;
pub mod password_file;
mod pooler;
pub mod program;
pub mod settings;
mod startup;
pub mod timeline;
mod tls;
pub mod trouble;
pub mod warnings;

#[cfg(test)]
mod layers {
    #[test]
    fn files_use_each_other_in_no_circle() {
        webhooks_layers::Source::of(env!("CARGO_MANIFEST_DIR")).check_circles();
    }
}
