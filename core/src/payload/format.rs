//! The formats of a request, by `payload_format`.

use super::{Event, cloudevents, push_compact, render_envelope, standard};
use crate::excerpt::Excerpt;
use std::str::FromStr;
use thiserror::Error;

/// How an event is put into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PayloadFormat {
    /// `envelope`: the specification's JSON, see [`render_envelope`].
    #[default]
    Envelope,
    /// `standard`: [Standard Webhooks](https://www.standardwebhooks.com), `{"type", "timestamp", "data"}`.
    Standard,
    /// `cloudevents`: [CloudEvents 1.0](https://cloudevents.io), structured mode, JSON.
    CloudEvents,
    /// `cloudevents-binary`: CloudEvents 1.0, binary mode: attributes as `ce-` headers, the body is the data.
    CloudEventsBinary,
}

/// A `payload_format` that there is not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0} is no payload format")]
pub struct UnknownFormat(String);

impl PayloadFormat {
    /// Every format.
    pub const ALL: [Self; 4] = [
        Self::Envelope,
        Self::Standard,
        Self::CloudEvents,
        Self::CloudEventsBinary,
    ];

    /// As subscriptions name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Standard => "standard",
            Self::CloudEvents => "cloudevents",
            Self::CloudEventsBinary => "cloudevents-binary",
        }
    }

    /// The request's `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Envelope | Self::Standard | Self::CloudEventsBinary => "application/json",
            Self::CloudEvents => "application/cloudevents+json",
        }
    }

    /// The body of a request about `event`.
    pub fn render(self, event: &Event<'_>) -> String {
        match self {
            Self::Envelope => render_envelope(event),
            Self::Standard => standard::render(event),
            Self::CloudEvents => cloudevents::render_structured(event),
            Self::CloudEventsBinary => {
                let mut out = String::with_capacity(event.data.len());
                push_compact(&mut out, event.data);
                out
            }
        }
    }

    /// Headers that the request about `event` carries in this format alone, names in lower case.
    pub fn headers(self, event: &Event<'_>) -> Vec<(&'static str, String)> {
        match self {
            Self::CloudEventsBinary => cloudevents::headers(event),
            Self::Envelope | Self::Standard | Self::CloudEvents => Vec::new(),
        }
    }
}

impl FromStr for PayloadFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat(Excerpt(name).to_string()))
    }
}
