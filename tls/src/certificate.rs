//! What a certificate says, for the cases that the library leaves out, and for errors.

use super::problem::Problem;
use super::provider::ALGORITHMS;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use std::net::IpAddr;
use x509_cert::certificate::Version;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode, Reader, SliceReader, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};
use x509_cert::name::Name;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

/// A certificate that could be read.
pub struct Certificate<'a> {
    der: &'a [u8],
    inner: x509_cert::Certificate,
}

impl<'a> Certificate<'a> {
    pub fn read(der: &'a CertificateDer<'_>) -> Option<Self> {
        let inner = x509_cert::Certificate::from_der(der).ok()?;
        Some(Self { der, inner })
    }

    /// Version 1 has no extensions: `openssl x509 -req` makes it, so PostgreSQL's manual does.
    pub fn is_version_1(&self) -> bool {
        self.inner.tbs_certificate.version == Version::V1
    }

    /// Whether it was signed with its own key. That issuer and subject have the same name says less: so may those of an
    /// authority and of what it signed.
    pub fn is_self_signed(&self) -> bool {
        self.as_authority()
            .is_some_and(|authority| self.is_signed_by(&authority))
    }

    fn as_authority(&self) -> Option<TrustAnchor<'static>> {
        let certificate = &self.inner.tbs_certificate;
        let subject = certificate.subject.to_der().ok()?;
        let key = certificate.subject_public_key_info.to_der().ok()?;
        Some(TrustAnchor {
            subject: contents(&subject)?.to_vec().into(),
            subject_public_key_info: contents(&key)?.to_vec().into(),
            name_constraints: None,
        })
    }

    pub fn subject(&self) -> String {
        let subject = &self.inner.tbs_certificate.subject;
        common_name(subject).unwrap_or_else(|| subject.to_string())
    }

    pub fn issuer(&self) -> String {
        let issuer = &self.inner.tbs_certificate.issuer;
        common_name(issuer).unwrap_or_else(|| issuer.to_string())
    }

    /// # Errors
    /// If it has expired or is not valid yet.
    pub fn check_validity(&self, now: UnixTime) -> Result<(), Problem> {
        let validity = &self.inner.tbs_certificate.validity;
        let (from, to) = (validity.not_before, validity.not_after);
        if now.as_secs() > to.to_unix_duration().as_secs() {
            return Err(Problem::Expired {
                subject: self.subject(),
                on: to.to_date_time().to_string(),
            });
        }
        if now.as_secs() < from.to_unix_duration().as_secs() {
            return Err(Problem::NotValidYet {
                subject: self.subject(),
                from: from.to_date_time().to_string(),
            });
        }
        Ok(())
    }

    /// # Errors
    /// If it says what it is for, and servers are not among that.
    pub fn check_purpose(&self) -> Result<(), Problem> {
        match self.extension::<ExtendedKeyUsage>() {
            Some(ExtendedKeyUsage(purposes))
                if !purposes.contains(&SERVER_AUTH) && !purposes.contains(&ANY_PURPOSE) =>
            {
                Err(Problem::NotForServers)
            }
            _ => Ok(()),
        }
    }

    fn extension<T: AssociatedOid + for<'d> Decode<'d>>(&self) -> Option<T> {
        let found = self.inner.tbs_certificate.get::<T>();
        found.ok().flatten().map(|(_, extension)| extension)
    }

    /// Whether it says for which hosts it is, where all look for that today.
    pub fn has_host_names(&self) -> bool {
        let is_host = |name: &GeneralName| {
            matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_))
        };
        self.extension::<SubjectAltName>()
            .is_some_and(|SubjectAltName(names)| names.iter().any(is_host))
    }

    /// Whether its common name is that of a host: the old place for it. Of a wildcard one label, as in libpq.
    pub fn has_common_name(&self, host: &ServerName<'_>) -> bool {
        let Some(name) = common_name(&self.inner.tbs_certificate.subject) else {
            return false;
        };
        match host {
            ServerName::DnsName(host) => is_host_name(&name, host.as_ref()),
            ServerName::IpAddress(address) => name
                .parse::<IpAddr>()
                .is_ok_and(|name| name == IpAddr::from(*address)),
            _ => false,
        }
    }

    /// How it was signed.
    pub fn signature_algorithm(&self) -> ObjectIdentifier {
        self.inner.signature_algorithm.oid
    }

    /// How long its key is, if it is one of RSA.
    pub fn rsa_bits(&self) -> Option<usize> {
        let key = &self.inner.tbs_certificate.subject_public_key_info;
        if ![RSA, RSA_PSS].contains(&key.algorithm.oid) {
            return None;
        }
        let sequence = AnyRef::from_der(key.subject_public_key.as_bytes()?).ok()?;
        let mut reader = SliceReader::new(sequence.value()).ok()?;
        let modulus = UintRef::decode(&mut reader).ok()?;
        let leading = modulus.as_bytes().first()?.leading_zeros() as usize;
        Some(modulus.as_bytes().len() * 8 - leading)
    }

    /// Whether an authority has signed it.
    pub fn is_signed_by(&self, authority: &TrustAnchor<'_>) -> bool {
        self.verify_by(authority).is_some()
    }

    fn verify_by(&self, authority: &TrustAnchor<'_>) -> Option<()> {
        let issuer = self.inner.tbs_certificate.issuer.to_der().ok()?;
        if contents(&issuer)? != authority.subject.as_ref() {
            return None;
        }
        // The signature is over the very bytes.
        let mut certificate = SliceReader::new(contents(self.der)?).ok()?;
        let signed = certificate.tlv_bytes().ok()?;
        let algorithm = self.inner.signature_algorithm.to_der().ok()?;
        let mut authority_key =
            SliceReader::new(authority.subject_public_key_info.as_ref()).ok()?;
        let key_algorithm = contents(authority_key.tlv_bytes().ok()?)?;
        let key = x509_cert::der::asn1::BitStringRef::decode(&mut authority_key).ok()?;
        let signature = self.inner.signature.as_bytes()?;
        let algorithm = contents(&algorithm)?;
        ALGORITHMS
            .all
            .iter()
            .filter(|known| {
                known.signature_alg_id().as_ref() == algorithm
                    && known.public_key_alg_id().as_ref() == key_algorithm
            })
            .any(|known| {
                let key = key.as_bytes().unwrap_or_default();
                known.verify_signature(key, signed, signature).is_ok()
            })
            .then_some(())
    }

    /// Whether a message was signed with its key.
    pub fn has_signed(
        &self,
        message: &[u8],
        scheme: rustls::SignatureScheme,
        signature: &[u8],
    ) -> bool {
        let key = &self.inner.tbs_certificate.subject_public_key_info;
        let Ok(algorithm) = key.algorithm.to_der() else {
            return false;
        };
        let of_scheme = ALGORITHMS
            .mapping
            .iter()
            .find(|(known, _)| *known == scheme);
        of_scheme
            .map_or(&[][..], |(_, algorithms)| algorithms)
            .iter()
            .filter(|known| Some(known.public_key_alg_id().as_ref()) == contents(&algorithm))
            .any(|known| {
                let key = key.subject_public_key.as_bytes().unwrap_or_default();
                known.verify_signature(key, message, signature).is_ok()
            })
    }
}

/// What is within a sequence.
fn contents(der: &[u8]) -> Option<&[u8]> {
    AnyRef::from_der(der).ok().map(|sequence| sequence.value())
}

fn common_name(name: &Name) -> Option<String> {
    let mut attributes = name.0.iter().flat_map(|part| part.0.iter());
    let attribute = attributes.rfind(|attribute| attribute.oid == COMMON_NAME)?;
    let value = &attribute.value;
    // The kinds of text that are ASCII or UTF-8; others are of another age.
    matches!(
        value.tag(),
        x509_cert::der::Tag::Utf8String
            | x509_cert::der::Tag::PrintableString
            | x509_cert::der::Tag::Ia5String
    )
    .then(|| String::from_utf8(value.value().to_vec()).ok())?
}

fn is_host_name(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(suffix), Some((label, rest))) = (pattern.strip_prefix("*."), host.split_once('.'))
    else {
        return false;
    };
    !label.is_empty() && suffix.contains('.') && suffix.eq_ignore_ascii_case(rest)
}

#[cfg(test)]
mod tests {
    use super::is_host_name;

    #[test]
    fn a_wildcard_is_one_label() {
        for (pattern, host) in [
            ("db.example.com", "DB.example.com"),
            ("*.example.com", "db.example.com"),
        ] {
            assert!(is_host_name(pattern, host), "{pattern} {host}");
        }
        for (pattern, host) in [
            ("*.example.com", "example.com"),
            ("*.example.com", "a.db.example.com"),
            ("*.com", "example.com"),
            ("*", "localhost"),
            ("d*.example.com", "db.example.com"),
            ("db.example.com", "db.example.com.evil"),
            ("", "db"),
        ] {
            assert!(!is_host_name(pattern, host), "{pattern} {host}");
        }
    }
}
