//! One event for each row, whatever statement changes it; one INSERT of events for each statement.

use bytes::Bytes;
use futures_util::SinkExt;

use super::{DOCUMENTS, OTHER_TENANT, TENANT, WATCH, id, watched};
use crate::support::world::subscribe;

#[tokio::test]
async fn each_changed_row_publishes_once() {
    let (_db, session) = watched("watch_rows").await;
    let [one, two] = [id(1), id(2)];
    assert_eq!(
        session
            .publishes(&format!(
                "insert into documents values ('{one}', '{TENANT}', 'a', 'uploaded', 1), ('{two}', '{TENANT}', null, 'uploaded', null)"
            ))
            .await,
        [
            format!(
                r#"document.uploaded|{{"id": "{one}", "new": {{"id": "{one}", "pages": 1, "title": "a", "status": "uploaded", "tenant_id": "{TENANT}"}}, "operation": "insert"}}"#
            ),
            format!(
                r#"document.uploaded|{{"id": "{two}", "new": {{"id": "{two}", "pages": null, "title": null, "status": "uploaded", "tenant_id": "{TENANT}"}}, "operation": "insert"}}"#
            ),
        ]
    );
    // The second row is written, but does not change.
    assert_eq!(
        session
            .publishes(&format!(
                "update documents set title = case id when '{one}' then 'b' end, pages = nullif(pages, 1)"
            ))
            .await,
        [format!(
            r#"document.processed|{{"id": "{one}", "new": {{"id": "{one}", "pages": null, "title": "b", "status": "uploaded", "tenant_id": "{TENANT}"}}, "old": {{"pages": 1, "title": "a"}}, "changed": ["title", "pages"], "operation": "update"}}"#
        )]
    );
    assert_eq!(
        session
            .publishes(&format!("delete from documents where id = '{two}'"))
            .await,
        [format!(
            r#"document.deleted|{{"id": "{two}", "old": {{"id": "{two}", "pages": null, "title": null, "status": "uploaded", "tenant_id": "{TENANT}"}}, "operation": "delete"}}"#
        )]
    );
    // Nothing changed, nothing published: not even an empty statement.
    session.run(COUNT_STATEMENTS).await;
    for statement in [
        "update documents set title = title",
        "delete from documents where false",
        "insert into documents select * from documents where false",
    ] {
        session.run(statement).await;
    }
    assert_eq!(session.text("select count(*) from statements").await, "0");
}

const COUNT_STATEMENTS: &str = "
    create table statements (n bigint);
    create function count_statement() returns trigger language plpgsql as $$
    begin insert into public.statements select count(*) from events; return null; end $$;
    create trigger count_statement after insert on webhooks.event_logs
        referencing new table as events for each statement execute function count_statement()";

#[tokio::test]
async fn a_statement_publishes_in_one_insert() {
    let (db, session) = watched("watch_sets").await;
    subscribe(&db, serde_json::json!({"subscribed_events": ["document.processed"],
        "event_filters": {"event_data": {"new.pages": {"$gt": 500}, "old.pages": {"$exists": true}}}})).await;
    session.run(COUNT_STATEMENTS).await;
    session
        .run(&format!(
            "insert into documents (tenant_id, pages) select '{TENANT}', n from generate_series(1, 1000) n;
             update documents set title = 'x' where pages <= 100;
             update documents set pages = pages + 1;
             delete from documents where pages > 990"
        ))
        .await;
    assert_eq!(
        session.lines("select n from statements").await,
        ["1000", "100", "1000", "11"]
    );
    let events = "select event_type, count(*), count(distinct id), count(distinct resource_id) from webhooks.event_logs group by 1 order by 1";
    assert_eq!(
        session.lines(events).await,
        [
            "document.deleted|11|11|11",
            "document.processed|1100|1100|1000",
            "document.uploaded|1000|1000|1000"
        ]
    );
    let queued = "select count(*) from webhooks.delivery_queue";
    assert_eq!(session.text(queued).await, "501");
}

#[tokio::test]
async fn events_say_whose_and_what() {
    let (_db, session) = watched("watch_columns").await;
    let one = id(1);
    session
        .run(&format!(
            "insert into documents values ('{one}', '{TENANT}')"
        ))
        .await;
    let event = "select tenant_id, event_type, event_category, event_name, event_version, resource_type, resource_id, ordering_key,
            user_id, session_id, request_id from webhooks.event_logs";
    assert_eq!(
        session.text(event).await,
        format!(
            "{TENANT}|document.uploaded|document|document.uploaded|1.0|document|{one}|{one}|null|null|null"
        )
    );
    // The user, if the application sets it.
    session
        .run(&format!(
            "truncate webhooks.event_logs; begin; set local webhooks.user_id = '{OTHER_TENANT}'; set local webhooks.session_id = 's';
             set local webhooks.request_id = 'r'; delete from documents; commit"
        ))
        .await;
    assert_eq!(
        session.text(event).await,
        format!(
            "{TENANT}|document.deleted|document|document.deleted|1.0|document|{one}|{one}|{OTHER_TENANT}|s|r"
        )
    );
}

#[tokio::test]
async fn an_event_is_there_if_and_only_if_the_change_is() {
    let (_db, session) = watched("watch_rollback").await;
    let [one, two] = [id(1), id(2)];
    let events = session
        .publishes(&format!(
            "begin; insert into documents values ('{one}', '{TENANT}'); rollback;
             begin; insert into documents values ('{two}', '{TENANT}'); savepoint s; delete from documents; rollback to s; commit"
        ))
        .await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains(&two), "{events:?}");
}

#[tokio::test]
async fn rows_of_upserts_merges_and_copies_are_published() {
    let (_db, session) = watched("watch_statements").await;
    let [one, two, three] = [id(1), id(2), id(3)];
    let kinds = |events: Vec<String>| -> Vec<String> {
        let kind = |event: &String| {
            let (event_type, data) = event.split_once('|').unwrap();
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            format!(
                "{event_type} {} {}",
                data["id"]
                    .as_str()
                    .unwrap()
                    .trim_start_matches("00000000-0000-4000-8000-00000000000"),
                data["changed"]
            )
        };
        events.iter().map(kind).collect()
    };
    let events = session
        .publishes(&format!(
            "insert into documents values ('{one}', '{TENANT}', 'a');
             insert into documents values ('{one}', '{TENANT}', 'b'), ('{two}', '{TENANT}', 'b')
             on conflict (id) do update set title = excluded.title"
        ))
        .await;
    assert_eq!(
        kinds(events),
        [
            "document.processed 1 [\"title\"]",
            "document.uploaded 1 null",
            "document.uploaded 2 null"
        ]
    );
    let events = session
        .publishes(&format!(
            "insert into documents values ('{one}', '{TENANT}', 'c') on conflict do nothing"
        ))
        .await;
    assert_eq!(events, [""; 0]);
    let events = session
        .publishes(&format!(
            "merge into documents d
             using (values ('{one}'::uuid, 'd'), ('{two}', null), ('{three}', 'd')) v (id, title) on v.id = d.id
             when matched and v.title is null then delete
             when matched then update set title = v.title
             when not matched then insert (id, tenant_id, title) values (v.id, '{TENANT}', v.title)"
        ))
        .await;
    assert_eq!(
        kinds(events),
        [
            "document.deleted 2 null",
            "document.processed 1 [\"title\"]",
            "document.uploaded 3 null"
        ]
    );
    let events = session
        .publishes(&format!(
            "with gone as (delete from documents where id = '{one}' returning *)
             update documents d set pages = 7 from gone where d.id = '{three}'"
        ))
        .await;
    assert_eq!(
        kinds(events),
        [
            "document.deleted 1 null",
            "document.processed 3 [\"pages\"]"
        ]
    );
    let copy = "copy documents (id, tenant_id, title) from stdin";
    let sink = session.client().copy_in::<_, Bytes>(copy).await.unwrap();
    let mut sink = Box::pin(sink);
    for n in [4, 5] {
        let row = format!("{}\t{TENANT}\tx\n", id(n));
        sink.send(row.into()).await.unwrap();
    }
    sink.as_mut().finish().await.unwrap();
    assert_eq!(
        kinds(session.published().await),
        ["document.uploaded 4 null", "document.uploaded 5 null"]
    );
    // A cascade changes rows, too.
    let events = session
        .publishes(&format!(
            "create table folders (id integer primary key);
             alter table documents add folder integer references folders on delete cascade;
             insert into folders values (1);
             insert into documents (id, tenant_id, folder) values ('{}', '{TENANT}', 1);
             delete from folders",
            id(6)
        ))
        .await;
    assert_eq!(
        kinds(events),
        ["document.deleted 6 null", "document.uploaded 6 null"]
    );
    assert_eq!(session.publishes("truncate documents").await, [""; 0]);
}

/// A plan that was made for one row is right for many, too.
#[tokio::test]
async fn a_session_s_first_update_does_not_decide_how_later_ones_are_matched() {
    let (_db, session) = watched("watch_plans").await;
    session
        .run(&format!(
            "alter table documents disable trigger user;
             insert into documents (tenant_id, pages) select '{TENANT}', n from generate_series(1, 20000) n;
             alter table documents enable trigger user"
        ))
        .await;
    for _ in 0..7 {
        session
            .run("update documents set title = coalesce(title, '') || 'x' where pages = 1")
            .await;
    }
    // Twenty thousand by twenty thousand comparisons would take minutes.
    session
        .run("set statement_timeout = '60s'; update documents set title = 'y'")
        .await;
    let events = "select count(*) from webhooks.event_logs";
    assert_eq!(session.text(events).await, "20007");
}

#[tokio::test]
async fn not_all_operations_need_be_watched() {
    let (_db, session) = super::database("watch_operations").await;
    session.run(DOCUMENTS).await;
    let change = format!(
        "insert into documents values ('{}', '{TENANT}'); update documents set title = 'x'; delete from documents",
        id(1)
    );
    for (on, expected) in [
        ("on_insert", "insert"),
        ("on_update", "update"),
        ("on_delete", "delete"),
    ] {
        session
            .run(&format!(
                "select webhooks.watch_table('documents', {on} => 'job.created')"
            ))
            .await;
        let events = session.publishes(&change).await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].contains(expected), "{events:?}");
    }
    session.run(WATCH).await;
    assert_eq!(session.publishes(&change).await.len(), 3);
    let unwatch = "select webhooks.unwatch_table('documents')";
    assert_eq!(session.text(unwatch).await, "t");
    assert_eq!(session.text(unwatch).await, "f");
    assert_eq!(session.publishes(&change).await, [""; 0]);
    let functions = "select count(*) from pg_proc where pronamespace = 'public'::regnamespace";
    assert_eq!(session.text(functions).await, "0");
}
