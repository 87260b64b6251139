//! With whose rights what runs.

use webhooks_tests::database::{Database, PUBLISHER_ROLE};

use super::{DOCUMENTS, OTHER_TENANT, TENANT, WATCH, database};
use crate::support::session::Session;

/// Makes roles of the whole cluster (an owner of tables who may publish, one who may not, and one who may only write)
/// and a schema of the owner's.
async fn make_roles(db: &Database) {
    for (name, options) in [
        (
            "watch_owner",
            "login in role webhooks_publisher, webhooks_all_tenants",
        ),
        ("watch_stranger", "login"),
        ("watch_writer", "login"),
        ("watch_tenant_owner", "login in role webhooks_publisher"),
        ("watch_member", "login in role watch_owner"),
    ] {
        db.create_role(name, options).await.unwrap();
    }
    db.execute(
        "create schema app authorization watch_owner;
         grant usage, create on schema app to watch_stranger, watch_tenant_owner;
         grant usage on schema app to watch_writer",
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_writer_needs_no_right_but_on_the_table() {
    let (db, session) = database("watch_writer").await;
    make_roles(&db).await;
    let owner = Session::open_as(&db, "watch_owner").await;
    owner
        .run(&format!("set search_path = app; {DOCUMENTS}; {WATCH}"))
        .await;
    owner
        .run("grant select, insert, update, delete on app.documents to watch_writer")
        .await;
    let writer = Session::open_as(&db, "watch_writer").await;
    writer
        .run(&format!(
            "insert into app.documents (tenant_id) values ('{TENANT}'); update app.documents set title = 'x'; delete from app.documents"
        ))
        .await;
    assert_eq!(session.published().await.len(), 3);
    // Nor has one: none of what was made can be called, and none reads the log.
    for statement in [
        "select webhooks.publish_event(gen_random_uuid(), 'job.created')",
        "select app.documents_webhook_same(null, null)",
        "select * from app.documents_webhook_events('insert', null, null)",
        "select webhooks.watch_table('app.documents', on_insert => 'job.created')",
        "select webhooks.unwatch_table('app.documents')",
    ] {
        assert_eq!(writer.refused(statement).await.code, "42501", "{statement}");
    }
    let borrow = "create table pg_temp.mine (id integer); create trigger t after insert on mine
        referencing new table as new_rows for each statement execute function app.documents_webhooks()";
    assert_eq!(writer.refused(borrow).await.code, "42501");
}

/// The owner of the table is whom row-level security asks; the tenant that is set is the writer's.
#[tokio::test]
async fn an_owner_without_all_tenants_publishes_for_the_one_that_is_set() {
    let (db, session) = database("watch_tenants").await;
    make_roles(&db).await;
    let owner = Session::open_as(&db, "watch_tenant_owner").await;
    owner
        .run(&format!("set search_path = app; {DOCUMENTS}; {WATCH}"))
        .await;
    owner
        .run(&format!(
            "create table app.fixed (n integer); grant insert on app.fixed to watch_writer;
             select webhooks.watch_table('app.fixed', on_insert => 'job.created', tenant_id => '{TENANT}');
             grant select, insert, update, delete on app.documents to watch_writer"
        ))
        .await;
    let writer = Session::open_as(&db, "watch_writer").await;
    let document =
        |tenant: &str| format!("insert into app.documents (tenant_id) values ('{tenant}')");
    let fixed = "insert into app.fixed values (1)".to_owned();
    for statement in [&document(TENANT), &fixed] {
        let refusal = writer.refused(statement).await;
        assert_eq!(refusal.code, "42501", "{refusal:?}");
        assert_eq!(
            refusal.message,
            format!("tenant {TENANT} can't be accessed: no tenant is set")
        );
        assert!(
            refusal.hint.contains("webhooks.grant_all_tenants(role)"),
            "{refusal:?}"
        );
    }
    // No right on schema webhooks is needed to say for whom one writes.
    writer
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    for statement in [&document(TENANT), &fixed] {
        writer.run(statement).await;
    }
    assert_eq!(session.published().await.len(), 2);
    let move_away = format!("update app.documents set tenant_id = '{OTHER_TENANT}'");
    for statement in [&document(OTHER_TENANT), &move_away] {
        let refusal = writer.refused(statement).await;
        assert_eq!(
            refusal.message,
            format!("tenant {OTHER_TENANT} can't be accessed: the tenant that is set is {TENANT}")
        );
    }
    let written = "select distinct tenant_id, count(*) from app.documents group by 1";
    assert_eq!(session.lines(written).await, [format!("{TENANT}|1")]);
}

/// The expressions of a definition run as the table's owner, whoever watched the table and whoever writes.
#[tokio::test]
async fn conditions_run_as_the_table_s_owner() {
    let (db, session) = database("watch_as_owner").await;
    make_roles(&db).await;
    let owner = Session::open_as(&db, "watch_owner").await;
    owner
        .run(&format!(
            "set search_path = app; {DOCUMENTS};
             create table seen (as_role text);
             create function note() returns boolean language sql as 'insert into app.seen values (current_user) returning true';
             grant insert on documents to watch_writer;
             create type secret as enum ('x');
             alter table documents add secret secret;
             create function spy(secret) returns json language plpgsql as 'begin perform app.note(); return ''1''; end';
             create cast (secret as json) with function spy(secret)"
        ))
        .await;
    // A superuser's rights are lent to no other role.
    session
        .run("select webhooks.watch_table('app.documents', on_insert => 'document.uploaded', condition => 'app.note()')")
        .await;
    let writer = Session::open_as(&db, "watch_writer").await;
    for role in [&owner, &writer, &session] {
        role.run(&format!(
            "insert into app.documents (tenant_id, secret) values ('{TENANT}', 'x')"
        ))
        .await;
    }
    assert_eq!(session.published().await.len(), 3);
    assert_eq!(
        session.lines("select distinct as_role from app.seen").await,
        ["watch_owner"]
    );
    let owners = "select distinct proowner::regrole, prosecdef from pg_proc
        where pronamespace = 'app'::regnamespace and proname like 'documents_webhook%' order by 2";
    assert_eq!(
        session.lines(owners).await,
        ["watch_owner|f", "watch_owner|t"]
    );
    owner
        .run("select webhooks.unwatch_table('app.documents')")
        .await;
}

#[tokio::test]
async fn only_owners_that_may_publish_watch_tables() {
    let (db, session) = database("watch_who").await;
    make_roles(&db).await;
    session.run(DOCUMENTS).await;
    session
        .run("create table app.theirs (tenant_id uuid); alter table app.theirs owner to watch_stranger;
              create table mine (tenant_id uuid); alter table mine owner to watch_owner;")
        .await;
    let owner = Session::open_as(&db, "watch_owner").await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    for (who, table, message, hint) in [
        (
            &owner,
            "documents",
            "must be owner of table public.documents",
            "It belongs to role postgres",
        ),
        (
            &publisher,
            "mine",
            "must be owner of table public.mine",
            "It belongs to role watch_owner",
        ),
        (
            &session,
            "app.theirs",
            "role watch_stranger, the owner of table app.theirs, may not publish events",
            "grant webhooks_publisher to watch_stranger",
        ),
        (
            &owner,
            "mine",
            "no function can be made in schema public",
            "grant create on schema public to watch_owner",
        ),
    ] {
        let watch = format!("select webhooks.watch_table('{table}', on_insert => 'job.created')");
        let refusal = who.refused(&watch).await;
        assert_eq!(refusal.code, "42501", "{refusal:?}");
        assert_eq!(refusal.message, message);
        assert!(refusal.hint.contains(hint), "{refusal:?}");
    }
    let stranger = Session::open_as(&db, "watch_stranger").await;
    let watch = "select webhooks.watch_table('app.theirs', on_insert => 'job.created')";
    assert_eq!(stranger.refused(watch).await.code, "42501");
    // A member of the owner's role may.
    owner.run("create table app.ours (tenant_id uuid)").await;
    let member = Session::open_as(&db, "watch_member").await;
    member
        .run("select webhooks.watch_table('app.ours', on_insert => 'job.created')")
        .await;
    let owners =
        "select distinct proowner::regrole from pg_proc where proname like 'ours_webhook%'";
    assert_eq!(session.text(owners).await, "watch_owner");
    // Another owner: what was made stays the former one's, who still publishes, and the view knows.
    session
        .run("alter table app.ours owner to watch_tenant_owner")
        .await;
    let problem = "select owner, problem from webhooks.watched_tables where table_name = 'app.ours'::regclass";
    assert_eq!(
        session.text(problem).await,
        "watch_owner|the table is watch_tenant_owner's now and its changes are still published with the rights of watch_owner, who can read them; \
         call unwatch_table(), have app.ours_webhooks and the like dropped, and call watch_table() again"
    );
    let insert = format!("insert into app.ours values ('{TENANT}')");
    assert_eq!(session.publishes(&insert).await.len(), 1);
    // The new one can end it, though not drop what is not its own.
    Session::open_as(&db, "watch_tenant_owner")
        .await
        .run("select webhooks.unwatch_table('app.ours')")
        .await;
    assert_eq!(session.publishes(&insert).await.len(), 0);
    assert_eq!(session.text(owners).await, "watch_owner");

    // A role that may no longer publish gets an error, and the view shows it.
    session
        .run(
            "create role watch_former in role webhooks_publisher;
             create table app.former (tenant_id uuid);
             alter table app.former owner to watch_former;
             grant create on schema app to watch_former;
             select webhooks.watch_table('app.former', on_insert => 'job.created');
             revoke webhooks_publisher from watch_former",
        )
        .await;
    let problem =
        "select problem from webhooks.watched_tables where table_name = 'app.former'::regclass";
    assert_eq!(
        session.text(problem).await,
        "role watch_former may not publish: changes fail; grant webhooks_publisher to watch_former"
    );
    let insert = format!("insert into app.former values ('{TENANT}')");
    assert_eq!(session.refused(&insert).await.code, "42501");
}

/// No search_path of a writer reaches what the owner's functions call.
#[tokio::test]
async fn a_writer_s_search_path_changes_nothing() {
    let (db, session) = database("watch_search_path").await;
    make_roles(&db).await;
    let owner = Session::open_as(&db, "watch_owner").await;
    owner
        .run(&format!(
            "set search_path = app; {DOCUMENTS}; grant insert on documents to watch_writer;
             select webhooks.watch_table('documents', on_insert => 'document.uploaded', condition => 'lower(new.title) = ''x''')"
        ))
        .await;
    session
        .run("create schema evil authorization watch_writer")
        .await;
    let writer = Session::open_as(&db, "watch_writer").await;
    writer
        .run(
            "create function evil.lower(text) returns text language plpgsql as $$ begin raise exception 'caught'; end $$;
             create function evil.current_setting(text, boolean) returns text language plpgsql as $$ begin raise exception 'caught'; end $$",
        )
        .await;
    writer
        .run(&format!(
            "set search_path = evil, pg_catalog, app; insert into documents (tenant_id, title) values ('{TENANT}', 'X')"
        ))
        .await;
    assert_eq!(session.published().await.len(), 1);
}
