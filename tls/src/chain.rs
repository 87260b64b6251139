//! What an error of the library means for the certificates that a server showed.

use super::certificate::Certificate;
use super::problem::Problem;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};

/// The most names that an error shows.
const MOST_NAMES: usize = 5;

/// What was looked at when it went wrong.
pub struct Chain<'a> {
    pub leaf: Option<&'a Certificate<'a>>,
    pub intermediates: &'a [CertificateDer<'a>],
    pub now: UnixTime,
}

impl Chain<'_> {
    /// What an error of the library means for this chain.
    pub fn describe(&self, error: Error) -> Error {
        let Error::InvalidCertificate(error) = error else {
            return error;
        };
        self.problem(error).into()
    }

    fn problem(&self, error: CertificateError) -> Problem {
        use CertificateError as E;
        let text = error.to_string();
        let found = match error {
            E::Expired
            | E::ExpiredContext { .. }
            | E::NotValidYet
            | E::NotValidYetContext { .. } => {
                self.find(|certificate| certificate.check_validity(self.now).err())
            }
            E::UnknownIssuer => self.leaf.map(|leaf| self.unknown_issuer(leaf)),
            E::UnsupportedSignatureAlgorithmContext { .. }
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => self
                .find(unsafe_signature)
                .or_else(|| self.find(some_signature)),
            E::BadSignature => Some(self.find(short_key).unwrap_or(Problem::BadSignature)),
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => Some(Problem::NotForServers),
            // The library shows its errors by their names.
            E::Other(other) => match other.to_string().as_str() {
                "CaUsedAsEndEntity" => Some(match self.leaf {
                    Some(leaf) if leaf.is_self_signed() => Problem::SelfSigned,
                    _ => Problem::Authority,
                }),
                "UnsupportedCertVersion" => Some(Problem::Version1),
                "NameConstraintViolation" => Some(Problem::NameConstraints),
                _ => None,
            },
            _ => None,
        };
        found.unwrap_or(Problem::Other(text))
    }

    /// The first certificate of which something can be said.
    fn find(&self, say: impl Fn(&Certificate) -> Option<Problem>) -> Option<Problem> {
        let of_intermediates = || {
            let read = self.intermediates.iter().filter_map(Certificate::read);
            read.filter_map(|certificate| say(&certificate)).next()
        };
        self.leaf.and_then(&say).or_else(of_intermediates)
    }

    fn unknown_issuer(&self, leaf: &Certificate) -> Problem {
        if leaf.is_self_signed() {
            return Problem::SelfSigned;
        }
        match self.intermediates.iter().rev().find_map(Certificate::read) {
            Some(last) => Problem::Untrusted {
                issuer: last.issuer(),
            },
            None => Problem::NoIntermediate {
                issuer: leaf.issuer(),
            },
        }
    }
}

fn some_signature(certificate: &Certificate) -> Option<Problem> {
    let algorithm = match certificate.signature_algorithm().to_string() {
        pss if pss == "1.2.840.113549.1.1.10" => "RSA-PSS in an unusual way".to_owned(),
        other => other,
    };
    Some(Problem::Signature {
        subject: certificate.subject(),
        algorithm,
    })
}

fn unsafe_signature(certificate: &Certificate) -> Option<Problem> {
    let algorithm = match certificate.signature_algorithm().to_string().as_str() {
        "1.2.840.113549.1.1.4" => "MD5",
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => "SHA-1",
        _ => return None,
    };
    Some(Problem::Signature {
        subject: certificate.subject(),
        algorithm: algorithm.to_owned(),
    })
}

pub fn short_key(certificate: &Certificate) -> Option<Problem> {
    let bits = certificate.rsa_bits().filter(|bits| *bits < 2048)?;
    Some(Problem::ShortKey {
        subject: certificate.subject(),
        bits,
    })
}

/// The names that a certificate has instead.
pub fn wrong_name(host: &str, presented: &[String], leaf: Option<&Certificate>) -> Problem {
    let host = host.to_owned();
    if presented.is_empty() {
        let common_name = leaf.map(|leaf| format!(", only the common name {}", leaf.subject()));
        return Problem::NoNames {
            host,
            common_name: common_name.unwrap_or_default(),
        };
    }
    let mut names = presented
        .iter()
        .take(MOST_NAMES)
        .map(|name| plain(name))
        .collect::<Vec<_>>()
        .join(", ");
    if presented.len() > MOST_NAMES {
        names.push_str(&format!(" and {} more", presented.len() - MOST_NAMES));
    }
    Problem::WrongName { host, names }
}

/// The library shows names as in Rust: `DnsName("example.com")`.
fn plain(name: &str) -> String {
    let within = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    within.unwrap_or(name).trim_matches('"').to_owned()
}
