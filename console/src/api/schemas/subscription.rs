//! A subscription, and what is set of one.

use crate::api::environment::Environment;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// HTTP method of deliveries.
#[derive(ToSchema)]
pub enum Method {
    #[schema(rename = "POST")]
    Post,
    #[schema(rename = "PUT")]
    Put,
    #[schema(rename = "PATCH")]
    Patch,
}

/// How deliveries reach the receiver.
#[derive(ToSchema)]
pub enum DeliveryKind {
    #[schema(rename = "push")]
    Push,
    #[schema(rename = "poll")]
    Poll,
}

/// How requests are authenticated.
#[derive(ToSchema)]
pub enum AuthType {
    #[schema(rename = "none")]
    None,
    #[schema(rename = "api_key")]
    ApiKey,
    #[schema(rename = "signature")]
    Signature,
}

/// Whether deliveries of one ordering key are made one at a time.
#[derive(ToSchema)]
pub enum Ordering {
    #[schema(rename = "none")]
    None,
    #[schema(rename = "fifo")]
    Fifo,
}

/// Format of requests.
#[derive(ToSchema)]
pub enum PayloadFormat {
    #[schema(rename = "envelope")]
    Envelope,
    #[schema(rename = "standard")]
    Standard,
    #[schema(rename = "cloudevents")]
    Cloudevents,
    #[schema(rename = "cloudevents-binary")]
    CloudeventsBinary,
}

/// Whether the receiver must agree first.
#[derive(ToSchema)]
pub enum EndpointVerification {
    #[schema(rename = "none")]
    None,
    #[schema(rename = "options")]
    Options,
}

/// A subscription. Secrets are null.
#[derive(ToSchema)]
pub struct Subscription {
    /// Subscription id.
    id: Uuid,
    /// Tenant of the subscription.
    tenant_id: Uuid,
    /// Name for people.
    name: String,
    /// Description for people; at most 10,000 bytes.
    #[schema(required)]
    description: Option<String>,
    /// dev, staging or production.
    environment: Environment,
    /// http or https URL of the receiver; at most 2,048 bytes. Null: none, which only delivery poll can do without.
    #[schema(required)]
    webhook_url: Option<String>,
    /// HTTP method: POST, PUT or PATCH.
    #[schema(required)]
    webhook_method: Option<Method>,
    /// Additional request headers, with null for each value.
    #[schema(required)]
    webhook_headers: Option<BTreeMap<String, Option<String>>>,
    /// none, api_key or signature.
    #[schema(required)]
    auth_type: Option<AuthType>,
    /// Authentication, with null for each secret.
    #[schema(required)]
    auth_config: Option<BTreeMap<String, Option<String>>>,
    /// JSON array of event types, category wildcards (document.*) or "*"; at most 1,000.
    subscribed_events: Vec<String>,
    /// Object of further conditions, all of which must hold: resource_type, resource_id, event_data (values, or
    /// operators such as {"$gt": 100}), jsonpath. At most 64 KiB as text.
    #[schema(required)]
    event_filters: Option<BTreeMap<String, Value>>,
    /// Number of retries after the first attempt, 0 to 100. With the default of 3, retries end after 7 minutes;
    /// retry_schedule can go on for days.
    #[schema(required)]
    retry_count: Option<i32>,
    /// Delay before the first retry, 0 to 86400 seconds. It doubles with each retry, up to the setting
    /// max_retry_delay_seconds.
    #[schema(required)]
    retry_delay_seconds: Option<i32>,
    /// Time for connecting, sending and the whole response, 1 to 300 seconds.
    #[schema(required)]
    timeout_seconds: Option<i32>,
    /// Largest request body, 1 to 65536 KiB. A delivery with a larger body fails without a request.
    #[schema(required)]
    max_payload_size_kb: Option<i32>,
    /// False: the subscription matches no events, and its outstanding deliveries are held.
    #[schema(required)]
    is_active: Option<bool>,
    /// False: as is_active. This is the switch that the system itself turns off; see disabled_reason.
    #[schema(required)]
    is_enabled: Option<bool>,
    /// Time of creation.
    #[schema(format = DateTime, required)]
    created_at: Option<String>,
    /// Time of the last change.
    #[schema(format = DateTime, required)]
    updated_at: Option<String>,
    /// User of the application who created the subscription: the setting webhooks.user_id unless it is given.
    #[schema(required)]
    created_by: Option<Uuid>,
    /// HTTP statuses, 300 to 599, that fail a delivery without a retry; at most 300. Status 410 also disables the
    /// subscription.
    no_retry_statuses: Vec<i32>,
    /// Largest number of concurrent requests, 1 to 1000. The default of 20 is enough for 400 requests per second at
    /// 50 ms, and few enough for a small server.
    max_in_flight: i32,
    /// Largest number of requests per second over time, 0.001 to 100000; 0.1 is one request in ten seconds. Null: no
    /// limit.
    #[schema(required)]
    rate_limit_per_second: Option<f64>,
    /// Largest number of requests at once after a quiet time, 1 to 100000; null: those of one second.
    #[schema(required)]
    rate_limit_burst: Option<i32>,
    /// none, or fifo: deliveries of one ordering_key are made one at a time, in the order of publication. A change
    /// applies to events that are published later.
    ordering: Ordering,
    /// Number of failures in a row that open the circuit breaker, 0 to 1000000; 0: never; null: the setting of that
    /// name.
    #[schema(required)]
    breaker_failure_threshold: Option<i32>,
    /// Time that an open circuit breaker waits before a probe, 1 to 86400 seconds; null: the setting of that name.
    #[schema(required)]
    breaker_cooldown_seconds: Option<i32>,
    /// Reason for which the system disabled the subscription, at most 10,000 bytes; null once it is enabled again.
    #[schema(required)]
    disabled_reason: Option<String>,
    /// Format of the requests: envelope, standard (Standard Webhooks), cloudevents (CloudEvents 1.0 in structured
    /// mode) or cloudevents-binary (CloudEvents 1.0 in binary mode, with ce- headers).
    payload_format: PayloadFormat,
    /// Jinja template of the request body, instead of a format; at most 16 KiB. Null: none.
    #[schema(required)]
    payload_template: Option<String>,
    /// Content type of the body that payload_template makes; null: application/json. Only JSON is checked.
    #[schema(required)]
    payload_content_type: Option<String>,
    /// Secrets that payload_template may print, with null for each value.
    #[schema(required)]
    template_secrets: Option<BTreeMap<String, Option<String>>>,
    /// options: the receiver must agree in answer to an OPTIONS request before it gets a delivery. none: it need not.
    /// Null: the setting endpoint_verification.
    #[schema(required)]
    endpoint_verification: Option<EndpointVerification>,
    /// Delays before the retries, instead of retry_count and retry_delay_seconds: standard-webhooks (5 s, 5 min, 30
    /// min, 2 h, 5 h, 10 h, 10 h: 28 hours), or a list such as 5 s, 5 min, 2 h of up to 100 delays of at most 7 days.
    /// Each delay varies by up to 10 %. Null: none.
    #[schema(required)]
    retry_schedule: Option<String>,
    /// Version of the row, raised by each change. A sidecar loads a version that it does not know.
    version: i64,
    /// push: sidecars send deliveries to webhook_url. poll: the receiver fetches them with poll_deliveries() or over the
    /// HTTP API, and nothing is sent.
    delivery: DeliveryKind,
    /// Time after which the subscription is deleted, with what is outstanding; null: never. For subscriptions that are
    /// there for a while, such as those of webhooks-console listen.
    #[schema(format = DateTime, required)]
    expires_at: Option<String>,
}

/// Settings of a subscription. In a change, those that are not given stay as they are, and a null in webhook_headers,
/// auth_config or template_secrets keeps the stored secret.
#[derive(ToSchema)]
pub struct Settings {
    /// Name for people.
    name: Option<String>,
    /// Description for people; at most 10,000 bytes.
    description: Option<String>,
    /// dev, staging or production.
    environment: Option<Environment>,
    /// http or https URL of the receiver; at most 2,048 bytes. Null: none, which only delivery poll can do without.
    webhook_url: Option<String>,
    /// HTTP method: POST, PUT or PATCH.
    webhook_method: Option<Method>,
    /// Additional request headers, with null for each value.
    webhook_headers: Option<BTreeMap<String, Option<String>>>,
    /// none, api_key or signature.
    auth_type: Option<AuthType>,
    /// Authentication, with null for each secret.
    auth_config: Option<BTreeMap<String, Option<String>>>,
    /// JSON array of event types, category wildcards (document.*) or "*"; at most 1,000.
    subscribed_events: Option<Vec<String>>,
    /// Object of further conditions, all of which must hold: resource_type, resource_id, event_data (values, or
    /// operators such as {"$gt": 100}), jsonpath. At most 64 KiB as text.
    event_filters: Option<BTreeMap<String, Value>>,
    /// Number of retries after the first attempt, 0 to 100. With the default of 3, retries end after 7 minutes;
    /// retry_schedule can go on for days.
    retry_count: Option<i32>,
    /// Delay before the first retry, 0 to 86400 seconds. It doubles with each retry, up to the setting
    /// max_retry_delay_seconds.
    retry_delay_seconds: Option<i32>,
    /// Time for connecting, sending and the whole response, 1 to 300 seconds.
    timeout_seconds: Option<i32>,
    /// Largest request body, 1 to 65536 KiB. A delivery with a larger body fails without a request.
    max_payload_size_kb: Option<i32>,
    /// False: the subscription matches no events, and its outstanding deliveries are held.
    is_active: Option<bool>,
    /// False: as is_active. This is the switch that the system itself turns off; see disabled_reason.
    is_enabled: Option<bool>,
    /// User of the application who created the subscription: the setting webhooks.user_id unless it is given.
    created_by: Option<Uuid>,
    /// HTTP statuses, 300 to 599, that fail a delivery without a retry; at most 300. Status 410 also disables the
    /// subscription.
    no_retry_statuses: Option<Vec<i32>>,
    /// Largest number of concurrent requests, 1 to 1000. The default of 20 is enough for 400 requests per second at
    /// 50 ms, and few enough for a small server.
    max_in_flight: Option<i32>,
    /// Largest number of requests per second over time, 0.001 to 100000; 0.1 is one request in ten seconds. Null: no
    /// limit.
    rate_limit_per_second: Option<f64>,
    /// Largest number of requests at once after a quiet time, 1 to 100000; null: those of one second.
    rate_limit_burst: Option<i32>,
    /// none, or fifo: deliveries of one ordering_key are made one at a time, in the order of publication. A change
    /// applies to events that are published later.
    ordering: Option<Ordering>,
    /// Number of failures in a row that open the circuit breaker, 0 to 1000000; 0: never; null: the setting of that
    /// name.
    breaker_failure_threshold: Option<i32>,
    /// Time that an open circuit breaker waits before a probe, 1 to 86400 seconds; null: the setting of that name.
    breaker_cooldown_seconds: Option<i32>,
    /// Format of the requests: envelope, standard (Standard Webhooks), cloudevents (CloudEvents 1.0 in structured
    /// mode) or cloudevents-binary (CloudEvents 1.0 in binary mode, with ce- headers).
    payload_format: Option<PayloadFormat>,
    /// Jinja template of the request body, instead of a format; at most 16 KiB. Null: none.
    payload_template: Option<String>,
    /// Content type of the body that payload_template makes; null: application/json. Only JSON is checked.
    payload_content_type: Option<String>,
    /// Secrets that payload_template may print, with null for each value.
    template_secrets: Option<BTreeMap<String, Option<String>>>,
    /// options: the receiver must agree in answer to an OPTIONS request before it gets a delivery. none: it need not.
    /// Null: the setting endpoint_verification.
    endpoint_verification: Option<EndpointVerification>,
    /// Delays before the retries, instead of retry_count and retry_delay_seconds: standard-webhooks (5 s, 5 min, 30
    /// min, 2 h, 5 h, 10 h, 10 h: 28 hours), or a list such as 5 s, 5 min, 2 h of up to 100 delays of at most 7 days.
    /// Each delay varies by up to 10 %. Null: none.
    retry_schedule: Option<String>,
    /// push: sidecars send deliveries to webhook_url. poll: the receiver fetches them with poll_deliveries() or over the
    /// HTTP API, and nothing is sent.
    delivery: Option<DeliveryKind>,
    /// Time after which the subscription is deleted, with what is outstanding; null: never. For subscriptions that are
    /// there for a while, such as those of webhooks-console listen.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A new subscription. What is not given has its default.
#[derive(ToSchema)]
pub struct NewSubscription {
    /// Name for people.
    name: String,
    /// Description for people; at most 10,000 bytes.
    description: Option<String>,
    /// dev, staging or production.
    environment: Option<Environment>,
    /// http or https URL of the receiver; at most 2,048 bytes. Null: none, which only delivery poll can do without.
    webhook_url: Option<String>,
    /// HTTP method: POST, PUT or PATCH.
    webhook_method: Option<Method>,
    /// Additional request headers, with null for each value.
    webhook_headers: Option<BTreeMap<String, Option<String>>>,
    /// none, api_key or signature.
    auth_type: Option<AuthType>,
    /// Authentication, with null for each secret.
    auth_config: Option<BTreeMap<String, Option<String>>>,
    /// JSON array of event types, category wildcards (document.*) or "*"; at most 1,000.
    subscribed_events: Option<Vec<String>>,
    /// Object of further conditions, all of which must hold: resource_type, resource_id, event_data (values, or
    /// operators such as {"$gt": 100}), jsonpath. At most 64 KiB as text.
    event_filters: Option<BTreeMap<String, Value>>,
    /// Number of retries after the first attempt, 0 to 100. With the default of 3, retries end after 7 minutes;
    /// retry_schedule can go on for days.
    retry_count: Option<i32>,
    /// Delay before the first retry, 0 to 86400 seconds. It doubles with each retry, up to the setting
    /// max_retry_delay_seconds.
    retry_delay_seconds: Option<i32>,
    /// Time for connecting, sending and the whole response, 1 to 300 seconds.
    timeout_seconds: Option<i32>,
    /// Largest request body, 1 to 65536 KiB. A delivery with a larger body fails without a request.
    max_payload_size_kb: Option<i32>,
    /// False: the subscription matches no events, and its outstanding deliveries are held.
    is_active: Option<bool>,
    /// False: as is_active. This is the switch that the system itself turns off; see disabled_reason.
    is_enabled: Option<bool>,
    /// User of the application who created the subscription: the setting webhooks.user_id unless it is given.
    created_by: Option<Uuid>,
    /// HTTP statuses, 300 to 599, that fail a delivery without a retry; at most 300. Status 410 also disables the
    /// subscription.
    no_retry_statuses: Option<Vec<i32>>,
    /// Largest number of concurrent requests, 1 to 1000. The default of 20 is enough for 400 requests per second at
    /// 50 ms, and few enough for a small server.
    max_in_flight: Option<i32>,
    /// Largest number of requests per second over time, 0.001 to 100000; 0.1 is one request in ten seconds. Null: no
    /// limit.
    rate_limit_per_second: Option<f64>,
    /// Largest number of requests at once after a quiet time, 1 to 100000; null: those of one second.
    rate_limit_burst: Option<i32>,
    /// none, or fifo: deliveries of one ordering_key are made one at a time, in the order of publication. A change
    /// applies to events that are published later.
    ordering: Option<Ordering>,
    /// Number of failures in a row that open the circuit breaker, 0 to 1000000; 0: never; null: the setting of that
    /// name.
    breaker_failure_threshold: Option<i32>,
    /// Time that an open circuit breaker waits before a probe, 1 to 86400 seconds; null: the setting of that name.
    breaker_cooldown_seconds: Option<i32>,
    /// Format of the requests: envelope, standard (Standard Webhooks), cloudevents (CloudEvents 1.0 in structured
    /// mode) or cloudevents-binary (CloudEvents 1.0 in binary mode, with ce- headers).
    payload_format: Option<PayloadFormat>,
    /// Jinja template of the request body, instead of a format; at most 16 KiB. Null: none.
    payload_template: Option<String>,
    /// Content type of the body that payload_template makes; null: application/json. Only JSON is checked.
    payload_content_type: Option<String>,
    /// Secrets that payload_template may print, with null for each value.
    template_secrets: Option<BTreeMap<String, Option<String>>>,
    /// options: the receiver must agree in answer to an OPTIONS request before it gets a delivery. none: it need not.
    /// Null: the setting endpoint_verification.
    endpoint_verification: Option<EndpointVerification>,
    /// Delays before the retries, instead of retry_count and retry_delay_seconds: standard-webhooks (5 s, 5 min, 30
    /// min, 2 h, 5 h, 10 h, 10 h: 28 hours), or a list such as 5 s, 5 min, 2 h of up to 100 delays of at most 7 days.
    /// Each delay varies by up to 10 %. Null: none.
    retry_schedule: Option<String>,
    /// push: sidecars send deliveries to webhook_url. poll: the receiver fetches them with poll_deliveries() or over the
    /// HTTP API, and nothing is sent.
    delivery: Option<DeliveryKind>,
    /// Time after which the subscription is deleted, with what is outstanding; null: never. For subscriptions that are
    /// there for a while, such as those of webhooks-console listen.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// State of the receiver of a subscription.
#[derive(ToSchema)]
pub struct Health {
    /// The subscription.
    subscription_id: Uuid,
    /// Tenant of the subscription.
    tenant_id: Uuid,
    /// Name of the subscription.
    name: String,
    /// False: the subscription is inactive or disabled. It matches no events, and its outstanding deliveries are
    /// held.
    #[schema(required)]
    is_delivered_to: Option<bool>,
    /// closed: deliveries are made. open: deliveries wait. half_open: one delivery probes the receiver.
    breaker_state: String,
    /// Time since which breaker_state holds.
    #[schema(format = DateTime, required)]
    breaker_since: Option<String>,
    /// Time from which one delivery may probe the receiver; null: the circuit breaker is closed.
    #[schema(format = DateTime, required)]
    probe_at: Option<String>,
    /// Time of the first failure since the last success; null: the last attempts did not fail in a row.
    #[schema(format = DateTime, required)]
    failing_since: Option<String>,
    /// Error message of the last failure that changed the state of the circuit breaker.
    #[schema(required)]
    last_error: Option<String>,
    /// Reason for which the system disabled the subscription.
    #[schema(required)]
    disabled_reason: Option<String>,
    /// verified: the receiver agreed to deliveries. pending: it was not asked yet, or did not answer. refused: it did
    /// not agree. Deliveries wait while it is pending or refused. not required: deliveries are made without it.
    verification_state: String,
    /// Time since which the receiver is verified, refused, or without an answer; null: it was not asked yet.
    #[schema(format = DateTime, required)]
    verification_since: Option<String>,
    /// Requests per minute that the receiver allows; null: no limit besides the subscription's own.
    #[schema(required)]
    allowed_rate_per_minute: Option<i32>,
    /// Time of the next verification request.
    #[schema(format = DateTime, required)]
    next_verification_at: Option<String>,
    /// Reason why the receiver is not verified.
    #[schema(required)]
    verification_error: Option<String>,
    /// Time since which the receiver asks for a pause; null: it does not.
    #[schema(format = DateTime, required)]
    throttled_since: Option<String>,
    /// End of the pause that the receiver asked for (Retry-After), or that its overload brought about; null: none.
    /// reset_breaker() ends the pause.
    #[schema(format = DateTime, required)]
    throttled_until: Option<String>,
    /// HTTP status with which the receiver asked for the pause.
    #[schema(required)]
    throttle_status: Option<i32>,
    /// Kind of an address in webhook_url that is not on the public internet, for example loopback. Sidecars deliver
    /// to it only with --allow-network. Null: a public address, or a name.
    #[schema(required)]
    address_note: Option<String>,
}

/// The change that an import makes of a subscription.
#[derive(ToSchema)]
pub struct Imported {
    #[schema(required)]
    name: Option<String>,
    #[schema(required)]
    environment: Option<String>,
    action: String,
    #[schema(required)]
    subscription_id: Option<Uuid>,
    #[schema(required)]
    before: Option<BTreeMap<String, Value>>,
    #[schema(required)]
    after: Option<BTreeMap<String, Value>>,
    #[schema(required)]
    error: Option<String>,
    #[schema(required)]
    hint: Option<String>,
}

/// A template of subscriptions.
#[derive(ToSchema)]
pub struct Template {
    /// Name of the template. It hides a shipped template of the same name.
    name: String,
    /// Description for people; at most 10,000 bytes.
    #[schema(required)]
    description: Option<String>,
    /// Columns of webhook_subscriptions and their values, without secrets; at most 64 KiB as text. A placeholder is
    /// <<name>> in a text, or {{ secrets.name }} in payload_template for a secret.
    settings: BTreeMap<String, Value>,
    /// Placeholders that need a value: an object of names and explanations; at most 16 KiB as text.
    placeholders: BTreeMap<String, String>,
    /// Time of creation.
    #[schema(format = DateTime, required)]
    created_at: Option<String>,
    /// True: it comes with the extension, and cannot be changed.
    is_shipped: bool,
}

/// A new signing secret.
#[derive(ToSchema)]
pub struct NewSecret {
    /// It cannot be read again.
    secret: String,
}
