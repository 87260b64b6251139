//! Whether a server is the one that is meant.

use super::certificate::Certificate;
use super::chain::{Chain, short_key, wrong_name};
use super::problem::Problem;
use super::provider::ALGORITHMS;
use super::roots::Roots;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// Which names a certificate must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// The host's among the alternative names. Without any, the common name of a certificate that is trusted by itself.
    Receiver,
    /// The host's among the alternative names; without any, as the common name: libpq's rule.
    Database,
    /// Any.
    Any,
}

/// Trusts certificates by authorities, and certificates that were given themselves.
#[derive(Debug)]
pub struct Verifier {
    roots: Roots,
    names: Names,
}

/// Why a certificate is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Itself,
    Authority,
}

impl Verifier {
    pub fn new(roots: Roots, names: Names) -> Self {
        Self { roots, names }
    }

    fn check_trust(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        leaf: Option<&Certificate>,
        now: UnixTime,
    ) -> Result<Trust, Error> {
        if let Some(leaf) = leaf {
            if self.roots.holds(end_entity) {
                leaf.check_validity(now)?;
                leaf.check_purpose()?;
                return Ok(Trust::Itself);
            }
            if leaf.is_version_1() && self.names != Names::Receiver {
                return self.check_version_1(leaf, now).map(|()| Trust::Authority);
            }
        }
        let chain = Chain {
            leaf,
            intermediates,
            now,
        };
        ParsedCertificate::try_from(end_entity)
            .and_then(|parsed| {
                let (anchors, algorithms) = (&self.roots.anchors, ALGORITHMS.all);
                verify_server_cert_signed_by_trust_anchor(
                    &parsed,
                    anchors,
                    intermediates,
                    now,
                    algorithms,
                )
            })
            .map_err(|error| chain.describe(error))?;
        Ok(Trust::Authority)
    }

    /// The library reads version 3 alone; PostgreSQL's manual makes version 1, signed by the authority itself.
    fn check_version_1(&self, leaf: &Certificate, now: UnixTime) -> Result<(), Error> {
        let mut authorities = self.roots.anchors.roots.iter();
        if !authorities.any(|authority| leaf.is_signed_by(authority)) {
            let issuer = leaf.issuer();
            return Err(match leaf.is_self_signed() {
                true => Problem::SelfSigned.into(),
                false => Problem::NoIntermediate { issuer }.into(),
            });
        }
        if let Some(problem) = short_key(leaf) {
            return Err(problem.into());
        }
        Ok(leaf.check_validity(now)?)
    }

    fn check_name(
        &self,
        end_entity: &CertificateDer<'_>,
        leaf: Option<&Certificate>,
        trust: Trust,
        host: &ServerName<'_>,
    ) -> Result<(), Error> {
        let may_be_common_name = match self.names {
            Names::Any => return Ok(()),
            Names::Database => true,
            Names::Receiver => trust == Trust::Itself,
        };
        if let Some(leaf) = leaf.filter(|leaf| may_be_common_name && !leaf.has_host_names()) {
            return match leaf.has_common_name(host) {
                true => Ok(()),
                false => Err(wrong_name(&host.to_str(), &[leaf.subject()], None).into()),
            };
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_name(&parsed, host).map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                presented,
                ..
            }) => wrong_name(&host.to_str(), &presented, leaf).into(),
            other => other,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // What this program can't read, the library may be able to.
        let leaf = Certificate::read(end_entity);
        let trust = self.check_trust(end_entity, intermediates, leaf.as_ref(), now)?;
        self.check_name(end_entity, leaf.as_ref(), trust, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(Version::Tls12, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(Version::Tls13, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}

/// Takes any certificate, as libpq does without a file of authorities; the server must have its key nevertheless.
#[derive(Debug)]
pub struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(Version::Tls12, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(Version::Tls13, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}

#[derive(Clone, Copy)]
enum Version {
    Tls12,
    Tls13,
}

fn check_signature(
    version: Version,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let leaf = Certificate::read(certificate);
    let is_pss_key = matches!(signed.scheme, SignatureScheme::Unknown(_));
    if let Some(leaf) = leaf
        .as_ref()
        .filter(|leaf| leaf.is_version_1() || is_pss_key)
    {
        let is_allowed = match version {
            Version::Tls12 => true,
            Version::Tls13 => !is_pkcs1(signed.scheme),
        };
        return match is_allowed && leaf.has_signed(message, signed.scheme, signed.signature()) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(short_key(leaf).unwrap_or(Problem::NotItsOwn).into()),
        };
    }
    let checked = match version {
        Version::Tls12 => verify_tls12_signature(message, certificate, signed, &ALGORITHMS),
        Version::Tls13 => verify_tls13_signature(message, certificate, signed, &ALGORITHMS),
    };
    checked.map_err(|error| match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            let short = leaf.as_ref().and_then(short_key);
            short.unwrap_or(Problem::NotItsOwn).into()
        }
        other => other,
    })
}

/// What TLS 1.3 does not have any more.
fn is_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}

#[cfg(test)]
mod tests;
