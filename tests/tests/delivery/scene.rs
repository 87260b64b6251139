use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::database::Database;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::{Options, Sidecar};

/// A database with a sidecar, and a receiver.
pub struct Scene {
    pub sidecar: Sidecar,
    pub receiver: Receiver,
    pub db: Database,
}

/// A subscription to everything of a tenant of its own.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub tenant: Uuid,
    pub subscription: Uuid,
}

impl Scene {
    pub async fn set(name: &str) -> Self {
        Self::set_with(name, Options::default()).await
    }

    pub async fn set_with(name: &str, options: Options) -> Self {
        Self::set_in(Database::fresh(name).await.unwrap(), options).await
    }

    pub async fn set_in(db: Database, options: Options) -> Self {
        let receiver = Receiver::start().unwrap();
        let sidecar = Sidecar::start_with(&db, options).await.unwrap();
        Self {
            sidecar,
            receiver,
            db,
        }
    }

    /// Subscribes a path that answers so; retries follow at once unless the columns say otherwise.
    pub async fn endpoint(&self, path: &str, reply: Reply, columns: Value) -> Endpoint {
        self.receiver.on(path, reply);
        subscribe(&self.db, &self.receiver.url(path), columns).await
    }

    pub async fn publish(&self, endpoint: &Endpoint) -> Uuid {
        self.publish_data(endpoint, json!({"title": "x"})).await
    }

    pub async fn publish_data(&self, endpoint: &Endpoint, data: Value) -> Uuid {
        let published = self.db.publish(endpoint.tenant, "document.uploaded", data);
        published.await.unwrap()
    }

    /// Publishes an event to a path that answers so, and waits for its delivery's status.
    ///
    /// Returns: the delivery and its attempts.
    pub async fn play(
        &self,
        path: &str,
        reply: Reply,
        columns: Value,
        status: &str,
    ) -> (Value, Vec<Value>) {
        let endpoint = self.endpoint(path, reply, columns).await;
        let event = self.publish(&endpoint).await;
        self.wait(event, status).await
    }

    /// Waits for the status of an event's only delivery.
    ///
    /// Returns: the delivery and its attempts.
    pub async fn wait(&self, event: Uuid, status: &str) -> (Value, Vec<Value>) {
        let delivery = self.db.wait_delivery(event, status).await.unwrap();
        (delivery, self.db.attempts(event).await.unwrap())
    }
}

/// Subscribes a URL, for a tenant of its own.
pub async fn subscribe(db: &Database, url: &str, columns: Value) -> Endpoint {
    let tenant = db.tenant();
    let mut row = json!({"tenant_id": tenant, "webhook_url": url, "retry_delay_seconds": 0});
    row.as_object_mut()
        .unwrap()
        .extend(columns.as_object().unwrap().clone());
    let subscription = db.subscribe(row).await.unwrap();
    Endpoint {
        tenant,
        subscription,
    }
}

/// The text of a JSON string.
pub fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no string"))
}
