//! Several sidecars: who owns which shards, and what a frozen or unreachable one may still do.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::database::{Database, SIDECAR_ROLE, publish};
use webhooks_tests::proxy::Proxy;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::{LogLine, Options, SHARES, Sidecar};
use webhooks_tests::wait::{Seen, eventually};

use super::work::Work;
use crate::scene::subscribe;

/// Balancing takes two rounds of 2 s; taking over from a silent one, its lease of 5 s besides. Times a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// Bells that sleeping sidecars have locked.
pub const LOCKED_BELLS: &str = "
    select count(*) from pg_locks
    where locktype = 'userlock' and classid = 1464156748 and mode = 'ExclusiveLock'
      and database = (select oid from pg_database where datname = current_database())";

fn leased() -> Options {
    Options::default().arg("--lease=5")
}

fn lost(line: &LogLine) -> bool {
    line.contains("no session with the database")
}

fn late(line: &LogLine) -> bool {
    line.message().starts_with("late result")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_share_the_work_and_one_killed_leaves_it_all_to_the_other() {
    let work = Work::start("two", 2000).await;
    let first = Sidecar::start(&work.db).await.unwrap();
    work.db.wait_value(SHARES, "16").await.unwrap();
    work.wait_for(work.total / 8).await;
    let joined = Instant::now();
    let mut second = Sidecar::start(&work.db).await.unwrap();
    work.db.wait_value(SHARES, "8,8").await.unwrap();
    println!("shared after {:?}", joined.elapsed());
    assert!(
        joined.elapsed() < SOON,
        "shared after {:?}",
        joined.elapsed()
    );
    let third = Sidecar::start(&work.db).await.unwrap();
    work.db.wait_value(SHARES, "6,6,4").await.unwrap();
    let killed = Instant::now();
    second.kill9().unwrap();
    work.db.wait_value(SHARES, "8,8").await.unwrap();
    assert!(
        killed.elapsed() < SOON,
        "taken over after {:?}",
        killed.elapsed()
    );
    drop(third);
    work.db.wait_value(SHARES, "16").await.unwrap();
    assert!(
        !first.log().iter().any(lost),
        "the survivor lost its session"
    );
    let done = work.finish().await;
    // Three kills (one by drop) of what was under way: 20 requests each for some of ten subscriptions.
    assert!(done.duplicates <= 400, "{done}");
}

/// Events whose receiver is quick at first, so that the sidecar holds many for it, then slow: some are under way,
/// more wait for their turn.
async fn begin(db: &Database) -> (Receiver, Vec<Uuid>) {
    let receiver = Receiver::start().unwrap();
    receiver.on_request("/hook", |request| {
        let slow = Duration::from_millis(300);
        Reply::ok().after(if request.nth < 40 {
            Duration::ZERO
        } else {
            slow
        })
    });
    let columns = json!({"timeout_seconds": 60, "max_in_flight": 10});
    let endpoint = subscribe(db, &receiver.url("/hook"), columns).await;
    let published = db.publish_many(endpoint.tenant, "job.created", 120);
    let events = published.await.unwrap();
    receiver.wait_for(50).await.unwrap();
    (receiver, events)
}

async fn attempts(db: &Database) -> Vec<Value> {
    let all = "select * from webhooks.delivery_attempts order by delivery_id, delivery_attempt";
    db.rows(all).await.unwrap()
}

/// Waits until all are delivered, once each by the log, whoever sent what.
async fn delivered_once(db: &Database, events: &[Uuid]) {
    for event in events {
        db.wait_delivery(*event, "delivered").await.unwrap();
        assert_eq!(db.attempts(*event).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_one_is_replaced_and_comes_back_harmless() {
    let db = Database::fresh("frozen").await.unwrap();
    let mut first = Sidecar::start_with(&db, leased()).await.unwrap();
    let second = Sidecar::start_with(&db, leased()).await.unwrap();
    db.wait_value(SHARES, "8,8").await.unwrap();
    first.sigstop().unwrap();
    db.wait_value_within(SOON, SHARES, "16").await.unwrap();
    first.sigcont().unwrap();
    first.wait_log(SOON, lost).await.unwrap();
    db.wait_value_within(SOON, SHARES, "8,8").await.unwrap();
    drop(second);
    db.wait_value_within(SOON, SHARES, "16").await.unwrap();

    // Now with requests under way, which are answered while it is frozen.
    let (receiver, events) = begin(&db).await;
    first.sigstop().unwrap();
    let under_way = receiver.count();
    let second = Sidecar::start_with(&db, leased()).await.unwrap();
    db.wait_value_within(SOON, SHARES, "16").await.unwrap();
    delivered_once(&db, &events).await;
    let before = attempts(&db).await;
    let arrived = receiver.count();
    first.sigcont().unwrap();
    first.wait_log(SOON, late).await.unwrap();
    db.wait_value_within(SOON, SHARES, "8,8").await.unwrap();
    assert_eq!(attempts(&db).await, before, "late results changed the log");
    assert_eq!(receiver.count(), arrived, "sent after the lease was over");
    assert!(
        arrived <= events.len() as u64 + under_way,
        "{arrived} requests"
    );
    drop(second);
}

/// A request that hung before its sidecar froze has timed out when that comes back: the next owner is about to succeed
/// with the same attempt, and its success must count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_of_a_frozen_one_does_not_hide_the_next_owners_success() {
    let db = Database::fresh("frozen_failure").await.unwrap();
    let receiver = Receiver::start().unwrap();
    receiver.on_request("/hook", |request| match request.nth {
        0 => Reply::hang(),
        _ => Reply::ok().after(Duration::from_secs(4)),
    });
    let mut first = Sidecar::start_with(&db, leased()).await.unwrap();
    // The frozen one's time-out comes before the next owner's answer.
    let columns = json!({"timeout_seconds": 8, "retry_delay_seconds": 1});
    let endpoint = subscribe(&db, &receiver.url("/hook"), columns).await;
    let published = db.publish_many(endpoint.tenant, "job.created", 1).await;
    let event = published.unwrap()[0];
    receiver.wait_for(1).await.unwrap();
    first.sigstop().unwrap();
    let _second = Sidecar::start_with(&db, leased()).await.unwrap();
    receiver.wait_for_within(2, SOON).await.unwrap();
    first.sigcont().unwrap();
    first.wait_log(SOON, late).await.unwrap();
    let attempts = db.wait_delivery(event, "delivered").await.unwrap();
    assert_eq!(attempts["delivery_attempt"], 1, "{attempts}");
    assert_eq!(receiver.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_network_is_survived() {
    let db = Database::fresh("stalled").await.unwrap();
    let server = ([127, 0, 0, 1], db.cluster().port()).into();
    let proxy = Proxy::start(server).unwrap();
    let url = format!(
        "postgres://{SIDECAR_ROLE}@{}/{}",
        proxy.address(),
        db.name()
    );
    let first = Sidecar::start_with(&db, leased().database_url(url))
        .await
        .unwrap();
    let (receiver, events) = begin(&db).await;
    proxy.stall();
    // The server hears nothing and ends the session; the sidecar hears nothing and gives up.
    db.wait_value_within(SOON, SHARES, "none").await.unwrap();
    first.wait_log(SOON, lost).await.unwrap();
    let sent = receiver.count();
    let second = Sidecar::start_with(&db, leased()).await.unwrap();
    delivered_once(&db, &events).await;
    let before = attempts(&db).await;
    let arrived = receiver.count();
    assert!(arrived <= events.len() as u64 + sent, "{arrived} requests");
    proxy.resume();
    proxy.cut();
    db.wait_value_within(SOON, SHARES, "8,8").await.unwrap();
    first.wait_log(SOON, late).await.unwrap();
    assert_eq!(attempts(&db).await, before, "late results changed the log");
    assert_eq!(receiver.count(), arrived);
    drop(second);
}

/// A shard that is being released may be wanted again before it is gone: deliveries that were removed from memory are
/// claimed anew, and its bell, left out when the sidecar fell asleep meanwhile, is locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_kept_after_all_are_delivered_for() {
    let db = Database::fresh("kept").await.unwrap();
    let options = Options::default()
        .arg("--poll-interval=600")
        .env("WEBHOOKS_LOG", "debug");
    let first = Sidecar::start_with(&db, options).await.unwrap();
    let receiver = Receiver::start().unwrap();
    let quick = per_shard(&db, &receiver, "quick", Reply::ok()).await;
    // A request under way in every shard: none can be released at once.
    let hanging = per_shard(&db, &receiver, "hang", Reply::hang()).await;
    for tenant in hanging {
        db.publish(tenant, "job.created", json!({})).await.unwrap();
    }
    receiver.wait_for(16).await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..12 {
        let session = db.connect().await.unwrap();
        session
            .batch_execute("set synchronous_commit = off")
            .await
            .unwrap();
        sessions.push(session);
    }

    let mut heard = 0;
    let mut hears = async |message: &str| {
        let mut seen = 0;
        let line = |line: &LogLine| {
            seen += 1;
            seen > heard && line.message() == message
        };
        first.wait_log(SOON, line).await.unwrap();
        heard = seen;
    };
    let mut second = Sidecar::start(&db).await.unwrap();
    hears("releasing shards").await;
    // The first wakes up by a burst in a shard that it keeps, and falls asleep with its own eight bells.
    let partly_asleep = async || {
        let burst = sessions
            .iter()
            .map(|session| publish(session, quick[0], "job.created", json!({})));
        try_join_all(burst).await?;
        // Bursts that follow one another sooner than it falls asleep keep it awake for good.
        let asleep = db.wait_value_within(Duration::from_millis(300), LOCKED_BELLS, "8");
        Ok(Seen::done_if(asleep.await.is_ok(), |is_asleep| *is_asleep))
    };
    eventually(SOON, partly_asleep).await.unwrap();
    second.kill9().unwrap();
    hears("keeping shards after all").await;
    db.wait_value(LOCKED_BELLS, "16").await.unwrap();
    for tenant in &quick {
        let event = db.publish(*tenant, "job.created", json!({})).await.unwrap();
        db.wait_delivery(event, "delivered").await.unwrap();
    }
}

/// A subscription in each shard, which the last digit of its id decides. Returns their tenants.
async fn per_shard(db: &Database, receiver: &Receiver, name: &str, reply: Reply) -> Vec<Uuid> {
    let mut tenants = Vec::new();
    for shard in 0..16 {
        let path = format!("/{name}/{shard}");
        receiver.on(&path, reply.clone());
        let id = format!("{}{shard:x}", &Uuid::new_v4().to_string()[..35]);
        let columns = json!({"id": id, "timeout_seconds": 60});
        let endpoint = subscribe(db, &receiver.url(&path), columns).await;
        tenants.push(endpoint.tenant);
    }
    tenants
}
