//! Nobody waits for a partition that is dropped, also while tables are in use: the server itself says who waited.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use webhooks_tests::database::Database;

use super::{database, done, set};
use crate::support::session::Session;
use crate::support::world::TENANT;

const PUBLISHERS: u64 = 8;
/// A thousand a second, of all of them.
const INTERVAL: Duration = Duration::from_millis(PUBLISHERS);
/// The server logs who waits for a lock for longer.
const LIMIT: &str = "set deadlock_timeout = '100ms'; set log_lock_waits = on";

/// Sessions that publish, until they are told to end.
struct Publishers {
    are_done: Arc<AtomicBool>,
    published: Arc<AtomicU32>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Publishers {
    async fn start(db: &Database) -> Self {
        let are_done = Arc::new(AtomicBool::new(false));
        let published = Arc::new(AtomicU32::new(0));
        let mut tasks = Vec::new();
        for _ in 0..PUBLISHERS {
            let session = Session::open(db).await;
            session.run(LIMIT).await;
            let (are_done, published) = (Arc::clone(&are_done), Arc::clone(&published));
            tasks.push(tokio::spawn(async move {
                let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created')");
                let mut tick = tokio::time::interval(INTERVAL);
                while !are_done.load(Ordering::Relaxed) {
                    tick.tick().await;
                    session.run(&publish).await;
                    published.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        Self {
            are_done,
            published,
            tasks,
        }
    }

    /// Returns: how many they published.
    async fn end(self) -> u32 {
        self.are_done.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.published.load(Ordering::Relaxed)
    }
}

/// How many publishers had to wait for event_logs for longer than the limit, as the log says so far.
fn waits(db: &Database) -> usize {
    let log = db.cluster().server_log();
    let lines = log.lines();
    lines
        .filter(|line| line.contains("still waiting for RowExclusiveLock on relation"))
        .count()
}

/// Calls maintain() for some seconds, and returns how many partitions it dropped.
async fn maintain_for(session: &Session, time: Duration) -> u32 {
    let begun = Instant::now();
    let mut dropped = 0;
    while begun.elapsed() < time {
        dropped += done(session, "drop_partitions")
            .await
            .parse::<u32>()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    dropped
}

#[tokio::test]
async fn no_publisher_waits_for_old_partitions() {
    let (db, session) = database("load", 366).await;
    set(&session, "event_retention_days", 30).await;
    let reader = Session::open(&db).await;
    let mut rounds = Vec::new();
    // On a machine that does something else besides, a session may not get to run for so long.
    for _ in 0..3 {
        let before = waits(&db);
        let publishers = Publishers::start(&db).await;
        reader
            .run("begin; select count(*) from webhooks.event_logs")
            .await;
        let behind_reader = maintain_for(&session, Duration::from_secs(4)).await;
        reader.run("commit").await;
        let dropped = maintain_for(&session, Duration::from_secs(4)).await;
        let published = publishers.end().await;
        assert_eq!(behind_reader, 0);
        assert!(dropped > 0);
        assert!(published > 500, "{published}");
        rounds.push(waits(&db) - before);
        if rounds.ends_with(&[0]) {
            break;
        }
    }
    assert!(rounds.ends_with(&[0]), "waits in each round: {rounds:?}");

    // That it would have been seen: with patience, publishers queue up behind the reader.
    session
        .run("alter function webhooks_private.drop_partition set lock_timeout = '2s'")
        .await;
    let before = waits(&db);
    reader
        .run("begin; select count(*) from webhooks.event_logs")
        .await;
    let publishers = Publishers::start(&db).await;
    assert_eq!(done(&session, "drop_partitions").await, "0");
    publishers.end().await;
    reader.run("commit").await;
    assert!(waits(&db) > before);
}
