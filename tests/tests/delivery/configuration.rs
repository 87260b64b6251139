//! Mistakes of an operator, and the log lines about them.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;
use webhooks_tests::cluster::{Cluster, Options as Settings};
use webhooks_tests::database::Database;
use webhooks_tests::environment::{Postgres, sidecar_program};
use webhooks_tests::receiver::Receiver;
use webhooks_tests::sidecar::{Options, Sidecar};

const SOON: Duration = Duration::from_secs(15);
const PASSWORD: &str = "pa55-w0rd-not-to-be-seen";

/// Waits for a complaint that contains all of these.
async fn complains(sidecar: &Sidecar, parts: &[&str]) {
    sidecar
        .wait_log(SOON, |line| parts.iter().all(|part| line.contains(part)))
        .await
        .unwrap();
}

/// Runs the program to its end, without a database. One that goes on instead is killed.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new("timeout")
        .args(["--signal=KILL", "10"])
        .arg(sidecar_program().unwrap())
        .args(arguments)
        .env_remove("DATABASE_URL")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_role_without_membership_is_told_which_to_grant() {
    let db = Database::fresh("membership").await.unwrap();
    let url = db.url("publisher");
    let mut sidecar = Sidecar::spawn(&db, Options::default().database_url(url)).unwrap();
    complains(
        &sidecar,
        &["permission denied", "grant the role webhooks_sidecar"],
    )
    .await;
    // It goes on trying: the grant is enough.
    db.execute("grant webhooks_sidecar to publisher")
        .await
        .unwrap();
    let ready = sidecar.wait_ready().await;
    db.execute("revoke webhooks_sidecar from publisher")
        .await
        .unwrap();
    ready.unwrap();
}

#[tokio::test]
async fn a_database_without_the_extension_is_named_and_its_creation_is_enough() {
    let cluster = Cluster::shared().await.unwrap();
    // Makes the login roles.
    Database::fresh("roles").await.unwrap();
    let db = Database::create_empty(&cluster, "bare").await.unwrap();
    let mut sidecar = Sidecar::spawn(&db, Options::default()).unwrap();
    complains(&sidecar, &["CREATE EXTENSION webhooks"]).await;
    db.create_extension().await.unwrap();
    sidecar.wait_ready().await.unwrap();
}

#[tokio::test]
async fn another_version_of_the_extension_is_refused() {
    let db = Database::fresh("version").await.unwrap();
    let update = "update pg_extension set extversion = '9.9.9' where extname = 'webhooks'";
    db.execute(update).await.unwrap();
    let mut sidecar = Sidecar::spawn(&db, Options::default()).unwrap();
    complains(
        &sidecar,
        &["the extension is version 9.9.9", "upgrade this sidecar"],
    )
    .await;
    let update = update.replace("9.9.9", &std::env::var("WEBHOOKS_VERSION").unwrap());
    db.execute(&update).await.unwrap();
    sidecar.wait_ready().await.unwrap();
}

#[tokio::test]
async fn passwords_are_checked_and_never_shown() {
    let hba = tempfile::NamedTempFile::new().unwrap();
    let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(hba.path(), rules).unwrap();
    Postgres::from_env().unwrap().hand_over(hba.path()).unwrap();
    let settings = Settings::default().set("hba_file", hba.path().to_str().unwrap());
    let cluster = Cluster::start(settings).await.unwrap();
    let db = Database::create(&cluster, "passwords").await.unwrap();
    db.execute(&format!("alter role sidecar password '{PASSWORD}'"))
        .await
        .unwrap();
    let url = |password: &str| {
        let user = format!("sidecar:{password}@");
        db.url("sidecar").replace("sidecar@", &user)
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();

    // Right in the URL, wrong in the file: the file wins.
    std::fs::write(file.path(), "wrong\n").unwrap();
    let options = Options::default()
        .database_url(url(PASSWORD))
        .env("WEBHOOKS_PASSWORD_FILE", path)
        .env("WEBHOOKS_LOG", "trace");
    let wrong = Sidecar::spawn(&db, options).unwrap();
    complains(
        &wrong,
        &[
            "password authentication failed",
            "check the user, its password",
        ],
    )
    .await;

    // Wrong in the URL, right in the file.
    std::fs::write(file.path(), format!("{PASSWORD}\n")).unwrap();
    let options = Options::default()
        .database_url(url("wrong"))
        .env("WEBHOOKS_PASSWORD_FILE", path)
        .env("WEBHOOKS_LOG", "trace");
    let by_file = Sidecar::start_with(&db, options).await.unwrap();
    let options = Options::default()
        .database_url(url(PASSWORD))
        .env("WEBHOOKS_LOG", "trace");
    let by_url = Sidecar::start_with(&db, options).await.unwrap();
    for sidecar in [wrong, by_file, by_url] {
        let command_line = std::fs::read(format!("/proc/{}/cmdline", sidecar.pid())).unwrap();
        let command_line = String::from_utf8_lossy(&command_line).into_owned();
        assert!(command_line.contains("webhooks-sidecar"), "{command_line}");
        assert!(!command_line.contains(PASSWORD));
        assert!(!sidecar.log().iter().any(|line| line.contains(PASSWORD)));
    }
}

#[test]
fn mistakes_in_the_configuration_end_it_with_their_names_but_not_the_password() {
    let url = |text: &str| text.replace("PASSWORD", PASSWORD);
    let cases = [
        (url("postgres://u:PASSWORD@h:port/d"), "DATABASE_URL"),
        (url("postgres://u:PASSWORD@[::1/d"), "DATABASE_URL"),
        (url("host=h password='PASSWORD"), "DATABASE_URL"),
        (
            url("host=h password=PASSWORD sslmode=maybe"),
            "DATABASE_URL",
        ),
        (url("host=h password=PASSWORD colour=red"), "DATABASE_URL"),
    ];
    for (url, part) in cases {
        let output = run(&["run"], &[("DATABASE_URL", &url)]);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(part) && !log.contains(PASSWORD), "{log}");
    }
    for (name, value, part) in [
        (
            "WEBHOOKS_PASSWORD_FILE",
            "/nonexistent",
            "password file /nonexistent",
        ),
        ("WEBHOOKS_RECEIVER_CA_FILE", "/nonexistent", "/nonexistent"),
        (
            "WEBHOOKS_RECEIVER_CA_FILE",
            "/etc/passwd",
            "/etc/passwd holds no PEM certificates",
        ),
        (
            "WEBHOOKS_RECEIVER_CA_FILE",
            "/dev/null",
            "/dev/null holds no PEM certificates",
        ),
        (
            "WEBHOOKS_PASSWORD_FILE",
            "/dev/null",
            "the password file /dev/null is empty: write the password into it",
        ),
        ("PGSSLROOTCERT", "/nonexistent", "/nonexistent"),
        (
            "DATABASE_URL",
            "postgres://h/d?sslrootcert=/nonexistent/db.pem",
            "/nonexistent/db.pem",
        ),
        (
            "DATABASE_URL",
            "postgres://h/d?target_session_attrs=prefer-standby",
            "use read-write or primary",
        ),
        ("PGGSSENCMODE", "require", "PGGSSENCMODE is not supported"),
        ("PGSERVICE", "nowhere", "there is no service \"nowhere\""),
        ("PGPORT", "none", "PGPORT is \"none\""),
        ("PGSSLMODE", "always", "PGSSLMODE is \"always\""),
    ] {
        let output = run(&["run"], &[(name, value)]);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {log}");
        assert!(log.contains(part), "{name}: {log}");
    }
}

#[test]
fn bad_flags_exit_with_2_and_say_what_is_wrong() {
    for (arguments, part) in [
        (&["run", "--no-such-flag"][..], "--no-such-flag"),
        (&["run", "--concurrency=0"], "0 is not in 1..=65536"),
        (&["run", "--concurrency=many"], "--concurrency"),
        (&["run", "--allow-network=10.0.0.0/33"], "--allow-network"),
        (&["run", "--allow-network=localhost"], "--allow-network"),
        (&["run", "--poll-interval=-1"], "--poll-interval"),
        (&["run", "--poll-interval=soon"], "give a number of seconds"),
        (
            &["run", "--log-format=xml"],
            "[possible values: text, json]",
        ),
        (&["run", "--poll-interval=0"], "--poll-interval is 0"),
        (&["run", "--lease=4"], "--lease is 4 s"),
        (
            &["run", "--maintain-interval=0"],
            "--maintain-interval is 0",
        ),
        (&["run", "--maintain-interval=86401"], "give at most 86400"),
        (&["run", "--lease=3601"], "give at most 3600"),
        (&["run", "--poll-interval=0.05"], "give at least 0.1"),
        (
            &["run", "--allow-network=10.1.2.3/8"],
            "write 10.0.0.0/8 for the network, or 10.1.2.3/32",
        ),
        (&["run", "--allow-network=10.0.0.0/8,::1"], "write ::1/128"),
        (&["run", "--user-agent=B\u{fc}ro"], "use visible ASCII"),
        (&["run", "--user-agent="], "leave it out for the default"),
        (&["run", "--log-level=warning"], "\"warning\" is no level"),
        (
            &["run", "--log-level=hyper=loud"],
            "such as webhooks_sidecar=debug",
        ),
        (&["fly"], "fly"),
        (&[], "Usage"),
    ] {
        let output = run(arguments, &[]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
}

/// Each is said, with what to do; then it goes on, here to an authority that ends it.
#[test]
fn settings_that_hardly_work_as_meant_get_warnings() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), PASSWORD).unwrap();
    let path = file.path().to_str().unwrap();
    let url = format!("postgres://u:{PASSWORD}@h/d?sslmode=disable");
    let url = format!("--database-url={url}");
    let arguments = [
        "run",
        &url,
        "--drain-timeout=10",
        "--concurrency=4",
        "--poll-interval=600",
        "--allow-network=0.0.0.0/0,10.0.0.0/8,10.0.0.0/8",
        // It has no certificates: that ends it.
        "--database-ca-file=/dev/null",
    ];
    let output = run(&arguments, &[("WEBHOOKS_PASSWORD_FILE", path)]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    for part in [
        "--drain-timeout is 10 s",
        "--concurrency is 4",
        "--poll-interval is 600 s",
        "0.0.0.0/0 allows every address",
        "10.0.0.0/8 adds nothing to 0.0.0.0/0",
        "which everybody on this machine can see",
        "the file's is used",
        "--database-ca-file is not used, because sslmode is disable",
        "/dev/null holds no PEM certificates",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
fn open_files_are_had_as_needed_or_it_ends_with_the_number() {
    let limited = |limit: &str| {
        let program = sidecar_program().unwrap();
        let output = Command::new("sh")
            .args(["-c", &format!("ulimit {limit} && exec \"$0\" run")])
            .arg(program)
            .env("DATABASE_URL", "postgres://h:port/d")
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), log)
    };
    let (code, log) = limited("-n 100");
    assert_eq!(code, Some(2), "{log}");
    let fix =
        "needs 320 open files, and this process may have 100: raise its hard limit (ulimit -Hn 320";
    assert!(
        log.contains(fix) && log.contains("or give --concurrency 36"),
        "{log}"
    );
    // A soft limit is raised: the connection string is looked at next.
    let (code, log) = limited("-S -n 100");
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("DATABASE_URL"), "{log}");
}

#[test]
fn the_help_names_every_variable_and_shows_no_value() {
    let output = run(&["run", "--help"], &[("DATABASE_URL", PASSWORD)]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(!help.contains(PASSWORD), "{help}");
    // A flag begins its paragraph; --help is no setting.
    let paragraphs: Vec<_> = help
        .split("\n\n")
        .filter(|p| p.trim_start().starts_with("--"))
        .collect();
    assert!(paragraphs.len() >= 12, "{help}");
    let blocks = help.split("\n      --").skip(1);
    for block in blocks {
        assert!(block.contains("[env: "), "no variable: --{block}");
    }
    for name in [
        "PGHOST",
        "PGPORT",
        "PGUSER",
        "PGPASSWORD",
        "PGDATABASE",
        "PGSSLMODE",
        "PGSSLROOTCERT",
    ] {
        assert!(help.contains(name), "{name}");
    }
}

/// Only the database knows the longest timeout: a shutdown that would cut such requests off is warned of when it is seen.
#[tokio::test]
async fn a_timeout_beyond_the_drain_is_warned_of() {
    let db = Database::fresh("drain_short").await.unwrap();
    let receiver = Receiver::start().unwrap();
    let tenant = db.tenant();
    let columns =
        json!({"webhook_url": receiver.url("/"), "timeout_seconds": 45, "tenant_id": tenant});
    db.subscribe(columns).await.unwrap();
    let sidecar = Sidecar::start(&db).await.unwrap();
    let event = db.publish(tenant, "job.created", json!({})).await.unwrap();
    db.wait_delivery(event, "delivered").await.unwrap();
    let parts = ["longer than --drain-timeout", "45", "30"];
    complains(&sidecar, &parts).await;
}
