//! The application's part: it subscribes and publishes.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio_postgres::GenericClient;
use uuid::Uuid;

use super::Database;

impl Database {
    /// A new tenant.
    #[must_use]
    pub fn tenant(&self) -> Uuid {
        Uuid::new_v4()
    }

    /// Inserts a subscription. Columns not given have the table's defaults, but for three that it does not default:
    /// `name`, `subscribed_events` (all) and, if it is left out, `tenant_id` (a new one).
    ///
    /// Returns: its id.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn subscribe(&self, columns: Value) -> Result<Uuid> {
        let mut row = json!({
            "tenant_id": self.tenant(),
            "name": "test",
            "subscribed_events": ["*"],
        });
        if let (Some(row), Value::Object(columns)) = (row.as_object_mut(), columns) {
            row.extend(columns);
        }
        let names = row.as_object().into_iter().flatten().map(|(name, _)| name);
        let names = names.cloned().collect::<Vec<_>>().join(", ");
        let insert = format!(
            "insert into webhooks.webhook_subscriptions ({names})
             select {names} from jsonb_populate_record(null::webhooks.webhook_subscriptions, $1::text::jsonb)
             returning id"
        );
        let session = self.session().await?;
        let inserted = session.query_one(&insert, &[&row.to_string()]).await;
        let inserted = inserted.with_context(|| format!("subscribing {row}"))?;
        session.give_back();
        Ok(inserted.get(0))
    }

    /// Publishes an event in a transaction of its own.
    ///
    /// Returns: its id.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn publish(&self, tenant: Uuid, event_type: &str, data: Value) -> Result<Uuid> {
        let session = self.session().await?;
        let event = publish(&*session, tenant, event_type, data).await?;
        session.give_back();
        Ok(event)
    }

    /// Publishes that many events in one statement, with data `{"n": 1}` and so on.
    ///
    /// Returns: their ids.
    ///
    /// # Errors
    /// When the server refuses them.
    pub async fn publish_many(&self, tenant: Uuid, event_type: &str, n: u32) -> Result<Vec<Uuid>> {
        let insert = "
            insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
            select $1, $2::text, split_part($2::text, '.', 1), $2::text, jsonb_build_object('n', n)
            from generate_series(1, $3::text::integer) n
            returning id";
        let session = self.session().await?;
        let n = n.to_string();
        let published = session.query(insert, &[&tenant, &event_type, &n]).await;
        let rows = published.context("publishing many")?;
        session.give_back();
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// Publishes an event in a session or an open transaction.
///
/// Returns: its id.
///
/// # Errors
/// When the server refuses it.
pub async fn publish(
    client: &impl GenericClient,
    tenant: Uuid,
    event_type: &str,
    data: Value,
) -> Result<Uuid> {
    let call = "select webhooks.publish_event(
        tenant_id => $1, event_type => $2, event_data => $3::text::jsonb)";
    let row = client
        .query_one(call, &[&tenant, &event_type, &data.to_string()])
        .await
        .with_context(|| format!("publishing {event_type}"))?;
    Ok(row.get(0))
}
