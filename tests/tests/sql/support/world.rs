//! A database for a test, with a session of its superuser's, subscriptions and events.

use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::database::Database;

use super::session::Session;

/// The tenant of subscriptions and events, unless a test says otherwise.
pub const TENANT: &str = "11111111-1111-4111-8111-111111111111";
/// Another one.
pub const OTHER_TENANT: &str = "22222222-2222-4222-8222-222222222222";

/// A new database with the extension, and a session.
pub async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    (db, session)
}

/// A subscription of [`TENANT`] to all events, but for these columns.
///
/// Returns: its id.
pub async fn subscribe(db: &Database, columns: Value) -> Uuid {
    db.subscribe(subscription(columns)).await.unwrap()
}

/// The row of [`subscribe`].
pub fn subscription(columns: Value) -> Value {
    let mut row = json!({"tenant_id": TENANT, "webhook_url": "http://x.example/"});
    if let (Some(row), Value::Object(columns)) = (row.as_object_mut(), columns) {
        row.extend(columns);
    }
    row
}

/// The id of a subscription that ends with these hexadecimal digits: the last one is its shard.
pub fn subscription_id(end: &str) -> String {
    format!("00000000-0000-7000-8000-{end:0>12}")
}

/// So many events of [`TENANT`] in one statement, with data `{"n": 1}` and so on.
pub async fn publish_many(db: &Database, event_type: &str, n: u32) {
    let tenant = TENANT.parse().unwrap();
    db.publish_many(tenant, event_type, n).await.unwrap();
}

/// A database and a session, with what most tests of a tenant's deliveries do.
pub struct World {
    pub db: Database,
    pub session: Session,
}

impl World {
    pub async fn new(name: &str) -> Self {
        let (db, session) = database(name).await;
        Self { db, session }
    }

    /// As [`subscribe`], with this id, and named by its last digit unless the columns say otherwise.
    pub async fn subscribe(&self, id: &str, columns: Value) {
        let mut row = json!({"id": id, "name": &id[35..]});
        if let (Some(row), Value::Object(columns)) = (row.as_object_mut(), columns) {
            row.extend(columns);
        }
        subscribe(&self.db, row).await;
    }

    /// Publishes an event of type job.created, with further arguments.
    ///
    /// Returns: its id.
    pub async fn publish(&self, more: &str) -> String {
        let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created'{more})");
        self.session.text(&publish).await
    }
}
