//! An event as it is sent, in one format.

use super::traceparent::Traceparent;
use bytes::Bytes;
use hyper::header::HeaderValue;
use uuid::Uuid;
use webhooks_core::payload::{Event, PayloadFormat, payload_sha256};
use webhooks_core::template::{Template, TemplateError};

/// An event as it is sent. Deliveries of one event in one format that are claimed together share it.
pub struct Message {
    pub event_id: Uuid,
    pub event_type: String,
    /// Those of the format.
    pub headers: Vec<(&'static str, HeaderValue)>,
    pub body: Bytes,
    pub sha256: [u8; 32],
    /// The trace that the publisher was part of.
    pub traceparent: Option<Traceparent>,
}

impl Message {
    /// An event in a format.
    pub fn render(
        event: &Event<'_>,
        format: PayloadFormat,
        traceparent: Option<Traceparent>,
    ) -> Self {
        let body = Bytes::from(format.render(event));
        let sha256 = payload_sha256(&body);
        let header = |(name, value): (&'static str, String)| {
            // Escaped to visible ASCII.
            let value = HeaderValue::try_from(value).ok()?;
            Some((name, value))
        };
        Self {
            event_id: event.id,
            event_type: event.event_type.to_owned(),
            headers: format
                .headers(event)
                .into_iter()
                .filter_map(header)
                .collect(),
            body,
            sha256,
            traceparent,
        }
    }

    /// The same event as a template has it, which the envelope is made of.
    ///
    /// # Errors
    /// Those of the template.
    pub fn with_template(
        &self,
        template: &Template,
        max_bytes: usize,
    ) -> Result<Self, TemplateError> {
        let body = Bytes::from(template.render(self.text(), max_bytes)?);
        Ok(Self {
            event_id: self.event_id,
            event_type: self.event_type.clone(),
            headers: Vec::new(),
            sha256: payload_sha256(&body),
            body,
            traceparent: self.traceparent,
        })
    }

    /// The body.
    pub fn text(&self) -> &str {
        // What was rendered is UTF-8.
        std::str::from_utf8(&self.body).unwrap_or_default()
    }
}
