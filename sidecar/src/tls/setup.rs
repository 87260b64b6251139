//! Why TLS can't be set up. Each message names the file and says what to do.

use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum SetupError {
    #[error("can't read {}: {source}", file.display())]
    Unreadable {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("{} is damaged PEM ({reason}): write the certificates anew", file.display())]
    NotPem { file: PathBuf, reason: String },
    #[error(
        "{} holds no PEM certificates (BEGIN CERTIFICATE): give a file that does; `openssl x509 -inform der -in FILE` turns a DER file into PEM",
        file.display()
    )]
    NoCertificates { file: PathBuf },
    #[error("certificate {number} in {} can't be read: {reason}", file.display())]
    BadCertificate {
        file: PathBuf,
        number: usize,
        reason: String,
    },
    #[error(
        "the system has no certificate authorities: install them (package ca-certificates), or name a file of authorities"
    )]
    NoAuthorities,
    #[error("TLS can't be set up: {0}")]
    Library(rustls::Error),
}
