use std::time::Duration;

use webhooks_tests::cluster::Stop;
use webhooks_tests::process::{Signal, send_signal};
use webhooks_tests::sidecar::Sidecar;
use webhooks_tests::wait::{Seen, eventually};

use super::work::{END, TAKES, Work};

const EVENTS: u64 = 2000;
const RECORDED: &str = "select count(*) from webhooks.delivery_attempts";
const SESSIONS: &str =
    "select count(*) from pg_stat_activity where application_name like 'webhooks-sidecar%'";

/// Process ids of the sidecar's sessions of a kind.
async fn backends(work: &Work, kind: &str) -> Vec<u32> {
    let pids = format!(
        "select pid from pg_stat_activity where application_name like 'webhooks-sidecar {kind}%'"
    );
    let rows = work.db.rows(&pids).await.unwrap();
    rows.iter()
        .map(|row| u32::try_from(row["pid"].as_u64().unwrap()).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_sidecar_loses_nothing_and_repeats_only_unrecorded_requests() {
    let work = Work::start("sidecar", EVENTS).await;
    let mut duplicates_at_most = 0;
    let mut sidecar = Sidecar::start(&work.db).await.unwrap();
    for share in [4, 2] {
        work.wait_for(EVENTS / share).await;
        sidecar.kill9().unwrap();
        // The requests that it had sent, and those that it had recorded, once all its sessions have ended.
        work.db.wait_value(SESSIONS, "0").await.unwrap();
        let quiet = async || Ok(Seen::done_if(work.in_flight(), |n| *n == 0));
        eventually(Duration::from_secs(10), quiet).await.unwrap();
        let recorded: u64 = work
            .db
            .value(RECORDED)
            .await
            .unwrap()
            .unwrap()
            .parse()
            .unwrap();
        duplicates_at_most = work.receiver.count() - recorded;
        sidecar = Sidecar::start(&work.db).await.unwrap();
    }
    let done = work.finish().await;
    assert!(
        done.duplicates <= duplicates_at_most,
        "{done}; {duplicates_at_most} unrecorded at the kills"
    );
    assert!(
        done.duplicates > 0,
        "killed when nothing was under way: no test"
    );
}

/// The server ends the sidecar's sessions one after another: it loses no result, and delivers nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_backends_lose_and_repeat_nothing() {
    let work = Work::start("backends", EVENTS).await;
    let sidecar = Sidecar::start(&work.db).await.unwrap();
    for n in 1..=6 {
        work.wait_for(n * EVENTS / 10).await;
        let kind = ["owner", "record"][usize::try_from(n % 2).unwrap()];
        let terminate = format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like 'webhooks-sidecar {kind}%'"
        );
        let terminated = work.db.value(&terminate).await.unwrap();
        assert_eq!(terminated.as_deref(), Some("1"), "{kind}");
        let reconnected = async || {
            Ok(Seen::done_if(backends(&work, "owner").await, |pids| {
                !pids.is_empty()
            }))
        };
        eventually(END, reconnected).await.unwrap();
    }
    let done = work.finish().await;
    assert_eq!(done.duplicates, 0, "{done}");
    assert!(
        sidecar
            .log()
            .iter()
            .any(|line| line.contains("reconnecting"))
    );
}

/// SIGKILL of any backend makes the postmaster restart all of them: the same as a crash of the server's machine, but
/// for what the operating system still has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backend_loses_nothing() {
    let work = Work::start("backend", EVENTS).await;
    let _sidecar = Sidecar::start(&work.db).await.unwrap();
    let cluster = work.db.cluster();
    for (kills, (share, kind)) in (1..).zip([(4, "record"), (2, "owner")]) {
        work.wait_for(EVENTS / share).await;
        let there = async || {
            Ok(Seen::done_if(backends(&work, kind).await, |pids| {
                !pids.is_empty()
            }))
        };
        let pids = eventually(END, there).await.unwrap();
        send_signal(pids[0], Signal::KILL).unwrap();
        // Until the postmaster has noticed it goes on accepting connections, and then ends them.
        let noticed = async || {
            let log = cluster.server_log();
            let seen = log.matches("was terminated by signal 9").count();
            Ok(Seen::done_if(seen, |seen| *seen >= kills))
        };
        eventually(END, noticed).await.unwrap();
        cluster.wait_accepting().await.unwrap();
    }
    let done = work.finish().await;
    // Results that were recorded without waiting for the disk: those of the last moments.
    assert!(done.duplicates < EVENTS / 4, "{done}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postmaster_loses_nothing() {
    let work = Work::start("postmaster", EVENTS).await;
    let sidecar = Sidecar::start(&work.db).await.unwrap();
    for share in [4, 2] {
        work.wait_for(EVENTS / share).await;
        work.db.cluster().kill9().await.unwrap();
        work.db.cluster().launch().await.unwrap();
    }
    let done = work.finish().await;
    assert!(done.duplicates < EVENTS / 4, "{done}");
    assert!(
        sidecar
            .log()
            .iter()
            .any(|line| line.contains("reconnecting"))
    );
}

/// Nobody has to do anything after the database was away for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_for_a_while_loses_and_repeats_nothing() {
    let work = Work::start("away", EVENTS).await;
    let sidecar = Sidecar::start(&work.db).await.unwrap();
    work.wait_for(EVENTS / 4).await;
    // Some answers come once the database is away.
    work.answer_after(Duration::from_secs(5));
    work.wait_for(work.receiver.count() + 1).await;
    work.db.cluster().stop(Stop::Fast).await.unwrap();
    work.answer_after(TAKES);
    // Long enough for both sessions to be tried for in vain; it does not say so each time.
    for session in ["will try again", "reconnecting"] {
        let fails = |line: &webhooks_tests::sidecar::LogLine| {
            line.contains(session) && line.contains("Connection refused")
        };
        sidecar.wait_log(END, fails).await.unwrap();
    }
    work.db.cluster().launch().await.unwrap();
    let done = work.finish().await;
    assert_eq!(done.duplicates, 0, "results wait for the database: {done}");
}
