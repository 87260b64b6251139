//! Defaults of the database or of the sidecar's role, set by somebody who means ill or thinks of other sessions.

use serde_json::json;
use webhooks_tests::database::Database;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::{Options, Sidecar};

use crate::scene::subscribe;

/// Delivers, retries, verifies and maintains.
async fn works(db: &Database, options: Options) {
    let receiver = Receiver::start().unwrap();
    receiver.on("/", Reply::status(200));
    receiver.on("/fails", Reply::status(503));
    let _sidecar = Sidecar::start_with(db, options.arg("--maintain-interval=1"))
        .await
        .unwrap();
    let columns = json!({"auth_type": "api_key", "auth_config": {"api_key": "k3y"}});
    for (path, status, attempts) in [("/", "delivered", 1), ("/fails", "failed", 2)] {
        let mut columns = columns.clone();
        columns["retry_count"] = json!(1);
        let endpoint = subscribe(db, &receiver.url(path), columns).await;
        let event = db.publish(endpoint.tenant, "document.uploaded", json!({}));
        let event = event.await.unwrap();
        db.wait_delivery(event, status).await.unwrap();
        assert_eq!(db.attempts(event).await.unwrap().len(), attempts, "{path}");
    }
    db.wait_value(
        "select count(*) > 0 from pg_class where relname ~ '^event_logs_[0-9]{8}$'",
        "true",
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn nothing_of_another_schema_is_called() {
    let db = Database::fresh("search_path").await.unwrap();
    db.plant_traps().await.unwrap();
    let name = db.name();
    // The tests' own sessions are not meant.
    db.execute(&format!(
        "alter role postgres in database {name} set search_path = public;
         alter role backend in database {name} set search_path = public;
         alter database {name} set search_path = evil, pg_catalog, public"
    ))
    .await
    .unwrap();
    works(&db, Options::default()).await;
    assert_eq!(db.trapped(), [""; 0]);
    // Of the role, and in the connection string.
    db.execute(&format!(
        "alter database {name} reset search_path;
         alter role sidecar in database {name} set search_path = evil, pg_catalog, public"
    ))
    .await
    .unwrap();
    let url = format!(
        "{}?options=-c%20search_path%3Devil%2Cpg_catalog%20-c%20geqo%3Doff",
        db.url("sidecar")
    );
    works(&db, Options::default().database_url(url)).await;
    assert_eq!(db.trapped(), [""; 0]);
}

#[tokio::test]
async fn defaults_for_other_sessions_are_not_the_sidecars() {
    let db = Database::fresh("defaults").await.unwrap();
    let name = db.name();
    let settings = [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "idle_session_timeout = '100ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "\"DateStyle\" = 'German, DMY'",
        "\"IntervalStyle\" = 'sql_standard'",
        "\"TimeZone\" = 'Asia/Kathmandu'",
        "bytea_output = 'escape'",
        "extra_float_digits = -15",
        "standard_conforming_strings = off",
        "array_nulls = off",
        "transform_null_equals = on",
        "row_security = off",
        "check_function_bodies = off",
        "client_encoding = 'LATIN1'",
        "client_min_messages = 'error'",
        "plan_cache_mode = 'force_custom_plan'",
        "jit_above_cost = 0",
    ];
    for setting in settings {
        db.execute(&format!(
            "alter role sidecar in database {name} set {setting}"
        ))
        .await
        .unwrap();
    }
    works(&db, Options::default()).await;
    let version = db
        .value("select current_setting('server_version_num')::integer >= 170000")
        .await;
    if version.unwrap().as_deref() == Some("true") {
        // All that a session does before it sets this has to be quicker.
        db.execute(&format!(
            "alter role sidecar in database {name} set transaction_timeout = '1s'"
        ))
        .await
        .unwrap();
        works(&db, Options::default()).await;
    }
}
