//! Numbers of a tenant, and its audit log.

use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Deliveries whose last attempt was in the period.
#[derive(ToSchema)]
pub struct DeliveryMetrics {
    total_deliveries: i64,
    successful_deliveries: i64,
    failed_deliveries: i64,
    success_rate: f64,
    average_response_time_seconds: f64,
}

/// Events of a type that were published in a bucket of time.
#[derive(ToSchema)]
pub struct EventVolume {
    #[schema(format = DateTime)]
    bucket_start: String,
    event_type: String,
    event_category: String,
    events: i64,
}

/// How long deliveries took that were made in a bucket of time.
#[derive(ToSchema)]
pub struct DeliveryLatency {
    #[schema(format = DateTime)]
    bucket_start: String,
    deliveries: i64,
    #[schema(required)]
    receipt_p50_ms: Option<f64>,
    #[schema(required)]
    receipt_p95_ms: Option<f64>,
    #[schema(required)]
    receipt_p99_ms: Option<f64>,
    #[schema(required)]
    response_p50_ms: Option<f64>,
    #[schema(required)]
    response_p95_ms: Option<f64>,
    #[schema(required)]
    response_p99_ms: Option<f64>,
}

/// How the receiver of a subscription does.
#[derive(ToSchema)]
pub struct EndpointHealth {
    subscription_id: Uuid,
    name: String,
    state: String,
    attempts_1h: i64,
    #[schema(required)]
    success_rate_1h: Option<f64>,
    #[schema(required)]
    average_response_seconds_1h: Option<f64>,
    attempts_24h: i64,
    #[schema(required)]
    success_rate_24h: Option<f64>,
    #[schema(required)]
    average_response_seconds_24h: Option<f64>,
    attempts_7d: i64,
    #[schema(required)]
    success_rate_7d: Option<f64>,
    #[schema(required)]
    average_response_seconds_7d: Option<f64>,
    failures_in_a_row: i64,
    #[schema(format = DateTime, required)]
    last_success_at: Option<String>,
    #[schema(format = DateTime, required)]
    last_failure_at: Option<String>,
    #[schema(format = DateTime, required)]
    next_retry_at: Option<String>,
    outstanding: i64,
    #[schema(format = DateTime, required)]
    oldest_due_at: Option<String>,
}

/// A limit of the tenant.
#[derive(ToSchema)]
pub struct Usage {
    name: String,
    #[schema(required)]
    used: Option<i64>,
    #[schema(required)]
    maximum: Option<i64>,
    is_own: bool,
}

/// A change.
#[derive(ToSchema)]
pub struct AuditEntry {
    /// Entry id (UUIDv7).
    id: Uuid,
    /// Time of the change, not of the beginning of its transaction.
    #[schema(format = DateTime)]
    occurred_at: String,
    /// Tenant of the object; null: the object is of no tenant, such as a setting or an event type.
    #[schema(required)]
    tenant_id: Option<Uuid>,
    /// For example created, updated, deleted, enabled, disabled, retried, replayed, cancelled, tested, redacted,
    /// purge_started, purged, granted, revoked, adopted, released, reconciled.
    action: String,
    /// For example subscription, event_type, setting, limits (object_id is the tenant), tenant, event, delivery,
    /// all_tenants (object_id is the role), database.
    object_type: String,
    /// Id or name of the object.
    object_id: String,
    /// State before the change: of an update the changed columns, of a deletion all. Secrets are "[redacted]", and so
    /// is everything after the host in webhook_url. Of webhook_headers, auth_config and template_secrets an update
    /// shows only the changed keys.
    #[schema(required)]
    before: Option<Value>,
    /// State after the change, as in before; for an action that changes no row, its parameters.
    #[schema(required)]
    after: Option<Value>,
    /// Reason, if the system made the change, such as why it disabled a subscription.
    #[schema(required)]
    reason: Option<String>,
    /// Role in effect, as SET ROLE left it. list_audit_log() shows group roles of the extension alone, and null for
    /// others.
    #[schema(required)]
    acting_role: Option<String>,
    /// User of the application: the setting webhooks.user_id.
    #[schema(required)]
    user_id: Option<String>,
    /// Request of the application: the setting webhooks.request_id.
    #[schema(required)]
    request_id: Option<String>,
}
