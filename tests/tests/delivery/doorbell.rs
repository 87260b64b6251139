//! Nothing ever waits for the backstop poll. The protocol: `sql/sidecar/doorbell.sql`, `sidecar/src/schedule/doorbell.rs`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::{join_all, try_join_all};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::time::sleep;
use tokio_postgres::Client;
use uuid::Uuid;
use webhooks_tests::database::{Database, publish};
use webhooks_tests::receiver::{Receiver, Recording, Reply};
use webhooks_tests::seed::seeded;
use webhooks_tests::sidecar::{Options, Sidecar};

use crate::scene::{Scene, subscribe};

/// From the commit's acknowledgement to the request's arrival. The poll would take 600 s; a busy machine may take some.
const LATEST: Duration = Duration::from_secs(2);

/// Bells that a sleeping sidecar has locked.
const LOCKED_BELLS: &str = "
    select count(*) from pg_locks
    where locktype = 'userlock' and classid = 1464156748 and mode = 'ExclusiveLock'
      and database = (select oid from pg_database where datname = current_database())";

/// Events by the time at which their commit was acknowledged.
type Committed = Vec<(Uuid, Instant)>;

struct Publisher {
    client: Client,
    tenant: Uuid,
    rng: StdRng,
}

impl Publisher {
    async fn event(&self) -> Result<Uuid> {
        publish(&self.client, self.tenant, "job.created", json!({})).await
    }

    /// One of the ways to publish, none or several events.
    async fn act(&mut self) -> Result<Committed> {
        let kind = self.rng.random_range(0..100);
        let mut events = Vec::new();
        match kind {
            0..55 => events.push(self.event().await?),
            55..70 => self.transact(&mut events, 20, false).await?,
            70..80 => self.transact(&mut events, 20, true).await?,
            // Long against the sidecar's pauses: it tries to sleep meanwhile.
            80..90 => self.transact(&mut events, 400, false).await?,
            90..93 => self.transact(&mut events, 400, true).await?,
            _ => self.savepoints(&mut events).await?,
        }
        let now = Instant::now();
        Ok(events.into_iter().map(|event| (event, now)).collect())
    }

    /// Publishes in a transaction with pauses of up to so many milliseconds; rolled back, its events are none.
    async fn transact(
        &mut self,
        events: &mut Vec<Uuid>,
        pause: u64,
        roll_back: bool,
    ) -> Result<()> {
        self.client.batch_execute("begin").await?;
        for _ in 0..self.rng.random_range(1..4) {
            self.pause(pause).await;
            events.push(self.event().await?);
        }
        self.pause(pause).await;
        if roll_back {
            events.clear();
            self.client.batch_execute("rollback").await?;
        } else {
            self.client.batch_execute("commit").await?;
        }
        Ok(())
    }

    /// Publishes before, in and after a savepoint that is rolled back: the bell's lock goes with it.
    async fn savepoints(&mut self, events: &mut Vec<Uuid>) -> Result<()> {
        self.client.batch_execute("begin").await?;
        if self.rng.random() {
            events.push(self.event().await?);
        }
        self.client.batch_execute("savepoint s").await?;
        self.event().await?;
        self.pause(60).await;
        self.client.batch_execute("rollback to s").await?;
        self.pause(60).await;
        if self.rng.random() {
            events.push(self.event().await?);
        }
        self.client.batch_execute("commit").await?;
        Ok(())
    }

    /// Part of the load, not a wait: mostly short, now and then as long as it takes the sidecar to fall asleep.
    async fn pause(&mut self, at_most_ms: u64) {
        let share: f64 = self.rng.random();
        sleep(Duration::from_millis(at_most_ms).mul_f64(share * share)).await;
    }
}

async fn publishers(db: &Database, receiver: &Receiver, n: usize) -> Vec<Publisher> {
    let mut publishers = Vec::new();
    let mut rng = seeded();
    for n in 0..n {
        let url = receiver.url(&format!("/{n}"));
        publishers.push(Publisher {
            client: db.connect().await.unwrap(),
            tenant: subscribe(db, &url, json!({})).await.tenant,
            rng: StdRng::from_rng(&mut rng),
        });
    }
    publishers
}

/// Waits for the arrival of all, each in time.
async fn assert_prompt(receiver: &Receiver, committed: &Committed, before: u64) {
    let expected = before + committed.len() as u64;
    let arrived = receiver
        .wait_for_within(expected, LATEST + Duration::from_secs(3))
        .await;
    let arrivals: HashMap<_, _> = receiver
        .arrivals()
        .into_iter()
        .map(|a| (a.event_id, a.at))
        .collect();
    for (event, at) in committed {
        let arrival = arrivals.get(event).unwrap_or_else(|| {
            panic!(
                "event {event} waits for the poll: {:?}",
                arrived.as_ref().err()
            )
        });
        let late = arrival.saturating_duration_since(*at);
        assert!(
            late < LATEST,
            "event {event} arrived {late:?} after its commit"
        );
    }
    assert_eq!(
        receiver.count(),
        expected,
        "more arrived than was committed"
    );
}

async fn sleepy_sidecar(db: &Database) -> Sidecar {
    let options = Options::default().arg("--poll-interval=600");
    Sidecar::start_with(db, options).await.unwrap()
}

/// A burst wakes the sidecar; while it falls asleep again, some 25 ms later, one or two publish; then nobody does: a
/// wake-up that is missed is not made up for by the next publisher's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_missed_in_silence() {
    let db = Database::fresh("silence").await.unwrap();
    let receiver = Receiver::start_with(Recording::Arrivals).unwrap();
    let mut publishers = publishers(&db, &receiver, 12).await;
    for publisher in &publishers {
        // Quick commits: thicker bursts, more rounds.
        let quick = "set synchronous_commit = off";
        publisher.client.batch_execute(quick).await.unwrap();
    }
    let _sidecar = sleepy_sidecar(&db).await;
    let end = Instant::now() + Duration::from_secs(9);
    let mut rounds = 0;
    while Instant::now() < end {
        let before = receiver.count();
        let burst = publishers.iter().map(async |publisher| {
            let events = [publisher.event().await?, publisher.event().await?];
            Ok::<_, anyhow::Error>(events.map(|event| (event, Instant::now())))
        });
        let committed: Committed = try_join_all(burst).await.unwrap().concat();
        assert_prompt(&receiver, &committed, before).await;

        let before = receiver.count();
        let acts = publishers
            .iter_mut()
            .take(1 + rounds % 2)
            .map(async |publisher| {
                let after = publisher.rng.random_range(5_000..35_000);
                sleep(Duration::from_micros(after)).await;
                publisher.act().await
            });
        let committed = try_join_all(acts).await.unwrap().concat();
        assert_prompt(&receiver, &committed, before).await;
        rounds += 1;
    }
    assert!(rounds >= 15, "only {rounds} rounds: no test");
    println!("{rounds} rounds");
}

/// Many publishers at once, for whom the sidecar changes between asleep and awake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_missed_under_load() {
    let db = Database::fresh("load").await.unwrap();
    let receiver = Receiver::start_with(Recording::Arrivals).unwrap();
    let publishers = publishers(&db, &receiver, 16).await;
    let _sidecar = sleepy_sidecar(&db).await;
    let end = Instant::now() + Duration::from_secs(6);
    let publishing = publishers.into_iter().map(async |mut publisher| {
        let mut committed = Vec::new();
        while Instant::now() < end {
            committed.extend(publisher.act().await.unwrap());
            publisher.pause(200).await;
        }
        committed
    });
    let committed = join_all(publishing).await.concat();
    assert!(
        committed.len() >= 100,
        "only {} events: no load",
        committed.len()
    );
    assert_prompt(&receiver, &committed, 0).await;
}

#[tokio::test]
async fn without_notify_the_poll_delivers_two_phase_commits_too() {
    let options = Options::default().arg("--poll-interval=1");
    let scene = Scene::set_with("two_phase", options).await;
    let endpoint = scene.endpoint("/hook", Reply::ok(), json!({})).await;
    let session = scene.db.connect().await.unwrap();
    let asleep = async || scene.db.wait_value(LOCKED_BELLS, "16").await.unwrap();
    let prepare = async |name: &str| {
        session.batch_execute("begin").await.unwrap();
        let event = publish(&session, endpoint.tenant, "job.created", json!({}))
            .await
            .unwrap();
        let prepared = session
            .batch_execute(&format!("prepare transaction '{name}'"))
            .await;
        prepared.map(|()| event)
    };

    // With NOTIFY, which a sleeping sidecar needs, PostgreSQL refuses to prepare.
    asleep().await;
    prepare("refused").await.unwrap_err();
    session
        .batch_execute("set webhooks.notify = off")
        .await
        .unwrap();
    asleep().await;
    let undone = prepare("undone").await.unwrap();
    let done = prepare("done").await.unwrap();
    session
        .batch_execute("rollback prepared 'undone'")
        .await
        .unwrap();
    assert_eq!(scene.receiver.count(), 0, "sent before COMMIT PREPARED");
    session
        .batch_execute("commit prepared 'done'")
        .await
        .unwrap();
    scene.wait(done, "delivered").await;
    asleep().await;
    let plain = publish(&session, endpoint.tenant, "job.created", json!({}))
        .await
        .unwrap();
    scene.wait(plain, "delivered").await;
    assert!(scene.db.deliveries(undone).await.unwrap().is_empty());
    assert_eq!(scene.receiver.count(), 2);
}
