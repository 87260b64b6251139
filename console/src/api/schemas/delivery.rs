//! Deliveries, their attempts, and what comes of making them again.

use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Status of a delivery.
#[derive(ToSchema)]
pub enum DeliveryStatus {
    #[schema(rename = "pending")]
    Pending,
    #[schema(rename = "retrying")]
    Retrying,
    #[schema(rename = "delivered")]
    Delivered,
    #[schema(rename = "failed")]
    Failed,
    #[schema(rename = "expired")]
    Expired,
    #[schema(rename = "cancelled")]
    Cancelled,
}

/// A delivery, with its last attempt.
#[derive(ToSchema)]
pub struct Delivery {
    /// Delivery id; receivers see it as X-Webhook-Delivery-Id.
    id: Uuid,
    /// Subscription that the delivery goes to.
    subscription_id: Uuid,
    /// Event that is delivered.
    event_log_id: Uuid,
    /// Number of the last attempt, from 1; 1 while the delivery is pending.
    #[schema(required)]
    delivery_attempt: Option<i32>,
    /// pending, retrying, delivered, failed, expired or cancelled.
    delivery_status: DeliveryStatus,
    /// HTTP status of the last attempt; null: no response came.
    #[schema(required)]
    http_status_code: Option<i32>,
    /// Response headers of the last attempt, up to the setting max_response_headers_bytes.
    #[schema(required)]
    response_headers: Option<Value>,
    /// Start of the response body of the last attempt, up to the setting max_response_body_bytes.
    #[schema(required)]
    response_body: Option<String>,
    /// Error message of the last attempt; null: it succeeded.
    #[schema(required)]
    error_message: Option<String>,
    /// Time at which the last attempt began; null before the first attempt.
    #[schema(format = DateTime, required)]
    attempted_at: Option<String>,
    /// Time of delivery; null: not delivered.
    #[schema(format = DateTime, required)]
    delivered_at: Option<String>,
    /// Time of the next attempt; null: as soon as possible for a pending or retrying delivery, otherwise never.
    #[schema(format = DateTime, required)]
    next_retry_at: Option<String>,
    /// Size of the request body, in bytes.
    #[schema(required)]
    payload_size_bytes: Option<i32>,
    /// SHA-256 of the request body, hexadecimal.
    #[schema(required)]
    payload_hash: Option<String>,
    /// Tenant of the subscription and the event.
    tenant_id: Uuid,
    /// Duration of the last attempt, in microseconds.
    #[schema(required)]
    duration_us: Option<i64>,
    /// True: a delivery of test_subscription().
    #[schema(required)]
    is_test: Option<bool>,
    /// Number of times that the last request was sent again at once on a new connection, because the receiver had
    /// closed the kept one without an answer.
    #[schema(required)]
    resent_count: Option<i32>,
}

/// An attempt of a delivery.
#[derive(ToSchema)]
pub struct Attempt {
    /// Delivery id (UUIDv7).
    delivery_id: Uuid,
    /// Number of the attempt, from 1.
    delivery_attempt: i32,
    /// HTTP status of the response; null: no response came.
    #[schema(required)]
    http_status_code: Option<i32>,
    /// Time at which the request began, by the clock of the sidecar.
    #[schema(format = DateTime)]
    attempted_at: String,
    /// Time at which a 2xx response was complete, or timeout_seconds had passed while its body came in; null: not
    /// delivered.
    #[schema(format = DateTime, required)]
    delivered_at: Option<String>,
    /// Time of the next attempt; null: there is none.
    #[schema(format = DateTime, required)]
    next_retry_at: Option<String>,
    /// Duration of connecting, sending and receiving, in microseconds.
    #[schema(required)]
    duration_us: Option<i64>,
    /// Subscription that the delivery goes to.
    subscription_id: Uuid,
    /// Event that is delivered.
    event_log_id: Uuid,
    /// Tenant of the subscription and the event.
    tenant_id: Uuid,
    /// Size of the request body, in bytes.
    #[schema(required)]
    payload_size_bytes: Option<i32>,
    /// delivered, failed, retrying, expired or cancelled. For expired and cancelled no request was made.
    delivery_status: DeliveryStatus,
    /// SHA-256 of the request body.
    #[schema(required)]
    payload_sha256: Option<String>,
    /// Response headers, up to the setting max_response_headers_bytes.
    #[schema(required)]
    response_headers: Option<Value>,
    /// Start of the response body, up to the setting max_response_body_bytes. Invalid UTF-8 is replaced.
    #[schema(required)]
    response_body: Option<String>,
    /// Error message; null: the attempt succeeded.
    #[schema(required)]
    error_message: Option<String>,
    /// True: a delivery of test_subscription(). Null: a delivery of an event.
    #[schema(required)]
    is_test: Option<bool>,
    /// Kind of failure: error_message without names and addresses.
    #[schema(required)]
    failure: Option<String>,
    /// Number of times that the request was sent again at once on a new connection, because the receiver had closed
    /// the kept one; null: none.
    #[schema(required)]
    resent_count: Option<i32>,
}

/// A delivery with all of its attempts.
#[derive(ToSchema)]
pub struct DeliveryWithAttempts {
    /// Delivery id; receivers see it as X-Webhook-Delivery-Id.
    id: Uuid,
    /// Subscription that the delivery goes to.
    subscription_id: Uuid,
    /// Event that is delivered.
    event_log_id: Uuid,
    /// Number of the last attempt, from 1; 1 while the delivery is pending.
    #[schema(required)]
    delivery_attempt: Option<i32>,
    /// pending, retrying, delivered, failed, expired or cancelled.
    delivery_status: DeliveryStatus,
    /// HTTP status of the last attempt; null: no response came.
    #[schema(required)]
    http_status_code: Option<i32>,
    /// Response headers of the last attempt, up to the setting max_response_headers_bytes.
    #[schema(required)]
    response_headers: Option<Value>,
    /// Start of the response body of the last attempt, up to the setting max_response_body_bytes.
    #[schema(required)]
    response_body: Option<String>,
    /// Error message of the last attempt; null: it succeeded.
    #[schema(required)]
    error_message: Option<String>,
    /// Time at which the last attempt began; null before the first attempt.
    #[schema(format = DateTime, required)]
    attempted_at: Option<String>,
    /// Time of delivery; null: not delivered.
    #[schema(format = DateTime, required)]
    delivered_at: Option<String>,
    /// Time of the next attempt; null: as soon as possible for a pending or retrying delivery, otherwise never.
    #[schema(format = DateTime, required)]
    next_retry_at: Option<String>,
    /// Size of the request body, in bytes.
    #[schema(required)]
    payload_size_bytes: Option<i32>,
    /// SHA-256 of the request body, hexadecimal.
    #[schema(required)]
    payload_hash: Option<String>,
    /// Tenant of the subscription and the event.
    tenant_id: Uuid,
    /// Duration of the last attempt, in microseconds.
    #[schema(required)]
    duration_us: Option<i64>,
    /// True: a delivery of test_subscription().
    #[schema(required)]
    is_test: Option<bool>,
    /// Number of times that the last request was sent again at once on a new connection, because the receiver had
    /// closed the kept one without an answer.
    #[schema(required)]
    resent_count: Option<i32>,
    /// The oldest first.
    attempts: Vec<Attempt>,
}

/// The state of a delivery so far.
#[derive(ToSchema)]
pub struct TestResult {
    is_final: bool,
    status: DeliveryStatus,
    #[schema(required)]
    attempts: Option<i32>,
    #[schema(required)]
    http_status_code: Option<i32>,
    #[schema(required)]
    response_headers: Option<Value>,
    #[schema(required)]
    response_body: Option<String>,
    #[schema(required)]
    error_message: Option<String>,
    #[schema(required)]
    duration_us: Option<i64>,
    #[schema(format = DateTime, required)]
    next_retry_at: Option<String>,
}

/// The outcome of a test.
#[derive(ToSchema)]
pub struct Tested {
    message: String,
    delivery_id: Uuid,
    result: TestResult,
}

/// Which event a test sends.
#[derive(ToSchema)]
pub struct TestWanted {
    /// One that the subscription is subscribed to, unless it is given.
    event_type: Option<String>,
    /// Data of the event, in place of the example.
    #[schema(value_type = Option<Object>)]
    event_data: Option<Value>,
}

/// A delivery that is made again.
#[derive(ToSchema)]
pub struct Retried {
    message: String,
    /// Of the delivery that is made, which is a new one if the other was finished.
    delivery_id: Uuid,
}

/// How many deliveries are made again.
#[derive(ToSchema)]
pub struct RetriedMany {
    deliveries: i64,
}

/// The numbers of a replay.
#[derive(ToSchema)]
pub struct Replayed {
    events: i64,
    deliveries: i64,
    outstanding: i64,
    #[schema(required)]
    resume_after: Option<Uuid>,
}
