//! Snapshots of resources: what `resource.data` shows, taken with whose rights.

use serde_json::Value;
use webhooks_tests::database::{Database, PUBLISHER_ROLE};

use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, database};

const ONE: &str = "00000000-0000-4000-8000-000000000001";

const DOCUMENTS: &str = "
    create table documents (
        id uuid primary key default gen_random_uuid(),
        tenant_id uuid not null,
        title text,
        secret text,
        changed_at timestamptz not null default '2026-01-02 03:04:05+00'
    );
    insert into documents values
        ('00000000-0000-4000-8000-000000000001', '11111111-1111-4111-8111-111111111111', 'ours', 'x'),
        ('00000000-0000-4000-8000-000000000002', '22222222-2222-4222-8222-222222222222', 'theirs', 'y')";
const REGISTER: &str = "select webhooks.register_resource('document', 'public.documents', columns => '{title,changed_at}')";
const SNAPSHOT: &str = r#"{"title": "ours", "changed_at": "2026-01-02T03:04:05+00:00"}"#;

async fn session(name: &str) -> (Database, Session) {
    let (db, session) = database(name).await;
    session.run(DOCUMENTS).await;
    (db, session)
}

/// Publishes an event about a resource; the snapshot that it carries.
async fn snapshot(session: &Session, tenant: &str, resource_type: &str, id: &str) -> String {
    let publish = format!(
        "select webhooks.publish_event('{tenant}', 'document.processed', resource_type => '{resource_type}', resource_id => '{id}')"
    );
    let event = session.text(&publish).await;
    let taken = format!("select resource_data from webhooks.event_logs where id = '{event}'");
    session.text(&taken).await
}

/// The only trigger that publishing meets beside matching, if any.
const TRIGGERS: &str =
    "select count(*) from pg_trigger t where tgname = 'z20_snapshot_resource' and tgparentid = 0";

#[tokio::test]
async fn only_registered_types_have_one_and_only_of_their_tenant() {
    let (_db, session) = session("resources").await;
    assert_eq!(session.text(TRIGGERS).await, "0");
    assert_eq!(snapshot(&session, TENANT, "document", ONE).await, "null");
    // Also in the partitions that there are, and those to come.
    session.run("select webhooks.create_partitions(1)").await;
    session.run(REGISTER).await;
    assert_eq!(session.text(TRIGGERS).await, "1");
    assert_eq!(snapshot(&session, TENANT, "document", ONE).await, SNAPSHOT);
    session.run("select webhooks.create_partitions(2); set timezone = 'Asia/Tokyo'; set datestyle = 'German'").await;
    assert_eq!(snapshot(&session, TENANT, "document", ONE).await, SNAPSHOT);
    for (tenant, resource_type, id) in [
        (OTHER_TENANT, "document", ONE),
        (TENANT, "document", "00000000-0000-4000-8000-000000000002"),
        (TENANT, "document", "00000000-0000-4000-8000-000000000003"),
        (TENANT, "Document", ONE),
        (TENANT, "job", ONE),
    ] {
        let taken = snapshot(&session, tenant, resource_type, id).await;
        assert_eq!(taken, "null", "{tenant} {resource_type} {id}");
    }
    // Each way to publish; what the publisher gives is taken.
    session
        .run(&format!(
            r#"truncate webhooks.event_logs;
               insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, resource_type, resource_id, resource_data)
               select '{TENANT}', 'job.created', 'job', n, '{{}}', 'document', '{ONE}', case n when 2 then '{{"mine": 1}}'::jsonb end from generate_series(1, 3) n"#
        ))
        .await;
    let all = "select event_name, resource_data from webhooks.event_logs order by 1";
    assert_eq!(
        session.lines(all).await,
        [
            format!("1|{SNAPSHOT}"),
            r#"2|{"mine": 1}"#.to_owned(),
            format!("3|{SNAPSHOT}")
        ]
    );
    // Nothing about a resource that is not named whole.
    session
        .run(&format!(
            "truncate webhooks.event_logs;
             select webhooks.publish_event('{TENANT}', 'job.created', resource_type => 'document');
             select webhooks.publish_event('{TENANT}', 'job.created', resource_id => '{ONE}')"
        ))
        .await;
    assert_eq!(
        session
            .lines("select distinct resource_data from webhooks.event_logs")
            .await,
        ["null"]
    );
    let end = "select webhooks.unregister_resource('document')";
    assert_eq!(session.text(end).await, "t");
    assert_eq!(session.text(end).await, "f");
    assert_eq!(snapshot(&session, TENANT, "document", ONE).await, "null");
    let audited = "select string_agg(action || ' ' || object_id, ', ' order by id) from webhooks.audit_log where object_type = 'resource'";
    assert_eq!(
        session.text(audited).await,
        "created document, deleted document"
    );
    let left = "select (select count(*) from pg_trigger where tgname = 'z20_snapshot_resource') + (select count(*) from pg_proc where pronamespace = 'public'::regnamespace)";
    assert_eq!(session.text(left).await, "0");
}

/// As the publisher's transaction sees the resource at that moment, and for good.
#[tokio::test]
async fn a_snapshot_is_not_changed_by_later_writes() {
    let (_db, session) = session("resource_snapshot").await;
    session.run(REGISTER).await;
    session
        .run("begin; update documents set title = 'new'")
        .await;
    let taken = snapshot(&session, TENANT, "document", ONE).await;
    assert_eq!(taken, SNAPSHOT.replace("ours", "new"));
    session
        .run("update documents set title = 'newer'; commit; delete from documents")
        .await;
    assert_eq!(snapshot(&session, TENANT, "document", ONE).await, "null");
    let first = "select resource_data from webhooks.event_logs order by id limit 1";
    assert_eq!(session.text(first).await, taken);
    // The preview shows it where the specification wants it.
    let preview = "select webhooks.build_payload(id) from webhooks.event_logs order by id limit 1";
    let body: Value = serde_json::from_str(&session.text(preview).await).unwrap();
    assert_eq!(
        body["resource"],
        serde_json::json!({"type": "document", "id": ONE, "data": {"title": "new", "changed_at": "2026-01-02T03:04:05+00:00"}})
    );
}

#[tokio::test]
async fn watched_rows_carry_it_too() {
    let (_db, session) = session("resource_watched").await;
    session.run(REGISTER).await;
    session
        .run(
            "select webhooks.watch_table('documents', on_update => 'document.processed', on_delete => 'document.deleted', columns => '{title}');
             update documents set title = 'b' where title = 'ours'; delete from documents where title = 'b'",
        )
        .await;
    let events = "select event_type, resource_data from webhooks.event_logs order by id";
    assert_eq!(
        session.lines(events).await,
        [
            format!("document.processed|{}", SNAPSHOT.replace("ours", "b")),
            "document.deleted|null".to_owned()
        ]
    );
}

#[tokio::test]
async fn a_resolver_of_one_s_own() {
    let (_db, session) = session("resource_resolver").await;
    session
        .run(
            r#"create schema "My App";
               create function "My App"."Get It"(tenant uuid, id uuid) returns jsonb language plpgsql as $$
               begin
                   if id = '00000000-0000-4000-8000-000000000009' then raise exception 'no, thanks' using errcode = 'check_violation', hint = 'never'; end if;
                   return (select jsonb_build_object('title', d.title, 'for', tenant, 'path', current_setting('search_path')) from public.documents d where d.id = $2);
               end $$;
               select webhooks.register_resource('file', resolver => '"My App"."Get It"(uuid, uuid)')"#,
        )
        .await;
    assert_eq!(
        snapshot(&session, OTHER_TENANT, "file", ONE).await,
        format!(r#"{{"for": "{OTHER_TENANT}", "path": "pg_catalog, pg_temp", "title": "ours"}}"#)
    );
    assert_eq!(
        snapshot(&session, OTHER_TENANT, "file", OTHER_TENANT).await,
        "null"
    );
    // The publisher gets an error for a value that the resolver can't return.
    let publish = format!(
        "select webhooks.publish_event('{TENANT}', 'job.created', resource_type => 'file', resource_id => '00000000-0000-4000-8000-000000000009')"
    );
    let refusal = session.refused(&publish).await;
    assert_eq!(
        (
            refusal.code.as_str(),
            refusal.message.as_str(),
            refusal.hint.as_str()
        ),
        ("23514", "no, thanks", "never")
    );
    // Also where the server's environment asks for Rust's backtraces.
    assert!(!refusal.everything.contains("pgrx"), "{refusal:?}");
    // And goes on with its own rights afterwards.
    assert_eq!(session.text("select current_user").await, "postgres");
    session
        .run(&format!("do $$ begin begin perform webhooks.publish_event('{TENANT}', 'job.created', resource_type => 'file', resource_id => '00000000-0000-4000-8000-000000000009');
             exception when check_violation then create table as_myself (id integer); end; end $$"))
        .await;
    session.run(r#"drop function "My App"."Get It""#).await;
    let refusal = session.refused(&publish).await;
    assert_eq!(refusal.code, "42883");
    assert_eq!(
        refusal.message,
        r#"resource type "file" has no resolver any more: there is no function "My App"."Get It"(uuid,uuid)"#
    );
    assert!(
        refusal
            .hint
            .ends_with("select webhooks.unregister_resource('file');"),
        "{refusal:?}"
    );
    session
        .run("select webhooks.unregister_resource('file')")
        .await;
    session.run(&publish).await;
}

fn set_tenant(tenant: &str) -> String {
    format!("select webhooks.set_tenant('{tenant}', for_session => true)")
}

/// A tenant's publisher names any resource: it gets its tenant's, and others are not even looked up.
#[tokio::test]
async fn no_other_tenant_s_resource_is_looked_up() {
    let (db, session) = session("resource_tenants").await;
    session
        .run(&format!(
            "{REGISTER};
             create function shout(tenant uuid, id uuid) returns jsonb language plpgsql as $$ begin raise exception 'looked up for %', tenant; end $$;
             select webhooks.register_resource('loud', resolver => 'shout(uuid, uuid)')"
        ))
        .await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    publisher.run(&set_tenant(OTHER_TENANT)).await;
    let ways = |tenant: &str, resource_type: &str| {
        [
            format!("select webhooks.publish_event('{tenant}', 'job.created', resource_type => '{resource_type}', resource_id => '{ONE}')"),
            format!(
                "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, resource_type, resource_id)
                 values ('{tenant}', 'job.created', 'job', 'x', '{{}}', '{resource_type}', '{ONE}')"
            ),
        ]
    };
    for way in ways(OTHER_TENANT, "document") {
        publisher.run(&way).await;
    }
    for way in ways(OTHER_TENANT, "loud") {
        let refusal = publisher.refused(&way).await;
        assert_eq!(refusal.message, format!("looked up for {OTHER_TENANT}"));
    }
    for way in ["document", "loud"].map(|of| ways(TENANT, of)).concat() {
        let refusal = publisher.refused(&way).await;
        assert_eq!(
            refusal.message,
            format!("tenant {TENANT} can't be accessed: the tenant that is set is {OTHER_TENANT}"),
            "{way}"
        );
    }
    // Nor is the snapshot returned to a role that may only publish.
    publisher.run(&set_tenant(TENANT)).await;
    for way in ways(TENANT, "document") {
        publisher.run(&way).await;
    }
    let [_, insert] = ways(TENANT, "document");
    let insert = format!("{insert} returning resource_data");
    assert_eq!(publisher.refused(&insert).await.code, "42501");
    let taken = "select tenant_id, resource_data from webhooks.event_logs order by id";
    let mine = format!("{TENANT}|{SNAPSHOT}");
    let nothing = format!("{OTHER_TENANT}|null");
    assert_eq!(
        session.lines(taken).await,
        [&nothing, &nothing, &mine, &mine].map(String::as_str)
    );
}

/// A schema of the role resource_owner.
const SCHEMA: &str = "
    create schema app authorization resource_owner;
    set role resource_owner;
    create table app.seen (as_role text, by_role text);
    create function app.note() returns text language sql as 'insert into app.seen values (current_user, session_user) returning as_role'";

/// The publisher may be a superuser: a resolver gets none of its rights, also if its owner changes it afterwards.
#[tokio::test]
async fn a_resolver_has_its_owner_s_rights() {
    let (db, session) = session("resource_rights").await;
    db.create_role("resource_owner", "login").await.unwrap();
    session
        .run(&format!(
            "{SCHEMA};
             create table app.things (id uuid primary key, tenant_id uuid, secret text);
             insert into app.things values ('{ONE}', '{TENANT}', 'x');
             create type app.word as enum ('a');
             alter table app.things add word app.word default 'a';
             create function app.spy(app.word) returns json language plpgsql as 'begin return to_json(app.note()); end';
             create cast (app.word as json) with function app.spy(app.word);
             create function app.resolve(uuid, uuid) returns jsonb language plpgsql security definer as 'begin return to_jsonb(app.note()); end';
             reset role;
             select webhooks.register_resource('thing', 'app.things');
             select webhooks.register_resource('other', resolver => 'app.resolve(uuid, uuid)');
             grant select on public.documents to public"
        ))
        .await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    publisher.run(&set_tenant(TENANT)).await;
    let publish = async |who: &Session, resource_type: &str| {
        who.run(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created', resource_type => '{resource_type}', resource_id => '{ONE}')"
        ))
        .await;
        who.run(&format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, resource_type, resource_id)
             values ('{TENANT}', 'job.created', 'job', 'x', '{{}}', '{resource_type}', '{ONE}')"
        ))
        .await;
    };
    for who in [&session, &publisher] {
        publish(who, "thing").await;
        publish(who, "other").await;
    }
    let owner = Session::open_as(&db, "resource_owner").await;
    owner
        .run("alter function app.resolve(uuid, uuid) security invoker; alter function app.webhook_resource_thing(uuid, uuid) security invoker")
        .await;
    for who in [&session, &publisher] {
        publish(who, "thing").await;
        publish(who, "other").await;
    }
    let roles = "select as_role, by_role, count(*) from app.seen group by 1, 2 order by 2";
    assert_eq!(
        session.lines(roles).await,
        ["resource_owner|postgres|8", "resource_owner|publisher|8"]
    );
    // Nor can it become somebody else, or leave something behind in the publisher's session.
    for body in [
        "set local role postgres",
        "set session authorization postgres",
        "create temporary table t (id integer)",
    ] {
        owner
            .run(&format!(
                "create or replace function app.resolve(uuid, uuid) returns jsonb language plpgsql as 'begin {body}; return null; end'"
            ))
            .await;
        let publish = format!(
            "select webhooks.publish_event('{TENANT}', 'job.created', resource_type => 'other', resource_id => '{ONE}')"
        );
        assert_eq!(session.refused(&publish).await.code, "42501", "{body}");
    }
    owner
        .run("create or replace function app.resolve(uuid, uuid) returns jsonb language plpgsql as $$ begin set datestyle = 'German'; return null; end $$")
        .await;
    publish(&session, "other").await;
    assert_eq!(session.text("show datestyle").await, "ISO, MDY");
    // A resolver that has become something else is refused.
    owner
        .run("drop function app.resolve(uuid, uuid); create function app.resolve(uuid, uuid) returns text language sql as 'select null::text'")
        .await;
    let refusal = session
        .refused(&format!("select webhooks.publish_event('{TENANT}', 'job.created', resource_type => 'other', resource_id => '{ONE}')"))
        .await;
    assert_eq!(refusal.code, "22023");
    assert!(
        refusal.message.contains("can't resolve resources"),
        "{refusal:?}"
    );
    // Neither role may register, nor call what calls.
    for who in [&publisher, &owner] {
        for statement in [
            "select webhooks.register_resource('document', 'public.documents')",
            "select webhooks.unregister_resource('thing')",
            "select webhooks_private.call_resolver(1, gen_random_uuid(), gen_random_uuid())",
            "insert into webhooks.resources values ('x', 'y')",
        ] {
            assert_eq!(who.refused(statement).await.code, "42501", "{statement}");
        }
    }
}

#[tokio::test]
async fn wrong_arguments_are_named_in_errors() {
    let (_db, session) = session("resource_refused").await;
    session
        .run("create table numbers (id bigint, tenant_id uuid, n text);
              create function wrong(uuid) returns jsonb language sql as 'select null::jsonb';
              create function sets(uuid, uuid) returns setof jsonb language sql as 'select null::jsonb';
              create function words(uuid, uuid) returns text language sql as 'select null::text'")
        .await;
    for (arguments, code, message, hint) in [
        (
            "'document'",
            "22023",
            "a resource type needs a name, and either a table or a resolver",
            "public.documents",
        ),
        (
            "null, 'documents'",
            "22023",
            "a resource type needs a name, and either a table or a resolver",
            "public.documents",
        ),
        (
            "'', 'documents'",
            "22023",
            "a resource type needs a name, and either a table or a resolver",
            "public.documents",
        ),
        (
            "'document', 'documents', resolver => 'words(uuid, uuid)'",
            "22023",
            "a resource type needs a name, and either a table or a resolver",
            "public.documents",
        ),
        (
            "'document', resolver => 'wrong(uuid)'",
            "42804",
            "function public.wrong(uuid) can't resolve resources",
            "jsonb",
        ),
        (
            "'document', resolver => 'sets(uuid, uuid)'",
            "42804",
            "function public.sets(uuid,uuid) can't resolve resources",
            "jsonb",
        ),
        (
            "'document', resolver => 'words(uuid, uuid)'",
            "42804",
            "function public.words(uuid,uuid) can't resolve resources",
            "jsonb",
        ),
        (
            "'document', 'documents_pkey'",
            "42809",
            "public.documents_pkey can't be a resource",
            "a table or a view",
        ),
        (
            "'document', 'documents', id_column => 'key'",
            "42703",
            "id_column: public.documents has no column \"key\"",
            "id, tenant_id",
        ),
        (
            "'document', 'documents', tenant_column => 'customer'",
            "42703",
            "tenant_column: public.documents has no column \"customer\"",
            "tenant_column => null",
        ),
        (
            "'document', 'documents', columns => '{title,no}'",
            "42703",
            "columns: public.documents has no column \"no\"",
            "id, tenant_id",
        ),
        (
            "'document', 'documents', except_columns => '{no}'",
            "42703",
            "except_columns: public.documents has no column \"no\"",
            "id, tenant_id",
        ),
        (
            "'document', 'documents', columns => '{id}', except_columns => '{id}'",
            "22023",
            "both columns and except_columns given for public.documents",
            "neither",
        ),
        (
            "'document', 'numbers'",
            "42804",
            "column \"id\" of public.numbers is not of type uuid",
            "resolver",
        ),
        (
            "'document', 'documents', tenant_column => 'title'",
            "42804",
            "column \"title\" of public.documents is not of type uuid",
            "resolver",
        ),
    ] {
        let refusal = session
            .refused(&format!("select webhooks.register_resource({arguments})"))
            .await;
        assert_eq!(refusal.code, code, "{arguments}: {refusal:?}");
        assert_eq!(refusal.message, message, "{arguments}");
        assert!(refusal.hint.contains(hint), "{arguments}: {refusal:?}");
    }
    assert_eq!(
        session
            .text("select count(*) from webhooks.resources")
            .await,
        "0"
    );
}

#[tokio::test]
async fn registering_again_replaces_and_names_are_followed() {
    let (_db, session) = session("resource_again").await;
    session.run(REGISTER).await;
    // The same table under another name, with other columns; a type's name of any length and letter.
    let long = "ü'\"".repeat(16);
    session
        .run(&format!(
            "select webhooks.register_resource({}, 'documents', except_columns => '{{id,tenant_id,changed_at}}', tenant_column => null)",
            crate::support::session::literal(&long)
        ))
        .await;
    assert_eq!(
        snapshot(&session, OTHER_TENANT, &long.replace('\'', "''"), ONE).await,
        r#"{"title": "ours", "secret": "x"}"#
    );
    assert_eq!(snapshot(&session, TENANT, "document", ONE).await, SNAPSHOT);
    session
        .run("alter table documents rename title to name; alter table documents rename id to key; alter table documents rename to papers")
        .await;
    assert_eq!(snapshot(&session, TENANT, "document", ONE).await, SNAPSHOT);
    assert_eq!(
        session.refused("alter table papers drop name").await.code,
        "2BP01"
    );
    session
        .run("select webhooks.register_resource('document', 'papers', id_column => 'key', columns => '{name}')")
        .await;
    assert_eq!(
        snapshot(&session, TENANT, "document", ONE).await,
        r#"{"name": "ours"}"#
    );
    // The application must not stop because its webhooks are gone.
    session
        .run("drop extension webhooks; drop table papers")
        .await;
    let functions = "select count(*) from pg_proc where pronamespace = 'public'::regnamespace";
    assert_eq!(session.text(functions).await, "0");
}

/// A trigger comes or goes with them, and an entry of the audit log: both lock what create_partitions() locks.
#[tokio::test]
async fn registering_waits_its_turn_with_partitions_being_made() {
    let (db, session) = session("resource_locks").await;
    let maker = Session::open(&db).await;
    for call in [
        "select webhooks.register_resource('document', 'public.documents')",
        "select webhooks.unregister_resource('document')",
        "select webhooks.register_event_type('invoice.paid', schema => '{}')",
        "select webhooks.deprecate_event_type('invoice.paid', 'x')",
    ] {
        maker
            .run("begin; select webhooks_private.lock_xact(webhooks_private.change_lock(), 0); lock table webhooks.event_logs in share row exclusive mode")
            .await;
        let make = async {
            maker.wait_until_blocked(&session).await;
            maker
                .run("lock table webhooks.audit_log in share row exclusive mode; commit")
                .await;
        };
        tokio::join!(session.run(call), make);
    }
}

#[tokio::test]
async fn a_dump_restores_registrations() {
    let (original, session) = session("resource_dump").await;
    session.run("select webhooks.create_partitions(1)").await;
    session.run(REGISTER).await;
    let given = snapshot(&session, TENANT, "document", ONE).await;
    session.run("update documents set title = 'later'").await;
    let cluster = original.cluster();
    let archive = cluster.archive(original.name(), &[]).await.unwrap();
    let plain = cluster.dump(original.name(), &[]).await.unwrap();
    let root = cluster
        .dump(original.name(), &["--load-via-partition-root"])
        .await
        .unwrap();
    let mut restored = Vec::new();
    for dump in [plain, root] {
        let database = Database::create_empty(cluster, "resource_restored")
            .await
            .unwrap();
        cluster.restore(database.name(), &dump).await.unwrap();
        restored.push(database);
    }
    let database = Database::create_empty(cluster, "resource_restored")
        .await
        .unwrap();
    let restore = cluster.restore_archive(database.name(), &archive, &["-j", "2"]);
    restore.await.unwrap();
    restored.push(database);
    for database in restored {
        let session = Session::open(&database).await;
        let old = "select resource_data from webhooks.event_logs";
        assert_eq!(session.text(old).await, given);
        assert_eq!(
            snapshot(&session, TENANT, "document", ONE).await,
            SNAPSHOT.replace("ours", "later")
        );
        session
            .run("select webhooks.unregister_resource('document')")
            .await;
        assert_eq!(session.text(TRIGGERS).await, "0");
    }
}

/// Publishers queue behind who waits for a lock on event_logs.
#[tokio::test]
async fn registering_again_waits_for_nobody_and_the_rest_not_long() {
    let (db, session) = session("resources_locks").await;
    session.run(REGISTER).await;
    let reader = Session::open(&db).await;
    reader
        .run("begin; select count(*) from webhooks.event_logs")
        .await;
    session
        .run("select webhooks.register_resource('document', 'public.documents', columns => '{title}')")
        .await;
    assert_eq!(
        snapshot(&session, TENANT, "document", ONE).await,
        r#"{"title": "ours"}"#
    );
    let refusal = session
        .refused("select webhooks.unregister_resource('document')")
        .await;
    assert_eq!(refusal.code, "55P03");
    assert_eq!(
        refusal.message,
        "event_logs is in use by a long transaction"
    );
    assert!(refusal.hint.contains("pg_stat_activity"), "{refusal:?}");
    reader.run("commit").await;
    session
        .run("select webhooks.unregister_resource('document')")
        .await;
    assert_eq!(session.text(TRIGGERS).await, "0");
}

/// A resolver that was tried with its author's search_path would fail for each publisher.
#[tokio::test]
async fn a_resolver_without_a_search_path_is_noticed() {
    let (db, session) = session("resources_search_path").await;
    for (setting, told) in [("", 1), ("set search_path = public", 0)] {
        session
            .run(&format!(
                "create or replace function snapshot(tenant uuid, id uuid) returns jsonb language plpgsql stable {setting}
                 as 'begin return (select to_jsonb(d) from public.documents d where d.id = $2); end'"
            ))
            .await;
        let mut psql = db.cluster().client_program("psql", db.name());
        psql.args(["-c", "select webhooks.register_resource('document', resolver => 'public.snapshot(uuid, uuid)')"]);
        let output = tokio::task::spawn_blocking(move || psql.output());
        let output = output.await.unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        let output = String::from_utf8_lossy(&output.stderr);
        let notices = output
            .matches("function public.snapshot(uuid,uuid) will run with search_path = pg_catalog, pg_temp")
            .count();
        assert_eq!(notices, told, "{output}");
    }
}
