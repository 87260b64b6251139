//! Publishers, which go on whatever happens to the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::diary::Diary;
use super::subscription::{EVENT_TYPES, Facts, TENANTS};
use crate::database::Database;

/// Publishers of anything.
const FREE: usize = 3;
/// Keys, each with a publisher that publishes its events one after another.
const KEYS: usize = 4;
/// Transactions that are rolled back, in percent.
const ROLLED_BACK: u32 = 15;
/// How long a transaction may take: after that, the publisher is blocked.
const STUCK: Duration = Duration::from_secs(60);

const PUBLISH: &str = "select webhooks.publish_event(
    tenant_id => $1, event_type => $2, event_data => $3::text::jsonb, ordering_key => $4)";
const INSERT_MANY: &str = "
    insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
    select $1, $2::text, split_part($2::text, '.', 1), $2::text, $3::text::jsonb
    from generate_series(1, $4::integer)
    returning id";

/// Publishers at work.
#[derive(Debug)]
pub struct Publishers {
    tasks: JoinSet<Result<()>>,
    stop: Arc<AtomicBool>,
}

impl Publishers {
    /// Starts them all.
    #[must_use]
    pub fn start(db: &Arc<Database>, tenants: &[Uuid], diary: &Arc<Diary>, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..FREE + KEYS {
            let publisher = Publisher {
                db: Arc::clone(db),
                tenants: tenants.to_vec(),
                diary: Arc::clone(diary),
                session: None,
                rng: StdRng::seed_from_u64(seed.wrapping_add(1 + number as u64)),
                key: number.checked_sub(FREE),
                next: 0,
            };
            tasks.spawn(publisher.publish(Arc::clone(&stop)));
        }
        Self { tasks, stop }
    }

    /// Lets them finish what they are doing, and settles with the database what they could not know.
    ///
    /// # Errors
    /// When one is blocked.
    pub async fn finish(mut self) -> Result<()> {
        self.stop.store(true, SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

struct Publisher {
    db: Arc<Database>,
    tenants: Vec<Uuid>,
    diary: Arc<Diary>,
    session: Option<Client>,
    rng: StdRng,
    /// Of one that publishes a key's events in order.
    key: Option<usize>,
    /// Its next number. Numbers of what is rolled back are not used again.
    next: u64,
}

impl Publisher {
    async fn publish(mut self, stop: Arc<AtomicBool>) -> Result<()> {
        while !stop.load(SeqCst) {
            let published = timeout(STUCK, self.transaction()).await;
            let published = published.with_context(|| format!("publishing takes over {STUCK:?}"));
            let pause = if published?.is_err() {
                // The server is away.
                self.session = None;
                20
            } else {
                self.rng.random_range(10..80)
            };
            sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }

    /// An error: nothing was committed. A commit without an answer is left to the ledger.
    async fn transaction(&mut self) -> Result<()> {
        let mut client = match self.session.take() {
            Some(client) => client,
            None => self.db.connect().await?,
        };
        let mut transaction = client.transaction().await?;
        let mut events = Vec::new();
        let written = match self.key {
            Some(key) => self.write_next(&transaction, key, &mut events).await,
            None => self.write_any(&mut transaction, &mut events).await,
        };
        let ledger = &self.diary.ledger;
        if written.is_err() || self.rng.random_range(0..100) < ROLLED_BACK {
            events.iter().for_each(|event| ledger.rolled_back(*event));
            written?;
            transaction.rollback().await?;
        } else if transaction.commit().await.is_ok() {
            events.iter().for_each(|event| ledger.committed(*event));
        } else {
            events.iter().for_each(|event| ledger.uncertain(*event));
            return Ok(());
        }
        self.session = Some(client);
        Ok(())
    }

    /// The key's next event.
    async fn write_next(
        &mut self,
        transaction: &Transaction<'_>,
        key: usize,
        events: &mut Vec<Uuid>,
    ) -> Result<()> {
        let facts = Facts {
            tenant: TENANTS - 1,
            ..self.any()?
        };
        let place = (key, self.next);
        self.next += 1;
        events.push(self.write(transaction, &facts, Some(place)).await?);
        Ok(())
    }

    /// A few events; some undone by a savepoint, some in one statement.
    async fn write_any(
        &mut self,
        transaction: &mut Transaction<'_>,
        events: &mut Vec<Uuid>,
    ) -> Result<()> {
        for _ in 0..self.rng.random_range(1..=3) {
            let facts = self.any()?;
            match self.rng.random_range(0..10) {
                0 => {
                    let savepoint = transaction.savepoint("undone").await?;
                    let event = self.write(&savepoint, &facts, None).await?;
                    self.diary.ledger.rolled_back(event);
                    savepoint.rollback().await?;
                }
                1 => {
                    let n = self.rng.random_range(2..10);
                    events.extend(self.write_many(transaction, &facts, n).await?);
                }
                _ => events.push(self.write(transaction, &facts, None).await?),
            }
        }
        Ok(())
    }

    fn any(&mut self) -> Result<Facts> {
        let event_type = EVENT_TYPES.choose(&mut self.rng);
        Ok(Facts {
            tenant: self.rng.random_range(0..TENANTS),
            event_type: event_type.context("no event types")?,
            pages: self.rng.random_range(1..=100),
        })
    }

    async fn write(
        &self,
        transaction: &Transaction<'_>,
        facts: &Facts,
        place: Option<(usize, u64)>,
    ) -> Result<Uuid> {
        let data = json!({"pages": facts.pages, "number": place.map(|(_, number)| number)});
        let key = place.map(|(key, _)| format!("key {key}"));
        let tenant = self.tenants[facts.tenant];
        let row = transaction
            .query_one(
                PUBLISH,
                &[&tenant, &facts.event_type, &data.to_string(), &key],
            )
            .await?;
        let event = row.get(0);
        self.diary.publishing(event, facts, place);
        Ok(event)
    }

    async fn write_many(
        &self,
        transaction: &Transaction<'_>,
        facts: &Facts,
        n: i32,
    ) -> Result<Vec<Uuid>> {
        let data = json!({"pages": facts.pages}).to_string();
        let tenant = self.tenants[facts.tenant];
        let rows = transaction
            .query(INSERT_MANY, &[&tenant, &facts.event_type, &data, &n])
            .await?;
        let events: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        for event in &events {
            self.diary.publishing(*event, facts, None);
        }
        Ok(events)
    }
}
