//! Why TLS can't be set up. Each message names the file and says what to do.

use std::path::PathBuf;
use thiserror::Error;

/// Why TLS can't be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    /// A file that can't be read.
    #[error("can't read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file with damaged PEM.
    #[error("{} is damaged PEM ({reason}): write the certificates anew", file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
        /// What is damaged.
        reason: String,
    },
    /// A file without certificates.
    #[error(
        "{} holds no PEM certificates (BEGIN CERTIFICATE): give a file that does; `openssl x509 -inform der -in FILE` turns a DER file into PEM",
        file.display()
    )]
    NoCertificates {
        /// The file.
        file: PathBuf,
    },
    /// A certificate that can't be read.
    #[error("certificate {number} in {} can't be read: {reason}", file.display())]
    BadCertificate {
        /// The file.
        file: PathBuf,
        /// Which one in it, from 1.
        number: usize,
        /// What is wrong.
        reason: String,
    },
    /// A system that trusts nobody.
    #[error(
        "the system has no certificate authorities: install them (package ca-certificates), or name a file of authorities"
    )]
    NoAuthorities,
    /// The library's refusal.
    #[error("TLS can't be set up: {0}")]
    Library(rustls::Error),
}
