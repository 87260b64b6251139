//! The sidecar is stopped exactly between two steps: what it had sent and not recorded is made again, nothing else.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use webhooks_tests::database::Database;
use webhooks_tests::ledger::{Comparison, Ledger};
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::{LogLine, Options, Sidecar};
use webhooks_tests::wait::{Seen, eventually};

use crate::scene::{Scene, subscribe};

const PATIENCE: Duration = Duration::from_secs(15);
const EVENTS: u32 = 10;
const SIGABRT: i32 = 6;

/// The sidecar's work until it ended, and the outcome of the events.
struct Aborted {
    /// Requests that had arrived.
    sent: u64,
    /// Of those, recorded.
    recorded: u64,
    done: Comparison,
}

impl Aborted {
    fn unrecorded(&self) -> u64 {
        self.sent - self.recorded
    }
}

/// Publishes ten events, which a sidecar with this failpoint delivers until it aborts; another one takes over.
/// The answers take longer than a busy machine needs to send all, and the later ones longer still: the first is back while
/// others are under way.
async fn abort(name: &str, failpoint: &str) -> Aborted {
    let db = Database::fresh(name).await.unwrap();
    let receiver = Receiver::start().unwrap();
    receiver.on_request("/hook", |request| {
        Reply::ok().after(Duration::from_millis(500 + 50 * request.nth as u64))
    });
    let endpoint = subscribe(&db, &receiver.url("/hook"), json!({})).await;
    let ledger = Ledger::default();
    for event in db
        .publish_many(endpoint.tenant, "job.created", EVENTS)
        .await
        .unwrap()
    {
        ledger.committed(event);
    }
    let options = Options::default().env("WEBHOOKS_FAILPOINTS", failpoint);
    let mut sidecar = Sidecar::spawn(&db, options).unwrap();
    let status = sidecar.wait_exit(PATIENCE).await.unwrap();
    assert_eq!(status.signal(), Some(SIGABRT), "{failpoint}: {status}");
    let quiet = async || Ok(Seen::done_if(receiver.in_flight("/hook"), |n| *n == 0));
    eventually(PATIENCE, quiet).await.unwrap();
    // The server may have its last statement still before it.
    let sessions = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name like 'webhooks-sidecar%'";
    db.wait_value(sessions, "0").await.unwrap();
    let recorded = "select count(*) from webhooks.delivery_attempts";
    let recorded = db.value(recorded).await.unwrap().unwrap().parse().unwrap();
    let sent = receiver.count();

    receiver.on("/hook", Reply::ok());
    let _next = Sidecar::start(&db).await.unwrap();
    db.wait_drained(PATIENCE).await.unwrap();
    let done = ledger.assert_at_least_once(&receiver);
    Aborted {
        sent,
        recorded,
        done,
    }
}

#[tokio::test]
async fn after_claim_nothing_was_sent() {
    let aborted = abort("after_claim", "after_claim=abort:1").await;
    assert_eq!((aborted.sent, aborted.recorded), (0, 0));
    assert_eq!(aborted.done.duplicates, 0, "{}", aborted.done);
}

#[tokio::test]
async fn after_send_what_was_under_way_is_made_again() {
    let aborted = abort("after_send", "after_send=abort:1").await;
    // The first one has its answer, the others have none yet.
    assert!(aborted.sent > 1, "{} sent", aborted.sent);
    assert_eq!(aborted.recorded, 0);
    assert_eq!(aborted.done.duplicates, aborted.sent, "{}", aborted.done);
}

#[tokio::test]
async fn before_record_what_is_not_recorded_is_made_again() {
    let aborted = abort("before_record", "before_record=abort:5").await;
    assert!(aborted.recorded < 5, "{} recorded", aborted.recorded);
    assert!(aborted.sent >= 5, "{} sent", aborted.sent);
    assert_eq!(aborted.done.duplicates, aborted.unrecorded());
}

#[tokio::test]
async fn after_record_only_what_is_still_under_way_is_made_again() {
    let aborted = abort("after_record", "after_record=abort:5").await;
    assert!(aborted.recorded >= 5, "{} recorded", aborted.recorded);
    assert_eq!(aborted.done.duplicates, aborted.unrecorded());
    // All of them are recorded: none is.
    let aborted = abort("all_recorded", "after_record=abort:10").await;
    assert_eq!((aborted.sent, aborted.recorded), (10, 10));
    assert_eq!(aborted.done.duplicates, 0, "{}", aborted.done);
}

/// Killed while a batch waits to be written: the window that a kill at a random time hardly hits.
#[tokio::test]
async fn a_kill_before_recording_repeats_exactly_that() {
    let options = Options::default().env("WEBHOOKS_FAILPOINTS", "before_record=delay:60000");
    let mut scene = Scene::set_with("held", options).await;
    let endpoint = scene.endpoint("/hook", Reply::ok(), json!({})).await;
    let event = scene.publish(&endpoint).await;
    scene.receiver.wait_for(1).await.unwrap();
    scene.sidecar.kill9().unwrap();
    scene.wait(event, "pending").await;
    let _next = Sidecar::start(&scene.db).await.unwrap();
    let (_, attempts) = scene.wait(event, "delivered").await;
    assert_eq!((attempts.len(), scene.receiver.count()), (1, 2));
}

/// A wrong clock shows neither in times nor in signatures, which go by the database's, and delays nothing. It is warned of.
#[tokio::test]
async fn a_clock_that_jumps_delays_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let options = Options::default().env("WEBHOOKS_CLOCK_OFFSET_FILE", path);
    let scene = Scene::set_with("clock", options).await;
    scene.receiver.verify("/hook", "whsec_c2VjcmV0");
    let columns = json!({"auth_type": "signature", "auth_config": {"secret": "whsec_c2VjcmV0"}});
    let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
    for hours in [0, 5, -5] {
        std::fs::write(path, (hours * 3600).to_string()).unwrap();
        let event = scene.publish(&endpoint).await;
        let (_, attempts) = scene.wait(event, "delivered").await;
        assert_eq!(attempts.len(), 1);
        let request = scene.receiver.requests().pop().unwrap();
        assert!(request.signatures.unwrap().verified());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let timestamp: i64 = request
            .header("webhook-timestamp")
            .unwrap()
            .parse()
            .unwrap();
        let wrong = timestamp - now.as_secs().cast_signed();
        assert!(wrong.abs() < 5, "{wrong} s wrong");
        let near = "select abs(extract(epoch from clock_timestamp() - max(attempted_at))) < 60 from webhooks.delivery_attempts";
        scene.db.wait_value(near, "true").await.unwrap();
    }
    std::fs::write(path, "-18000").unwrap();
    let is_said = |part: &'static str| move |line: &LogLine| line.contains(part);
    let warning = is_said("18000.0 s behind the database server's");
    scene.sidecar.wait_log(PATIENCE, warning).await.unwrap();
    std::fs::write(path, "0").unwrap();
    let over = is_said("agrees with the database server's again");
    scene.sidecar.wait_log(PATIENCE, over).await.unwrap();
}

/// One that is wrong from the start is not believed for a single request.
#[tokio::test]
async fn a_clock_that_is_wrong_at_the_start_is_put_right_before_anything_is_sent() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "86400").unwrap();
    let options =
        Options::default().env("WEBHOOKS_CLOCK_OFFSET_FILE", file.path().to_str().unwrap());
    let scene = Scene::set_with("wrong_clock", options).await;
    let endpoint = scene.endpoint("/hook", Reply::ok(), json!({})).await;
    let event = scene.publish(&endpoint).await;
    scene.wait(event, "delivered").await;
    let near = "select abs(extract(epoch from clock_timestamp() - max(attempted_at))) < 60 from webhooks.delivery_attempts";
    scene.db.wait_value(near, "true").await.unwrap();
    let warning = |line: &LogLine| line.contains("86400.0 s ahead of the database server's");
    scene.sidecar.wait_log(PATIENCE, warning).await.unwrap();
}

#[tokio::test]
async fn an_unknown_failpoint_is_refused() {
    let db = Database::fresh("unknown").await.unwrap();
    let options = Options::default().env("WEBHOOKS_FAILPOINTS", "after_lunch=abort:1");
    let mut sidecar = Sidecar::spawn(&db, options).unwrap();
    assert_eq!(sidecar.wait_exit(PATIENCE).await.unwrap().code(), Some(2));
    assert!(sidecar.log_tail(5).contains("after_lunch"));
}
