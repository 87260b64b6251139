//! Events, and their types.

use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// An event without its data.
#[derive(ToSchema)]
pub struct Event {
    /// Event id, a UUIDv7 unless it is given. Receivers see it as webhook-id, and recognize a repeated delivery by
    /// it.
    id: Uuid,
    /// Tenant of the event. Only subscriptions of this tenant match.
    tenant_id: Uuid,
    /// Event type: event_types.name.
    event_type: String,
    /// Category of the event type, for example document, extraction, job, user or system. An INSERT may give another
    /// lower-case word.
    event_category: String,
    /// Name for people; publish_event() takes the event type unless it is given.
    event_name: String,
    /// Version of the payload.
    #[schema(required)]
    event_version: Option<String>,
    /// Kind of the resource that the event is about.
    #[schema(required)]
    resource_type: Option<String>,
    /// Id of the resource that the event is about.
    #[schema(required)]
    resource_id: Option<Uuid>,
    /// User who caused the event; part of the context in the payload.
    #[schema(required)]
    user_id: Option<Uuid>,
    /// Session of the application; part of the context in the payload.
    #[schema(required)]
    session_id: Option<String>,
    /// Request of the application; part of the context in the payload.
    #[schema(required)]
    request_id: Option<String>,
    /// Address of the client; part of the context in the payload.
    #[schema(required)]
    source_ip: Option<String>,
    /// Time at which the publishing transaction began.
    #[schema(format = DateTime, required)]
    created_at: Option<String>,
    /// Time at which subscriptions were matched, in the publishing transaction.
    #[schema(format = DateTime, required)]
    processed_at: Option<String>,
    /// dev, staging or production: only subscriptions of this environment match; null: subscriptions of all
    /// environments match.
    #[schema(required)]
    environment: Option<String>,
    /// Key that was given to publish_event(); at most 255 characters.
    #[schema(required)]
    idempotency_key: Option<String>,
    /// Subscriptions with ordering = fifo get events of one key in the order of publication; at most 255 characters.
    #[schema(required)]
    ordering_key: Option<String>,
    /// Time before which no delivery is made.
    #[schema(format = DateTime, required)]
    deliver_after: Option<String>,
    /// Time after which outstanding deliveries become expired.
    #[schema(format = DateTime, required)]
    expires_at: Option<String>,
    /// True: test_subscription() made the event for one subscription, and no other matches. Null: an event.
    #[schema(required)]
    is_test: Option<bool>,
    /// Trace context of the publisher (W3C Trace Context, version 00): the setting webhooks.traceparent unless it is
    /// given. Null: it was not set, or not valid. Receivers get it as the header traceparent.
    #[schema(required)]
    traceparent: Option<String>,
}

/// An event with its data and what became of it.
#[derive(ToSchema)]
pub struct EventWithTimeline {
    /// Event id, a UUIDv7 unless it is given. Receivers see it as webhook-id, and recognize a repeated delivery by
    /// it.
    id: Uuid,
    /// Tenant of the event. Only subscriptions of this tenant match.
    tenant_id: Uuid,
    /// Event type: event_types.name.
    event_type: String,
    /// Category of the event type, for example document, extraction, job, user or system. An INSERT may give another
    /// lower-case word.
    event_category: String,
    /// Name for people; publish_event() takes the event type unless it is given.
    event_name: String,
    /// Version of the payload.
    #[schema(required)]
    event_version: Option<String>,
    /// Data of the payload, nested at most 512 levels deep; as text at most the setting max_event_data_bytes.
    event_data: Value,
    /// Kind of the resource that the event is about.
    #[schema(required)]
    resource_type: Option<String>,
    /// Id of the resource that the event is about.
    #[schema(required)]
    resource_id: Option<Uuid>,
    /// User who caused the event; part of the context in the payload.
    #[schema(required)]
    user_id: Option<Uuid>,
    /// Session of the application; part of the context in the payload.
    #[schema(required)]
    session_id: Option<String>,
    /// Request of the application; part of the context in the payload.
    #[schema(required)]
    request_id: Option<String>,
    /// Address of the client; part of the context in the payload.
    #[schema(required)]
    source_ip: Option<String>,
    /// Time at which the publishing transaction began.
    #[schema(format = DateTime, required)]
    created_at: Option<String>,
    /// Time at which subscriptions were matched, in the publishing transaction.
    #[schema(format = DateTime, required)]
    processed_at: Option<String>,
    /// dev, staging or production: only subscriptions of this environment match; null: subscriptions of all
    /// environments match.
    #[schema(required)]
    environment: Option<String>,
    /// Key that was given to publish_event(); at most 255 characters.
    #[schema(required)]
    idempotency_key: Option<String>,
    /// Subscriptions with ordering = fifo get events of one key in the order of publication; at most 255 characters.
    #[schema(required)]
    ordering_key: Option<String>,
    /// Time before which no delivery is made.
    #[schema(format = DateTime, required)]
    deliver_after: Option<String>,
    /// Time after which outstanding deliveries become expired.
    #[schema(format = DateTime, required)]
    expires_at: Option<String>,
    /// Snapshot of the resource, resource.data in the payload; filled in for types of register_resource(). It is
    /// limited as event_data is.
    #[schema(required)]
    resource_data: Option<Value>,
    /// True: test_subscription() made the event for one subscription, and no other matches. Null: an event.
    #[schema(required)]
    is_test: Option<bool>,
    /// Trace context of the publisher (W3C Trace Context, version 00): the setting webhooks.traceparent unless it is
    /// given. Null: it was not set, or not valid. Receivers get it as the header traceparent.
    #[schema(required)]
    traceparent: Option<String>,
    /// The first step first.
    timeline: Vec<Step>,
}

/// A step of what becomes of an event.
#[derive(ToSchema)]
pub struct Step {
    #[schema(format = DateTime, required)]
    at: Option<String>,
    what: String,
    #[schema(required)]
    subscription_id: Option<Uuid>,
    #[schema(required)]
    subscription_name: Option<String>,
    #[schema(required)]
    delivery_id: Option<Uuid>,
    #[schema(required)]
    repeats: Option<Uuid>,
    #[schema(required)]
    attempt: Option<i32>,
    #[schema(required)]
    status: Option<String>,
    #[schema(required)]
    http_status_code: Option<i32>,
    #[schema(required)]
    duration_us: Option<i64>,
    #[schema(format = DateTime, required)]
    next_attempt_at: Option<String>,
    #[schema(required)]
    error_message: Option<String>,
    /// Number of the step.
    ordinality: i64,
}

/// A version of an event type.
#[derive(ToSchema)]
pub struct EventType {
    /// Name of the event type.
    name: String,
    /// Version of the payload.
    version: String,
    /// True: the version is the current one of the event type.
    is_current: bool,
    /// Category of the event type.
    category: String,
    /// Description for people.
    #[schema(required)]
    description: Option<String>,
    /// True: the event type is as shipped with the extension.
    is_builtin: bool,
    /// JSON Schema that event_data must fit; null: event_data may be anything.
    #[schema(required)]
    schema: Option<Value>,
    /// Example of event_data: the registered one, or one made from the schema.
    #[schema(required)]
    example: Option<Value>,
    /// Body of a request with the example, in the format envelope.
    #[schema(required)]
    example_payload: Option<String>,
    /// Time since which the version is deprecated; null: it is not.
    #[schema(format = DateTime, required)]
    deprecated_at: Option<String>,
    /// Reason for the deprecation, and what to use instead.
    #[schema(required)]
    deprecation: Option<String>,
}
