//! One sidecar for several databases: each is delivered from as if it were alone.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::NamedTempFile;
use webhooks_tests::cluster::{Cluster, Options as Settings, Stop};
use webhooks_tests::database::{Database, SIDECAR_ROLE};
use webhooks_tests::environment::sidecar_program;
use webhooks_tests::process::Signal;
use webhooks_tests::proxy::Proxy;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::{LogLine, Options, SHARES, Sidecar};
use webhooks_tests::wait::{Seen, eventually};
use webhooks_tests::{PATIENCE, http};

use crate::scene::{Endpoint, subscribe};

/// Deliveries that nothing holds up take a few milliseconds; a busy machine may take longer.
const PROMPT: Duration = Duration::from_secs(2);

/// A file of databases.
struct File(NamedTempFile);

impl File {
    fn of(lines: &[String]) -> Self {
        let file = Self(NamedTempFile::new().unwrap());
        file.write(lines);
        file
    }

    fn write(&self, lines: &[String]) {
        std::fs::write(self.0.path(), lines.join("\n")).unwrap();
    }

    fn options(&self) -> Options {
        let path = self.0.path().to_str().unwrap();
        Options::default()
            .database_url("")
            .arg(format!("--database-url-file={path}"))
            .arg("--metrics-listen=0")
    }
}

fn url(db: &Database) -> String {
    db.url(SIDECAR_ROLE)
}

/// What the sidecar calls a database.
fn name(db: &Database) -> String {
    format!("127.0.0.1:{}/{}", db.cluster().port(), db.name())
}

/// Whether a log line is about a database.
fn is_about(line: &LogLine, database: &str) -> bool {
    let of_span = line.field("span").and_then(|span| span.get("database"));
    of_span.and_then(|name| name.as_str()) == Some(database)
}

async fn wait_log(sidecar: &Sidecar, database: &str, message: &str) {
    let wanted = |line: &LogLine| is_about(line, database) && line.contains(message);
    sidecar.wait_log(PATIENCE, wanted).await.unwrap();
}

async fn start(db: &Database, options: Options, databases: &[&str]) -> Sidecar {
    let sidecar = Sidecar::spawn(db, options).unwrap();
    for database in databases {
        wait_log(&sidecar, database, "\"ready\"").await;
    }
    sidecar
}

/// Publishes an event and waits for its delivery. Returns how long that took.
async fn deliver(db: &Database, endpoint: &Endpoint) -> Duration {
    let began = Instant::now();
    let published = db.publish(endpoint.tenant, "document.uploaded", json!({}));
    let event = published.await.unwrap();
    db.wait_delivery(event, "delivered").await.unwrap();
    began.elapsed()
}

async fn readiness(address: &str, wanted: impl Fn(u16, &str) -> bool) {
    let seen = async || {
        let answer = http::get(address, "/readyz").await?;
        Ok(Seen::done_if(answer, |(status, text)| {
            wanted(*status, text)
        }))
    };
    eventually(PATIENCE, seen).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_down_or_silent_disturbs_no_other() {
    let steady = Database::fresh("steady").await.unwrap();
    let cluster = Cluster::start(Settings::default()).await.unwrap();
    let shaky = Database::create(&cluster, "shaky").await.unwrap();
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], cluster.port()))).unwrap();
    let port = proxy.address().port();
    let shaky_name = format!("127.0.0.1:{port}/{}", shaky.name());
    let shaky_url = format!(
        "host=127.0.0.1 port={port} user={SIDECAR_ROLE} dbname={}",
        shaky.name()
    );
    let file = File::of(&["# a comment".into(), url(&steady), String::new(), shaky_url]);
    let steady_name = name(&steady);
    let options = file.options().arg("--lease=5");
    let sidecar = start(&steady, options, &[&steady_name, &shaky_name]).await;
    let address = sidecar.metrics_address().await.unwrap();
    let receiver = Receiver::start().unwrap();
    receiver.on("/steady", Reply::ok());
    receiver.on("/shaky", Reply::ok());
    let to_steady = subscribe(&steady, &receiver.url("/steady"), json!({})).await;
    let to_shaky = subscribe(&shaky, &receiver.url("/shaky"), json!({})).await;
    deliver(&steady, &to_steady).await;
    deliver(&shaky, &to_shaky).await;
    let both = format!("{steady_name}: ready\n{shaky_name}: ready\n");
    readiness(&address, |status, text| {
        status == 200 && text.lines().all(|line| both.contains(line))
    })
    .await;

    let is_prompt = async || {
        for _ in 0..10 {
            let took = deliver(&steady, &to_steady).await;
            assert!(took < PROMPT, "{took:?}");
        }
    };
    // It answers nothing and refuses nothing.
    proxy.stall();
    let published = shaky.publish(to_shaky.tenant, "document.uploaded", json!({}));
    let missed = published.await.unwrap();
    is_prompt().await;
    wait_log(&sidecar, &shaky_name, "no session with the database").await;
    is_prompt().await;
    // And then it is away.
    proxy.resume();
    cluster.stop(Stop::Immediate).await.unwrap();
    readiness(&address, |status, text| {
        let complaint = format!("{shaky_name}: there is no session");
        status == 200
            && text.contains(&complaint)
            && text.contains(&format!("{steady_name}: ready\n"))
    })
    .await;
    is_prompt().await;
    assert!(
        !sidecar
            .log()
            .iter()
            .any(|line| is_about(line, &steady_name) && line.contains("no session"))
    );

    cluster.launch().await.unwrap();
    shaky.wait_delivery(missed, "delivered").await.unwrap();
    deliver(&shaky, &to_shaky).await;
}

#[tokio::test]
async fn sighup_adds_changes_and_removes_databases() {
    let receiver = Receiver::start().unwrap();
    let (stays, comes, goes) = (
        Database::fresh("stays").await.unwrap(),
        Database::fresh("comes").await.unwrap(),
        Database::fresh("goes").await.unwrap(),
    );
    let names = [&stays, &comes, &goes].map(name);
    let [stays_name, comes_name, goes_name] = names.each_ref().map(String::as_str);
    let file = File::of(&[url(&stays), url(&goes)]);
    let mut sidecar = start(&stays, file.options(), &[stays_name, goes_name]).await;
    let address = sidecar.metrics_address().await.unwrap();
    let owner = "select pid::text from pg_stat_activity
        where application_name like 'webhooks-sidecar owner%' and datname = current_database()";
    let pid = stays.value(owner).await.unwrap();
    assert!(pid.is_some());
    let sessions = "select count(*)::text from pg_stat_activity
        where application_name like 'webhooks-sidecar%' and datname = current_database()";

    // A request under way is waited for.
    receiver.on("/slow", Reply::ok().after(Duration::from_secs(2)));
    let slow = subscribe(&goes, &receiver.url("/slow"), json!({})).await;
    let published = goes.publish(slow.tenant, "document.uploaded", json!({}));
    let event = published.await.unwrap();
    receiver.wait_for(1).await.unwrap();
    file.write(&[url(&comes), url(&stays)]);
    sidecar.signal(Signal::HUP).unwrap();
    wait_log(&sidecar, comes_name, "\"ready\"").await;
    wait_log(&sidecar, goes_name, "\"stopped\"").await;
    goes.wait_delivery(event, "delivered").await.unwrap();
    goes.wait_value(sessions, "0").await.unwrap();
    receiver.on("/comes", Reply::ok());
    let endpoint = subscribe(&comes, &receiver.url("/comes"), json!({})).await;
    deliver(&comes, &endpoint).await;
    let (_, metrics) = http::get(&address, "/metrics").await.unwrap();
    let label = |name: &str| format!("database=\"{name}\"");
    assert!(metrics.contains(&label(comes_name)));
    assert!(!metrics.contains(&label(goes_name)));

    // Whoever stays notices nothing.
    assert_eq!(stays.value(owner).await.unwrap(), pid);

    // Other settings: it is started anew, and its metrics are there again.
    let changed = format!("{}?application_name=changed", url(&comes));
    file.write(&[url(&stays), changed]);
    sidecar.signal(Signal::HUP).unwrap();
    let renamed = "select count(*)::text from pg_stat_activity
        where application_name like 'webhooks-sidecar owner %: changed' and datname = current_database()";
    comes.wait_value(renamed, "1").await.unwrap();
    deliver(&comes, &endpoint).await;
    let (_, metrics) = http::get(&address, "/metrics").await.unwrap();
    assert!(metrics.contains(&label(comes_name)));
    assert_eq!(stays.value(owner).await.unwrap(), pid);

    sidecar.sigterm().unwrap();
    assert!(sidecar.wait_exit(PATIENCE).await.unwrap().success());
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_shows_no_password() {
    let receiver = Receiver::start().unwrap();
    let db = Database::fresh("broken_file").await.unwrap();
    let file = File::of(&[url(&db)]);
    let mut sidecar = start(&db, file.options(), &[&name(&db)]).await;
    receiver.on("/hook", Reply::ok());
    let endpoint = subscribe(&db, &receiver.url("/hook"), json!({})).await;
    let malformed = "postgresql://u:pa55word@h:port/d".to_owned();
    let reasons = [
        (vec![malformed.clone()], "line 1 of "),
        (vec![], "names no database"),
        (vec![url(&db), malformed], "line 2 of "),
        (vec![url(&db), url(&db)], "is given twice, by line 1 of "),
    ];
    for (lines, reason) in reasons {
        file.write(&lines);
        sidecar.signal(Signal::HUP).unwrap();
        let is_told =
            |line: &LogLine| line.contains("as they were before SIGHUP") && line.contains(reason);
        sidecar.wait_log(PATIENCE, is_told).await.unwrap();
        deliver(&db, &endpoint).await;
    }
    // Others may read it: that is said, and goes on.
    file.write(&[url(&db)]);
    let permissions = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(file.0.path(), permissions).unwrap();
    sidecar.signal(Signal::HUP).unwrap();
    let is_told = |line: &LogLine| line.contains("chmod 0600");
    sidecar.wait_log(PATIENCE, is_told).await.unwrap();
    deliver(&db, &endpoint).await;
    assert!(!sidecar.log().iter().any(|line| line.contains("pa55word")));
}

#[tokio::test]
async fn two_sidecars_share_the_shards_of_each_database() {
    let receiver = Receiver::start().unwrap();
    let databases = [
        Database::fresh("shared_one").await.unwrap(),
        Database::fresh("shared_two").await.unwrap(),
    ];
    // The one way to name them and the other.
    let file = File::of(&databases.each_ref().map(url));
    let options = databases.iter().fold(Options::default(), |options, db| {
        options.arg(format!("--database-url={}", url(db)))
    });
    let options = options.database_url("");
    let mut sidecars = Vec::new();
    for options in [file.options(), options] {
        sidecars.push(Sidecar::spawn(&databases[0], options).unwrap());
    }
    for db in &databases {
        db.wait_value(SHARES, "8,8").await.unwrap();
        receiver.on("/hook", Reply::ok());
        let endpoint = subscribe(db, &receiver.url("/hook"), json!({})).await;
        deliver(db, &endpoint).await;
    }
    sidecars[1].kill9().unwrap();
    for db in &databases {
        db.wait_value(SHARES, "16").await.unwrap();
    }
}

#[tokio::test]
async fn receivers_of_one_database_take_no_slots_of_another() {
    let receiver = Receiver::start().unwrap();
    let (hogs, other) = (
        Database::fresh("hogs").await.unwrap(),
        Database::fresh("other").await.unwrap(),
    );
    let file = File::of(&[url(&hogs), url(&other)]);
    let options = file.options().arg("--concurrency=16");
    let names = [name(&hogs), name(&other)];
    let sidecar = start(&hogs, options, &[&names[0], &names[1]]).await;
    receiver.on("/hangs", Reply::hang());
    receiver.on("/works", Reply::ok());
    let works = subscribe(&other, &receiver.url("/works"), json!({})).await;
    // Receivers of as many tenants as there are slots.
    for _ in 0..16 {
        let hangs = subscribe(&hogs, &receiver.url("/hangs"), json!({})).await;
        let published = hogs.publish(hangs.tenant, "document.uploaded", json!({}));
        published.await.unwrap();
    }
    // 4 are the other's, and those of 2 are left to fresh deliveries of each.
    let seen = async || Ok(Seen::done_if(receiver.in_flight("/hangs"), |n| *n >= 10));
    eventually(PATIENCE, seen).await.unwrap();
    for _ in 0..10 {
        let took = deliver(&other, &works).await;
        assert!(took < PROMPT, "{took:?}");
    }
    assert!(receiver.in_flight("/hangs") <= 12);
    let address = sidecar.metrics_address().await.unwrap();
    let (_, metrics) = http::get(&address, "/metrics").await.unwrap();
    for (name, count) in [(&names[0], 0), (&names[1], 10)] {
        let line = format!(
            "webhooks_attempts_total{{database=\"{name}\",outcome=\"delivered\"}} {count}\n"
        );
        assert!(metrics.contains(&line), "no {line} in {metrics}");
    }
}

#[tokio::test]
async fn a_destination_has_so_many_requests_at_once_from_all_databases() {
    const LIMIT: usize = 3;
    const SUBSCRIPTIONS: u64 = 4;
    const EVENTS: u32 = 25;
    let (shared, other) = (Receiver::start().unwrap(), Receiver::start().unwrap());
    let databases = [
        Database::fresh("many").await.unwrap(),
        Database::fresh("more").await.unwrap(),
    ];
    let file = File::of(&databases.each_ref().map(url));
    let limit = format!("--concurrency-per-destination={LIMIT}");
    let names = databases.each_ref().map(name);
    let options = file.options().arg(limit);
    let sidecar = start(&databases[0], options, &[&names[0], &names[1]]).await;

    shared.on("/works", Reply::ok().after(Duration::from_millis(5)));
    shared.on("/hangs", Reply::hang());
    other.on("/", Reply::ok());
    let publish = async |path: &str| {
        for db in &databases {
            for _ in 0..SUBSCRIPTIONS {
                let endpoint = subscribe(db, &shared.url(path), json!({})).await;
                let events = db.publish_many(endpoint.tenant, "job.created", EVENTS);
                events.await.unwrap();
            }
        }
    };
    publish("/works").await;
    for db in &databases {
        db.wait_drained(PATIENCE).await.unwrap();
    }
    assert_eq!(shared.peak_in_flight("/works"), LIMIT);
    assert_eq!(shared.count(), 2 * SUBSCRIPTIONS * u64::from(EVENTS));

    // When it hangs, other receivers are served.
    publish("/hangs").await;
    let is_crowded = async || {
        let in_flight = shared.in_flight("/hangs");
        Ok(Seen::done_if(in_flight, |n| *n == LIMIT))
    };
    eventually(PATIENCE, is_crowded).await.unwrap();
    for db in &databases {
        let prompt = subscribe(db, &other.url("/"), json!({})).await;
        let took = deliver(db, &prompt).await;
        assert!(took < PROMPT, "{took:?}");
    }
    let address = sidecar.metrics_address().await.unwrap();
    let crowded = async || {
        let (_, metrics) = http::get(&address, "/metrics").await?;
        let line = |name| format!("webhooks_destinations_crowded{{database=\"{name}\"}} 1\n");
        Ok(Seen::done_if(metrics, |metrics| {
            names.iter().all(|name| metrics.contains(&line(name)))
        }))
    };
    eventually(PATIENCE, crowded).await.unwrap();
    assert_eq!(shared.in_flight("/hangs"), LIMIT);
}

#[tokio::test]
async fn the_same_database_by_another_name_is_refused_and_the_other_goes_on() {
    let receiver = Receiver::start().unwrap();
    let db = Database::fresh("twice").await.unwrap();
    let alias = url(&db).replace("127.0.0.1", "localhost");
    let file = File::of(&[url(&db), alias]);
    let sidecar = Sidecar::spawn(&db, file.options()).unwrap();
    let is_told = |line: &LogLine| line.contains("this is the same database as");
    sidecar.wait_log(PATIENCE, is_told).await.unwrap();
    receiver.on("/hook", Reply::ok());
    let endpoint = subscribe(&db, &receiver.url("/hook"), json!({})).await;
    deliver(&db, &endpoint).await;
}

/// As many sessions in each database as a sidecar has that has no other.
#[tokio::test]
async fn several_databases_cost_each_no_more_than_one_does() {
    let sessions = "select coalesce(string_agg(application_name, ',' order by application_name), '')
        from pg_stat_activity where application_name like 'webhooks-sidecar%' and datname = current_database()";
    let receiver = Receiver::start().unwrap();
    receiver.on("/hook", Reply::ok());
    let alone = Database::fresh("alone").await.unwrap();
    let _sidecar = Sidecar::start(&alone).await.unwrap();
    let databases = [
        Database::fresh("with_another").await.unwrap(),
        Database::fresh("another").await.unwrap(),
    ];
    let file = File::of(&databases.each_ref().map(url));
    let names = databases.each_ref().map(name);
    let _fleet = start(&alone, file.options(), &[&names[0], &names[1]]).await;
    for db in databases.iter().chain([&alone]) {
        let endpoint = subscribe(db, &receiver.url("/hook"), json!({})).await;
        deliver(db, &endpoint).await;
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "webhooks-sidecar observe,webhooks-sidecar owner {version},webhooks-sidecar record"
        );
        db.wait_value(sessions, &expected).await.unwrap();
    }
}

#[tokio::test]
async fn giving_up_waits_until_no_database_has_a_session() {
    let cluster = Cluster::start(Settings::default()).await.unwrap();
    let db = Database::create(&cluster, "given_up").await.unwrap();
    let nowhere = format!("postgres://{SIDECAR_ROLE}@127.0.0.1:1/nowhere");
    let file = File::of(&[nowhere, url(&db)]);
    let options = file.options().arg("--give-up-after=5").arg("--lease=5");
    let mut sidecar = start(&db, options, &[&name(&db)]).await;
    let is_told = |line: &LogLine| line.contains("giving up") && line.contains("begin again");
    sidecar.wait_log(PATIENCE, is_told).await.unwrap();
    assert!(sidecar.exited().unwrap().is_none());
    cluster.stop(Stop::Fast).await.unwrap();
    let status = sidecar.wait_exit(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(69));
}

#[test]
fn a_file_and_a_url_together_are_refused() {
    let file = File::of(&["host=/nonexistent".to_owned()]);
    let output = Command::new(sidecar_program().unwrap())
        .args(["run", "--database-url-file"])
        .arg(file.0.path())
        .env("DATABASE_URL", "host=/nonexistent")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("leave one of them out"), "{text}");
}
