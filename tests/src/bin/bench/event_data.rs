//! Event data: what checking it by a schema costs, and a snapshot of its resource, against neither.

use std::time::Instant;

use anyhow::{Context, Result};
use tokio_postgres::Client;

use crate::figure::{Figure, median};
use crate::publish::{pgbench, publish_event};
use crate::{Size, stage};

const ROWS: i32 = 50_000;

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "event_data").await?;
    let client = database.connect().await?;
    // No sidecar: it is the publisher that is measured.
    stage::subscribe(&client, 1, "http://127.0.0.1:9/").await?;
    client.batch_execute(DOCUMENTS).await.context("documents")?;
    let mut figures = Vec::new();
    for (name, begin, end) in [
        ("a schema", REGISTER_SCHEMA, DROP_SCHEMA),
        ("a snapshot", REGISTER_RESOURCE, DROP_RESOURCE),
    ] {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        let (mut many_with, mut many_without) = (Vec::new(), Vec::new());
        for _ in 0..size.pick(2, 3) {
            let seconds = size.pick(3, 10);
            let script = publish_event(1).replace(
                ");",
                &format!(
                    ", resource_type => 'document', resource_id => '{}');",
                    stage::tenant(7)
                ),
            );
            without.push(pgbench(&cluster, &database, &script, 1, seconds).await?);
            many_without.push(many(&client).await?);
            client.batch_execute(begin).await.context(begin)?;
            with.push(pgbench(&cluster, &database, &script, 1, seconds).await?);
            many_with.push(many(&client).await?);
            client.batch_execute(end).await.context(end)?;
            client
                .batch_execute("truncate webhooks.event_logs, webhooks.delivery_queue")
                .await?;
        }
        figures.push(
            Figure::new(
                format!("publish_event with {name}, against without"),
                median(with),
                "/s",
            )
            .against(median(without)),
        );
        figures.push(
            Figure::new(
                format!("{ROWS} events in one statement with {name}, against without"),
                median(many_with),
                "/s",
            )
            .against(median(many_without)),
        );
    }
    Ok(figures)
}

/// Events per second of one statement.
async fn many(client: &Client) -> Result<f64> {
    let insert = format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, resource_type, resource_id)
         select tenant(1), 'document.processed', 'document', 'document.processed', {}, 'document', d.id from documents d",
        stage::DATA
    );
    let started = Instant::now();
    client.batch_execute(&insert).await.context("many events")?;
    Ok(f64::from(ROWS) / started.elapsed().as_secs_f64())
}

const DOCUMENTS: &str = "
    create table documents (id uuid primary key, tenant_id uuid not null, title text, pages integer, status text, size bigint);
    insert into documents select tenant(n), tenant(1), 'A document ' || n, n % 20, 'uploaded', n * 1000 from generate_series(1, 50000) n;
    analyze documents";

const REGISTER_SCHEMA: &str = r#"
    select webhooks.register_event_type('document.processed', schema => '{
        "type": "object", "required": ["title", "pages"],
        "properties": {"title": {"type": "string", "maxLength": 200}, "pages": {"type": "integer", "minimum": 0},
                       "text": {"type": "string", "pattern": "^[0-9a-f]*$"}, "tags": {"type": "array", "items": {"type": "string"}}}
    }', example => 'null')"#;
const DROP_SCHEMA: &str = "delete from webhooks_private.event_type_versions";
const REGISTER_RESOURCE: &str = "select webhooks.register_resource('document', 'documents')";
const DROP_RESOURCE: &str = "select webhooks.unregister_resource('document')";
