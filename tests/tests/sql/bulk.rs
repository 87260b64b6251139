//! Publishing many events in one statement.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt;
use serde_json::json;
use webhooks_tests::database::{BACKEND_ROLE, Database, PUBLISHER_ROLE};

use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, subscribe};

const COLUMNS: &str = "(tenant_id, event_type, event_category, event_name, event_data)";
/// Deliveries by subscription's name.
const FAN_OUT: &str = "select s.name, count(*), count(distinct q.event_log_id), count(e.id)
    from webhooks.delivery_queue q join webhooks.webhook_subscriptions s on s.id = q.subscription_id
    left join webhooks.event_logs e on e.id = q.event_log_id and e.tenant_id = q.tenant_id and e.tenant_id = s.tenant_id
    group by s.name order by s.name";

async fn database(name: &str) -> (Database, Session, Session) {
    let db = Database::fresh(name).await.unwrap();
    for (name, tenant, events, filters) in [
        ("all", TENANT, json!(["*"]), json!({})),
        ("jobs", TENANT, json!(["job.*"]), json!({})),
        (
            "tenths",
            TENANT,
            json!(["job.created"]),
            json!({"event_data": {"digit": 3}}),
        ),
        ("documents", TENANT, json!(["document.*"]), json!({})),
        ("other tenant", OTHER_TENANT, json!(["*"]), json!({})),
    ] {
        subscribe(
            &db,
            json!({
                "name": name, "tenant_id": tenant,
                "subscribed_events": events, "event_filters": filters,
            }),
        )
        .await;
    }
    let admin = Session::open(&db).await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    publisher
        .run(&format!(
            "select webhooks.set_tenant('{TENANT}', for_session => true)"
        ))
        .await;
    (db, admin, publisher)
}

#[tokio::test]
async fn a_hundred_thousand_rows_fan_out_as_one_by_one() {
    let (_db, admin, publisher) = database("bulk").await;
    let started = Instant::now();
    publisher
        .run(&format!(
            "do $$ begin
                 for n in 1 .. 1000 loop
                     perform webhooks.publish_event('{TENANT}', 'job.created', event_data => jsonb_build_object('digit', n % 10));
                 end loop;
             end $$"
        ))
        .await;
    let single = started.elapsed() / 1000;
    assert_eq!(
        admin.lines(FAN_OUT).await,
        [
            "all|1000|1000|1000",
            "jobs|1000|1000|1000",
            "tenths|100|100|100"
        ]
    );
    admin.run("truncate webhooks.delivery_queue").await;

    let started = Instant::now();
    publisher
        .run(&format!(
            "insert into webhooks.event_logs {COLUMNS}
             select '{TENANT}', 'job.created', 'job', 'Job created', jsonb_build_object('digit', n % 10)
             from generate_series(1, 100000) n"
        ))
        .await;
    let bulk: Duration = started.elapsed() / 100_000;
    println!("per event: publish_event {single:?}, INSERT ... SELECT {bulk:?}");
    assert_eq!(
        admin.lines(FAN_OUT).await,
        [
            "all|100000|100000|100000",
            "jobs|100000|100000|100000",
            "tenths|10000|10000|10000"
        ]
    );
    let shards = "select count(*) from webhooks.delivery_queue where shard <> webhooks_private.shard_of(subscription_id)";
    assert_eq!(admin.text(shards).await, "0");
}

#[tokio::test]
async fn a_multi_row_insert_goes_to_each_tenants_own() {
    let (db, admin, _publisher) = database("multi_row").await;
    let backend = Session::open_as(&db, BACKEND_ROLE).await;
    backend
        .run(&format!(
            "insert into webhooks.event_logs {COLUMNS} values
             ('{TENANT}', 'job.created', 'job', 'a', '{{\"digit\": 3}}'),
             ('{OTHER_TENANT}', 'job.created', 'job', 'b', '{{\"digit\": 3}}'),
             ('{TENANT}', 'document.deleted', 'document', 'c', '{{}}'),
             ('{TENANT}', 'job.failed', 'job', 'd', '{{\"digit\": 3}}')"
        ))
        .await;
    assert_eq!(
        admin.lines(FAN_OUT).await,
        [
            "all|3|3|3",
            "documents|1|1|1",
            "jobs|2|2|2",
            "other tenant|1|1|1",
            "tenths|1|1|1"
        ]
    );
    // Ids of the application's own, of any version.
    backend
        .run(&format!(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
             values ('99999999-9999-4999-8999-999999999999', '{OTHER_TENANT}', 'user.login', 'user', 'x', '{{}}')"
        ))
        .await;
    let queued = "select count(*) from webhooks.delivery_queue where event_log_id = '99999999-9999-4999-8999-999999999999'";
    assert_eq!(admin.text(queued).await, "1");
    // No rows, nothing to do.
    backend
        .run(&format!(
            "insert into webhooks.event_logs {COLUMNS} select '{TENANT}', 'no.such.type', '', '', '{{}}' where false"
        ))
        .await;
}

/// Ids follow the order of a statement's rows, whatever else there is: that is the order of delivery.
#[tokio::test]
async fn a_statements_events_are_queued_in_its_order() {
    let (_db, admin, publisher) = database("statement_order").await;
    let insert = format!(
        "insert into webhooks.event_logs {COLUMNS}
         select '{TENANT}', 'document.uploaded', 'document', n, '{{}}' from generate_series(1, 3000) n"
    );
    let disorder = "select count(*) from (
            select e.event_name::integer as n, lag(e.event_name::integer) over (partition by q.subscription_id order by q.id) as before
            from webhooks.delivery_queue q join webhooks.event_logs e on e.id = q.event_log_id
        ) t where before > n";
    for setup in [
        "analyze webhooks.event_types; analyze webhooks_private.subscription_routes",
        // Without its triggers, which would look at each of them.
        "set session_replication_role = replica;
         insert into webhooks.event_types (name, category) select 'made.up' || n, 'made' from generate_series(1, 20000) n;
         reset session_replication_role;
         analyze webhooks.event_types",
    ] {
        admin.run(setup).await;
        publisher.run(&insert).await;
        // For the look at it alone: it has joined before by reading all of one table for each row of the other.
        admin
            .run("analyze webhooks.event_logs, webhooks.delivery_queue")
            .await;
        assert_eq!(admin.text(disorder).await, "0", "{setup}");
        let queued = "with q as (delete from webhooks.delivery_queue returning 1) select count(*) from q";
        assert_eq!(admin.text(queued).await, "6000", "{setup}");
        publisher.run("discard plans").await;
    }
}

#[tokio::test]
async fn copy_queues_a_delivery_for_each_match() {
    let (_db, admin, publisher) = database("copy").await;
    let copy = format!("copy webhooks.event_logs {COLUMNS} from stdin");
    // PostgreSQL has no COPY FROM under row-level security: publishers go by way of a table of their own.
    let refusal = publisher.refused(&copy).await;
    assert_eq!(refusal.code, "0A000", "{refusal:?}");
    publisher
        .run("create temporary table staged (tenant_id uuid, event_type text, event_category text, event_name text, event_data jsonb)")
        .await;
    let staged = copy.replace("webhooks.event_logs", "staged");
    let insert = format!("insert into webhooks.event_logs {COLUMNS} select * from staged");
    copy_in(&publisher, &staged).await;
    publisher.run(&insert).await;
    assert_copied(&admin).await;

    // Whom row-level security does not bind may.
    admin.run("truncate webhooks.delivery_queue").await;
    copy_in(&admin, &copy).await;
    assert_copied(&admin).await;
}

async fn copy_in(session: &Session, copy: &str) {
    let sink = session.client().copy_in::<_, Bytes>(copy).await.unwrap();
    let mut sink = Box::pin(sink);
    for n in 0..5000 {
        let row = format!("{TENANT}\tjob.created\tjob\tx\t{{\"digit\": {}}}\n", n % 10);
        sink.send(row.into()).await.unwrap();
    }
    assert_eq!(sink.as_mut().finish().await.unwrap(), 5000);
}

async fn assert_copied(admin: &Session) {
    assert_eq!(
        admin.lines(FAN_OUT).await,
        [
            "all|5000|5000|5000",
            "jobs|5000|5000|5000",
            "tenths|500|500|500"
        ]
    );
}

/// As an ORM inserts: with RETURNING for the id that it left to the default, and no more to be read.
#[tokio::test]
async fn a_publisher_gets_the_id_of_its_row_and_reads_nothing_else() {
    let (_db, admin, publisher) = database("returning").await;
    let insert = |returning: &str| {
        format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
             values ('{TENANT}', 'job.created', 'job', 'Job created', '{{}}') returning {returning}"
        )
    };
    let id = publisher.text(&insert("id")).await;
    let logged = format!("select count(*) from webhooks.event_logs where id = '{id}'");
    assert_eq!(admin.text(&logged).await, "1");
    publisher.refused(&insert("event_data")).await;
    publisher
        .refused("select event_data from webhooks.event_logs")
        .await;
}
