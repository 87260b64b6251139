//! Spans of attempts (OpenTelemetry): each request of an event that was published in a trace is a span of that trace,
//! under the publisher's.
//!
//! Names and attributes are those of OpenTelemetry's semantic conventions for HTTP client spans and for messaging, and
//! `webhooks.…` where there are none. No `url.full`: paths and queries of webhooks are often secret.

use crate::model::{Delivery, Endpoint, Message, Traceparent};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use webhooks_core::retry::Outcome;

/// Makes the spans, if they are exported.
#[derive(Clone, Default)]
pub struct Spans(Option<SdkTracer>);

impl Spans {
    /// Spans for a provider, which exports them.
    pub fn of(provider: &SdkTracerProvider) -> Self {
        Self(Some(provider.tracer(env!("CARGO_PKG_NAME"))))
    }

    /// Begins the span of a request.
    pub fn begin(
        &self,
        delivery: &Delivery,
        endpoint: &Endpoint,
        message: &Message,
    ) -> AttemptSpan {
        let parent = message.traceparent;
        let span = parent.zip(self.0.as_ref()).map(|(parent, tracer)| {
            let context = Context::new().with_remote_span_context(span_context(parent));
            let builder = tracer
                .span_builder(endpoint.method.as_str().to_owned())
                .with_kind(SpanKind::Client)
                .with_attributes(attributes(delivery, endpoint, message));
            tracer.build_with_context(builder, &context)
        });
        AttemptSpan {
            parent,
            span: span.filter(Span::is_recording),
        }
    }
}

/// The span of a request under way. One that is dropped was cut off.
pub struct AttemptSpan {
    parent: Option<Traceparent>,
    span: Option<Span>,
}

impl AttemptSpan {
    /// The trace context for the receiver: this span, if it is exported, and else its publisher's as it was, since a
    /// span that nothing exports would be missing in the trace.
    pub fn traceparent(&self) -> Option<Traceparent> {
        match &self.span {
            Some(span) => Some(traceparent(span.span_context())),
            None => self.parent,
        }
    }

    /// Ends it. `resent_count`: how often the request was sent again on a new connection.
    pub fn end(mut self, outcome: &Outcome, resent_count: u16) {
        let Some(span) = &mut self.span else {
            return;
        };
        if let Outcome::Response { status, .. } = outcome {
            let status = i64::from(*status);
            span.set_attribute(KeyValue::new("http.response.status_code", status));
        }
        if resent_count > 0 {
            let count = i64::from(resent_count);
            span.set_attribute(KeyValue::new("webhooks.resent_count", count));
        }
        match error_type(outcome) {
            Some(error) => fail(span, error),
            None => span.end(),
        }
        self.span = None;
    }
}

impl Drop for AttemptSpan {
    fn drop(&mut self) {
        if let Some(span) = &mut self.span {
            fail(span, "cancelled".to_owned());
        }
    }
}

fn fail(span: &mut Span, error_type: String) {
    span.set_attribute(KeyValue::new("error.type", error_type));
    span.set_status(Status::error(""));
    span.end();
}

fn span_context(parent: Traceparent) -> SpanContext {
    SpanContext::new(
        TraceId::from(parent.trace_id),
        SpanId::from(parent.parent_id),
        TraceFlags::new(parent.flags),
        true,
        TraceState::NONE,
    )
}

fn traceparent(context: &SpanContext) -> Traceparent {
    Traceparent {
        trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
        parent_id: u64::from_be_bytes(context.span_id().to_bytes()),
        flags: context.trace_flags().to_u8(),
    }
}

fn attributes(delivery: &Delivery, endpoint: &Endpoint, message: &Message) -> Vec<KeyValue> {
    let text = |key, value: String| KeyValue::new(key, value);
    let number = |key, value: i64| KeyValue::new(key, value);
    let url = &endpoint.url;
    // An address of version 6 without its brackets.
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut attributes = vec![
        text("http.request.method", endpoint.method.as_str().to_owned()),
        text("server.address", host.to_owned()),
        text("url.scheme", url.scheme().to_owned()),
        text("messaging.system", "webhooks".to_owned()),
        text("messaging.operation.name", "deliver".to_owned()),
        text("messaging.operation.type", "send".to_owned()),
        text("messaging.message.id", message.event_id.to_string()),
        number(
            "messaging.message.body.size",
            i64::try_from(message.body.len()).unwrap_or(i64::MAX),
        ),
        text("webhooks.event.type", message.event_type.clone()),
        text("webhooks.delivery.id", delivery.id.to_string()),
        text(
            "webhooks.subscription.id",
            delivery.subscription.id.to_string(),
        ),
        text(
            "webhooks.tenant.id",
            delivery.subscription.tenant_id.to_string(),
        ),
        number("webhooks.attempt", i64::from(delivery.attempt) + 1),
    ];
    if let Some(port) = url.port_or_known_default() {
        attributes.push(number("server.port", i64::from(port)));
    }
    if delivery.attempt > 0 {
        let resent = i64::from(delivery.attempt);
        attributes.push(number("http.request.resend_count", resent));
    }
    attributes
}

/// Why it failed, in few words. `None`: it did not.
fn error_type(outcome: &Outcome) -> Option<String> {
    let word = match outcome {
        Outcome::Response {
            status: 200..300, ..
        } => return None,
        Outcome::Response { status, .. } => return Some(status.to_string()),
        Outcome::Timeout => "timeout",
        Outcome::Connect => "connect",
        Outcome::Dns => "dns",
        Outcome::Tls => "tls",
        Outcome::AddressRefused => "address_refused",
        Outcome::Io => "connection_broke",
        Outcome::NotHttp => "not_http",
        // What the conventions call others.
        _ => "_OTHER",
    };
    Some(word.to_owned())
}
