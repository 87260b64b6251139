//! A `search_path` with somebody else's schema before `pg_catalog`, and temporary objects with the names of system
//! catalogues: nothing of theirs is called, whoever calls what of ours.

use webhooks_tests::database::{Database, PUBLISHER_ROLE};

use crate::isolation::cast::{self, ACTORS, OURS, Outcome, attempt};
use crate::isolation::functions::call_for;
use crate::isolation::matrix::{Answer, FUNCTIONS, INSERTS, RELATIONS, qualified, rights};
use crate::support::session::Session;

const HOSTILE: &str =
    "select evil.plant_temporary(); set search_path = pg_temp, evil, pg_catalog, public";

/// Every call that the matrix has, and every privilege on a relation.
fn statements(groups: &[&str]) -> Vec<String> {
    let mut statements = Vec::new();
    for (_, roles, answer) in FUNCTIONS.iter().copied() {
        if roles.split(' ').any(|role| groups.contains(&role)) {
            let (Answer::Same(call)
            | Answer::Own(call)
            | Answer::Denied(call)
            | Answer::Unknown(call)
            | Answer::Raised(call, _)) = answer
            else {
                continue;
            };
            statements.push(call_for(call));
        }
    }
    for (name, _, line) in RELATIONS.iter().copied() {
        let rights = rights(line).into_iter();
        for right in rights.filter(|right| groups.contains(&right.role)) {
            let columns = right.columns.unwrap_or_else(|| vec!["*"]).join(", ");
            statements.extend(match right.privilege {
                "select" => Some(format!("select {columns} from {}", qualified(name))),
                "insert" => {
                    let insert = INSERTS.iter().find(|(insert, _)| *insert == name);
                    insert.map(|(_, insert)| insert.replace("{tenant}", OURS.id))
                }
                "delete" => Some(format!("delete from {}", qualified(name))),
                _ => None,
            });
        }
    }
    statements
}

/// The values that may be compared: ids and times differ each time.
fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(rows, changed) => format!("{} rows, {changed} changed", rows.len()),
        Outcome::Refused(refusal) => format!("{} {}", refusal.code, refusal.hint),
    }
}

#[tokio::test]
async fn every_call_as_every_role() {
    let (db, _admin) = cast::database("hostile").await;
    db.plant_traps().await.unwrap();
    // The traps work.
    let trapped = Session::open_as(&db, PUBLISHER_ROLE).await;
    trapped.run(HOSTILE).await;
    for caught in [
        "select now()",
        "select 1 = 1",
        "select count(*) from pg_class",
        "select '00000000-0000-0000-0000-000000000000'::uuid",
    ] {
        let refusal = trapped.refused(caught).await;
        assert!(
            refusal.message.starts_with("trapped: "),
            "{caught}: {refusal:?}"
        );
    }
    let before = db.trapped().len();
    assert!(before >= 4);

    for actor in ACTORS {
        let (usual, hostile) = (
            Session::open_as(&db, actor.login).await,
            Session::open_as(&db, actor.login).await,
        );
        hostile.run(HOSTILE).await;
        for statement in statements(actor.groups) {
            let expected = outcome(&attempt(&usual, Some(OURS), &statement).await);
            let found = attempt(&hostile, Some(OURS), &statement).await;
            assert_eq!(
                outcome(&found),
                expected,
                "{}: {statement}: {found:?}",
                actor.login
            );
        }
    }
    assert_eq!(db.trapped()[before..], [""; 0]);
}

/// An application whose sessions all have such a path: its tables are watched, and shown as resources.
#[tokio::test]
async fn watched_tables_and_resources_call_nothing_of_another_schema() {
    let (db, admin) = cast::database("hostile_watch").await;
    admin
        .run(&format!(
            "create schema app authorization {PUBLISHER_ROLE};
             create table app.things (id uuid primary key, tenant_id uuid, name text, price numeric, at timestamptz default now(), tags text[], data jsonb);
             alter table app.things owner to {PUBLISHER_ROLE};
             select webhooks.register_resource('thing', 'app.things')"
        ))
        .await;
    db.plant_traps().await.unwrap();
    let owner = Session::open_as(&db, PUBLISHER_ROLE).await;
    owner.run(HOSTILE).await;
    owner
        .run(&format!(
            "set webhooks.tenant_id = '{tenant}';
             select webhooks.watch_table('app.things', on_insert => 'job.created', on_update => 'job.completed', on_delete => 'job.failed',
                 resource_type => 'thing', condition => 'coalesce(new.name, old.name) <> ''x''');
             insert into app.things (id, tenant_id, name, price, tags, data) values
                 ('00000000-0000-7000-8000-0000000000c1', '{tenant}', 'a', 1.50, '{{a,b}}', '{{\"a\": 1}}');
             update app.things set name = 'b', price = 2, tags = '{{}}', data = null;
             delete from app.things;
             select webhooks.unwatch_table('app.things')",
            tenant = OURS.id
        ))
        .await;
    let published = "select string_agg(event_type || coalesce(' ' || (resource_data ->> 'name'), ''), ', ' order by id)
                     from webhooks.event_logs where resource_type = 'thing'";
    assert_eq!(
        admin.text(published).await,
        "job.created a, job.completed b, job.failed"
    );
    assert_eq!(db.trapped(), [""; 0]);
}

/// Whoever creates the extension may have such a path, too.
#[tokio::test]
async fn the_extension_is_created_as_usual() {
    // Makes the roles.
    let cluster = Database::fresh("roles").await.unwrap().cluster().clone();
    let db = Database::create_empty(&cluster, "hostile_create")
        .await
        .unwrap();
    db.plant_traps().await.unwrap();
    let admin = Session::open(&db).await;
    admin
        .run("set search_path = evil, pg_catalog, public; create extension webhooks; set search_path = pg_catalog")
        .await;
    assert_eq!(db.trapped(), [""; 0]);
    // Nothing that was parsed then is theirs.
    let theirs = "
        select count(*) from pg_depend d join pg_depend e on e.classid = d.classid and e.objid = d.objid
        where e.refclassid = 'pg_extension'::regclass and e.deptype = 'e'
          and (d.refclassid, d.refobjid) in (
              select 'pg_proc'::regclass, oid from pg_proc where pronamespace = 'evil'::regnamespace
              union all select 'pg_operator'::regclass, oid from pg_operator where oprnamespace = 'evil'::regnamespace
              union all select 'pg_type'::regclass, oid from pg_type where typnamespace = 'evil'::regnamespace)";
    assert_eq!(admin.text(theirs).await, "0");
}

/// Whoever owns the schema counts as the extension's owner.
#[tokio::test]
async fn a_schema_that_may_be_somebody_elses_is_refused() {
    let cluster = Database::fresh("roles").await.unwrap().cluster().clone();
    let db = Database::create_empty(&cluster, "occupied").await.unwrap();
    let admin = Session::open(&db).await;
    for (prepare, complaint) in [
        (
            "create schema webhooks authorization stranger",
            "belongs to role \"stranger\"",
        ),
        (
            "create schema webhooks; grant create on schema webhooks to stranger",
            "others may create objects in it",
        ),
        (
            "create schema webhooks; grant create on schema webhooks to public",
            "others may create objects in it",
        ),
        (
            "create schema webhooks; create function webhooks.shard_of(text) returns smallint language sql return 0::smallint",
            "is not empty",
        ),
        (
            "create schema webhooks; create table webhooks.mine ()",
            "is not empty",
        ),
        (
            "create schema webhooks; create domain webhooks.uuid as text",
            "is not empty",
        ),
        (
            // Operators that fit better than those of pg_catalog.
            "create schema webhooks;
             create function webhooks.evil(oid, regclass) returns boolean language plpgsql as 'begin raise exception ''trapped''; end';
             create operator webhooks.<> (function = webhooks.evil, leftarg = oid, rightarg = regclass);
             create operator webhooks.= (function = webhooks.evil, leftarg = oid, rightarg = regclass)",
            "is not empty",
        ),
        (
            "create schema webhooks; alter default privileges in schema webhooks grant execute on functions to stranger",
            "is not empty",
        ),
    ] {
        admin.run(prepare).await;
        let refusal = admin.refused("create extension webhooks").await;
        assert_eq!(refusal.code, "42P15", "{prepare}: {refusal:?}");
        assert!(
            refusal.message.contains(complaint),
            "{prepare}: {refusal:?}"
        );
        assert!(refusal.hint.contains("drop schema webhooks"), "{refusal:?}");
        admin.run("drop schema webhooks cascade").await;
    }
    // As a dump makes it, and as DROP EXTENSION leaves it.
    admin
        .run("create schema webhooks; create extension webhooks; drop extension webhooks cascade; create extension webhooks")
        .await;
}
