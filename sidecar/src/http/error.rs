//! Why a request got no answer.

use super::resolve::ResolveError;
use super::resolve::failure::{LookupFailure, is_exhaustion};
use std::error::Error;
use std::io;
use thiserror::Error;

/// Most bytes of the answer's headers, with those of interim responses. Common servers send no more than 8 KiB; 2,000
/// receivers that send them endlessly take 128 MiB.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most interim responses (1xx) before the answer.
pub const MAX_INTERIM: usize = 100;

/// Why there is no complete answer. The words are for the log: no URL, nothing that was sent.
#[derive(Debug, Error)]
pub enum SendError {
    /// The name has no address.
    #[error("{0}")]
    Dns(String),
    /// By the address policy.
    #[error("{0}")]
    AddressRefused(String),
    /// This machine has no socket left: no fault of the receiver.
    #[error("no connection can be opened here: {0}")]
    NoSocket(io::Error),
    /// No TCP connection.
    #[error("can't connect: {0}")]
    Connect(String),
    /// No TLS session, or one that was refused later.
    #[error("TLS: {0}")]
    Tls(String),
    /// The connection ended before a complete head, or, with a head, before the body's end.
    #[error("the connection broke: {0}")]
    Broke(#[from] Broke),
    /// What came is no answer.
    #[error("the answer is not valid HTTP/1.1: {0}")]
    NotHttp(#[from] NotHttp),
}

/// How a connection ended.
#[derive(Debug, Error)]
pub enum Broke {
    #[error("the receiver closed it without an answer")]
    WithoutAnswer,
    #[error("the receiver closed it in the middle of its answer (end of file)")]
    InTheMiddle,
    #[error("{0}")]
    Io(io::Error),
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotHttp {
    #[error("it does not begin with a status line")]
    StatusLine,
    #[error("it is HTTP/2, and deliveries are made over HTTP/1.1")]
    Http2,
    #[error("its headers have more than {MAX_HEAD} bytes")]
    HeadTooLarge,
    #[error("more than {MAX_INTERIM} interim responses (1xx)")]
    TooManyInterim,
}

impl From<&ResolveError> for SendError {
    fn from(error: &ResolveError) -> Self {
        match error {
            ResolveError::Refused { .. } => Self::AddressRefused(error.to_string()),
            ResolveError::Lookup {
                reason: LookupFailure::NoSocket,
                ..
            } => Self::NoSocket(io::Error::other(error.to_string())),
            _ => Self::Dns(error.to_string()),
        }
    }
}

impl From<io::Error> for SendError {
    /// That of a connection that was made.
    fn from(error: io::Error) -> Self {
        match tls_error(&error) {
            Some(tls) => Self::Tls(tls_words(tls)),
            None => Self::Broke(Broke::Io(error)),
        }
    }
}

/// The TLS error that this is, or that it wraps: an `io::Error` names as its source not what it wraps but the source of
/// that.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut wrapped = error;
    loop {
        if let Some(tls) = wrapped.downcast_ref() {
            return Some(tls);
        }
        wrapped = wrapped.downcast_ref::<io::Error>()?.get_ref()?;
    }
}

fn tls_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol) => {
            format!(
                "the receiver does not offer HTTP/1.1, over which deliveries are made; if it offers HTTP/2 alone, enable HTTP/1.1 there ({error})"
            )
        }
        error => webhooks_tls::describe(error),
    }
}

/// That of a TLS handshake.
pub fn handshake_error(error: &io::Error) -> SendError {
    SendError::Tls(match tls_error(error) {
        Some(tls) => tls_words(tls),
        None => format!("the receiver ended the handshake: {error}"),
    })
}

/// That of connecting: the resolver's, or the words of the whole chain.
pub fn connect_error(error: &(dyn Error + 'static)) -> SendError {
    let mut words = String::new();
    let mut cause = Some(error);
    while let Some(found) = cause {
        if let Some(io) = found
            .downcast_ref::<io::Error>()
            .filter(|io| is_exhaustion(io))
            && let Some(errno) = io.raw_os_error()
        {
            return SendError::NoSocket(io::Error::from_raw_os_error(errno));
        }
        if let Some(resolve) = found.downcast_ref::<ResolveError>() {
            return resolve.into();
        }
        let text = found.to_string();
        if !words.contains(&text) {
            let separator = if words.is_empty() { "" } else { ": " };
            words = format!("{words}{separator}{text}");
        }
        cause = found.source();
    }
    SendError::Connect(words)
}
