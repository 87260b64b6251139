use std::os::unix::fs::PermissionsExt;

use webhooks_tests::PATIENCE;
use webhooks_tests::database::Database;
use webhooks_tests::sidecar::{LogLine, Options, Sidecar};

use super::tls_server::{Accepts, Identity, TlsServer};
use super::{delivers, path, private, said};

async fn is_refused(db: &Database, url: String, part: &str) {
    let sidecar = Sidecar::spawn(db, Options::default().database_url(url)).unwrap();
    let is_said =
        |line: &LogLine| line.contains("no session with the database") && line.contains(part);
    sidecar.wait_log(PATIENCE, is_said).await.unwrap();
}

#[tokio::test]
async fn each_sslmode_trusts_whom_libpq_trusts() {
    let db = Database::fresh("sslmodes").await.unwrap();
    // Without alternative names: its common name is the server's.
    let identity = Identity::own("db.test", &[]);
    let server = TlsServer::start(&db, &identity, Accepts::All, None).await;
    let certificate = private(&identity.certificate.pem());
    let trusted = format!("sslrootcert={}", path(&certificate));
    let unknown = private(&Identity::own("db.test", &[]).certificate.pem());
    let unknown = format!("sslrootcert={}", path(&unknown));
    for (host, more, is_encrypted) in [
        ("db.test", "sslmode=disable".to_owned(), false),
        ("db.test", "sslmode=allow".to_owned(), false),
        ("db.test", String::new(), true),
        // The certificate is nobody's that is known: that goes on without.
        ("db.test", format!("sslmode=prefer {unknown}"), false),
        ("other.test", "sslmode=require".to_owned(), true),
        ("other.test", format!("sslmode=require {trusted}"), true),
        ("other.test", format!("sslmode=verify-ca {trusted}"), true),
        ("db.test", format!("sslmode=verify-full {trusted}"), true),
        (
            "db.test",
            "sslmode=require sslnegotiation=direct".to_owned(),
            true,
        ),
    ] {
        server.take_counts();
        let sidecar = delivers(&db, &server.url(host, &more), Options::default()).await;
        let (encrypted, plain) = server.take_counts();
        let seen = (encrypted > 0, plain > 0);
        assert_eq!(seen, (is_encrypted, !is_encrypted), "{host} {more}");
        drop(sidecar);
    }
    let advice = "name the server's certificate authority";
    for (host, more, part) in [
        (
            "other.test",
            format!("sslmode=verify-full {trusted}"),
            "a name that is in the certificate",
        ),
        ("db.test", format!("sslmode=require {unknown}"), advice),
        ("db.test", format!("sslmode=verify-ca {unknown}"), advice),
        ("db.test", format!("sslmode=verify-full {unknown}"), advice),
        ("db.test", "sslmode=verify-full".to_owned(), advice),
    ] {
        is_refused(&db, server.url(host, &more), part).await;
    }
    assert_eq!(server.take_counts(), (0, 0));
    let flag = Options::default().arg(format!("--database-ca-file={}", path(&certificate)));
    delivers(&db, &server.url("db.test", "sslmode=verify-full"), flag).await;
}

#[tokio::test]
async fn rules_for_tls_alone_and_for_none_are_met() {
    let db = Database::fresh("tls_rules").await.unwrap();
    let identity = Identity::own("db.test", &[]);
    let with = TlsServer::start(&db, &identity, Accepts::EncryptedAlone, None).await;
    for mode in ["allow", "prefer", "require"] {
        let url = with.url("db.test", &format!("sslmode={mode}"));
        delivers(&db, &url, Options::default()).await;
    }
    is_refused(
        &db,
        with.url("db.test", "sslmode=disable"),
        "pg_hba.conf accept this user",
    )
    .await;
    let without = TlsServer::start(&db, &identity, Accepts::PlainAlone, None).await;
    for mode in ["disable", "allow", "prefer"] {
        let url = without.url("db.test", &format!("sslmode={mode}"));
        delivers(&db, &url, Options::default()).await;
    }
    is_refused(
        &db,
        without.url("db.test", "sslmode=require"),
        "pg_hba.conf accept this user",
    )
    .await;
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_is_not_trusted() {
    let db = Database::fresh("without_tls").await.unwrap();
    let url = format!("{}?sslmode=require", db.url("sidecar"));
    is_refused(&db, url, "does not support TLS").await;
}

#[tokio::test]
async fn a_client_certificate_lets_it_in() {
    let db = Database::fresh("client_certificate").await.unwrap();
    let identity = Identity::own("db.test", &["db.test"]);
    let (client, authority) = Identity::issued("sidecar");
    let server = TlsServer::start(&db, &identity, Accepts::All, Some(&authority)).await;
    let certificate = private(&identity.certificate.pem());
    let (cert, key) = (
        private(&client.certificate.pem()),
        private(&client.key.serialize_pem()),
    );
    let base = format!("sslmode=verify-full sslrootcert={}", path(&certificate));
    let more = format!("{base} sslcert={} sslkey={}", path(&cert), path(&key));
    let with_key = server.url("db.test", &more);
    let sidecar = delivers(&db, &with_key, Options::default()).await;
    assert!(said(&sidecar, "PRIVATE").is_empty());
    is_refused(
        &db,
        server.url("db.test", &base),
        "with sslcert and its key with sslkey",
    )
    .await;
    // As libpq: a key that others can read is not used.
    std::fs::set_permissions(key.path(), PermissionsExt::from_mode(0o644)).unwrap();
    let mut sidecar = Sidecar::spawn(&db, Options::default().database_url(with_key)).unwrap();
    let status = sidecar.wait_exit(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(said(&sidecar, "chmod 0600").len(), 1);
}
