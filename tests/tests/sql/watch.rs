//! Watched tables: what their changes publish, by whom and into what.

mod data;
mod definition;
mod keys;
mod moving;
mod rights;
mod schema_changes;
mod statements;
mod twice;
mod values;

use webhooks_tests::database::Database;

use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, database};

/// The usual table.
const DOCUMENTS: &str = "
    create table documents (
        id uuid primary key default gen_random_uuid(),
        tenant_id uuid not null,
        title text,
        status text not null default 'uploaded',
        pages integer
    )";
const WATCH: &str = "select webhooks.watch_table('documents', on_insert => 'document.uploaded', on_update => 'document.processed',
    on_delete => 'document.deleted')";
/// Id of the n-th row.
fn id(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

/// With the usual table, watched.
async fn watched(name: &str) -> (Database, Session) {
    let (db, session) = database(name).await;
    session.run(DOCUMENTS).await;
    session.run(WATCH).await;
    (db, session)
}

impl Session {
    /// Type and data of what was published since the last call, sorted.
    async fn published(&self) -> Vec<String> {
        let events = "select event_type, event_data from webhooks.event_logs order by event_type, event_data";
        let lines = self.lines(events).await;
        self.run("truncate webhooks.event_logs").await;
        lines
    }

    /// Runs statements; what they published.
    async fn publishes(&self, statements: &str) -> Vec<String> {
        self.run(statements).await;
        self.published().await
    }
}
