use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair};
use tempfile::NamedTempFile;
use webhooks_tests::cluster::Options as Settings;
use webhooks_tests::database::Database;
use webhooks_tests::sidecar::{LogLine, Options, Sidecar};

use super::{delivers, path, private, said, servers, with_rules};
use webhooks_tests::PATIENCE;

/// A certificate that signs itself and says that it is an authority, as `openssl req -x509` makes it.
struct Own {
    certificate: String,
    key: String,
}

fn own(name: &str, alternatives: &[&str]) -> Own {
    let key = KeyPair::generate().unwrap();
    let alternatives: Vec<String> = alternatives.iter().map(|n| (*n).to_owned()).collect();
    let mut parameters = CertificateParams::new(alternatives).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    let certificate = parameters.self_signed(&key).unwrap();
    Own {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

/// A server with TLS, and the file of its certificate.
async fn encrypted(own: &Own, rules: &str, client_ca: Option<&str>) -> (Database, NamedTempFile) {
    let certificate = servers(&own.certificate);
    let key = servers(&own.key);
    let mut settings = Settings::default()
        .set("ssl", "on")
        .set("ssl_cert_file", path(&certificate))
        .set("ssl_key_file", path(&key));
    if let Some(file) = client_ca {
        settings = settings.set("ssl_ca_file", file);
    }
    let db = with_rules(rules, settings).await;
    (db, private(&own.certificate))
}

fn url(db: &Database, host: &str, more: &str) -> String {
    let (port, name) = (db.cluster().port(), db.name());
    format!("host={host} hostaddr=127.0.0.1 port={port} user=sidecar dbname={name} {more}")
}

async fn is_encrypted(db: &Database) -> bool {
    let query = "select s.ssl from pg_stat_ssl s join pg_stat_activity a using (pid) where a.application_name = 'webhooks-sidecar owner'";
    db.value(query).await.unwrap().as_deref() == Some("true")
}

async fn is_refused(db: &Database, url: String, part: &str) {
    let sidecar = Sidecar::spawn(db, Options::default().database_url(url)).unwrap();
    let is_said =
        |line: &LogLine| line.contains("no session with the database") && line.contains(part);
    sidecar.wait_log(PATIENCE, is_said).await.unwrap();
}

#[tokio::test]
async fn each_sslmode_trusts_whom_libpq_trusts() {
    // Without alternative names: its common name is the server's.
    let (db, certificate) = encrypted(&own("db.test", &[]), "host all all all trust\n", None).await;
    let trusted = format!("sslrootcert={}", path(&certificate));
    let unknown = private(&own("db.test", &["db.test"]).certificate);
    let unknown = format!("sslrootcert={}", path(&unknown));
    for (host, mode, root, is_tls) in [
        ("db.test", "disable", "", false),
        ("db.test", "allow", "", false),
        ("db.test", "prefer", "", true),
        // The certificate is nobody's that is known: that falls back.
        ("db.test", "prefer", unknown.as_str(), false),
        ("other.test", "require", "", true),
        ("other.test", "require", trusted.as_str(), true),
        ("other.test", "verify-ca", trusted.as_str(), true),
        ("db.test", "verify-full", trusted.as_str(), true),
    ] {
        let url = url(&db, host, &format!("sslmode={mode} {root}"));
        let sidecar = delivers(&db, &url, Options::default()).await;
        assert_eq!(is_encrypted(&db).await, is_tls, "{url}");
        drop(sidecar);
    }
    for (host, mode, root, part) in [
        (
            "other.test",
            "verify-full",
            trusted.as_str(),
            "connect by a name that is in the certificate",
        ),
        (
            "db.test",
            "require",
            unknown.as_str(),
            "name the server's certificate authority",
        ),
        (
            "db.test",
            "verify-ca",
            unknown.as_str(),
            "name the server's certificate authority",
        ),
        (
            "db.test",
            "verify-full",
            "",
            "name the server's certificate authority",
        ),
        (
            "db.test",
            "verify-full",
            "sslrootcert=system",
            "name the server's certificate authority",
        ),
    ] {
        is_refused(&db, url(&db, host, &format!("sslmode={mode} {root}")), part).await;
    }
    let flag = Options::default().arg(format!("--database-ca-file={}", path(&certificate)));
    delivers(&db, &url(&db, "db.test", "sslmode=verify-full"), flag).await;
}

#[tokio::test]
async fn rules_for_tls_alone_and_for_none_are_met() {
    let own = own("db.test", &["db.test"]);
    let (with, _file) = encrypted(&own, "hostssl all all all trust\n", None).await;
    for mode in ["allow", "prefer", "require"] {
        delivers(
            &with,
            &url(&with, "db.test", &format!("sslmode={mode}")),
            Options::default(),
        )
        .await;
    }
    is_refused(
        &with,
        url(&with, "db.test", "sslmode=disable"),
        "no encryption",
    )
    .await;
    let (without, _file) = encrypted(&own, "hostnossl all all all trust\n", None).await;
    for mode in ["disable", "allow", "prefer"] {
        delivers(
            &without,
            &url(&without, "db.test", &format!("sslmode={mode}")),
            Options::default(),
        )
        .await;
    }
    is_refused(
        &without,
        url(&without, "db.test", "sslmode=require"),
        "pg_hba.conf",
    )
    .await;
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_is_not_trusted() {
    let db = with_rules("host all all all trust\n", Settings::default()).await;
    is_refused(
        &db,
        url(&db, "db.test", "sslmode=require"),
        "does not support TLS",
    )
    .await;
}

#[tokio::test]
async fn a_client_certificate_lets_it_in() {
    let client = own("sidecar", &[]);
    let client_ca = servers(&client.certificate);
    let server = own("db.test", &["db.test"]);
    let rules = "hostssl all all all cert\n";
    let (db, certificate) = encrypted(&server, rules, Some(path(&client_ca))).await;
    let (cert, key) = (private(&client.certificate), private(&client.key));
    let base = format!("sslmode=verify-full sslrootcert={}", path(&certificate));
    let with_key = url(
        &db,
        "db.test",
        &format!("{base} sslcert={} sslkey={}", path(&cert), path(&key)),
    );
    let sidecar = delivers(&db, &with_key, Options::default()).await;
    assert!(said(&sidecar, "PRIVATE").is_empty());
    is_refused(&db, url(&db, "db.test", &base), "certificate").await;
    // As libpq: a key that others can read is not used.
    std::fs::set_permissions(
        key.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let mut sidecar = Sidecar::spawn(&db, Options::default().database_url(with_key)).unwrap();
    assert_eq!(sidecar.wait_exit(PATIENCE).await.unwrap().code(), Some(1));
    assert!(said(&sidecar, "chmod 0600").len() == 1);
}
