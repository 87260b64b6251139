//! `docs/reference/openapi.json`: the HTTP API, as the console describes it. What the database returns is described as
//! its comments do.

use serde_json::Value;
use webhooks_tests::console::Console;
use webhooks_tests::database::Database;

use super::file;
use crate::golden::assert_golden;
use crate::support::session::Session;

/// Schemas, what they describe, and which of its columns they leave out.
const RELATIONS: &[(&str, &str, &str)] = &[
    ("Subscription", "subscription_settings", ""),
    (
        "Settings",
        "subscription_settings",
        "id tenant_id created_at updated_at disabled_reason version",
    ),
    (
        "NewSubscription",
        "subscription_settings",
        "id tenant_id created_at updated_at disabled_reason version",
    ),
    ("Health", "subscription_health", ""),
    ("Delivery", "webhook_delivery_logs", ""),
    ("Attempt", "delivery_attempts", ""),
    ("Event", "event_logs", "event_data resource_data"),
    ("EventType", "event_type_catalogue", ""),
    ("AuditEntry", "audit_log", "session_role client_address"),
];

/// Schemas, and the functions whose results they describe.
const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("Imported", "import_subscriptions", ""),
    ("TestResult", "wait_for_delivery", ""),
    ("Replayed", "replay_events", ""),
    ("DeliveryMetrics", "delivery_metrics", ""),
    ("EventVolume", "event_volume", ""),
    ("DeliveryLatency", "delivery_latency", ""),
    ("EndpointHealth", "endpoint_health", ""),
    ("Usage", "tenant_usage", ""),
];

const COLUMNS: &str = "select a.attname || ': ' || coalesce(col_description(a.attrelid, a.attnum), '') from pg_attribute a
    where a.attrelid = 'webhooks.NAME'::regclass and a.attnum > 0 and not a.attisdropped
      and a.attname <> all (string_to_array('WITHOUT', ' ')) order by a.attnum";
const RESULTS: &str = "select n.name || ': ' from pg_proc p
    cross join unnest(p.proargnames, p.proargmodes) with ordinality n (name, mode, position)
    where p.pronamespace = 'webhooks'::regnamespace and p.proname = 'NAME' and n.mode in ('t', 'o')
      and n.name <> all (string_to_array('WITHOUT', ' ')) order by n.position";

async fn document(name: &str) -> (Database, String) {
    let db = Database::fresh(name).await.unwrap();
    let console = Console::start(&db).await.unwrap();
    let (status, document) = console.get("/api/openapi.json").await.unwrap();
    assert_eq!(status, 200);
    (db, document)
}

#[tokio::test]
async fn the_description_of_the_api_is_the_golden_one() {
    let (_db, document) = document("openapi_reference").await;
    assert_golden(&file("openapi.json"), &format!("{document}\n"));
}

#[tokio::test]
async fn the_api_describes_what_the_database_returns() {
    let (db, document) = document("openapi_columns").await;
    let document: Value = serde_json::from_str(&document).unwrap();
    let session = Session::open(&db).await;
    for (query, schemas) in [(COLUMNS, RELATIONS), (RESULTS, FUNCTIONS)] {
        for (schema, name, without) in schemas {
            let query = query.replace("NAME", name).replace("WITHOUT", without);
            let columns = session.lines(&query).await;
            let properties = &document["components"]["schemas"][schema]["properties"];
            let described = properties.as_object().unwrap().iter();
            let described: Vec<_> = described
                .map(|(name, property)| {
                    // Of an enumeration that may be null it stands beside the reference.
                    let either = property["oneOf"].as_array().into_iter().flatten();
                    let mut places = std::iter::once(property).chain(either);
                    let text = places.find_map(|place| place["description"].as_str());
                    format!("{name}: {}", text.unwrap_or_default().replace('\n', " "))
                })
                .collect();
            let sorted = |mut lines: Vec<String>| {
                lines.sort();
                lines
            };
            assert_eq!(sorted(described), sorted(columns), "{schema}");
        }
    }
}
