//! ALTER EXTENSION UPDATE from every released version: it leads to what CREATE EXTENSION makes, and loses no row.

mod facts;

use webhooks_tests::cluster::Cluster;
use webhooks_tests::database::Database;

use crate::catalogue;
use crate::dump_restore::{RELATIONS, fill};
use crate::isolation::matrix::qualified;
use crate::support::session::Session;
use crate::support::world::TENANT;
use facts::facts;

/// Views whose rows follow from the version rather than from what was stored.
const DERIVED: [&str; 1] = ["settings"];

/// A database with a released version of the extension, for each of them: that it can be made proves that the library
/// has every native function of that version.
async fn released(name: &str) -> Vec<(String, Database)> {
    let cluster = Cluster::shared().await.unwrap();
    // Makes the login roles.
    Database::fresh("roles").await.unwrap();
    let mut databases = Vec::new();
    for version in cluster.released_versions().await.unwrap() {
        let db = Database::create_version(&cluster, name, &version).await;
        databases.push((version, db.unwrap()));
    }
    assert!(!databases.is_empty(), "sql/releases is not installed");
    databases
}

/// What is not the same in a new installation must be said in `sql/upgrade` (CONTRIBUTING.md, "Change the schema").
#[tokio::test]
async fn an_upgraded_schema_is_that_of_a_new_installation() {
    let fresh = Database::fresh("not_upgraded").await.unwrap();
    let fresh = Session::open(&fresh).await;
    let expected = facts(&fresh).await;
    for (version, db) in released("upgraded").await {
        let upgraded = Session::open(&db).await;
        upgraded.run("alter extension webhooks update").await;
        let found = facts(&upgraded).await;
        let mut differences = String::new();
        for fact in expected.difference(&found) {
            differences.push_str(&format!("  only a new installation has: {fact}\n"));
        }
        for fact in found.difference(&expected) {
            differences.push_str(&format!("  only an upgraded one has:    {fact}\n"));
        }
        assert!(
            differences.is_empty(),
            "an upgrade from {version} is not a new installation; add the statements to sql/upgrade:\n{differences}"
        );
        let (new, old) = (
            catalogue::schema(&fresh).await,
            catalogue::schema(&upgraded).await,
        );
        assert_eq!(old, new, "from {version}");
    }
}

/// Each row of a relation, with the columns that it has now, as one text.
async fn rows(session: &Session, relation: &str, columns: Option<&str>) -> (String, Vec<String>) {
    let relation = qualified(relation);
    let columns = match columns {
        Some(columns) => columns.to_owned(),
        None => {
            let columns = format!(
                "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
                 where attrelid = '{relation}'::regclass and attnum > 0 and not attisdropped"
            );
            session.text(&columns).await
        }
    };
    let rows =
        format!("select to_jsonb(t)::text from (select {columns} from {relation}) t order by 1");
    let rows = session.lines(&rows).await;
    (columns, rows)
}

/// Where rows lie.
const PLACES: &str = "
    select 'event ' || tableoid::regclass || ' ' || id from webhooks.event_logs
    union all select 'attempt ' || tableoid::regclass || ' ' || delivery_id from webhooks.delivery_attempts
    union all select 'audit ' || tableoid::regclass || ' ' || id from webhooks.audit_log order by 1";

#[tokio::test]
async fn an_upgrade_keeps_every_row_and_partition() {
    for (version, db) in released("kept").await {
        fill(&db).await;
        let session = Session::open(&db).await;
        let places = session.lines(PLACES).await;
        let mut before = Vec::new();
        for relation in RELATIONS.into_iter().filter(|name| !DERIVED.contains(name)) {
            let exists = format!("select to_regclass('{}') is not null", qualified(relation));
            if session.text(&exists).await == "f" {
                continue;
            }
            let (columns, rows) = rows(&session, relation, None).await;
            assert!(!rows.is_empty(), "{relation} is empty");
            before.push((relation, columns, rows));
        }
        session.run("alter extension webhooks update").await;
        for (relation, columns, rows_before) in before {
            let (_, after) = rows(&session, relation, Some(&columns)).await;
            for row in rows_before {
                assert!(after.contains(&row), "{relation} from {version} lost {row}");
            }
        }
        assert_eq!(session.lines(PLACES).await, places, "from {version}");
        // What was there goes on working: the key of an event before publishes nothing again, and new events match.
        let again = format!(
            "select webhooks.publish_event('{TENANT}', 'job.created', idempotency_key => 'k', ordering_key => 'o')
                    = (select event_id from webhooks_private.idempotency_keys)"
        );
        assert_eq!(session.text(&again).await, "t", "from {version}");
        let publish = format!(
            "select webhooks.publish_event('{TENANT}', 'order.paid', event_data => '{{\"n\": 2, \"t\": \"\u{fc}\"}}')"
        );
        let event = session.text(&publish).await;
        let matched =
            format!("select count(*) from webhooks.delivery_queue where event_log_id = '{event}'");
        assert_eq!(session.text(&matched).await, "2", "from {version}");
        session.run("select * from webhooks.maintain()").await;
    }
}

/// The roles stay, as other databases of the cluster may use them; everything else goes, and can be made again.
#[tokio::test]
async fn drop_extension_leaves_nothing_and_it_can_be_created_again() {
    let db = Database::fresh("dropped").await.unwrap();
    fill(&db).await;
    let session = Session::open(&db).await;
    let made = "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname ~ '^webhooks'";
    session.run("drop extension webhooks cascade").await;
    assert_eq!(session.text(made).await, "0");
    let functions = "select count(*) from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname ~ '^webhooks'";
    assert_eq!(session.text(functions).await, "0");
    session.run("create extension webhooks").await;
    let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created') is not null");
    assert_eq!(session.text(&publish).await, "t");
}
