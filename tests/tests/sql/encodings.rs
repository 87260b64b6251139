//! The database is UTF-8; clients may be what they like.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::json;
use webhooks_tests::cluster::Cluster;
use webhooks_tests::database::Database;

use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

#[tokio::test]
async fn other_encodings_are_refused_before_anything_is_made() {
    let cluster = Cluster::shared().await.unwrap();
    for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"] {
        let name = format!("in_{}", encoding.to_lowercase());
        let admin = cluster.connect("postgres", "postgres").await.unwrap();
        admin
            .batch_execute(&format!(
                "create database {name} encoding '{encoding}' locale 'C' template template0"
            ))
            .await
            .unwrap();
        let client = cluster.connect("postgres", &name).await.unwrap();
        let error = client.batch_execute("create extension webhooks").await;
        let error = error.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "0A000", "{error:?}");
        assert_eq!(
            error.message(),
            format!(
                "extension webhooks needs a database with the encoding UTF8; that of \"{name}\" is {encoding}"
            )
        );
        assert!(error.hint().unwrap().contains("encoding 'UTF8'"));
        let schemas = "select count(*) from pg_namespace where nspname = 'webhooks'";
        let schemas: i64 = client.query_one(schemas, &[]).await.unwrap().get(0);
        assert_eq!(schemas, 0);
    }
}

/// PostgreSQL converts the script to the database's encoding before the script can say anything.
#[test]
fn the_script_is_ascii() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql");
    let order = std::fs::read_to_string(directory.join("install.order")).unwrap();
    for file in order.lines().filter(|line| !line.starts_with('#')) {
        let path = directory.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let strange = text.lines().find(|line| !line.is_ascii());
        assert_eq!(strange, None, "{}", path.display());
    }
}

#[tokio::test]
async fn clients_of_another_encoding_publish_and_are_told_errors() {
    let db = Database::fresh("latin1").await.unwrap();
    subscribe(
        &db,
        json!({"event_filters": {"event_data": {"name": "José"}}}),
    )
    .await;
    let run = async |sql: &[u8]| {
        let mut psql = db.cluster().client_program("psql", db.name());
        psql.args(["-X", "-A", "-t", "-q", "-c"])
            .arg(OsStr::from_bytes(sql))
            .env("PGCLIENTENCODING", "LATIN1");
        let output = tokio::task::spawn_blocking(move || psql.output());
        output.await.unwrap().unwrap()
    };
    let publish = format!(
        "select webhooks.publish_event('{TENANT}', 'user.created', event_data => '{{\"name\": \"José\"}}')"
    );
    let latin1: Vec<u8> = publish.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let output = run(&latin1).await;
    assert!(output.status.success(), "{output:?}");
    let session = Session::open(&db).await;
    let stored = "select event_data ->> 'name', (select count(*) from webhooks.delivery_queue) from webhooks.event_logs";
    assert_eq!(session.text(stored).await, "José|1");

    // A character that the client can't show does not hide the error.
    session
        .run("select webhooks.register_event_type('user.renamed', schema => '{\"properties\": {\"名\": {\"type\": \"string\"}}}')")
        .await;
    let unfit = format!(
        "select webhooks.publish_event('{TENANT}', 'user.renamed', event_data => jsonb_build_object(U&'\\540D', 1))"
    );
    let output = run(unfit.as_bytes()).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("ERROR:"), "{said}");
    session.text("select 1").await;
}
