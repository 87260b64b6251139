//! Partitions, and databases that are dumped and restored.

use webhooks_tests::database::Database;

use super::{TENANT, database, id};
use crate::support::session::Session;

#[tokio::test]
async fn rows_of_partitioned_tables_are_published() {
    let (_db, session) = database("watch_partitions").await;
    let watch = "select webhooks.watch_table('jobs', on_insert => 'job.created', on_update => 'job.started', on_delete => 'job.failed'";
    session
        .run(&format!(
            "create table jobs (id uuid, tenant_id uuid not null, state text not null, n integer, primary key (id, state)) partition by list (state);
             create table jobs_open partition of jobs for values in ('open');
             create table jobs_done partition of jobs for values in ('done');
             {watch}, id_column => 'id')"
        ))
        .await;
    let [one, two] = [id(1), id(2)];
    // A row that moves to another partition is still the same one.
    let events = session
        .publishes(&format!(
            "insert into jobs values ('{one}', '{TENANT}', 'open', 1), ('{two}', '{TENANT}', 'done', 1);
             update jobs set state = 'done', n = 2 where id = '{one}';
             delete from jobs"
        ))
        .await;
    assert_eq!(events.len(), 5, "{events:?}");
    assert_eq!(
        events[4],
        format!(
            r#"job.started|{{"id": "{one}", "new": {{"n": 2, "id": "{one}", "state": "done", "tenant_id": "{TENANT}"}}, "old": {{"n": 1, "state": "open"}}, "changed": ["state", "n"], "operation": "update"}}"#
        )
    );
    // Also one whose columns lie otherwise, and one that comes later.
    let events = session
        .publishes(&format!(
            "create table jobs_late (n integer, gone integer, state text not null, tenant_id uuid not null, id uuid not null);
             alter table jobs_late drop gone;
             alter table jobs attach partition jobs_late for values in ('late');
             insert into jobs values ('{one}', '{TENANT}', 'late', 1), ('{two}', '{TENANT}', 'open', 2);
             update jobs set state = 'late'"
        ))
        .await;
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(events[0].contains(r#""n": 1"#), "{events:?}");
    assert!(
        events[2].contains(r#""old": {"state": "open"}"#),
        "{events:?}"
    );
    // By default the whole key identifies a row, and moving it is another row.
    session.run(&format!("{watch})")).await;
    let events = session
        .publishes("update jobs set state = 'done' where n = 1")
        .await;
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(
        events[0].starts_with("job.created|") && events[1].starts_with("job.failed|"),
        "{events:?}"
    );
    // PostgreSQL's rule for all statement triggers: what names a partition is none of the parent's.
    let events = session.publishes("update jobs_done set n = 5").await;
    assert_eq!(events, [""; 0]);
}

/// A database with a watched table of each kind, owned by another than the superuser, and an event of each.
async fn used(name: &str) -> Database {
    let db = Database::fresh(name).await.unwrap();
    db.create_role(
        "watch_mover",
        "login in role webhooks_publisher, webhooks_all_tenants",
    )
    .await
    .unwrap();
    let session = Session::open(&db).await;
    session
        .run(&format!(
            r#"create schema "App" authorization watch_mover;
               set role watch_mover;
               set search_path = "App";
               create type state as enum ('open', 'done');
               create table "Documents" (id uuid primary key, tenant_id uuid not null, gone text, title text, "State" state);
               alter table "Documents" drop gone;
               create table jobs (id bigint, tenant_id uuid not null, day date, primary key (id, day)) partition by range (day);
               create table jobs_default partition of jobs default;
               create function is_public("Documents") returns boolean return $1.title <> 'private';
               select webhooks.watch_table('"Documents"', on_insert => 'document.uploaded', on_delete => 'document.deleted',
                   on_change => '{{"State": {{"done": "document.processed"}}}}', condition => '"App".is_public(coalesce(new, old))');
               select webhooks.watch_table('jobs', on_insert => 'job.created', id_column => 'id');
               alter table "Documents" rename title to name;
               insert into "Documents" values ('{}', '{TENANT}', 'a', 'open'), ('{}', '{TENANT}', 'private', 'open');
               insert into jobs values (1, '{TENANT}', '2026-01-01')"#,
            id(1),
            id(2),
        ))
        .await;
    db
}

/// The watches and events that a role sees.
async fn state(session: &Session) -> Vec<String> {
    let mut state = Vec::new();
    for query in [
        "select * from webhooks.watched_tables order by table_name::text",
        "select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal and tgname like 'webhooks%' order by 1",
        "select p.oid::regprocedure, proowner::regrole, prosecdef, coalesce(proacl::text, 'public'), proconfig, obj_description(p.oid), pg_get_function_sqlbody(p.oid),
             (select deptype from pg_depend where classid = 'pg_proc'::regclass and objid = p.oid and refclassid = 'pg_extension'::regclass)
         from pg_proc p where pronamespace = '\"App\"'::regnamespace order by p.proname",
        "select event_type, event_data from webhooks.event_logs order by 1, 2",
    ] {
        state.extend(session.lines(query).await);
    }
    state
}

async fn assert_moved(original: &Database, restored: &Database) {
    let before = state(&Session::open(original).await).await;
    let session = Session::open(restored).await;
    let after = state(&session).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after, before);
    }
    assert_eq!(after.len(), before.len());
    assert_eq!(session.published().await.len(), 2);
    let mover = Session::open_as(restored, "watch_mover").await;
    mover
        .run(&format!(
            r#"update "App"."Documents" set "State" = 'done'; insert into "App".jobs values (2, '{TENANT}', '2026-01-02')"#
        ))
        .await;
    let events = session.published().await;
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(
        events[0].contains(
            r#""new": {"id": "00000000-0000-4000-8000-000000000001", "State": "done", "title": "a""#
        ),
        "{events:?}"
    );
    session
        .run(r#"select webhooks.unwatch_table('"App"."Documents"'); select webhooks.unwatch_table('"App".jobs'); drop extension webhooks"#)
        .await;
}

#[tokio::test]
async fn a_dump_restores_watches_and_publishes_nothing() {
    let original = used("watch_dump").await;
    let cluster = original.cluster();
    for arguments in [&[][..], &["--inserts"], &["--load-via-partition-root"]] {
        let dump = cluster.dump(original.name(), arguments).await.unwrap();
        let restored = Database::create_empty(cluster, "watch_restored")
            .await
            .unwrap();
        cluster.restore(restored.name(), &dump).await.unwrap();
        assert_moved(&original, &restored).await;
    }
    let archive = cluster.archive(original.name(), &[]).await.unwrap();
    let restored = Database::create_empty(cluster, "watch_restored")
        .await
        .unwrap();
    let restore = cluster.restore_archive(restored.name(), &archive, &["-j", "2"]);
    restore.await.unwrap();
    assert_moved(&original, &restored).await;

    // Into a database that has the tables, and the watches, already.
    let again = used("watch_data_only").await;
    let session = Session::open(&again).await;
    session
        .run(r#"truncate "App"."Documents", "App".jobs, webhooks.event_logs"#)
        .await;
    let restore = cluster.restore_archive(again.name(), &archive, &["--data-only"]);
    restore.await.unwrap();
    assert_eq!(session.published().await.len(), 2);
    let rows =
        r#"select (select count(*) from "App"."Documents") + (select count(*) from "App".jobs)"#;
    assert_eq!(session.text(rows).await, "3");
}
