//! TLS to both sides, receivers and the database.
//!
//! # Layout
//! - `roots`: who is trusted
//! - `verifier`, with `chain`, `certificate` and `problem`: how certificates are verified
//! - `provider`, `key_exchange`: the cryptography
//! - `words`, `setup`: what is said of failures

mod certificate;
mod chain;
mod key_exchange;
mod problem;
mod provider;
mod roots;
mod setup;
mod verifier;
mod words;

pub use problem::is_wrong_name;
pub use setup::SetupError;
pub use words::describe;

use roots::Roots;
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use std::path::Path;
use std::sync::Arc;
use verifier::{AnyServer, Names, Verifier};

/// For receivers: authorities and certificates of the system and of a file. Files are read once, at the start.
///
/// # Errors
/// An unreadable file or one without certificates; a system without certificate authorities.
pub fn config(ca_file: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let roots = Roots::of_system_and(ca_file)?;
    build(Arc::new(Verifier::new(roots, Names::Receiver)))
}

/// Who may be at the other end of a connection with the database. The values of `sslmode` stand for these, as in libpq.
#[derive(Debug, Clone, Copy)]
pub enum DatabaseTrust<'a> {
    /// Whoever answers (`allow`, `prefer`, and `require` without a file of authorities).
    Anyone,
    /// Any server with a certificate by an authority in this file (`verify-ca`, and `require` with a file).
    Authority(&'a Path),
    /// The host that is connected to, by an authority in this file or, without one, of the system (`verify-full`).
    Host(Option<&'a Path>),
}

/// For the database.
///
/// # Errors
/// As those of [`config`].
pub fn database_config(trust: DatabaseTrust) -> Result<ClientConfig, SetupError> {
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        DatabaseTrust::Anyone => Arc::new(AnyServer),
        DatabaseTrust::Authority(file) => {
            Arc::new(Verifier::new(Roots::of_file(file)?, Names::Any))
        }
        DatabaseTrust::Host(file) => {
            let roots = file.map_or_else(|| Roots::of_system_and(None), Roots::of_file)?;
            Arc::new(Verifier::new(roots, Names::Database))
        }
    };
    build(verifier)
}

fn build(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, SetupError> {
    let config = ClientConfig::builder_with_provider(Arc::new(provider::provider()))
        .with_safe_default_protocol_versions()
        .map_err(SetupError::Library)?
        .dangerous() // rustls' word for "a verifier of your choice"
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

/// Makes the provider that of the whole process, for libraries that take the process's.
pub fn install_provider() {
    // An error here means one is installed already.
    let _ = provider::provider().install_default();
}

#[cfg(test)]
mod layers {
    #[test]
    fn files_use_each_other_in_no_circle() {
        webhooks_layers::Source::of(env!("CARGO_MANIFEST_DIR")).check_circles();
    }
}
