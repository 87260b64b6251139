//! Reaching the database as libpq does: by sockets, services and password files, with each sslmode, at the primary among several
//! servers; and what stands between.

mod encryption;
mod failover;
mod poolers;
mod tls_server;
mod trouble;

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tempfile::NamedTempFile;
use webhooks_tests::cluster::{Cluster, Options as Settings};
use webhooks_tests::database::Database;
use webhooks_tests::environment::Postgres;
use webhooks_tests::receiver::Receiver;
use webhooks_tests::sidecar::{LogLine, Options, Sidecar};

use crate::scene::subscribe;

/// Starts with this connection string, and delivers.
async fn delivers(db: &Database, url: &str, options: Options) -> Sidecar {
    let sidecar = Sidecar::start_with(db, options.database_url(url)).await;
    let sidecar = sidecar.unwrap();
    delivers_once(db).await;
    sidecar
}

async fn delivers_once(db: &Database) {
    let receiver = Receiver::start().unwrap();
    let endpoint = subscribe(db, &receiver.url("/"), json!({})).await;
    let event = db.publish(endpoint.tenant, "document.uploaded", json!({}));
    db.wait_delivery(event.await.unwrap(), "delivered")
        .await
        .unwrap();
}

/// A file that only its user can read.
fn private(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o600)).unwrap();
    file
}

/// Such a file for the server.
fn servers(text: &str) -> NamedTempFile {
    let file = private(text);
    Postgres::from_env()
        .unwrap()
        .hand_over(file.path())
        .unwrap();
    file
}

/// A cluster of its own with these lines of pg_hba.conf, and a database in it.
async fn with_rules(rules: &str, settings: Settings) -> Database {
    let rules = servers(&format!("local all postgres trust\n{rules}"));
    let settings = settings.set("hba_file", rules.path().to_str().unwrap());
    let cluster = Cluster::start(settings).await.unwrap();
    Database::create(&cluster, "rules").await.unwrap()
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

fn said(sidecar: &Sidecar, text: &str) -> Vec<LogLine> {
    let mut lines = sidecar.log();
    lines.retain(|line| line.contains(text));
    lines
}

#[tokio::test]
async fn sockets_work_in_every_way_to_write_them() {
    let db = Database::fresh("sockets").await.unwrap();
    let directory = db.cluster().directory().display().to_string();
    let (port, name) = (db.cluster().port(), db.name());
    let encoded = directory.replace('/', "%2F");
    for url in [
        format!("postgresql:///{name}?host={directory}&port={port}&user=sidecar"),
        format!("postgresql://sidecar@{encoded}:{port}/{name}"),
        format!("host={directory} port={port} user=sidecar dbname={name} sslmode=verify-full"),
    ] {
        let sidecar = delivers(&db, &url, Options::default()).await;
        let socket = format!("{directory}/.s.PGSQL.{port}");
        assert_eq!(said(&sidecar, "connected").len(), 1);
        assert!(said(&sidecar, "connected")[0].contains(&socket));
    }
    let variables = Options::default()
        .env("PGHOST", &directory)
        .env("PGPORT", &port.to_string())
        .env("PGUSER", "sidecar")
        .env("PGDATABASE", name);
    delivers(&db, "", variables).await;
}

#[tokio::test]
async fn a_service_and_a_password_file_are_enough() {
    let password = "it's:a \\secret";
    let db = with_rules(
        "host all all 127.0.0.1/32 scram-sha-256\n",
        Settings::default(),
    )
    .await;
    let set = format!(
        "alter role sidecar password '{}'",
        password.replace('\'', "''")
    );
    db.execute(&set).await.unwrap();
    let (port, name) = (db.cluster().port(), db.name());
    let service = private(&format!(
        "[other]\nport=1\n\n# ours\n[hooks]\nhost=127.0.0.1\nport={port}\nuser=sidecar\ndbname={name}\nsslmode=allow\n"
    ));
    let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
    let passwords = private(&format!(
        "127.0.0.1:{port}:*:other:no\n*:{port}:{name}:sidecar:{escaped}\n"
    ));
    let options = || {
        let options = Options::default().env("PGSERVICEFILE", path(&service));
        options.env("WEBHOOKS_LOG", "trace")
    };
    let by_variables = options()
        .env("PGSERVICE", "hooks")
        .env("PGPASSFILE", path(&passwords));
    let url = format!("service=hooks passfile={}", path(&passwords));
    for (url, options) in [("", by_variables), (&url, options())] {
        let sidecar = delivers(&db, url, options).await;
        assert!(said(&sidecar, "secret").is_empty());
    }
    // As libpq: a file that others can read is none.
    std::fs::set_permissions(passwords.path(), PermissionsExt::from_mode(0o644)).unwrap();
    let sidecar = Sidecar::spawn(&db, options().database_url(url)).unwrap();
    for part in [
        "chmod 0600",
        "give one in --password-file, ~/.pgpass or PGPASSWORD",
    ] {
        let is_said = |line: &LogLine| line.contains(part);
        sidecar
            .wait_log(webhooks_tests::PATIENCE, is_said)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_password_with_an_sslmode_in_it_stays_as_it_is() {
    let password = "sslmode=verify-full&sslmode=verify-ca";
    let db = with_rules(
        "host all all 127.0.0.1/32 scram-sha-256\n",
        Settings::default(),
    )
    .await;
    db.execute(&format!("alter role sidecar password '{password}'"))
        .await
        .unwrap();
    let (port, name) = (db.cluster().port(), db.name());
    let pairs =
        format!("host=127.0.0.1 port={port} user=sidecar dbname={name} password='{password}'");
    delivers(&db, &pairs, Options::default()).await;
}

#[tokio::test]
async fn the_first_line_says_what_runs_and_no_secret() {
    let db = Database::fresh("first_line").await.unwrap();
    let url = db.url("sidecar").replace("sidecar@", "sidecar:hush@");
    let options = Options::default()
        .arg("--lease=20")
        .env("PGAPPNAME", "shop");
    let sidecar = delivers(&db, &url, options).await;
    let first = &sidecar.log()[0];
    let version = std::env::var("WEBHOOKS_VERSION").unwrap();
    let port = format!("127.0.0.1:{}", db.cluster().port());
    for part in [
        version.as_str(),
        &port,
        db.name(),
        "sidecar",
        "--lease=20",
        "--allow-network=127.0.0.0/8",
    ] {
        assert!(first.contains(part), "{part}: {}", first.raw);
    }
    let connected = &said(&sidecar, "connected")[0];
    assert_eq!(connected.field("extension").unwrap(), &json!(version));
    let postgresql = db
        .value("select current_setting('server_version')")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(connected.field("postgresql").unwrap(), &json!(postgresql));
    assert!(said(&sidecar, "hush").is_empty());
    let named = "select string_agg(application_name, ',') from pg_stat_activity where application_name like 'webhooks-sidecar owner %: shop'";
    let expected = format!("webhooks-sidecar owner {version}: shop");
    db.wait_value(named, &expected).await.unwrap();
}
