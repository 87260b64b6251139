//! Watch: an UPDATE of a watched table against inserting the same events by hand with one INSERT … SELECT, and what a
//! watch costs a statement that changes one row, or nothing that is watched.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio_postgres::Client;

use crate::figure::{Figure, Target, median};
use crate::publish::pgbench;
use crate::{Size, stage};

const ROWS: u32 = 100_000;

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "watch").await?;
    let client = database.connect().await?;
    // No sidecar: it is the writer that is measured.
    stage::subscribe(&client, 1, "http://127.0.0.1:9/").await?;
    client.batch_execute(TABLES).await.context("the tables")?;

    let (mut by_hand, mut watched) = (Vec::new(), Vec::new());
    for _ in 0..size.pick(3, 5) {
        let before = "truncate before; insert into before select * from plain; update plain set status = status || '.'";
        client.batch_execute(before).await?;
        by_hand.push(publishing(&client, INSERT).await?);
        watched.push(publishing(&client, "update watched set status = status || '.'").await?);
    }
    let mut figures = vec![
        Figure::new(
            format!("UPDATE of {ROWS} watched rows, against their events by hand"),
            median(watched),
            "s",
        )
        .against(median(by_hand))
        .target(Target::RatioAtMost(2.0)),
    ];

    // A single row: against the same with publish_event(), and with what is not watched against a table that isn't.
    let change = |table: &str, column: &str| {
        format!(
            "\\set n random(1, {ROWS})\nupdate {table} set {column} = {column} || '.' where n = :n;\n"
        )
    };
    let publish = format!(
        "begin;\n{}select webhooks.publish_event('{}', 'document.processed', event_data => {});\ncommit;\n",
        change("plain", "status"),
        stage::tenant(1),
        stage::DATA
    );
    for (name, script, baseline) in [
        (
            "UPDATE of one watched row, against UPDATE and publish_event",
            change("watched", "status"),
            publish,
        ),
        (
            "UPDATE that changes nothing watched, against one unwatched",
            change("watched", "note"),
            change("plain", "note"),
        ),
    ] {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..size.pick(2, 3) {
            for (script, rates) in [(&baseline, &mut without), (&script, &mut with)] {
                rates.push(pgbench(&cluster, &database, script, 1, size.pick(3, 10)).await?);
            }
        }
        figures.push(Figure::new(name, median(with), "/s").against(median(without)));
    }
    Ok(figures)
}

/// Seconds that a statement takes which publishes an event for each row.
async fn publishing(client: &Client, statement: &str) -> Result<f64> {
    let clean = "truncate webhooks.event_logs, webhooks.delivery_queue; vacuum plain; vacuum watched; checkpoint";
    for statement in clean.split(';') {
        client.batch_execute(statement).await?;
    }
    let started = Instant::now();
    client
        .batch_execute(statement)
        .await
        .context(statement.to_owned())?;
    let seconds = started.elapsed().as_secs_f64();
    let count = "select count(*), count(*) filter (where event_data ->> 'operation' = 'update'
        and event_data -> 'changed' = '[\"status\"]' and event_data #>> '{new,status}' = (event_data #>> '{old,status}') || '.'
        and event_data -> 'new' ?& array['n', 'id', 'meta']) from webhooks.event_logs";
    let row = client.query_one(count, &[]).await?;
    let (events, right): (i64, i64) = (row.get(0), row.get(1));
    ensure!(
        events == i64::from(ROWS) && right == events,
        "{events} events, {right} as they should be, of {statement}"
    );
    Ok(seconds)
}

const TABLES: &str = "
    create table plain (
        n integer primary key, id uuid not null unique, tenant_id uuid not null, title text, kind text, status text, pages integer,
        size bigint, owner_id uuid, created_at timestamptz default now(), meta jsonb, note text
    );
    insert into plain
    select n, gen_random_uuid(), tenant(1), 'A document ' || n, 'invoice', 'uploaded', n % 20, n * 1000, gen_random_uuid(), now(),
           '{\"a\": 1, \"b\": [1, 2, 3]}', ''
    from generate_series(1, 100000) n;
    create table before (like plain);
    create table watched (like plain including all);
    insert into watched select * from plain;
    select webhooks.watch_table('watched', on_update => 'document.processed', id_column => 'id', watch_columns => '{status,title}')";

const INSERT: &str = "
    insert into webhooks.event_logs
        (tenant_id, event_type, event_category, event_name, event_data, resource_type, resource_id, ordering_key)
    select p.tenant_id, 'document.processed', 'document', 'document.processed',
           jsonb_build_object('operation', 'update', 'id', p.id, 'changed', array['status'],
                              'old', jsonb_build_object('status', b.status), 'new', to_jsonb(p)),
           'document', p.id, p.id::text
    from plain p join before b on b.id = p.id";
