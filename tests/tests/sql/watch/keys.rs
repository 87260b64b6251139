//! Keys that identify a row, and changes of them.

use super::{DOCUMENTS, OTHER_TENANT, TENANT, WATCH, database, id, watched};

/// Operation, id and tenant of each event.
const SEEN: &str = "select event_data ->> 'operation', coalesce(event_data ->> 'id', 'none'), resource_id, ordering_key, tenant_id
    from webhooks.event_logs order by 1, 2";

#[tokio::test]
async fn another_id_or_tenant_is_another_resource() {
    let (_db, session) = watched("watch_moved").await;
    let [one, two, three] = [id(1), id(2), id(3)];
    session
        .run(&format!(
            "insert into documents values ('{one}', '{TENANT}', 'a'), ('{two}', '{TENANT}', 'b'); truncate webhooks.event_logs;
             update documents set id = '{three}', pages = 5 where id = '{one}'"
        ))
        .await;
    assert_eq!(
        session.lines(SEEN).await,
        [
            format!("delete|{one}|{one}|{one}|{TENANT}"),
            format!("insert|{three}|{three}|{three}|{TENANT}")
        ]
    );
    // The new tenant must not see what the row was before.
    session
        .run(&format!(
            "truncate webhooks.event_logs; update documents set tenant_id = '{OTHER_TENANT}', title = 'c' where id = '{two}'"
        ))
        .await;
    assert_eq!(
        session.lines(SEEN).await,
        [
            format!("delete|{two}|{two}|{two}|{TENANT}"),
            format!("insert|{two}|{two}|{two}|{OTHER_TENANT}")
        ]
    );
    let old = format!(
        "select count(*) from webhooks.event_logs where tenant_id = '{OTHER_TENANT}' and event_data ? 'old'"
    );
    assert_eq!(session.text(&old).await, "0");
    // Two that take each other's id, as only a deferrable key allows, are both changed.
    session
        .run(&format!(
            "update documents set tenant_id = '{TENANT}'; truncate webhooks.event_logs;
             alter table documents drop constraint documents_pkey;
             alter table documents add constraint documents_pkey primary key (id) deferrable;
             update documents set id = case id when '{two}' then '{three}' else '{two}' end::uuid"
        ))
        .await;
    let titles = "select event_data ->> 'operation', event_data ->> 'id', event_data #>> '{old,title}', event_data #>> '{new,title}'
        from webhooks.event_logs order by 2";
    assert_eq!(
        session.lines(titles).await,
        [format!("update|{two}|c|a"), format!("update|{three}|a|c")]
    );
}

#[tokio::test]
async fn a_table_without_primary_key() {
    let (_db, session) = database("watch_no_key").await;
    session
        .run(&format!(
            "create table notes (tenant_id uuid, code text, text text); insert into notes values ('{TENANT}', 'x', 'y')"
        ))
        .await;
    let watch = "select webhooks.watch_table('notes', on_insert => 'job.created', on_delete => 'job.failed'";
    session.run(&format!("{watch})")).await;
    session
        .run(&format!(
            "insert into notes values ('{TENANT}', 'a', 'b'), ('{TENANT}', 'a', 'b'); update notes set text = 'z' where code = 'x'; delete from notes where code = 'x'"
        ))
        .await;
    assert_eq!(
        session.lines(SEEN).await,
        [
            format!("delete|none|null|null|{TENANT}"),
            format!("insert|none|null|null|{TENANT}"),
            format!("insert|none|null|null|{TENANT}")
        ]
    );
    let updates = "select webhooks.watch_table('notes', on_update => 'job.created'";
    for (id_column, ddl, problem) in [
        ("null", "", "it has no primary key"),
        ("'code'", "", "code may be null"),
        (
            "'code'",
            "alter table notes alter code set not null",
            "code is not unique",
        ),
        (
            "'code'",
            "create index on notes (code)",
            "code is not unique",
        ),
        (
            "'code'",
            "create unique index on notes (code) where text = 'b'",
            "code is not unique",
        ),
        (
            "'code'",
            "create unique index on notes (code, text)",
            "code is not unique",
        ),
        (
            "'code'",
            "create unique index on notes (lower(code))",
            "code is not unique",
        ),
        (
            "'code'",
            "alter table notes add unique (code) deferrable",
            "code is not unique",
        ),
    ] {
        session
            .run(&format!("truncate notes, webhooks.event_logs; {ddl}"))
            .await;
        let refusal = session
            .refused(&format!("{updates}, id_column => {id_column})"))
            .await;
        assert_eq!(refusal.code, "42P16", "{refusal:?}");
        assert_eq!(
            refusal.message,
            format!("updates of table public.notes can't be watched: {problem}")
        );
        assert!(refusal.hint.contains("primary key"), "{refusal:?}");
    }
    // Tables that were watched before still are.
    session
        .run(&format!(
            "insert into notes values ('{TENANT}', 'a', 'b'); alter table notes add unique (code); {updates}, id_column => 'code');
             truncate webhooks.event_logs; update notes set text = 'c'"
        ))
        .await;
    assert_eq!(
        session.lines(SEEN).await,
        [format!("update|a|null|a|{TENANT}")]
    );
}

#[tokio::test]
async fn keys_of_several_columns_and_of_other_types() {
    let (_db, session) = database("watch_keys").await;
    let watch = "select webhooks.watch_table('things', on_insert => 'job.created', on_update => 'job.started', on_delete => 'job.failed'";
    let change = format!(
        "insert into things values (1, 2, '{TENANT}', 'x'); update things set text = 'y'; delete from things"
    );
    for (key, argument, expected) in [
        ("primary key (a)", "", "1|null|1"),
        ("primary key (tenant_id, a)", "", "1|null|1"),
        (
            "primary key (a, b)",
            "",
            "{\"a\": 1, \"b\": 2}|null|{\"a\": 1, \"b\": 2}",
        ),
        (
            "primary key (b, a)",
            "",
            "{\"a\": 1, \"b\": 2}|null|{\"a\": 1, \"b\": 2}",
        ),
        ("primary key (tenant_id)", "", "{TENANT}|{TENANT}|{TENANT}"),
        (
            "primary key (a), unique (b)",
            ", id_column => 'b'",
            "2|null|2",
        ),
        (
            "primary key (a), unique (tenant_id, b)",
            ", id_column => 'b'",
            "2|null|2",
        ),
        ("primary key (a) include (b)", "", "1|null|1"),
    ] {
        session
            .run(&format!(
                "create table things (a integer not null, b integer not null, tenant_id uuid not null, text text, {key});
                 {watch}{argument}); {change}"
            ))
            .await;
        let expected = expected.replace("{TENANT}", TENANT);
        assert_eq!(
            session.lines(SEEN).await,
            [
                format!("delete|{expected}|{TENANT}"),
                format!("insert|{expected}|{TENANT}"),
                format!("update|{expected}|{TENANT}")
            ],
            "{key}"
        );
        session
            .run("select webhooks.unwatch_table('things'); drop table things; truncate webhooks.event_logs")
            .await;
    }
}

#[tokio::test]
async fn a_table_of_one_tenant() {
    let (_db, session) = database("watch_one_tenant").await;
    session
        .run(&format!(
            "create table jobs (id bigint primary key);
             select webhooks.watch_table('jobs', on_insert => 'job.created', on_update => 'job.started', on_delete => 'job.failed', tenant_id => '{TENANT}');
             insert into jobs values (1); update jobs set id = 2; delete from jobs"
        ))
        .await;
    assert_eq!(
        session.lines(SEEN).await,
        [
            format!("delete|1|null|1|{TENANT}"),
            format!("delete|2|null|2|{TENANT}"),
            format!("insert|1|null|1|{TENANT}"),
            format!("insert|2|null|2|{TENANT}")
        ]
    );
}

#[tokio::test]
async fn a_row_without_a_tenant_is_an_error_that_says_so() {
    let (_db, session) = database("watch_no_tenant").await;
    session.run(DOCUMENTS).await;
    session
        .run("alter table documents alter tenant_id drop not null")
        .await;
    session.run(WATCH).await;
    let insert = "insert into documents (title) values ('x')";
    let refusal = session.refused(insert).await;
    assert_eq!(refusal.code, "23502");
    assert_eq!(
        refusal.message,
        "a changed row of table public.documents belongs to no tenant: its tenant_id is null"
    );
    // The hint's condition leaves them out.
    let condition = refusal.hint.rsplit_once(": ").unwrap().1;
    let condition = condition.trim_end_matches('.');
    session
        .run(&WATCH.replace(
            "on_insert",
            &format!("condition => '{condition}', on_insert"),
        ))
        .await;
    assert_eq!(session.publishes(insert).await, [""; 0]);
    // One that gets a tenant begins to exist for it.
    let events = session
        .publishes(&format!("update documents set tenant_id = '{TENANT}'"))
        .await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].starts_with("document.uploaded|"), "{events:?}");
}
