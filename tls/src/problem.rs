//! What is wrong with a certificate, in plain words.

use rustls::{CertificateError, Error, OtherError};
use std::sync::Arc;
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    #[error("the certificate of {subject} expired on {on}")]
    Expired { subject: String, on: String },
    #[error("the certificate of {subject} is not valid before {from}")]
    NotValidYet { subject: String, from: String },
    #[error(
        "the certificate is self-signed and not trusted: add it to the file of trusted certificates"
    )]
    SelfSigned,
    #[error(
        "the certificate's issuer, {issuer}, is not trusted, and the server sent no intermediate certificates: its chain is incomplete, or the authority must be added to the file of trusted certificates"
    )]
    NoIntermediate { issuer: String },
    #[error(
        "the certificate's chain ends at {issuer}, which is not trusted: add that authority to the file of trusted certificates"
    )]
    Untrusted { issuer: String },
    #[error("the certificate is not for {host}, but for {names}")]
    WrongName { host: String, names: String },
    #[error("the certificate is not for {host}: it names no hosts (subjectAltName){common_name}")]
    NoNames { host: String, common_name: String },
    #[error("the certificate is not for servers (extended key usage)")]
    NotForServers,
    #[error(
        "the certificate is that of an authority (CA:TRUE): add it to the file of trusted certificates, or use one that is the server's own"
    )]
    Authority,
    #[error("the certificate is of version 1, which has no host names (subjectAltName)")]
    Version1,
    #[error("the certificate's names are not among those that its authority may certify")]
    NameConstraints,
    #[error(
        "the certificate of {subject} is signed with {algorithm}, which is not secure or not known"
    )]
    Signature { subject: String, algorithm: String },
    #[error(
        "the certificate of {subject} has an RSA key of {bits} bits, which is too short: at least 2048 are needed"
    )]
    ShortKey { subject: String, bits: usize },
    #[error("a signature in the certificate's chain is wrong")]
    BadSignature,
    #[error("the server did not prove that the certificate is its own")]
    NotItsOwn,
    #[error("the certificate can't be used: {0}")]
    Other(String),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(problem))))
    }
}

/// Whether a server's certificate is good but for another host.
pub fn is_wrong_name(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(problem))) = error else {
        return false;
    };
    matches!(
        problem.downcast_ref(),
        Some(Problem::WrongName { .. } | Problem::NoNames { .. })
    )
}
