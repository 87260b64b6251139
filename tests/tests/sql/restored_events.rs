//! `publish_event()` queues or raises, whatever the session is set to; what is inserted and not published is counted.

use serde_json::json;
use webhooks_tests::database::{Database, MANAGER_ROLE, MONITOR_ROLE, PUBLISHER_ROLE};

use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

const REPLICA: &str = "set session_replication_role = replica";
/// The first statements of every dump.
const DUMP: &str =
    "set check_function_bodies = off; set row_security = off; set client_min_messages = warning";
const ORDINARY: &str =
    "reset session_replication_role; reset check_function_bodies; reset row_security";

async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    subscribe(&db, json!({})).await;
    let session = Session::open(&db).await;
    (db, session)
}

fn publish() -> String {
    format!("select webhooks.publish_event('{TENANT}', 'job.created')")
}

fn insert(events: u32) -> String {
    format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
         select '{TENANT}', 'job.created', 'job', 'x', '{{}}' from generate_series(1, {events})"
    )
}

async fn queued(session: &Session) -> String {
    session
        .text("select count(*) from webhooks.delivery_queue")
        .await
}

#[tokio::test]
async fn publish_event_queues_whatever_the_session_is_set_to() {
    let (_db, session) = database("queues").await;
    // Limits, schemas and snapshots are as in any session.
    session
        .run(&format!(
            "select webhooks.register_event_type('order.paid', schema => '{{\"required\": [\"n\"]}}');
             create table public.documents (id uuid, tenant_id uuid, title text);
             insert into public.documents values ('{TENANT}', '{TENANT}', 'found');
             select webhooks.register_resource('document', 'public.documents')"
        ))
        .await;
    for (n, settings) in [REPLICA, DUMP, "set session_replication_role = local"]
        .iter()
        .enumerate()
    {
        session.run(ORDINARY).await;
        session.run(settings).await;
        session
            .run(&format!("select webhooks.publish_event('{TENANT}', 'job.created', resource_type => 'document', resource_id => '{TENANT}')"))
            .await;
        assert_eq!(queued(&session).await, (n + 1).to_string(), "{settings}");
        let unfit = publish().replace("job.created", "order.paid");
        assert_eq!(session.refused(&unfit).await.code, "23514", "{settings}");
        // Far beyond what a slow machine gives back meanwhile.
        let limit =
            |events| format!("select webhooks.set_tenant_limits('{TENANT}', null, {events}, null)");
        session.run(&limit("10")).await;
        let limited = format!("{} from generate_series(1, 500)", publish());
        assert_eq!(session.refused(&limited).await.code, "53400", "{settings}");
        session.run(&limit("null")).await;
    }
    session.run(ORDINARY).await;
    let snapshots =
        "select count(*) from webhooks.event_logs where resource_data ->> 'title' = 'found'";
    assert_eq!(session.text(snapshots).await, "3");
    let restored = "select count(*) from webhooks.restored_events";
    assert_eq!(session.text(restored).await, "0");
}

#[tokio::test]
async fn publish_event_queues_where_identifiers_are_quoted() {
    let (_db, session) = database("quoted").await;
    // Functions have the names that they had when the session called them first.
    session.run("set quote_all_identifiers = on").await;
    session.run(DUMP).await;
    session.run(&publish()).await;
    assert_eq!(queued(&session).await, "1");
}

/// Triggers of the application run so on a subscriber of logical replication.
#[tokio::test]
async fn an_application_trigger_publishes_in_replica_mode() {
    let (_db, session) = database("replica_trigger").await;
    session
        .run(&format!(
            "create table public.documents (id integer);
             create function public.announce() returns trigger language plpgsql as $$
             begin
                 perform webhooks.publish_event('{TENANT}', 'document.uploaded');
                 {};
                 return null;
             end $$;
             create trigger announce after insert on public.documents for each row execute function public.announce();
             alter table public.documents enable always trigger announce;
             {REPLICA};
             insert into public.documents values (1)",
            insert(1)
        ))
        .await;
    assert_eq!(queued(&session).await, "2");
}

#[tokio::test]
async fn publish_event_raises_where_triggers_are_disabled() {
    let (_db, session) = database("disabled").await;
    for disable in [
        "disable trigger a30_match_events",
        "disable trigger user",
        "disable trigger all",
        "enable replica trigger a30_match_events",
    ] {
        session
            .run(&format!("alter table webhooks.event_logs {disable}"))
            .await;
        let refusal = session.refused(&publish()).await;
        assert_eq!(refusal.code, "55000", "{disable}: {refusal:?}");
        assert_eq!(refusal.message, "the event was not queued");
        // The hint's words mend it.
        let (_, mend) = refusal.hint.split_once("Enable ours: ").unwrap();
        session.run(mend).await;
        session.run(&publish()).await;
    }
    // Rows that are taken away are not published either.
    session
        .run("create rule nothing as on insert to webhooks.event_logs do instead nothing")
        .await;
    assert_eq!(session.refused(&publish()).await.code, "55000");
    assert_eq!(queued(&session).await, "4");
}

/// Rows that a superuser copies are not published, which is seen later; rows that others insert are.
#[tokio::test]
async fn copied_events_are_counted() {
    let (db, session) = database("copies").await;
    session
        .run("grant set on parameter session_replication_role to publisher")
        .await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    publisher
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    for (n, settings) in ["set check_function_bodies = off", REPLICA]
        .iter()
        .enumerate()
    {
        publisher.run(settings).await;
        publisher.run(&insert(1)).await;
        publisher.run(&publish()).await;
        assert_eq!(
            queued(&session).await,
            (2 * n + 2).to_string(),
            "{settings}"
        );
    }
    session
        .run("revoke set on parameter session_replication_role from publisher")
        .await;

    for settings in [DUMP, REPLICA] {
        session.run(ORDINARY).await;
        session.run(settings).await;
        session.run(&insert(3)).await;
        session.run(&insert(2)).await;
        session.run(&insert(0)).await;
    }
    session.run(ORDINARY).await;
    assert_eq!(queued(&session).await, "4");
    let restored = "select reason, inserted_by, sum(events) from webhooks.restored_events group by 1, 2 order by 1";
    assert_eq!(
        session.lines(restored).await,
        ["replica|postgres|5", "restore|postgres|5"]
    );
    let monitor = Session::open_as(&db, MONITOR_ROLE).await;
    assert_eq!(monitor.lines(restored).await.len(), 2);
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    assert_eq!(manager.lines(restored).await.len(), 0);
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    assert_eq!(manager.lines(restored).await.len(), 2);
    // They can be published after all.
    let replay = "select sum(p.deliveries) from
        (select tenant_id, min(first_created_at) as first, max(last_created_at) as last from webhooks.restored_events group by tenant_id) r,
        webhooks.replay_events(r.tenant_id, r.first, r.last + interval '1 us') p";
    assert_eq!(manager.text(replay).await, "10");
}

/// A restore inserts, and nothing else.
#[tokio::test]
async fn watched_tables_publish_what_no_restore_does() {
    let (_db, session) = database("watched").await;
    let parts = [("\"Documents\"", "false"), ("public.pages", "true")];
    for (table, per_row) in parts {
        session
            .run(&format!(
                "create table {table} (id uuid primary key, tenant_id uuid, title text);
                 select webhooks.watch_table('{table}', 'document.uploaded', 'document.processed', 'document.deleted', per_row => {per_row})"
            ))
            .await;
    }
    // A trigger changes what is restored.
    session
        .run(
            "create function public.retitle() returns trigger language plpgsql as $$
             begin
                 update public.pages set title = 'b' where title = 'a';
                 return null;
             end $$;
             create trigger retitle after insert on public.pages execute function public.retitle()",
        )
        .await;
    session.run(DUMP).await;
    for (table, _) in parts {
        session
            .run(&format!(
                "insert into {table} values ('{TENANT}', '{TENANT}', 'a')"
            ))
            .await;
    }
    assert_eq!(queued(&session).await, "0");
    for (table, _) in parts {
        session
            .run(&format!(
                "update {table} set title = 'c'; delete from {table}"
            ))
            .await;
    }
    let published = "select string_agg(event_type, ' ' order by id) from webhooks.event_logs";
    assert_eq!(
        session.text(published).await,
        "document.processed document.deleted document.processed document.deleted"
    );
    assert_eq!(queued(&session).await, "4");
}
