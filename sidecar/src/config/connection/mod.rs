//! How the database is reached, as libpq has it: [`conninfo`] reads the connection string and completes it from the
//! service file and the PG* variables, [`settings`] are what the parameters mean, [`passfile`] has the passwords.

pub mod conninfo;
mod passfile;
pub mod settings;
