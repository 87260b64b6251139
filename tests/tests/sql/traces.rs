//! The trace context of publishers (`webhooks.traceparent`): stored with each event, and never a reason to refuse one.

use bytes::Bytes;
use futures_util::SinkExt;
use serde_json::json;
use std::pin::pin;

use crate::support::session::Session;
use crate::support::world::{TENANT, database, subscribe};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00";

async fn publish(session: &Session) {
    let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created')");
    session.run(&publish).await;
}

/// The trace contexts of all events since the last call, in the order of publication.
async fn stored(session: &Session) -> Vec<String> {
    let stored = "select traceparent from webhooks.event_logs order by id";
    let lines = session.lines(stored).await;
    session.run("truncate webhooks.event_logs").await;
    lines
}

#[tokio::test]
async fn it_holds_for_the_transaction_that_sets_it() {
    let (_db, session) = database("traceparent").await;
    publish(&session).await;
    let set = format!("begin; set local webhooks.traceparent = '{TRACEPARENT}'");
    session.run(&set).await;
    publish(&session).await;
    session
        .run(&format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
             select '{TENANT}', 'job.created', 'job', 'x', '{{}}' from generate_series(1, 2)"
        ))
        .await;
    session.run("commit").await;
    // PostgreSQL leaves an empty text behind.
    publish(&session).await;
    let expected = ["null", TRACEPARENT, TRACEPARENT, TRACEPARENT, "null"];
    assert_eq!(stored(&session).await, expected);
}

#[tokio::test]
async fn events_of_watched_tables_have_it() {
    let (_db, session) = database("watch_traceparent").await;
    session
        .run(&format!(
            "create table documents (id uuid primary key default gen_random_uuid(), tenant_id uuid not null);
             select webhooks.watch_table('documents', on_insert => 'document.uploaded');
             set webhooks.traceparent = '{TRACEPARENT}';
             insert into documents (tenant_id) values ('{TENANT}')"
        ))
        .await;
    assert_eq!(stored(&session).await, [TRACEPARENT]);
}

#[tokio::test]
async fn what_is_not_valid_is_ignored() {
    let (_db, session) = database("bad_traceparent").await;
    let long = format!("{TRACEPARENT}{}", "x".repeat(100_000));
    for bad in [
        "",
        "x",
        "%",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0gf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c803-9c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\n",
        " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        &long,
    ] {
        session
            .run(&format!("set webhooks.traceparent = '{bad}'"))
            .await;
        publish(&session).await;
        assert_eq!(stored(&session).await, ["null"], "{bad:?}");
    }
    for good in [TRACEPARENT, OTHER] {
        session
            .run(&format!("set webhooks.traceparent = '{good}'"))
            .await;
        publish(&session).await;
        assert_eq!(stored(&session).await, [good]);
    }
}

#[tokio::test]
async fn an_insert_and_a_copy_may_say_it_themselves() {
    let (_db, session) = database("own_traceparent").await;
    session
        .run(&format!("set webhooks.traceparent = '{TRACEPARENT}'"))
        .await;
    let columns = "tenant_id, event_type, event_category, event_name, event_data";
    let row = format!("{TENANT}\tjob.created\tjob\tx\t{{}}");
    for (columns, row) in [
        (columns.to_owned(), row.clone()),
        (format!("{columns}, traceparent"), format!("{row}\t{OTHER}")),
        (format!("{columns}, traceparent"), format!("{row}\t\\N")),
    ] {
        let copy = format!("copy webhooks.event_logs ({columns}) from stdin");
        let sink = session.client().copy_in(&copy).await.unwrap();
        let mut sink = pin!(sink);
        sink.send(Bytes::from(row)).await.unwrap();
        sink.finish().await.unwrap();
    }
    session
        .run(&format!(
            "insert into webhooks.event_logs ({columns}, traceparent) values ('{TENANT}', 'job.created', 'job', 'x', '{{}}', '{OTHER}')"
        ))
        .await;
    let expected = [TRACEPARENT, OTHER, "null", OTHER];
    assert_eq!(stored(&session).await, expected);
}

#[tokio::test]
async fn a_preview_shows_that_the_header_is_there() {
    let (db, session) = database("traceparent_preview").await;
    let subscription = subscribe(&db, json!({})).await;
    for (traceparent, expected) in [(TRACEPARENT, "..."), ("", "null")] {
        session
            .run(&format!("set webhooks.traceparent = '{traceparent}'"))
            .await;
        publish(&session).await;
        let preview = format!(
            "select p.headers ->> 'traceparent' from (select id from webhooks.event_logs order by id desc limit 1) e,
                 webhooks.preview_payload('{subscription}', e.id) p"
        );
        assert_eq!(session.text(&preview).await, expected);
    }
}

#[tokio::test]
async fn a_subscription_can_t_set_the_header() {
    let (db, _session) = database("traceparent_header").await;
    let headers = json!({"webhook_headers": {"Traceparent": TRACEPARENT}});
    let row = crate::support::world::subscription(headers);
    let error = db.subscribe(row).await.unwrap_err();
    let error = format!("{error:?}");
    assert!(error.contains("header traceparent is reserved"), "{error}");
}
