//! TLS to the database: whom each sslmode trusts, as in libpq.

use crate::conninfo::Error;
use crate::settings::{ClientCertificate, Roots, SslMode, Tls};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;
use webhooks_tls::DatabaseTrust;

/// What the server is told that this is about (PostgreSQL 17 wants it of a direct handshake).
const ALPN: &[u8] = b"postgresql";

/// # Errors
/// Files that can't be read or used.
pub(super) fn connector(settings: &Tls) -> Result<MakeRustlsConnect, Error> {
    let trust = match (&settings.roots, settings.mode) {
        (Some(Roots::System), _) | (None, SslMode::VerifyFull) => DatabaseTrust::Host(None),
        (Some(Roots::File(file)), SslMode::VerifyFull) => DatabaseTrust::Host(Some(file)),
        (Some(Roots::File(file)), _) => DatabaseTrust::Authority(file),
        (None, _) => DatabaseTrust::Anyone,
    };
    let mut config = webhooks_tls::database_config(trust)
        .map_err(|error| Error::File(format!("TLS with the database: {error}")))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    if let Some(files) = &settings.client {
        let provider = config.crypto_provider().clone();
        let key = certified_key(files, &provider)?;
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(key));
    }
    Ok(MakeRustlsConnect::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let shown = file.display();
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| Error::File(format!("can't read certificates from {shown}: {error}")))?;
    if certificates.is_empty() {
        return Err(Error::File(format!("{shown} holds no PEM certificates")));
    }
    Ok(certificates)
}

fn certified_key(
    files: &ClientCertificate,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    let chain = certificates(&files.certificate)?;
    let shown = files.key.display();
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::File(format!("can't read the private key {shown}: {error}"))
    };
    let metadata = std::fs::metadata(&files.key).map_err(|error| unreadable(&error))?;
    // As libpq: root's keys may be for a group.
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(Error::File(format!(
            "the private key {shown} is not used, since group or others have access to it: chmod 0600 it (0640 if it is root's)"
        )));
    }
    let text = std::fs::read(&files.key).map_err(|error| unreadable(&error))?;
    if text.windows(9).any(|part| part == b"ENCRYPTED") {
        return Err(Error::File(format!(
            "the private key {shown} is encrypted: store it without a password, in a file that only this program's user can read (openssl pkey -in … -out …)"
        )));
    }
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| unreadable(&error))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        let certificate = files.certificate.display();
        Error::File(format!(
            "the certificate {certificate} and the private key {shown} can't be used together: {error}"
        ))
    })
}
