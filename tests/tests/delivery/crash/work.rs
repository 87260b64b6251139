use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_postgres::Client;
use uuid::Uuid;
use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::{Database, publish};
use webhooks_tests::ledger::{Comparison, Ledger};
use webhooks_tests::receiver::{Receiver, Recording, Reply};
use webhooks_tests::seed::seeded;

use crate::scene::subscribe;

/// How long it may take until everything has arrived: recovery, reconnection, and the rest of the work.
pub const END: Duration = Duration::from_secs(60);
const PUBLISHERS: usize = 4;
const SUBSCRIPTIONS: usize = 10;
/// How long the receiver takes, so that requests are under way at any time.
pub const TAKES: Duration = Duration::from_millis(20);

/// Publishers that go on whatever happens to the server, and the receiver of what they commit.
pub struct Work {
    pub receiver: Receiver,
    pub db: Arc<Database>,
    pub total: u64,
    pub ledger: Arc<Ledger>,
    /// Where its publishers connect.
    primary: watch::Sender<Arc<Database>>,
    publishers: JoinSet<()>,
}

impl Work {
    /// On a cluster of its own. Starts to publish so many events, one in ten of which it rolls back.
    pub async fn start(name: &str, total: u64) -> Self {
        let cluster = Cluster::start(Options::default()).await.unwrap();
        let db = Database::create(&cluster, name).await.unwrap();
        Self::start_in(Arc::new(db), total).await
    }

    /// As [`start`](Self::start), in a database that is there already.
    pub async fn start_in(db: Arc<Database>, total: u64) -> Self {
        let receiver = Receiver::start_with(Recording::Arrivals).unwrap();
        let mut tenants = Vec::new();
        for n in 0..SUBSCRIPTIONS {
            let path = format!("/{n}");
            receiver.on(&path, Reply::ok().after(TAKES));
            tenants.push(
                subscribe(&db, &receiver.url(&path), json!({"retry_count": 100}))
                    .await
                    .tenant,
            );
        }
        let ledger = Arc::new(Ledger::default());
        let primary = watch::Sender::new(Arc::clone(&db));
        let mut publishers = JoinSet::new();
        let mut rng = seeded();
        for _ in 0..PUBLISHERS {
            let each = total / PUBLISHERS as u64;
            publishers.spawn(publish_all(
                primary.subscribe(),
                tenants.clone(),
                Arc::clone(&ledger),
                each,
                StdRng::from_rng(&mut rng),
            ));
        }
        Self {
            receiver,
            db,
            total,
            ledger,
            primary,
            publishers,
        }
    }

    /// Its publishers go on in a database that has taken the place of theirs.
    pub fn go_on_in(&mut self, db: Arc<Database>) {
        self.primary.send_replace(Arc::clone(&db));
        self.db = db;
    }

    /// Requests being answered right now.
    pub fn in_flight(&self) -> usize {
        (0..SUBSCRIPTIONS)
            .map(|n| self.receiver.in_flight(&format!("/{n}")))
            .sum()
    }

    /// The receiver takes so long from now on.
    pub fn answer_after(&self, delay: Duration) {
        for n in 0..SUBSCRIPTIONS {
            self.receiver.on(&format!("/{n}"), Reply::ok().after(delay));
        }
    }

    /// Waits until so many requests have arrived: the middle of the work.
    pub async fn wait_for(&self, requests: u64) {
        self.receiver.wait_for_within(requests, END).await.unwrap();
    }

    /// Waits for the end of publishing.
    pub async fn finish_publishing(&mut self) {
        while let Some(published) = self.publishers.join_next().await {
            published.unwrap();
        }
    }

    /// Waits for the end of publishing and for an empty queue, and checks the promise.
    pub async fn finish(mut self) -> Comparison {
        self.finish_publishing().await;
        let client = self.db.connect().await.unwrap();
        self.ledger.settle(&client).await.unwrap();
        self.db.wait_drained(END).await.unwrap();
        let comparison = self.ledger.assert_at_least_once(&self.receiver);
        println!("{comparison}");
        let statuses =
            "select string_agg(distinct delivery_status, ',') from webhooks.webhook_delivery_logs";
        let statuses = self.db.value(statuses).await.unwrap();
        assert_eq!(statuses.as_deref(), Some("delivered"));
        let logged = "select count(*) from webhooks.webhook_delivery_logs";
        let logged = self.db.value(logged).await.unwrap().unwrap();
        assert_eq!(logged, comparison.committed.to_string());
        comparison
    }
}

async fn publish_all(
    primary: watch::Receiver<Arc<Database>>,
    tenants: Vec<Uuid>,
    ledger: Arc<Ledger>,
    n: u64,
    mut rng: StdRng,
) {
    let mut session = None;
    for i in 0..n {
        let tenant = tenants[rng.random_range(0..tenants.len())];
        loop {
            let db = Arc::clone(&primary.borrow());
            let published = publish_one(&db, &mut session, tenant, &ledger, i % 10 == 9).await;
            if published.is_ok() {
                break;
            }
            session = None;
            // The server is away; how long is the test's business.
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// An error: nothing was committed, try again. A commit without an answer counts as published, for the ledger to settle.
async fn publish_one(
    db: &Database,
    session: &mut Option<Client>,
    tenant: Uuid,
    ledger: &Ledger,
    roll_back: bool,
) -> Result<()> {
    let client = match session {
        Some(client) => client,
        None => session.insert(db.connect().await?),
    };
    let transaction = client.transaction().await?;
    let event = publish(&transaction, tenant, "job.created", json!({})).await;
    let event = event?;
    if roll_back {
        ledger.rolled_back(event);
        let _ = transaction.rollback().await;
    } else if transaction.commit().await.is_ok() {
        ledger.committed(event);
    } else {
        ledger.uncertain(event);
        *session = None;
    }
    Ok(())
}
