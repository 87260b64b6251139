//! How the database is reached: connection string, password file, certificate authorities.

use super::RunArgs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What is wrong with the flags of the connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// Without the string, which may have a password.
    #[error(
        "the connection string can't be read: {0}; write postgresql://user@host/database or host=… user=… dbname=…"
    )]
    Malformed(tokio_postgres::Error),
    #[error("can't read the password file {}: {source}", file.display())]
    Password {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("the password file {} is empty: write the password into it, or leave --password-file out", file.display())]
    NoPassword { file: PathBuf },
    #[error("can't read certificates from {}: {reason}", file.display())]
    Certificates { file: PathBuf, reason: String },
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Where to connect to, and whom to trust there.
///
/// # Errors
/// A malformed connection string, an unreadable file.
pub fn connection(args: &RunArgs) -> Result<(Config, MakeRustlsConnect), ConnectionError> {
    let mut config: Config = with_known_modes(&args.database_url)
        .parse()
        .map_err(ConnectionError::Malformed)?;
    if let Some(file) = &args.password_file {
        config.password(password_in(file)?);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    config.application_name("webhooks-console");
    let tls = MakeRustlsConnect::new(tls(args.database_ca_file.as_deref())?);
    Ok((config, tls))
}

/// tokio-postgres has three modes, and leaves it to us whether a certificate is verified. It always is.
fn with_known_modes(database_url: &str) -> String {
    database_url
        .replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require")
}

fn password_in(file: &Path) -> Result<String, ConnectionError> {
    let password = std::fs::read_to_string(file).map_err(|source| ConnectionError::Password {
        file: file.to_owned(),
        source,
    })?;
    let password = password.strip_suffix('\n').unwrap_or(&password);
    // As editors of other systems end a line.
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        let file = file.to_owned();
        return Err(ConnectionError::NoPassword { file });
    }
    Ok(password.to_owned())
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, ConnectionError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let unusable = |reason: String| ConnectionError::Certificates {
                file: file.to_owned(),
                reason,
            };
            let given = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| unusable(error.to_string()))?;
            if given.is_empty() {
                return Err(unusable("it holds no PEM certificates".to_owned()));
            }
            for certificate in given {
                let added = roots.add(certificate);
                added.map_err(|error| unusable(error.to_string()))?;
            }
        }
        // Old ones that can't be read are in many systems. Without any, only a connection with TLS fails.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_postgres::config::SslMode;

    #[test]
    fn modes_that_verify_are_known() {
        for mode in ["require", "verify-ca", "verify-full"] {
            for url in [
                format!("postgresql://u@h/d?sslmode={mode}"),
                format!("host=h sslmode={mode} user=u"),
            ] {
                let config: Config = with_known_modes(&url).parse().unwrap();
                assert_eq!(config.get_ssl_mode(), SslMode::Require, "{url}");
            }
        }
    }
}
