//! A watched table changes its shape, or goes.

use super::{DOCUMENTS, TENANT, WATCH, database, id, watched};

#[tokio::test]
async fn names_are_followed_and_new_columns_wait() {
    let (_db, session) = watched("watch_rename").await;
    let one = id(1);
    // In this session, which knows the plans for the old names, and in a new one.
    session
        .run(&format!("insert into documents values ('{one}', '{TENANT}', 'a'); update documents set title = 'b'"))
        .await;
    session
        .run(
            "alter table documents rename title to name;
             alter table documents rename id to key;
             alter table documents rename tenant_id to customer;
             alter table documents add note text;
             truncate webhooks.event_logs",
        )
        .await;
    let expected = format!(
        r#"document.processed|{{"id": "{one}", "new": {{"id": "{one}", "pages": null, "title": "c", "status": "uploaded", "tenant_id": "{TENANT}"}}, "old": {{"title": "b"}}, "changed": ["title"], "operation": "update"}}"#
    );
    // Receivers see the names that they know.
    assert_eq!(
        session
            .publishes("update documents set name = 'c', note = 'd'")
            .await,
        std::slice::from_ref(&expected)
    );
    assert_eq!(
        session.publishes("update documents set note = 'e'").await,
        [""; 0]
    );
    session
        .run("alter table documents rename to papers; create schema app; alter table papers set schema app")
        .await;
    assert_eq!(
        session
            .publishes("update app.papers set name = 'b'; update app.papers set name = 'c'")
            .await[1],
        expected
    );
    let listed = "select table_name, new_columns, problem from webhooks.watched_tables";
    assert_eq!(session.text(listed).await, r#"app.papers|["note"]|null"#);
    // Watched again: as it is now.
    session
        .run("select webhooks.watch_table('app.papers', on_update => 'document.processed', tenant_column => 'customer')")
        .await;
    assert_eq!(session.text(listed).await, "app.papers|[]|null");
    assert_eq!(
        session.publishes("update app.papers set note = 'f'").await,
        [format!(
            r#"document.processed|{{"id": "{one}", "new": {{"key": "{one}", "name": "c", "note": "f", "pages": null, "status": "uploaded", "customer": "{TENANT}"}}, "old": {{"note": "e"}}, "changed": ["note"], "operation": "update"}}"#
        )]
    );
    let functions = "select string_agg(pronamespace::regnamespace || '.' || proname, ' ' order by proname) from pg_proc where proname like '%\\_webhook%'
        and pronamespace not in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace)";
    assert_eq!(
        session.text(functions).await,
        "app.papers_webhook_events app.papers_webhook_row app.papers_webhook_same app.papers_webhooks"
    );
}

/// A rename is none of what is new, whether the column is sent or not; nor is a table that took the name of a watched one watched.
#[tokio::test]
async fn renames_are_told_from_what_is_new() {
    let (_db, session) = database("watch_renames").await;
    session
        .run(
            "create table papers (id uuid primary key, tenant_id uuid, title text, secret text, note text);
             select webhooks.watch_table('papers', on_insert => 'document.uploaded', except_columns => '{secret}');
             alter table papers rename secret to hidden; alter table papers rename title to name; alter table papers add more text",
        )
        .await;
    let listed = "select table_name, new_columns, problem from webhooks.watched_tables";
    assert_eq!(session.text(listed).await, r#"papers|["more"]|null"#);
    session
        .run("alter table papers rename to papers_old; create table papers (like papers_old including all)")
        .await;
    let problem = session.text(listed).await;
    assert!(
        problem.contains(
            "the table was public.papers when it was watched, and another table has that name now"
        ),
        "{problem}"
    );
    // As it says: first the one, then the other.
    session
        .run(
            "select webhooks.watch_table('papers_old', on_insert => 'document.uploaded');
             select webhooks.watch_table('papers', on_insert => 'document.uploaded')",
        )
        .await;
    let problems = "select count(*) from webhooks.watched_tables where problem is null";
    assert_eq!(session.text(problems).await, "2");
}

/// PostgreSQL refuses what would break a watch, and says which table, column and watch.
#[tokio::test]
async fn columns_that_a_watch_needs_can_not_be_dropped() {
    let (_db, session) = database("watch_drop").await;
    session.run(DOCUMENTS).await;
    session
        .run("select webhooks.watch_table('documents', on_update => 'document.processed', columns => '{title}', condition => 'new.pages > 0')")
        .await;
    for (column, function) in [
        ("id", "documents_webhook_events"),
        ("tenant_id", "documents_webhook_events"),
        ("title", "documents_webhook_events"),
        ("pages", "documents_webhook_events"),
    ] {
        let refusal = session
            .refused(&format!("alter table documents drop {column}"))
            .await;
        assert_eq!(refusal.code, "2BP01");
        assert!(
            refusal
                .message
                .contains(&format!("column {column} of table documents")),
            "{refusal:?}"
        );
        assert!(refusal.everything.contains(function), "{refusal:?}");
        let refusal = session
            .refused(&format!("alter table documents alter {column} type text"))
            .await;
        assert_eq!(refusal.code, "0A000");
        assert!(refusal.everything.contains(function), "{refusal:?}");
    }
    session
        .run("alter table documents drop status; alter table documents add status integer")
        .await;
    assert_eq!(session.refused("drop table documents").await.code, "2BP01");
}

#[tokio::test]
async fn a_watch_that_was_broken_by_force_says_what_to_do() {
    let (_db, session) = watched("watch_broken").await;
    session
        .run("alter table documents drop title cascade")
        .await;
    let insert = format!("insert into documents (tenant_id) values ('{TENANT}')");
    let refusal = session.refused(&insert).await;
    assert_eq!(refusal.code, "55000");
    assert_eq!(
        refusal.message,
        "changes of table public.documents can't be published: column \"title\" is gone"
    );
    assert!(
        refusal
            .hint
            .contains("webhooks.watch_table('public.documents', ...)")
            && refusal
                .hint
                .ends_with("select webhooks.unwatch_table('public.documents');"),
        "{refusal:?}"
    );
    let problem = "select problem from webhooks.watched_tables";
    assert!(session.text(problem).await.contains("watch_table() again"));
    session.run(WATCH).await;
    assert_eq!(session.text(problem).await, "null");
    assert_eq!(session.publishes(&insert).await.len(), 1);

    session.run("alter schema public rename to app").await;
    let refusal = session
        .refused(&insert.replace("documents", "app.documents"))
        .await;
    assert_eq!(
        refusal.message,
        "changes of table app.documents can't be published: its schema was renamed, or a function that webhooks.watch_table() made was dropped"
    );
    session
        .run("select webhooks.unwatch_table('app.documents')")
        .await;
    session
        .run(&insert.replace("documents", "app.documents"))
        .await;
}

#[tokio::test]
async fn a_table_that_is_dropped_leaves_nothing_in_the_way() {
    let (_db, session) = watched("watch_dropped").await;
    session.run("drop table documents cascade").await;
    session.run(DOCUMENTS).await;
    session.run(WATCH).await;
    let insert = format!("insert into documents (tenant_id) values ('{TENANT}')");
    assert_eq!(session.publishes(&insert).await.len(), 1);
    // A name that is somebody else's is left alone.
    session
        .run("select webhooks.unwatch_table('documents'); create function documents_webhooks() returns integer return 1")
        .await;
    let refusal = session.refused(WATCH).await;
    assert_eq!(refusal.code, "42723");
    assert_eq!(
        refusal.message,
        "there is a function public.documents_webhooks already"
    );
    assert_eq!(session.text("select documents_webhooks()").await, "1");
    // The failed call took nothing away.
    session.run("drop function documents_webhooks()").await;
    session.run(WATCH).await;
    session
        .run("create function public.documents_webhook_events() returns integer return 1")
        .await;
    session.refused(WATCH).await;
    session
        .run("drop function public.documents_webhook_events()")
        .await;
    assert_eq!(session.publishes(&insert).await.len(), 1);
}

/// A function with the name of one that the extension made could be called instead of it, and be given its owner and rights.
#[tokio::test]
async fn functions_of_the_same_names_get_no_rights() {
    let (_db, session) = watched("watch_overloads").await;
    let insert = format!("insert into documents (tenant_id) values ('{TENANT}')");
    for overload in [
        "documents_webhook_events(text, text, documents) returns integer",
        "documents_webhook_same(text, documents) returns boolean",
    ] {
        session
            .run(&format!(
                "create function {overload} language plpgsql as 'begin return null; end'"
            ))
            .await;
        let (name, _) = overload.split_once('(').unwrap();
        for statement in [&insert, "update documents set title = 'y'"] {
            // An insert has no old row to compare.
            if name.ends_with("_same") && statement.starts_with("insert") {
                continue;
            }
            let refusal = session.refused(statement).await;
            assert_eq!(refusal.code, "42725");
            assert_eq!(
                refusal.message,
                format!(
                    "changes of table public.documents can't be published: there is another function public.{name}"
                )
            );
        }
        // Nor is it made anybody's by watching again.
        let refusal = session.refused(WATCH).await;
        assert_eq!(refusal.code, "42723");
        let (signature, _) = overload.split_once(" returns").unwrap();
        session.run(&format!("drop function {signature}")).await;
    }
    assert_eq!(session.publishes(&insert).await.len(), 1);

    // A trigger that only looks like a watch's is nobody's business.
    session
        .run(
            "create function precious() returns trigger language plpgsql as 'begin return null; end';
             create table decoy (id integer);
             create trigger webhooks_insert after insert on decoy for each statement
                 execute function precious('{\"webhooks\": {\"tenant_id\": \"x\"}}')",
        )
        .await;
    let watched = "select string_agg(table_name::text, ' ') from webhooks.watched_tables";
    assert_eq!(session.text(watched).await, "documents");
    let unwatch = "select webhooks.unwatch_table('decoy')";
    assert_eq!(session.text(unwatch).await, "f");
    let kept = "select count(*) from pg_trigger where tgrelid = 'decoy'::regclass";
    assert_eq!(session.text(kept).await, "1");
}

/// The application must not stop because its webhooks are gone.
#[tokio::test]
async fn dropping_the_extension_ends_all_watches() {
    let (_db, session) = watched("watch_extension").await;
    session.run("drop extension webhooks").await;
    session
        .run(&format!(
            "insert into documents (tenant_id) values ('{TENANT}'); update documents set title = 'x'; delete from documents"
        ))
        .await;
    let left = "select (select count(*) from pg_trigger where not tgisinternal) + (select count(*) from pg_proc where pronamespace = 'public'::regnamespace)";
    assert_eq!(session.text(left).await, "0");
}
