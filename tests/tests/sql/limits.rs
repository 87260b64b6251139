//! Limits of tenants: refusals, the tenants that they do not concern, and the cost for a tenant without limits.

mod events;
mod outstanding;
mod settings;
mod subscriptions;

use serde_json::json;
use webhooks_tests::database::Database;

use crate::support::session::{Refusal, Session};
use crate::support::world::{OTHER_TENANT, TENANT, subscribe};

/// SQLSTATE of `configuration_limit_exceeded`.
const LIMIT: &str = "53400";

/// A database with a subscription of each of the two tenants to everything.
async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    for tenant in [TENANT, OTHER_TENANT] {
        subscribe(&db, json!({"tenant_id": tenant})).await;
    }
    let session = Session::open(&db).await;
    (db, session)
}

/// Sets a limit of [`TENANT`], and none else.
async fn limit(session: &Session, what: &str, n: u32) {
    let set = format!("select webhooks.set_tenant_limits('{TENANT}', {what} => {n})");
    session.run(&set).await;
}

fn publish(tenant: &str) -> String {
    format!("select webhooks.publish_event('{tenant}', 'job.created')")
}

/// Events in one statement.
fn insert(tenant: &str, n: u32) -> String {
    format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
         select '{tenant}', 'job.created', 'job', n, '{{}}' from generate_series(1, {n}) n"
    )
}

/// Runs a statement that may be refused at a limit, and nothing else.
async fn attempt(session: &Session, sql: &str) -> Result<(), Refusal> {
    match session.client().batch_execute(sql).await {
        Ok(()) => Ok(()),
        Err(error) => {
            let refusal = Refusal::from(&error);
            assert_eq!(refusal.code, LIMIT, "{refusal:?}");
            Err(refusal)
        }
    }
}

async fn count(session: &Session, what: &str) -> u64 {
    let count = format!("select count(*) from webhooks.{what}");
    session.text(&count).await.parse().unwrap()
}
