//! Values of every kind, under names of every kind, whatever the session's settings.

use super::{TENANT, database};

#[tokio::test]
async fn types_that_json_has_no_word_for() {
    let (_db, session) = database("watch_types").await;
    session
        .run(
            "create type mood as enum ('glad', 'sad');
             create type pair as (a integer, b json);
             create domain ident as uuid not null;
             create domain words as text[] check (cardinality(value) < 5);
             create domain papers as json;
             create table things (
                 id ident primary key, tenant ident, j json, js json[], p point, b bytea, f float8, n numeric, i interval, t timestamptz,
                 d tstzrange, m mood, c pair, w words, pa papers, x bit(4), v tsvector, o oid, s smallint generated always as (2) stored,
                 l lseg, inet inet, ch char(3), money money, dr datemultirange, folded text)",
        )
        .await;
    // Not every server is built with ICU, without which all collations tell all texts apart.
    if session
        .text("select count(*) > 1 from pg_collation where collprovider = 'i'")
        .await
        == "t"
    {
        session
            .run(
                "create collation folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
                 alter table things alter folded type text collate folding",
            )
            .await;
    }
    session
        .run(
            "select webhooks.watch_table('things', on_insert => 'job.created', on_update => 'job.started', on_delete => 'job.failed', tenant_column => 'tenant')",
        )
        .await;
    // All that could make the same value read otherwise.
    session
        .run(
            "set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set intervalstyle = 'sql_standard'; set bytea_output = 'escape'; set extra_float_digits = -5",
        )
        .await;
    session
        .run(&format!(
            "insert into things values ('{TENANT}', '{TENANT}', '{{\"b\":1,  \"a\":[1e400]}}', array['1'::json], '(1,2)', '\\x00ff', 'nan', 'infinity', '1 month 2 hours',
                '2026-01-02 03:04:05+00', '[2026-01-02 03:04:05+00,)', 'sad', '(1,\"[1, 2]\")', '{{a,null}}', '3', '1010', 'a b', 7, default,
                '[(0,0),(1,1)]', '10.0.0.1/8', 'a', 3, '{{[2026-01-02,2026-02-01)}}', 'Folded')"
        ))
        .await;
    let new = "select jsonb_pretty(event_data -> 'new') from webhooks.event_logs where event_type = 'job.created'";
    let written = session.text(new).await;
    for expected in [
        r#""j": {"#,
        r#""p": "(1,2)""#,
        r#""b": "\\x00ff""#,
        r#""f": "NaN""#,
        r#""n": "Infinity""#,
        r#""i": "P1MT2H""#,
        r#""t": "2026-01-02T03:04:05+00:00""#,
        r#""d": "[\"2026-01-02 03:04:05+00\",)""#,
        r#""m": "sad""#,
        r#""x": "1010""#,
        r#""v": "'a' 'b'""#,
        r#""o": "7""#,
        r#""s": 2"#,
        r#""l": "[(0,0),(1,1)]""#,
        r#""inet": "10.0.0.1/8""#,
        r#""ch": "a  ""#,
        r#""dr": "{[2026-01-02,2026-02-01)}""#,
    ] {
        assert!(written.contains(expected), "{expected} in {written}");
    }
    // Each by itself; and what is no change.
    for (set, changed) in [
        (
            "j = '{\"a\":[1e400],\"b\":1.0}', js = array['1.0'::json], p = '(1.0,2)', f = 'NaN', n = 'inf', pa = ' 3'",
            None,
        ),
        // Equal to "=", and not what receivers read.
        ("i = '30 days 2 hours'", Some("i")),
        ("folded = 'folded'", Some("folded")),
        ("j = '{\"b\":1}'", Some("j")),
        ("js = array['2'::json]", Some("js")),
        ("p = '(2,1)'", Some("p")),
        ("b = '\\x00fe'", Some("b")),
        ("f = 'infinity'", Some("f")),
        ("n = -0.5", Some("n")),
        ("i = '1 day'", Some("i")),
        ("t = t + interval '1 us'", Some("t")),
        ("d = 'empty'", Some("d")),
        ("m = 'glad'", Some("m")),
        ("c = '(1,\"[1, 3]\")'", Some("c")),
        ("w = '{a,b}'", Some("w")),
        ("pa = '4'", Some("pa")),
        ("x = '1011'", Some("x")),
        ("v = 'a'", Some("v")),
        ("o = 8", Some("o")),
        // Of the same length, which is all that = compares.
        ("l = '[(1,1),(0,0)]'", Some("l")),
        ("inet = '10.0.0.1/9'", Some("inet")),
        ("ch = null", Some("ch")),
        ("money = 4", Some("money")),
        ("dr = '{}'", Some("dr")),
    ] {
        session
            .run(&format!(
                "truncate webhooks.event_logs; update things set {set}"
            ))
            .await;
        let seen = session
            .lines("select event_data -> 'changed' from webhooks.event_logs")
            .await;
        let expected: Vec<_> = changed
            .iter()
            .map(|column| format!("[\"{column}\"]"))
            .collect();
        assert_eq!(seen, expected, "{set}");
    }
    let ids = format!("{TENANT}|{TENANT}|{TENANT}");
    let seen = "select distinct tenant_id, resource_id, ordering_key from webhooks.event_logs";
    assert_eq!(session.text(seen).await, ids);
}

#[tokio::test]
async fn a_value_that_jsonb_cannot_hold_is_postgresql_s_error() {
    let (_db, session) = database("watch_zero").await;
    session
        .run("create table raw (tenant_id uuid, j json); select webhooks.watch_table('raw', on_insert => 'job.created')")
        .await;
    let insert = format!("insert into raw values ('{TENANT}', '\"\\u0000\"')");
    assert_eq!(session.refused(&insert).await.code, "22P05");
    session
        .run("select webhooks.watch_table('raw', on_insert => 'job.created', except_columns => '{j}')")
        .await;
    assert_eq!(session.publishes(&insert).await.len(), 1);
}

#[tokio::test]
async fn virtual_columns_are_left_out() {
    let (_db, session) = database("watch_virtual").await;
    let has_them = "select current_setting('server_version_num')::integer >= 180000";
    if session.text(has_them).await == "f" {
        // There are none.
        return;
    }
    session
        .run(&format!(
            "create table sums (id integer primary key, tenant_id uuid, a integer, b integer generated always as (a * 2) virtual,
                 c integer generated always as (a * 3));
             select webhooks.watch_table('sums', on_insert => 'job.created', on_update => 'job.started', on_delete => 'job.failed',
                 condition => 'exists (select where coalesce(new.a, old.a) > 0)');
             insert into sums values (1, '{TENANT}', 5)"
        ))
        .await;
    assert_eq!(
        session.publishes("update sums set a = 6").await[1],
        format!(
            r#"job.started|{{"id": 1, "new": {{"a": 6, "id": 1, "tenant_id": "{TENANT}"}}, "old": {{"a": 5}}, "changed": ["a"], "operation": "update"}}"#
        )
    );
    for (arguments, message) in [
        (
            "columns => '{b}'",
            "columns: table public.sums has no column \"b\"",
        ),
        (
            "condition => 'new.b > 5'",
            "invalid condition for table public.sums: virtual generated column \"b\" has no value in a trigger",
        ),
    ] {
        let watch =
            format!("select webhooks.watch_table('sums', on_insert => 'job.created', {arguments})");
        assert_eq!(session.refused(&watch).await.message, message);
    }
}

#[tokio::test]
async fn columns_whose_names_need_quotes_are_published() {
    let (_db, session) = database("watch_names").await;
    let long = "ä".repeat(31);
    for (n, table) in [
        r#""Case""#.to_owned(),
        r#""with ""quotes"" and 'apostrophes' $watch$ %s""#.to_owned(),
        format!(r#""{long}""#),
        // The same beginning, and as long as can be.
        format!(r#""{long}b""#),
        r#""select""#.to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let one = super::id(u32::try_from(n).unwrap());
        let literal = crate::support::session::literal(&format!(r#""My Schema's".{table}"#));
        let events = session
            .publishes(&format!(
                r#"create schema if not exists "My Schema's";
                   create table "My Schema's".{table} ("Id" uuid primary key, "Tenant %I" uuid not null, "new" text, "old" text, "it's ""x""" text, "order" integer);
                   select webhooks.watch_table({literal}, on_insert => 'document.uploaded', on_update => 'document.processed', on_delete => 'document.deleted',
                       tenant_column => 'Tenant %I', condition => '"new"."new" is distinct from ''%s''',
                       on_change => '{{"it''s \"x\"": {{"a''\"%s": "job.created"}}}}', watch_columns => '{{order,new}}');
                   insert into "My Schema's".{table} values ('{one}', '{TENANT}', 'a', 'b', 'c', 1);
                   update "My Schema's".{table} set "new" = 'd', "it's ""x""" = 'a''"%s';
                   delete from "My Schema's".{table}"#
            ))
            .await;
        assert_eq!(events.len(), 4, "{events:?}");
        assert_eq!(
            events[1],
            format!(
                r#"document.processed|{{"id": "{one}", "new": {{"Id": "{one}", "new": "d", "old": "b", "order": 1, "it's \"x\"": "a'\"%s", "Tenant %I": "{TENANT}"}}, "old": {{"new": "a", "it's \"x\"": "c"}}, "changed": ["new", "it's \"x\""], "operation": "update"}}"#
            )
        );
        assert!(events[3].starts_with("job.created|"), "{events:?}");
    }
    let watched = "select count(*) from webhooks.watched_tables where problem is null";
    assert_eq!(session.text(watched).await, "5");
    for table in session
        .lines("select table_name from webhooks.watched_tables")
        .await
    {
        session
            .run(&format!(
                "select webhooks.unwatch_table({})",
                crate::support::session::literal(&table)
            ))
            .await;
    }
    let functions =
        r#"select count(*) from pg_proc where pronamespace = '"My Schema''s"'::regnamespace"#;
    assert_eq!(session.text(functions).await, "0");
}

#[tokio::test]
async fn a_table_of_many_columns() {
    let (_db, session) = database("watch_wide").await;
    session
        .run(&format!(
            "do $$ begin
                 execute (select 'create table wide (id integer primary key, tenant_id uuid, ' || string_agg(format('c%s integer default %1$s', n), ', ') || ')'
                          from generate_series(1, 300) n);
             end $$;
             select webhooks.watch_table('wide', on_insert => 'job.created', on_update => 'job.started', on_delete => 'job.failed');
             insert into wide values (1, '{TENANT}');
             update wide set c1 = 0, c150 = 0, c300 = 0; delete from wide"
        ))
        .await;
    let sizes = "select event_type, (select count(*) from jsonb_object_keys(event_data -> 'new')),
            (select count(*) from jsonb_object_keys(event_data -> 'old')), event_data -> 'changed' from webhooks.event_logs order by 1";
    assert_eq!(
        session.lines(sizes).await,
        [
            "job.created|302|0|null",
            "job.failed|0|302|null",
            "job.started|302|3|[\"c1\", \"c150\", \"c300\"]"
        ]
    );
}
