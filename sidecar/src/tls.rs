//! TLS to both sides: certificates are verified as the platform does, with further authorities from a file.

use anyhow::Context;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::path::Path;
use std::sync::Arc;

/// # Errors
/// An unreadable file or one without certificates; a system without certificate authorities.
pub fn config(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let extra = match ca_file {
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .with_context(|| format!("can't read certificates from {}", file.display()))?;
            anyhow::ensure!(
                !certificates.is_empty(),
                "{} holds no PEM certificates",
                file.display()
            );
            certificates
        }
        None => Vec::new(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider.clone())
            .context("can't load the system's certificate authorities")?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous() // rustls' word for "a verifier of your choice"; this one is the platform's
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
