//! The scopes that each operation needs, for its description. What a request needs, its handler says to the database.

use crate::scope::Scope;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, Paths};

/// The scheme by which requests are authenticated.
pub const TOKEN: &str = "token";

/// Says at each operation what it needs.
pub fn add(api: &mut OpenApi) {
    for operation in operations(&mut api.paths) {
        let needed = of(operation.operation_id.as_deref().unwrap_or_default());
        let names = needed.iter().map(|scope| scope.name());
        operation.security = Some(vec![SecurityRequirement::new(TOKEN, names)]);
    }
}

/// All scopes of the API, and what they permit.
pub fn words() -> String {
    let scopes = Scope::OF_A_TENANT.map(|scope| format!("`{}` {}", scope.name(), scope.permits()));
    format!("Scopes permit: {}.", scopes.join(", "))
}

fn operations(paths: &mut Paths) -> impl Iterator<Item = &mut Operation> {
    paths.paths.values_mut().flat_map(|item| {
        let PathItem {
            get,
            put,
            post,
            delete,
            patch,
            ..
        } = item;
        [get, put, post, delete, patch].into_iter().flatten()
    })
}

fn of(operation: &str) -> &'static [Scope] {
    match operation {
        "create_subscription" | "create_template" | "create_subscription_from_template" => {
            &[Scope::CreateSubscriptions]
        }
        "list_subscriptions"
        | "get_subscription"
        | "export_subscriptions"
        | "get_subscription_health"
        | "list_deliveries"
        | "get_delivery"
        | "list_templates"
        | "get_template" => &[Scope::ReadSubscriptions],
        "update_subscription" | "renew_secret" | "replace_template" => {
            &[Scope::UpdateSubscriptions]
        }
        "import_subscriptions" => &[Scope::CreateSubscriptions, Scope::UpdateSubscriptions],
        "delete_subscription" | "delete_template" => &[Scope::DeleteSubscriptions],
        "test_subscription" => &[Scope::TestSubscriptions],
        "retry_delivery" | "retry_failed" | "replay_events" => &[Scope::Retry],
        "poll_deliveries" => &[Scope::PollDeliveries],
        "publish_events" => &[Scope::PublishEvents],
        "list_events" | "get_event" | "list_event_types" => &[Scope::ReadEvents],
        "get_delivery_metrics"
        | "get_event_volume"
        | "get_delivery_latency"
        | "get_endpoint_health"
        | "get_usage" => &[Scope::ReadMetrics],
        "list_audit_log" => &[Scope::ReadAudit],
        _ => &[],
    }
}
