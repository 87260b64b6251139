//! The databases of this process: each is delivered from by itself, and can be started and stopped while the others go
//! on.
//!
//! ```text
//!   Absent --(named)--> Delivering --(named otherwise, or no longer; it failed)--> Ending
//!                            ^                                                       |
//!                            +--(still named: with what is said now)-----------------+--(no longer named)--> Absent
//! ```

use super::RunError;
use super::database::{Means, deliver};
use crate::clock::Clock;
use crate::config::{NamedDatabase, RunArgs};
use crate::postgres::{Database, Identities};
use crate::task_group::TaskGroup;
use crate::tasks::destinations::Destinations;
use crate::tasks::monitor::Answers;
use crate::tasks::sender::Sender;
use crate::tasks::slots::Slots;
use crate::telemetry::Telemetry;
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use webhooks_connection::conninfo::Error;

/// Before a database is delivered from again whose deliveries ended by an error.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// All databases, and what they share.
pub(super) struct Fleet {
    args: Arc<RunArgs>,
    /// Connections to receivers.
    sender: Sender,
    slots: Slots,
    destinations: Destinations,
    identities: Identities,
    answers: Arc<Answers>,
    members: BTreeMap<String, Member>,
    /// Each ends with its name.
    running: JoinSet<(String, Result<(), RunError>)>,
}

/// A database that is delivered from, or was until its requests under way end.
struct Member {
    stop: CancellationToken,
    database: Database,
    telemetry: Arc<Telemetry>,
    /// What is said of it now. `None`: it is no longer named.
    wanted: Option<Prepared>,
}

/// A database that can be started.
#[derive(Clone)]
struct Prepared {
    named: NamedDatabase,
    database: Database,
    tasks: TaskGroup,
}

/// Names, for the log.
#[derive(Default)]
struct Changes {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

impl Fleet {
    pub(super) fn new(args: Arc<RunArgs>, sender: Sender, answers: Arc<Answers>) -> Self {
        let per_destination = args.concurrency_per_destination;
        Self {
            slots: Slots::new(args.concurrency as usize),
            destinations: Destinations::new(per_destination.map(|limit| limit as usize)),
            args,
            sender,
            identities: Identities::default(),
            answers,
            members: BTreeMap::new(),
            running: JoinSet::new(),
        }
    }

    /// Delivers from these databases and no others: starts and stops what is not so yet.
    ///
    /// # Errors
    /// Certificates and keys that can't be read or used; nothing is changed then.
    pub(super) fn set(&mut self, databases: Vec<NamedDatabase>) -> Result<(), Error> {
        let prepared: Result<Vec<_>, Error> =
            databases.into_iter().map(|d| self.prepare(d)).collect();
        let mut wanted: BTreeMap<String, Prepared> = prepared?
            .into_iter()
            .map(|prepared| (prepared.named.name.clone(), prepared))
            .collect();
        let mut changes = Changes::default();
        for (name, member) in &mut self.members {
            let new = wanted.remove(name);
            let is_same = match (&member.wanted, &new) {
                (Some(old), Some(new)) => old.named == new.named,
                (None, None) => true,
                _ => false,
            };
            if is_same {
                continue;
            }
            match new.is_some() {
                true => changes.changed.push(name.clone()),
                false => changes.removed.push(name.clone()),
            }
            member.wanted = new;
            member.stop.cancel();
            member.database.release_identity();
        }
        for (name, prepared) in wanted {
            changes.added.push(name);
            self.start(prepared, Duration::ZERO);
        }
        if self.args.has_fleet() {
            changes.say();
        }
        Ok(())
    }

    fn prepare(&self, named: NamedDatabase) -> Result<Prepared, Error> {
        let tasks = match self.args.has_fleet() {
            true => TaskGroup::of_database(&named.name),
            false => TaskGroup::unnamed(),
        };
        let database = Database::new(named.clone(), self.identities.clone(), tasks.clone())?;
        Ok(Prepared {
            named,
            database,
            tasks,
        })
    }

    /// Delivers from a database, after a pause.
    fn start(&mut self, prepared: Prepared, pause: Duration) {
        let (database, tasks) = (prepared.database.clone(), prepared.tasks.clone());
        let (name, clock) = (prepared.named.name.clone(), Clock::default());
        let span = tasks.span().clone();
        span.in_scope(|| {
            let more = &database.settings().warnings;
            more.iter().for_each(|warning| tracing::warn!("{warning}"));
        });
        let telemetry = Telemetry::new(&name, clock.clone(), self.args.lease);
        self.answers.add(&name, telemetry.clone());
        let stop = CancellationToken::new();
        let member = Member {
            stop: stop.clone(),
            database: database.clone(),
            telemetry: telemetry.clone(),
            wanted: Some(prepared),
        };
        self.members.insert(name.clone(), member);
        let means = Means {
            database,
            tasks,
            sender: self.sender.clone(),
            slots: self.slots.join(),
            destinations: self.destinations.join(),
            clock,
            telemetry,
        };
        let args = self.args.clone();
        let running = async move {
            if stop
                .run_until_cancelled(tokio::time::sleep(pause))
                .await
                .is_none()
            {
                return Ok(());
            }
            deliver(&args, means, stop.cancelled()).await
        };
        let running = AssertUnwindSafe(running.instrument(span)).catch_unwind();
        self.running
            .spawn(async move { (name, running.await.unwrap_or(Err(RunError::Panicked))) });
    }

    /// Waits until the deliveries of a database end, and goes on from there. Cancel-safe. Never returns while nothing
    /// runs.
    ///
    /// # Errors
    /// Those that end the process: of a database that is the only one, or that it gave up while there is no session with
    /// any other.
    pub(super) async fn next_end(&mut self) -> Result<(), RunError> {
        let Some((name, ended)) = self.join().await else {
            return std::future::pending().await;
        };
        if !self.args.has_fleet() {
            return ended;
        }
        let Some(member) = self.forget(&name) else {
            return Ok(());
        };
        let has_session = |member: &Member| member.telemetry.health.has_session();
        let pause = match ended {
            Ok(()) => Duration::ZERO,
            Err(error @ RunError::GaveUp(_)) if !self.members.values().any(has_session) => {
                return Err(error);
            }
            Err(error) => {
                let seconds = RESTART_PAUSE.as_secs();
                tracing::error!(
                    database = name,
                    "deliveries ended, and begin again in {seconds} s: {error}"
                );
                RESTART_PAUSE
            }
        };
        if let Some(prepared) = member.wanted {
            self.restart(prepared, pause);
        }
        Ok(())
    }

    fn restart(&mut self, prepared: Prepared, pause: Duration) {
        let name = prepared.named.name.clone();
        // With tasks of its own: those of the last time have ended.
        match self.prepare(prepared.named) {
            Ok(prepared) => self.start(prepared, pause),
            Err(error) => tracing::error!(
                database = name,
                "it is not delivered from until SIGHUP: {error}"
            ),
        }
    }

    async fn join(&mut self) -> Option<(String, Result<(), RunError>)> {
        loop {
            match self.running.join_next().await? {
                Ok(ended) => return Some(ended),
                // None of them is aborted, and what panics there is caught.
                Err(error) => tracing::error!("{error}"),
            }
        }
    }

    fn forget(&mut self, name: &str) -> Option<Member> {
        let member = self.members.remove(name)?;
        member.database.release_identity();
        member.telemetry.metrics.unregister();
        self.answers.remove(name);
        Some(member)
    }

    /// Stops all.
    ///
    /// # Errors
    /// The first of those that did not end as they should.
    pub(super) async fn stop(&mut self) -> Result<(), RunError> {
        self.members
            .values()
            .for_each(|member| member.stop.cancel());
        let mut result = Ok(());
        while let Some((name, ended)) = self.join().await {
            if let Err(error) = ended {
                if self.args.has_fleet() {
                    tracing::error!(database = name, "{error}");
                }
                result = result.and(Err(error));
            }
        }
        result
    }
}

impl Changes {
    fn say(&self) {
        let Self {
            added,
            changed,
            removed,
        } = self;
        if added.is_empty() && changed.is_empty() && removed.is_empty() {
            tracing::info!("no database is added, changed or removed");
            return;
        }
        tracing::info!(
            added = added.join(" "),
            changed = changed.join(" "),
            removed = removed.join(" "),
            "databases"
        );
    }
}
