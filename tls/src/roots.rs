//! What is trusted: certificate authorities, and certificates by themselves.

use super::setup::SetupError;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::HashSet;
use std::path::Path;

#[derive(Debug)]
pub struct Roots {
    pub anchors: RootCertStore,
    /// The same as they were given: a server that shows one of these is trusted though it is no authority's, or though
    /// it says that it is an authority, as what `openssl req -x509` makes does.
    certificates: HashSet<CertificateDer<'static>>,
}

impl Roots {
    /// # Errors
    /// A file that can't be used; nothing at all to trust.
    pub fn of_system_and(file: Option<&Path>) -> Result<Self, SetupError> {
        let mut roots = match file {
            Some(file) => Self::of_file(file)?,
            None => Self {
                anchors: RootCertStore::empty(),
                certificates: HashSet::new(),
            },
        };
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::debug!("certificate authorities of the system: {error}");
        }
        for certificate in system.certs {
            // Old ones that can't be read are in many systems.
            if roots.anchors.add(certificate.clone()).is_ok() {
                roots.certificates.insert(certificate);
            }
        }
        if roots.certificates.is_empty() {
            return Err(SetupError::NoAuthorities);
        }
        Ok(roots)
    }

    /// # Errors
    /// A file that can't be used.
    pub fn of_file(file: &Path) -> Result<Self, SetupError> {
        let mut anchors = RootCertStore::empty();
        let given = certificates(file)?;
        for (n, certificate) in given.iter().enumerate() {
            let added = anchors.add(certificate.clone());
            added.map_err(|error| SetupError::BadCertificate {
                file: file.to_owned(),
                number: n + 1,
                reason: error.to_string(),
            })?;
        }
        Ok(Self {
            anchors,
            certificates: given.into_iter().collect(),
        })
    }

    /// Whether this very certificate is trusted.
    pub fn holds(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.contains(certificate)
    }
}

/// The certificates of a PEM file, of which there must be one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let text = std::fs::read(file).map_err(|source| SetupError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    // An editor's byte order mark would hide the first of them.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let certificates = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| SetupError::NotPem {
            file: file.to_owned(),
            reason: error.to_string(),
        })?;
    if certificates.is_empty() {
        return Err(SetupError::NoCertificates {
            file: file.to_owned(),
        });
    }
    Ok(certificates)
}
