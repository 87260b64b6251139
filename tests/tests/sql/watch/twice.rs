//! Rows that change more than once before their statement ends: what happened, each once and in order.

use super::{TENANT, database};
use crate::support::session::Session;

/// Operation, id, what it was and what it is, in the order of publication.
async fn told(session: &Session, statement: &str) -> Vec<String> {
    session
        .run(&format!("truncate webhooks.event_logs; {statement}"))
        .await;
    session
        .lines(
            "select concat_ws(' ', event_data ->> 'operation', event_data ->> 'id', event_data -> 'old' ->> 'a', event_data -> 'old' ->> 'b',
                              '>', event_data -> 'new' ->> 'a', event_data -> 'new' ->> 'b')
             from webhooks.event_logs order by id",
        )
        .await
}

const WATCH: &str =
    "on_insert => 'job.created', on_update => 'job.started', on_delete => 'job.failed'";

#[tokio::test]
async fn two_foreign_keys_to_one_row() {
    let (_db, session) = database("watch_twice").await;
    session
        .run(&format!(
            "create table people (id integer primary key); insert into people values (1), (2);
             create table papers (id integer primary key, tenant_id uuid not null, a integer references people on delete set null,
                 b integer references people on delete set null);
             select webhooks.watch_table('papers', {WATCH});
             insert into papers values (10, '{TENANT}', 1, 1), (11, '{TENANT}', 1, 2), (12, '{TENANT}', 2, 2)"
        ))
        .await;
    let mut seen = told(&session, "delete from people where id = 1").await;
    assert_eq!(seen.iter().position(|e| e == "update 10 1 > 1"), Some(0));
    seen.sort();
    assert_eq!(
        seen,
        ["update 10 1 >", "update 10 1 > 1", "update 11 1 > 2"]
    );
}

/// The one changes the row, the other deletes it: row by row, since statements would tell the deletion first.
#[tokio::test]
async fn a_foreign_key_that_changes_and_one_that_deletes() {
    let (_db, session) = database("watch_opposed").await;
    session
        .run(&format!(
            "create table people (id integer primary key); insert into people values (1), (2);
             create table papers (id integer primary key, tenant_id uuid not null, a integer references people on delete cascade, b integer);
             select webhooks.watch_table('papers', {WATCH});
             insert into papers values (10, '{TENANT}', 2, 1), (11, '{TENANT}', 1, 2)"
        ))
        .await;
    let state = "select per_row, problem from webhooks.watched_tables";
    assert_eq!(session.text(state).await, "f|null");
    session
        .run("alter table papers add foreign key (b) references people on delete set null")
        .await;
    let problem = session.text(state).await;
    assert!(problem.starts_with("f|AFTER triggers, or"), "{problem}");
    session
        .run(&format!("select webhooks.watch_table('papers', {WATCH})"))
        .await;
    assert_eq!(session.text(state).await, "t|null");
    assert_eq!(
        told(&session, "delete from people").await,
        ["delete 11 1 2 >", "update 10 1 > 2", "delete 10 2 >"]
    );
}

#[tokio::test]
async fn a_key_that_moves_and_changes_again() {
    let (_db, session) = database("watch_cascade").await;
    session
        .run(&format!(
            "create table parts (id integer primary key, tenant_id uuid not null, a integer references parts on update cascade, b text);
             select webhooks.watch_table('parts', {WATCH});
             insert into parts values (1, '{TENANT}', 1, 'x'), (2, '{TENANT}', 1, 'y')"
        ))
        .await;
    let mut seen = told(&session, "update parts set id = 7 where id = 1").await;
    let place = |event: &str| seen.iter().position(|e| e == event).unwrap();
    assert!(place("delete 1 1 x >") < place("insert 7 > 1 x"));
    assert!(place("insert 7 > 1 x") < place("update 7 1 > 7 x"));
    seen.sort();
    assert_eq!(
        seen,
        [
            "delete 1 1 x >",
            "insert 7 > 1 x",
            "update 2 1 > 7 y",
            "update 7 1 > 7 x"
        ]
    );
    // By rows: the same.
    session
        .run(&format!(
            "select webhooks.watch_table('parts', {WATCH}, per_row => true)"
        ))
        .await;
    let mut seen = told(&session, "update parts set id = 8 where id = 7").await;
    seen.sort();
    assert_eq!(
        seen,
        [
            "delete 7 7 x >",
            "insert 8 > 7 x",
            "update 2 7 > 8 y",
            "update 8 7 > 8 x"
        ]
    );
}

/// Many columns go another way.
#[tokio::test]
async fn a_row_of_a_wide_table_that_changes_twice_is_told_alike() {
    let (_db, session) = database("watch_twice_wide").await;
    session
        .run(&format!(
            "create table people (id integer primary key); insert into people values (1);
             do $$ begin
                 execute (select 'create table wide (id integer primary key, tenant_id uuid, a integer references people on delete set null,
                     b integer references people on delete set null, ' || string_agg(format('c%s integer', n), ', ') || ')' from generate_series(1, 100) n);
             end $$;
             select webhooks.watch_table('wide', {WATCH});
             insert into wide values (1, '{TENANT}', 1, 1)"
        ))
        .await;
    assert_eq!(
        told(&session, "delete from people").await,
        ["update 1 1 > 1", "update 1 1 >"]
    );
    session
        .run(&format!(
            "select webhooks.watch_table('wide', {WATCH}, except_columns => '{{c1}}', watch_columns => '{{a,c1,c2}}', per_row => true)"
        ))
        .await;
    assert_eq!(told(&session, "update wide set c3 = 1").await, [""; 0]);
    session.run("update wide set c1 = 2, c3 = 2").await;
    let data = "select event_data -> 'changed', event_data -> 'old', event_data -> 'new' ? 'c1' from webhooks.event_logs";
    assert_eq!(session.text(data).await, r#"["c3", "c1"]|{"c3": 1}|f"#);
    assert_eq!(
        told(&session, "update wide set id = 2").await,
        ["delete 1 >", "insert 2 >"]
    );
    assert_eq!(told(&session, "delete from wide").await, ["delete 2 >"]);
}

const TRIGGER: &str = "
    create function tidy() returns trigger language plpgsql as $$
    begin
        if new.b = 'bad' then delete from things where id = new.id;
        elsif new.b = 'raw' then update things set b = 'done' where id = new.id; end if;
        return null;
    end $$;
    create trigger tidy after insert or update on things for each row execute function tidy()";

#[tokio::test]
async fn triggers_that_change_their_own_row() {
    let (_db, session) = database("watch_own_row").await;
    session
        .run("create table things (id integer primary key, tenant_id uuid not null, a integer, b text)")
        .await;
    // A watch from before does not know; the view says what to do.
    session
        .run(&format!("select webhooks.watch_table('things', {WATCH})"))
        .await;
    session.run(TRIGGER).await;
    let state = "select per_row, problem from webhooks.watched_tables";
    let problem = session.text(state).await;
    assert!(
        problem.starts_with("f|AFTER triggers, or foreign keys with actions, were made"),
        "{problem}"
    );
    session
        .run(&format!("select webhooks.watch_table('things', {WATCH})"))
        .await;
    assert_eq!(session.text(state).await, "t|null");
    assert_eq!(
        told(
            &session,
            &format!(
                "insert into things values (1, '{TENANT}', 1, 'bad'), (2, '{TENANT}', 1, 'raw')"
            )
        )
        .await,
        [
            "insert 1 > 1 bad",
            "delete 1 1 bad >",
            "insert 2 > 1 raw",
            "update 2 raw > 1 done"
        ]
    );
    assert_eq!(
        told(&session, "update things set b = 'bad'").await,
        ["update 2 done > 1 bad", "delete 2 1 bad >"]
    );
    // A caller that says otherwise gets it, without a notice.
    session
        .run(&format!(
            "select webhooks.watch_table('things', {WATCH}, per_row => false)"
        ))
        .await;
    assert_eq!(session.text(state).await, "f|null");
}

#[tokio::test]
async fn rows_of_partitions_named_by_themselves() {
    let (_db, session) = database("watch_partition_rows").await;
    session
        .run(&format!(
            "create table parts (id integer not null, tenant_id uuid not null, a integer, b text, primary key (id, b)) partition by list (b);
             create table parts_x (b text not null, gone text, a integer, tenant_id uuid not null, id integer not null);
             alter table parts_x drop gone;
             alter table parts attach partition parts_x for values in ('x');
             select webhooks.watch_table('parts', {WATCH}, id_column => 'id', per_row => true);
             create table parts_y partition of parts for values in ('y')"
        ))
        .await;
    assert_eq!(
        told(
            &session,
            &format!(
                "insert into parts_x values ('x', 1, '{TENANT}', 5); insert into parts_y values (6, '{TENANT}', 1, 'y');
                 update parts_x set a = 2; update parts set a = 3 where id = 6; delete from parts_y"
            )
        )
        .await,
        ["insert 5 > 1 x", "insert 6 > 1 y", "update 5 1 > 2 x", "update 6 1 > 3 y", "delete 6 3 y >"]
    );
    assert_eq!(
        session
            .lines("select table_name, per_row, problem from webhooks.watched_tables")
            .await,
        ["parts|t|null"]
    );
    assert_eq!(
        session.text("select webhooks.unwatch_table('parts')").await,
        "t"
    );
    assert_eq!(told(&session, "update parts_x set a = 4").await, [""; 0]);
}

/// As logical replication applies changes: by row triggers that are enabled for it, and by no others.
#[tokio::test]
async fn changes_that_a_replica_applies() {
    let (_db, session) = database("watch_replica").await;
    session
        .run(&format!(
            "create table things (id integer primary key, tenant_id uuid not null, a integer, b text);
             select webhooks.watch_table('things', {WATCH}, per_row => true)"
        ))
        .await;
    let insert = |id: u32| {
        format!(
            "set session_replication_role = replica; insert into things values ({id}, '{TENANT}', 1, 'x'); reset session_replication_role"
        )
    };
    assert_eq!(told(&session, &insert(1)).await, [""; 0]);
    session
        .run(r#"alter table things enable always trigger "!webhooks_insert""#)
        .await;
    assert_eq!(told(&session, &insert(2)).await, ["insert 2 > 1 x"]);
}

#[tokio::test]
async fn tables_that_others_inherit_from() {
    let (_db, session) = database("watch_inherited").await;
    session
        .run(&format!(
            "create table things (id integer primary key, tenant_id uuid not null, a integer, b text);
             create table more_things (c text) inherits (things);
             insert into more_things values (5, '{TENANT}', 1, 'x', 'y');
             select webhooks.watch_table('things', {WATCH})"
        ))
        .await;
    assert_eq!(
        told(&session, "update things set a = 2").await,
        ["update 5 1 > 2 x"]
    );
    let refusal = session
        .refused(&format!(
            "select webhooks.watch_table('things', {WATCH}, per_row => true)"
        ))
        .await;
    assert_eq!(refusal.code, "0A000");
    assert_eq!(
        refusal.message,
        "per_row: other tables inherit from table public.things"
    );
}
