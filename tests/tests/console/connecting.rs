use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tempfile::NamedTempFile;
use webhooks_tests::PATIENCE;
use webhooks_tests::cluster::{Cluster, Options, Stop};
use webhooks_tests::console::Console;
use webhooks_tests::database::{CONSOLE_ROLE, Database};
use webhooks_tests::environment::Postgres;
use webhooks_tests::pooler::{Mode, Pooler, StartupOptions};
use webhooks_tests::wait::{Seen, eventually};

use crate::scene::{SUBSCRIPTIONS, Scene};
use crate::tls_server::{Accepts, Identity, TlsServer};

/// A console that answers requests.
async fn answers(url: &str, variables: &[(&str, &str)]) -> Console {
    let mut console = Console::spawn(url, &[], variables).unwrap();
    console.wait_listening().await.unwrap();
    let answer = console.get("/readyz").await.unwrap();
    assert_eq!(answer, (200, "ready\n".to_owned()), "{url}");
    console
}

/// A console that can't reach its database, and what its log says of that. None of it is the password.
async fn is_refused(url: &str, parts: &[&str]) {
    let console = Console::start_with(url, &[]).await.unwrap();
    assert_eq!(console.get("/readyz").await.unwrap().0, 503, "{url}");
    let said = console
        .wait_log(|line| line.contains("not ready"))
        .await
        .unwrap();
    for part in parts {
        assert!(said.contains(part), "{part}: {}", said.raw);
    }
    assert!(console.log().iter().all(|line| !line.contains("hush")));
}

async fn is_ready_again(console: &Console) {
    let check = async || {
        let status = console.get("/readyz").await?.0;
        Ok(Seen::done_if(status, |status| *status == 200))
    };
    eventually(PATIENCE, check).await.unwrap();
}

/// A file that only its user can read.
fn private(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o600)).unwrap();
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

/// A database of a cluster that asks the console's role for this password.
async fn with_password(password: &str) -> Database {
    let rules = private("local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n");
    Postgres::from_env()
        .unwrap()
        .hand_over(rules.path())
        .unwrap();
    let options = Options::default().set("hba_file", path(&rules));
    let cluster = Cluster::start(options).await.unwrap();
    let db = Database::create(&cluster, "password").await.unwrap();
    let password = password.replace('\'', "''");
    db.execute(&format!("alter role {CONSOLE_ROLE} password '{password}'"))
        .await
        .unwrap();
    db
}

/// A cluster with a database of this name.
async fn cluster_with(name: &str) -> Arc<Cluster> {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let db = Database::create_named(&cluster, name).await.unwrap();
    db.create_extension().await.unwrap();
    cluster
}

#[tokio::test]
async fn sockets_and_variables_work_as_to_libpq() {
    let db = Database::fresh("console_sockets").await.unwrap();
    let directory = db.cluster().directory().display().to_string();
    let (port, name) = (db.cluster().port().to_string(), db.name());
    let encoded = directory.replace('/', "%2F");
    for url in [
        format!("postgresql:///{name}?host={directory}&port={port}&user=console"),
        format!("postgresql://console@{encoded}:{port}/{name}"),
        format!("host={directory} port={port} user=console dbname={name} sslmode=verify-full"),
    ] {
        answers(&url, &[]).await;
    }
    let variables = [
        ("PGHOST", directory.as_str()),
        ("PGPORT", &port),
        ("PGUSER", "console"),
        ("PGDATABASE", name),
        ("PGAPPNAME", "shop"),
    ];
    let _console = answers("", &variables).await;
    let named = "select string_agg(application_name, ',') from pg_stat_activity where application_name like 'webhooks-console%: shop' and datname = current_database()";
    db.wait_value(named, "webhooks-console: shop")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_password_is_taken_as_it_is_from_wherever_it_stands() {
    let password = "it's:a \\hush sslmode=verify-full";
    let db = with_password(password).await;
    let (port, name) = (db.cluster().port(), db.name());
    let service = private(&format!(
        "[other]\nport=1\n\n# ours\n[hooks]\nhost=127.0.0.1\nport={port}\nuser=console\ndbname={name}\nsslmode=allow\n"
    ));
    let services = [("PGSERVICEFILE", path(&service))];
    let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
    let encoded = password
        .replace(' ', "%20")
        .replace(':', "%3A")
        .replace('=', "%3D");
    let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
    let passwords = private(&format!("*:{port}:{name}:console:{escaped}\n"));
    for url in [
        format!("service=hooks password='{quoted}'"),
        format!("postgresql://console:{encoded}@127.0.0.1:{port}/{name}"),
        format!("service=hooks passfile={}", path(&passwords)),
    ] {
        let console = answers(&url, &services).await;
        assert!(console.log().iter().all(|line| !line.contains("hush")));
    }
    let file = private(&format!("{password}\n"));
    let variables = [
        services[0],
        ("PGSERVICE", "hooks"),
        ("WEBHOOKS_PASSWORD_FILE", path(&file)),
    ];
    answers("", &variables).await;

    let place = format!("127.0.0.1:{port}");
    let wrong = format!("postgresql://console:hush@{place}/{name}");
    is_refused(&wrong, &[&place, "check the user, its password"]).await;
    let none = format!("postgresql://console@{place}/{name}");
    is_refused(&none, &[&place, "--password-file, ~/.pgpass"]).await;
}

#[tokio::test]
async fn the_first_server_that_accepts_writes_is_used() {
    let (first, second) = (cluster_with("places").await, cluster_with("places").await);
    let places = [&first, &second].map(|cluster| format!("127.0.0.1:{}", cluster.port()));
    first.stop(Stop::Fast).await.unwrap();
    let url = format!(
        "postgresql://console:hush@{}/places?target_session_attrs=read-write",
        places.join(",")
    );
    let console = answers(&url, &[]).await;
    second.stop(Stop::Immediate).await.unwrap();
    let says_of_both = async || {
        let status = console.get("/readyz").await?.0;
        let said = console.log().iter().any(|line| {
            line.contains("can't connect") && places.iter().all(|place| line.contains(place))
        });
        Ok(Seen::done_if((status, said), |seen| *seen == (503, true)))
    };
    eventually(PATIENCE, says_of_both).await.unwrap();
    first.launch().await.unwrap();
    is_ready_again(&console).await;
    assert!(console.log().iter().all(|line| !line.contains("hush")));
    // Whatever is asked of it, it is there to be written to.
    let standby = url.replace("read-write", "prefer-standby");
    let mut console = Console::spawn(&standby, &[], &[]).unwrap();
    assert_eq!(console.wait_exit(PATIENCE).await.unwrap().code(), Some(1));
    let refusal = console.wait_log(|line| line.contains("use read-write or primary"));
    refusal.await.unwrap();
}

#[tokio::test]
async fn requests_are_answered_again_when_the_database_is_back() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let db = Database::create(&cluster, "console_away").await.unwrap();
    let console = Console::start(&db).await.unwrap();
    let scene = Scene { console, db };
    let client = scene.manager(scene.db.tenant()).await;
    assert_eq!(client.get(SUBSCRIPTIONS).await.status, 200);
    cluster.stop(Stop::Immediate).await.unwrap();
    let answer = client.get(SUBSCRIPTIONS).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    // Names of servers are for the log.
    let port = cluster.port().to_string();
    assert!(!answer.body.contains(&port), "{answer:?}");
    cluster.launch().await.unwrap();
    is_ready_again(&scene.console).await;
    assert_eq!(client.get(SUBSCRIPTIONS).await.status, 200);
}

#[tokio::test]
async fn each_sslmode_trusts_whom_libpq_trusts() {
    let db = Database::fresh("console_sslmodes").await.unwrap();
    let identity = Identity::own("db.test", &[]);
    let server = TlsServer::start(&db, &identity, Accepts::All, None).await;
    let certificate = private(&identity.certificate.pem());
    let trusted = format!("sslrootcert={}", path(&certificate));
    let other = private(&Identity::own("db.test", &[]).certificate.pem());
    let unknown = format!("sslrootcert={}", path(&other));
    let url = |host: &str, more: String| server.url(host, &format!("{more} user=console"));
    for (mode, is_encrypted) in [
        ("sslmode=disable".to_owned(), false),
        ("sslmode=allow".to_owned(), false),
        ("sslmode=require".to_owned(), true),
        (format!("sslmode=verify-ca {trusted}"), true),
        (format!("sslmode=verify-full {trusted}"), true),
    ] {
        server.take_counts();
        answers(&url("db.test", mode.clone()), &[]).await;
        let (encrypted, plain) = server.take_counts();
        assert_eq!(
            (encrypted > 0, plain > 0),
            (is_encrypted, !is_encrypted),
            "{mode}"
        );
    }
    let by_flag = url("db.test", "sslmode=verify-full".to_owned());
    answers(
        &by_flag,
        &[("WEBHOOKS_DATABASE_CA_FILE", path(&certificate))],
    )
    .await;

    let advice = "name the server's certificate authority";
    for (host, more, part) in [
        ("db.test", format!("sslmode=verify-full {unknown}"), advice),
        ("db.test", format!("sslmode=verify-ca {unknown}"), advice),
        (
            "other.test",
            format!("sslmode=verify-full {trusted}"),
            "a name that is in the certificate",
        ),
    ] {
        is_refused(&url(host, more), &[host, part]).await;
    }
}

#[tokio::test]
async fn a_pooler_has_to_keep_sessions() {
    let db = Database::fresh("console_pooler").await.unwrap();
    let server = SocketAddr::from(([127, 0, 0, 1], db.cluster().port()));
    for options in [StartupOptions::Ignored, StartupOptions::Refused] {
        let url = |pooler: &Pooler| {
            let (address, name) = (pooler.address(), db.name());
            format!("postgresql://console@{address}/{name}")
        };
        let pooler = Pooler::start(server, Mode::Session, options).unwrap();
        answers(&url(&pooler), &[]).await;
        let pooler = Pooler::start(server, Mode::Transaction, options).unwrap();
        is_refused(&url(&pooler), &["pooler in transaction mode", "127.0.0.1:"]).await;
    }
}

#[tokio::test]
async fn what_would_be_ignored_is_refused() {
    for (url, part) in [
        (
            "postgresql://u:hush@h/d?requirepeer=postgres",
            "requirepeer",
        ),
        ("host=h password=hush sslmode=verify", "use one of disable"),
        ("service=none_such password=hush", "none_such"),
        (
            "host=h password=hush sslrootcert=/none/such sslmode=verify-full",
            "/none/such",
        ),
    ] {
        let mut console = Console::spawn(url, &[], &[]).unwrap();
        assert_eq!(console.wait_exit(PATIENCE).await.unwrap().code(), Some(1));
        let log = console.log();
        assert!(log.iter().any(|line| line.contains(part)), "{url}: {log:?}");
        assert!(log.iter().all(|line| !line.contains("hush")), "{log:?}");
    }
}
