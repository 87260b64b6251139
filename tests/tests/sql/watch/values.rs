//! Values that on_change names, and values that can't be sent.

use webhooks_tests::database::{Database, PUBLISHER_ROLE};

use super::{TENANT, database};
use crate::support::session::{Session, literal};

#[tokio::test]
async fn values_of_on_change_are_of_the_column_s_type() {
    let (_db, session) = database("watch_typed").await;
    session
        .run(
            "create type mood as enum ('glad', 'sad'); create type pair as (a integer, b text);
             create domain price as numeric(8, 2); create domain fee as price; create domain pause as interval;
             create table things (id integer primary key, tenant_id uuid, flag boolean, n numeric, f fee, t timestamptz, d date, m mood, ms mood[],
                 p pair, j jsonb, i interval, money money, c char(4), v varchar(3), r int4range, cls regclass, u uuid)",
        )
        .await;
    session
        .run(&format!(
            "insert into things (id, tenant_id) values (1, '{TENANT}')"
        ))
        .await;
    session.run("set timezone = 'America/New_York'; set datestyle = 'German'; set quote_all_identifiers = on").await;
    for (column, value, set) in [
        ("flag", "t", "true"),
        ("flag", "TRUE", "true"),
        ("n", "1", "1.0"),
        ("n", "1.50", "1.5"),
        ("f", "19.9", "19.90"),
        ("t", "2026-01-01 00:00:00", "'2026-01-01T00:00:00Z'"),
        ("t", "2026-01-01T01:00+01", "'2026-01-01T00:00:00Z'"),
        ("d", "2026-02-03", "make_date(2026, 2, 3)"),
        ("m", "sad", "'sad'"),
        ("ms", "{glad,sad}", "array['glad', 'sad']::mood[]"),
        ("p", "(1,x)", "row(1, 'x')"),
        ("j", r#"{"b":1,"a":[ ]}"#, r#"'{"a": [], "b": 1.0}'"#),
        ("i", "P1M", "'1 month'"),
        ("money", "4", "4::money"),
        ("c", "ab", "'ab'"),
        ("v", "abc", "'abc'"),
        ("r", "[1,3]", "'[1,4)'"),
        ("cls", "public.things", "'things'"),
        (
            "u",
            "00000000000040008000000000000001",
            "'00000000-0000-4000-8000-000000000001'",
        ),
    ] {
        let on_change = serde_json::json!({column: {value: "job.completed"}}).to_string();
        session
            .run(&format!(
                "update things set {column} = null; select webhooks.watch_table('things', on_change => {}); truncate webhooks.event_logs",
                literal(&on_change)
            ))
            .await;
        let events = session
            .publishes(&format!("update things set {column} = {set}"))
            .await;
        assert_eq!(events.len(), 1, "{column} {value}: {events:?}");
        assert_eq!(
            session
                .text("select problem from webhooks.watched_tables")
                .await,
            "null"
        );
    }
    // A value of an enum that is renamed is still the same.
    session
        .run(
            r#"select webhooks.watch_table('things', on_change => '{"m": {"sad": "job.failed"}}'); update things set m = 'glad';
               truncate webhooks.event_logs; alter type mood rename value 'sad' to 'blue'"#,
        )
        .await;
    assert_eq!(
        session
            .publishes("update things set m = 'blue'")
            .await
            .len(),
        1
    );
    for (column, value, reason) in [
        ("flag", "maybe", "boolean"),
        ("n", "one", "numeric"),
        ("f", "1.005", "can't hold it"),
        ("t", "soon", "timestamp"),
        ("t", "now", "another time each day"),
        ("m", "cross", "'glad', 'blue'"),
        ("v", "abcd", "can't hold it"),
        ("r", "[3,1]", "range"),
        ("cls", "nothing", "nothing"),
        ("u", "x", "uuid"),
    ] {
        let on_change = serde_json::json!({column: {value: "job.completed"}}).to_string();
        let refusal = session
            .refused(&format!(
                "select webhooks.watch_table('things', on_change => {})",
                literal(&on_change)
            ))
            .await;
        assert_eq!(refusal.code, "22023", "{refusal:?}");
        let expected = format!(
            "on_change: \"{value}\" is no value of column \"{column}\" of table public.things: "
        );
        assert!(refusal.message.starts_with(&expected), "{refusal:?}");
        assert!(refusal.everything.contains(reason), "{refusal:?}");
    }
    let twice = session
        .refused(r#"select webhooks.watch_table('things', on_change => '{"n": {"1": "job.created", "1.0": "job.failed"}}')"#)
        .await;
    assert_eq!(
        twice.message,
        "on_change: \"1\" is twice among the values of column \"n\" of table public.things"
    );
}

#[tokio::test]
async fn values_that_read_differently_are_changes_inside_of_other_types_too() {
    let (_db, session) = database("watch_intervals").await;
    session
        .run(&format!(
            "create domain pause as interval; create domain pauses as pause[]; create type span as range (subtype = interval);
             create table things (id integer primary key, tenant_id uuid, i interval[], p pause, ps pauses, s span, m money, c regclass);
             select webhooks.watch_table('things', on_update => 'job.started');
             insert into things values (1, '{TENANT}', '{{30 days}}', '30 days', '{{30 days}}', '[30 days,60 days]', 4, 'things')"
        ))
        .await;
    for (column, value) in [
        ("i", "'{1 month}'"),
        ("p", "'1 month'"),
        ("ps", "'{1 month}'"),
        ("s", "'[1 month,60 days]'"),
    ] {
        let events = session
            .publishes(&format!("update things set {column} = {value}"))
            .await;
        assert_eq!(events.len(), 1, "{column}: {events:?}");
        assert!(
            events[0].contains(&format!("\"changed\": [\"{column}\"]")),
            "{events:?}"
        );
    }
    // Nor does a session decide how they read.
    let events = session
        .publishes("set quote_all_identifiers = on; set intervalstyle = 'sql_standard'; update things set m = 5")
        .await;
    assert!(events[0].contains(r#""c": "public.things""#), "{events:?}");
    assert!(events[0].contains(r#""m": "$5.00""#), "{events:?}");
    assert!(events[0].contains(r#""p": "P1M""#), "{events:?}");
}

#[tokio::test]
async fn a_large_value_is_an_error_that_names_it() {
    let (_db, session) = database("watch_large").await;
    session
        .run(&format!(
            "create table files (id integer primary key, tenant_id uuid, name text, content bytea, numbers integer[]);
             select webhooks.watch_table('files', on_insert => 'job.created', on_update => 'job.started', on_delete => 'job.failed');
             insert into files values (1, '{TENANT}', 'x', '\\x00', '{{1}}')"
        ))
        .await;
    for (statement, column) in [
        (
            format!(
                // As text, twice as long: more than a string in jsonb may have.
                "insert into files values (2, '{TENANT}', 'y', decode(repeat('00', 140000000), 'hex'), null)"
            ),
            "content",
        ),
        (
            "update files set name = repeat('x', 17000000)".to_owned(),
            "name",
        ),
        // Compressed, it is small.
        (
            "update files set numbers = array_fill(0, array[4500000])".to_owned(),
            "numbers",
        ),
    ] {
        let refusal = session.refused(&statement).await;
        assert_eq!(refusal.code, "54000", "{refusal:?}");
        assert!(
            refusal.message.starts_with(&format!("changes of table public.files can't be published: a value of column \"{column}\" has 1")),
            "{refusal:?}"
        );
        assert!(
            refusal
                .hint
                .contains(&format!("except_columns => '{{{column}}}'")),
            "{refusal:?}"
        );
    }
    session
        .run("select webhooks.watch_table('files', on_update => 'job.started', except_columns => '{content}'); update files set content = decode(repeat('00', 20000000), 'hex');
              truncate webhooks.event_logs")
        .await;
    assert_eq!(
        session.publishes("update files set name = 'z'").await.len(),
        1
    );
}

#[tokio::test]
async fn values_in_errors_are_bounded() {
    let (_db, session) = database("watch_bounds").await;
    session.run(super::DOCUMENTS).await;
    for (arguments, message) in [
        (
            "on_insert => 'job.created', condition => repeat(' ', 10000) || 'true'",
            "condition: 10004 characters are too many",
        ),
        (
            "on_insert => 'job.created', resource_type => repeat('x', 51)",
            "resource_type: 51 characters are too many",
        ),
        (
            "on_insert => 'job.created', columns => array_fill('id'::name, array[1601])",
            "columns: 1601 columns are too many",
        ),
        (
            "on_change => (select jsonb_build_object('title', jsonb_object_agg(n, 'job.created')) from generate_series(1, 1001) n)",
            "on_change: 1001 values are too many",
        ),
        (
            "on_change => jsonb_build_object('title', repeat('x', 2000000))",
            "on_change: 2000013 bytes are too many",
        ),
    ] {
        let refusal = session
            .refused(&format!(
                "select webhooks.watch_table('documents', {arguments})"
            ))
            .await;
        assert_eq!(
            (refusal.code.as_str(), refusal.message.as_str()),
            ("54000", message)
        );
        assert!(refusal.hint.starts_with("At most "), "{refusal:?}");
    }
}

/// The plan of a session's first UPDATE grew with the square of the columns, to gigabytes.
#[tokio::test]
async fn as_many_columns_as_postgresql_has() {
    let (_db, session) = database("watch_widest").await;
    session
        .run(&format!(
            "do $$ begin
                 execute (select 'create table wide (id integer primary key, tenant_id uuid, ' || string_agg(format('c%s text', n), ', ') || ')'
                          from generate_series(1, 1596) n);
             end $$;
             select webhooks.watch_table('wide', on_insert => 'job.created', on_update => 'job.started', on_delete => 'job.failed');
             insert into wide (id, tenant_id) values (1, '{TENANT}')"
        ))
        .await;
    session.run("update wide set c1 = 'x', c1596 = 'y'").await;
    let used = session
        .text("select sum(total_bytes) < 50000000 from pg_backend_memory_contexts")
        .await;
    assert_eq!(used, "t");
    let seen = "select event_data -> 'changed', event_data -> 'old', (select count(*) from jsonb_object_keys(event_data -> 'new'))
        from webhooks.event_logs where event_type = 'job.started'";
    assert_eq!(
        session.text(seen).await,
        r#"["c1", "c1596"]|{"c1": null, "c1596": null}|1598"#
    );
    session
        .run("set statement_timeout = '20s'; update wide set c2 = 'x'; delete from wide")
        .await;
    assert_eq!(session.published().await.len(), 4);
}

/// Publishers may call what the functions of watched tables call: with anything.
#[tokio::test]
async fn sizes_are_asked_of_types_of_variable_length_alone() {
    let db = Database::fresh("watch_sizes").await.unwrap();
    let session = Session::open_as(&db, PUBLISHER_ROLE).await;
    for values in [
        "1",
        "'a'::text, 1::bigint",
        "null::integer",
        "gen_random_uuid()",
        "'a'::name",
        "'a'",
        "null",
        "point(1, 2)",
        "'a'::\"char\"",
    ] {
        let refusal = session
            .refused(&format!("select webhooks_private.large_values({values})"))
            .await;
        assert_eq!(refusal.code, "22023", "{values}: {refusal:?}");
        assert!(
            refusal.message.contains("of variable length"),
            "{refusal:?}"
        );
    }
    for (values, sizes) in [
        ("'a'::text, null::jsonb", "null"),
        ("variadic array['a', 'b']", "null"),
        (
            "repeat('x', 1000001), null::text, '[1]'::jsonb, array[1]",
            "{1000001,NULL,16,24}",
        ),
    ] {
        let asked = format!("select webhooks_private.large_values({values})");
        assert_eq!(session.text(&asked).await, sizes, "{values}");
    }
}
