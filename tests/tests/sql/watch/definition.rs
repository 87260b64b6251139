//! Arguments of `watch_table()`, and its errors.

use super::{DOCUMENTS, TENANT, database, id};
use crate::support::session::literal;

#[tokio::test]
async fn event_types_by_column_and_value() {
    let (_db, session) = database("watch_on_change").await;
    session.run(DOCUMENTS).await;
    session
        .run(
            r#"insert into webhooks.event_types (name, category) values ('file.renamed', 'file');
               select webhooks.watch_table('documents', on_update => 'document.processed',
                on_change => '{"status": {"done": "job.completed", "it''s lost": "job.failed"}, "title": "file.renamed", "pages": {"7": "job.started"}}')"#,
        )
        .await;
    let one = id(1);
    session
        .run(&format!(
            "insert into documents values ('{one}', '{TENANT}')"
        ))
        .await;
    let seen = "select event_type, event_category, resource_type, event_data -> 'changed' from webhooks.event_logs order by event_type";
    for (set, expected) in [
        (
            "status = 'done'",
            &[
                r#"document.processed|document|document|["status"]"#,
                r#"job.completed|job|document|["status"]"#,
            ][..],
        ),
        ("status = 'done'", &[]),
        (
            "status = 'it''s lost', title = 'x', pages = 7",
            &[
                r#"document.processed|document|document|["title", "status", "pages"]"#,
                r#"file.renamed|file|document|["title", "status", "pages"]"#,
                r#"job.failed|job|document|["title", "status", "pages"]"#,
                r#"job.started|job|document|["title", "status", "pages"]"#,
            ],
        ),
        (
            "status = 'other', pages = null",
            &[r#"document.processed|document|document|["status", "pages"]"#],
        ),
    ] {
        session
            .run(&format!(
                "truncate webhooks.event_logs; update documents set {set}"
            ))
            .await;
        assert_eq!(session.lines(seen).await, expected, "{set}");
    }
}

#[tokio::test]
async fn columns_to_send_and_to_watch() {
    let (_db, session) = database("watch_which").await;
    session
        .run("create table people (id integer primary key, tenant_id uuid, name text, password text, seen_at timestamptz, big json)")
        .await;
    session
        .run(&format!(
            "insert into people values (1, '{TENANT}', 'a', 'p', now(), '\"\\u0000\"')"
        ))
        .await;
    let watch = async |arguments: &str| {
        let watch = format!(
            "select webhooks.watch_table('people', on_update => 'user.created', {arguments})"
        );
        session.run(&watch).await;
    };
    let data = |changed: &str, old: &str, new: &str| {
        format!(
            r#"user.created|{{"id": 1, "new": {{{new}}}, "old": {{{old}}}, "changed": [{changed}], "operation": "update"}}"#
        )
    };
    watch("columns => '{id,name}'").await;
    assert_eq!(
        session
            .publishes("update people set password = 'q', seen_at = now()")
            .await,
        [""; 0]
    );
    assert_eq!(
        session
            .publishes("update people set name = 'b', password = 'r'")
            .await,
        [data(
            r#""name""#,
            r#""name": "a""#,
            r#""id": 1, "name": "b""#
        )]
    );
    // JSON that jsonb can't hold harms nobody if it is left out.
    watch("except_columns => '{password,seen_at,big,tenant_id}'").await;
    assert_eq!(
        session
            .publishes("update people set name = 'c', password = 's', seen_at = now()")
            .await,
        [data(
            r#""name""#,
            r#""name": "b""#,
            r#""id": 1, "name": "c""#
        )]
    );
    // Told that it changed, but not from what to what.
    watch("columns => '{name}', watch_columns => '{password}'").await;
    assert_eq!(
        session.publishes("update people set name = 'd'").await,
        [""; 0]
    );
    assert_eq!(
        session
            .publishes("update people set name = 'e', password = 't'")
            .await,
        [data(
            r#""name", "password""#,
            r#""name": "d""#,
            r#""name": "e""#
        )]
    );
    assert_eq!(
        session.publishes("update people set password = 'u'").await,
        [data(r#""password""#, "", r#""name": "e""#)]
    );
    watch("columns => '{}', watch_columns => '{name}'").await;
    assert_eq!(
        session.publishes("update people set name = 'f'").await,
        [data(r#""name""#, "", "")]
    );
}

#[tokio::test]
async fn conditions_decide_which_rows_are_published() {
    let (_db, session) = database("watch_conditions").await;
    session.run(DOCUMENTS).await;
    session
        .run("create table limits (pages integer); insert into limits values (10)")
        .await;
    let count = "select count(*) from webhooks.event_logs";
    // Of an insert, a change from 5 to 20, one from 20 to 30, and a deletion.
    let changes = format!(
        "truncate webhooks.event_logs; insert into documents values ('{}', '{TENANT}', 'a', 'x', 5);
         update documents set pages = 20; update documents set pages = 30, title = 'b'; delete from documents",
        id(1)
    );
    for (condition, events) in [
        ("true", "4"),
        ("false", "0"),
        ("null", "0"),
        ("new.pages > 10", "2"),
        ("coalesce(new.pages, old.pages) > 10", "3"),
        ("old.pages <= 10 and new.pages > 10", "1"),
        ("new.pages is distinct from old.pages", "4"),
        (
            "exists (select from public.limits l where l.pages < new.pages)",
            "2",
        ),
        (
            "not exists (select 1 from public.limits l where l.pages < new.pages) or random() < 0 -- a comment",
            "2",
        ),
        ("new.title = 'b' /* not a \"title\" */", "1"),
        ("new::text like '%20)'", "1"),
    ] {
        session
            .run(&format!(
                "select webhooks.watch_table('documents', on_insert => 'document.uploaded', on_update => 'document.processed',
                 on_delete => 'document.deleted', condition => {})",
                literal(condition)
            ))
            .await;
        session.run(&changes).await;
        assert_eq!(session.text(count).await, events, "{condition}");
    }
    for (condition, code, message) in [
        (
            "new.pages",
            "42804",
            "argument of WHERE must be type boolean, not type integer",
        ),
        (
            "new.stauts = 'x'",
            "42703",
            "column new.stauts does not exist",
        ),
        (
            "status = 'x'",
            "42702",
            "column reference \"status\" is ambiguous",
        ),
        (
            "is_public(new.id)",
            "42883",
            "function is_public(uuid) does not exist",
        ),
        ("new.pages >", "42601", "syntax error at or near \"limit\""),
        (
            "true); drop table documents; --",
            "42601",
            "syntax error at or near \")\"",
        ),
        ("true) or (true", "42601", "syntax error at or near \")\""),
        (
            "true limit 1 --",
            "42601",
            "syntax error at or near \"limit\"",
        ),
        (
            "count(*) > 1",
            "42803",
            "aggregate functions are not allowed in WHERE",
        ),
        ("", "42601", "syntax error at or near \"limit\""),
        (
            "new.pages = 'x'",
            "22P02",
            "invalid input syntax for type integer: \"x\"",
        ),
    ] {
        let refusal = session
            .refused(&format!(
                "select webhooks.watch_table('documents', on_insert => 'document.uploaded', condition => {})",
                literal(condition)
            ))
            .await;
        assert_eq!(refusal.code, code, "{condition}: {refusal:?}");
        assert_eq!(
            refusal.message,
            format!("invalid condition for table public.documents: {message}")
        );
        assert!(refusal.hint.contains("over the rows old and new"));
    }
    let watched = "select condition from webhooks.watched_tables";
    assert_eq!(session.text(watched).await, "new::text like '%20)'");
}

#[tokio::test]
async fn wrong_arguments_are_named_in_errors() {
    let (_db, session) = database("watch_refused").await;
    session.run(DOCUMENTS).await;
    session
        .run(
            "create view a_view as select * from documents;
             create table parts (id uuid, tenant_id uuid) partition by hash (id);
             create table part partition of parts for values with (modulus 1, remainder 0);
             create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing;
             create foreign table away (tenant_id uuid) server nowhere;
             create temporary table passing (tenant_id uuid)",
        )
        .await;
    for (arguments, code, message, hint) in [
        ("null", "22004", "no table given", "for example"),
        (
            "'a_view', on_insert => 'job.created'",
            "42809",
            "public.a_view can't be watched",
            "Ordinary",
        ),
        (
            "'away', on_insert => 'job.created'",
            "42809",
            "public.away can't be watched",
            "foreign",
        ),
        (
            "'passing', on_insert => 'job.created'",
            "42809",
            "passing can't be watched",
            "temporary",
        ),
        (
            "'webhooks.event_logs', on_insert => 'job.created'",
            "42809",
            "webhooks.event_logs can't be watched",
            "system",
        ),
        (
            "'pg_class', on_insert => 'job.created'",
            "42809",
            "pg_class can't be watched",
            "system",
        ),
        (
            "'part', on_insert => 'job.created'",
            "42809",
            "public.part is a partition",
            "public.parts",
        ),
        (
            "'documents'",
            "22023",
            "no event type for changes of table public.documents",
            "on_insert",
        ),
        (
            "'documents', on_change => '{}'",
            "22023",
            "no event type for changes of table public.documents",
            "on_change",
        ),
        (
            "'documents', on_change => '[]'",
            "22023",
            "invalid on_change: []",
            "\"status\"",
        ),
        (
            "'documents', on_change => '\"job.created\"'",
            "22023",
            "invalid on_change: \"job.created\"",
            "\"status\"",
        ),
        (
            "'documents', on_change => '{\"status\": 1}'",
            "22023",
            "invalid on_change: {\"status\": 1}",
            "\"status\"",
        ),
        (
            "'documents', on_change => '{\"status\": {\"a\": null}}'",
            "22023",
            "invalid on_change: {\"status\": {\"a\": null}}",
            "\"status\"",
        ),
        (
            "'documents', on_change => '{\"status\": {\"a\": {\"b\": \"job.created\"}}}'",
            "22023",
            "invalid on_change: {\"status\": {\"a\": {\"b\": \"job.created\"}}}",
            "\"status\"",
        ),
        (
            "'documents', on_insert => 'document.upped'",
            "23503",
            "unknown event type \"document.upped\"",
            "webhooks.event_types",
        ),
        (
            "'documents', on_change => '{\"status\": {\"a\": \"b.c\"}}'",
            "23503",
            "unknown event type \"b.c\"",
            "registered",
        ),
        (
            "'documents', on_change => '{\"state\": \"job.created\"}'",
            "42703",
            "on_change: table public.documents has no column \"state\"",
            "id, tenant_id, title, status, pages",
        ),
        (
            "'documents', on_insert => 'job.created', tenant_column => 'tenant'",
            "42703",
            "tenant_column: table public.documents has no column \"tenant\"",
            "tenant_id instead",
        ),
        (
            "'documents', on_insert => 'job.created', tenant_column => 'title'",
            "42804",
            "tenant_column: column \"title\" of table public.documents is not of type uuid",
            "tenant_id instead",
        ),
        (
            "'documents', on_insert => 'job.created', id_column => 'no'",
            "42703",
            "id_column: table public.documents has no column \"no\"",
            "id, tenant_id",
        ),
        (
            "'documents', on_insert => 'job.created', columns => '{id,no}'",
            "42703",
            "columns: table public.documents has no column \"no\"",
            "id, tenant_id",
        ),
        (
            "'documents', on_insert => 'job.created', columns => '{null}'",
            "42703",
            "columns: table public.documents has no column \"null\"",
            "id, tenant_id",
        ),
        (
            "'documents', on_insert => 'job.created', columns => '{ctid}'",
            "42703",
            "columns: table public.documents has no column \"ctid\"",
            "id, tenant_id",
        ),
        (
            "'documents', on_insert => 'job.created', except_columns => '{no}'",
            "42703",
            "except_columns: table public.documents has no column \"no\"",
            "id, tenant_id",
        ),
        (
            "'documents', on_update => 'job.created', watch_columns => '{no}'",
            "42703",
            "watch_columns: table public.documents has no column \"no\"",
            "id, tenant_id",
        ),
        (
            "'documents', on_insert => 'job.created', columns => '{id}', except_columns => '{id}'",
            "22023",
            "both columns and except_columns given for table public.documents",
            "neither",
        ),
        (
            "'documents', on_update => 'job.created', watch_columns => '{}'",
            "22023",
            "no columns to watch of table public.documents",
            "watch_columns",
        ),
        (
            "'documents', on_update => 'job.created', columns => '{}'",
            "22023",
            "no columns to watch of table public.documents",
            "watch_columns",
        ),
    ] {
        let refusal = session
            .refused(&format!("select webhooks.watch_table({arguments})"))
            .await;
        assert_eq!(refusal.code, code, "{arguments}: {refusal:?}");
        assert_eq!(refusal.message, message, "{arguments}");
        assert!(refusal.hint.contains(hint), "{arguments}: {refusal:?}");
    }
    assert_eq!(
        session
            .refused("select webhooks.unwatch_table(null)")
            .await
            .code,
        "22004"
    );
    let left = "select (select count(*) from webhooks.watched_tables) + (select count(*) from pg_proc where pronamespace = 'public'::regnamespace)";
    assert_eq!(session.text(left).await, "0");
}

#[tokio::test]
async fn arguments_are_listed_in_the_view() {
    let (_db, session) = database("watch_listed").await;
    session
        .run(
            r#"create table documents (id uuid primary key, tenant_id uuid, title text, status text);
               create table jobs (id bigint primary key);
               select webhooks.watch_table('documents', on_insert => 'document.uploaded', on_change => '{"status": {"x": "document.processed"}}',
                   resource_type => 'file', condition => 'new.title <> ''''', except_columns => '{title}');
               select webhooks.watch_table('jobs', on_update => 'job.started', on_delete => 'job.failed', tenant_id => '11111111-1111-4111-8111-111111111111',
                   watch_columns => '{id}')"#,
        )
        .await;
    assert_eq!(
        session
            .lines("select * from webhooks.watched_tables order by table_name::text")
            .await,
        [
            r#"documents|postgres|document.uploaded|null|null|{"status": {"x": "document.processed"}}|tenant_id|null|["id"]|file|["id", "tenant_id", "status"]|new.title <> ''|["id", "tenant_id", "status"]|f|[]|t|null"#,
            r#"jobs|postgres|null|job.started|job.failed|null|null|11111111-1111-4111-8111-111111111111|["id"]|job|["id"]|null|["id"]|f|[]|t|null"#
        ]
    );
    // Another's trigger of the same name is none, and does no harm.
    session
        .run(
            "create table mine (id integer);
             create function mine() returns trigger language plpgsql as 'begin return null; end';
             create trigger webhooks_insert after insert on mine for each statement execute function mine('{\"webhooks\": ');
             create trigger webhooks_update after update on mine for each statement execute function mine('{}');
             create trigger webhooks_delete after delete on mine for each statement execute function mine()",
        )
        .await;
    let watched = "select count(*) from webhooks.watched_tables";
    assert_eq!(session.text(watched).await, "2");
    assert_eq!(
        session.text("select webhooks.unwatch_table('mine')").await,
        "f"
    );
    session
        .run("alter table jobs disable trigger webhooks_delete")
        .await;
    let problem = "select is_enabled, problem from webhooks.watched_tables where table_name = 'jobs'::regclass";
    assert_eq!(
        session.text(problem).await,
        "f|a trigger is disabled: such changes are not published"
    );
}
