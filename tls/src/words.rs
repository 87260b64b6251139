//! What a failure of TLS means, for those who have to put it right.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// The failure in plain words; the library's own where there is nothing to add.
pub fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Other(problem)) => problem.to_string(),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS on this port".to_owned()
        }
        Error::AlertReceived(alert) => refused(*alert),
        Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerSentHelloRetryRequestWithUnknownExtension,
        ) => "the server speaks neither TLS 1.2 nor TLS 1.3".to_owned(),
        Error::PeerIncompatible(reason) => {
            format!("the server speaks TLS in no way that this program does ({reason:?})")
        }
        Error::PeerMisbehaved(reason) => format!("the server breaks the rules of TLS ({reason:?})"),
        Error::NoApplicationProtocol => NO_PROTOCOL.to_owned(),
        other => other.to_string(),
    }
}

const NO_PROTOCOL: &str = "the server speaks none of the protocols that were offered (ALPN)";

/// What a server says when it ends the handshake.
fn refused(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let reason = match alert {
        A::CertificateRequired => "it demands a client certificate, and there is none to send",
        A::HandshakeFailure => {
            "it has no cipher in common with this program, or demands a client certificate"
        }
        A::ProtocolVersion => return "the server speaks neither TLS 1.2 nor TLS 1.3".to_owned(),
        A::UnrecognisedName => "it does not know the host's name",
        A::NoApplicationProtocol => return NO_PROTOCOL.to_owned(),
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied => {
            return format!(
                "the server refused: it wants a client certificate that it trusts (alert {alert:?})"
            );
        }
        other => return format!("the server ended the handshake (alert {other:?})"),
    };
    format!("the server refused: {reason}")
}
