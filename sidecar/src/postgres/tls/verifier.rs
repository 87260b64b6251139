//! The server's certificate, looked at as libpq does.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::{rfc4519::CN, rfc5280::ID_CE_SUBJECT_ALT_NAME};

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checks {
    /// TLS keeps off those who only listen.
    Nothing,
    /// An authority that is trusted made the certificate, for whomever.
    Chain,
    /// And it names the server.
    ChainAndName,
}

#[derive(Debug)]
pub(super) struct Verifier {
    checks: Checks,
    /// Authorities, and servers' own certificates.
    trusted: Vec<CertificateDer<'static>>,
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// # Errors
    /// Certificates that can be nobody's authority.
    pub(super) fn new(
        trusted: Vec<CertificateDer<'static>>,
        checks: Checks,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut chain = None;
        if !trusted.is_empty() {
            let mut roots = RootCertStore::empty();
            for certificate in &trusted {
                let added = roots.add(certificate.clone());
                added.map_err(|error| error.to_string())?;
            }
            let builder =
                WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
            chain = Some(builder.build().map_err(|error| error.to_string())?);
        }
        Ok(Self {
            checks,
            trusted,
            chain,
            provider: provider.clone(),
        })
    }

    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        // The server's own certificate, which says that it is an authority as well: as `openssl req -x509` makes it.
        if self.trusted.iter().any(|trusted| trusted == end_entity) {
            return verify_validity(end_entity, now);
        }
        let Some(chain) = &self.chain else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        match chain.verify_server_cert(end_entity, intermediates, name, &[], now) {
            // Names come after all else, and have their own turn.
            Ok(_)
            | Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.checks != Checks::Nothing {
            self.verify_chain(end_entity, intermediates, name, now)?;
        }
        if self.checks == Checks::ChainAndName {
            verify_name(end_entity, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

fn parsed(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

fn verify_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let validity = parsed(certificate)?.tbs_certificate.validity;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_system_time() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_system_time() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// A certificate without alternative names is for its common name, as to libpq.
fn verify_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let by_alternatives =
        rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name);
    let parsed = parsed(certificate)?.tbs_certificate;
    let extensions = parsed.extensions.unwrap_or_default();
    if by_alternatives.is_ok()
        || extensions
            .iter()
            .any(|e| e.extn_id == ID_CE_SUBJECT_ALT_NAME)
    {
        return by_alternatives;
    }
    let attributes = parsed.subject.0.iter().flat_map(|name| name.0.iter());
    let wanted = name.to_str();
    let is_named = attributes
        .filter(|attribute| attribute.oid == CN)
        .any(|cn| std::str::from_utf8(cn.value.value()).is_ok_and(|cn| is_name_for(cn, &wanted)));
    if is_named { Ok(()) } else { by_alternatives }
}

/// An asterisk stands for the first label.
fn is_name_for(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let parts = (name.strip_prefix("*."), host.split_once('.'));
    matches!(parts, (Some(domain), Some((_, rest))) if domain.contains('.') && domain.eq_ignore_ascii_case(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_may_have_an_asterisk_for_one_label() {
        for (name, host, is_match) in [
            ("db", "DB", true),
            ("db.example.com", "db.example.com", true),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.com", "example.com", false),
            ("*", "db", false),
            ("d*", "db", false),
        ] {
            assert_eq!(is_name_for(name, host), is_match, "{name} {host}");
        }
    }
}
