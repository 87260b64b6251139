//! The session: one task that owns the connection with the shards' locks, opens another when it is lost, and executes
//! one [`Command`] at a time.
//!
//! What the server tells unasked is passed on at once, also while a statement is under way, and always before the
//! answer that came after it.

mod blocked;
mod command;

use super::backoff::Backoff;
use crate::model::Settings;
use crate::postgres::clock_skew::Sample;
use crate::postgres::notification::Signal;
use crate::postgres::owner::{Opened, Owner};
use crate::postgres::trouble::Trouble;
use crate::postgres::{Database, blockers, version};
use crate::task_group::TaskGroup;
use blocked::Blocked;
use command::Executor;
pub use command::{Command, Reply};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::Notification;
use tokio_util::task::AbortOnDropHandle;

/// A session that lasted so long was a good one: the next is tried for at once. What fails at once, on a read-only
/// server for example, does so within milliseconds.
const STABLE: Duration = Duration::from_secs(1);

/// What the session tells the engine.
pub enum Event {
    /// There is a session: nothing is owned yet.
    Opened {
        settings: Arc<Settings>,
        clock: Sample,
    },
    Heard(Signal),
    /// A command was executed.
    Answered {
        reply: Reply,
        timing: Timing,
    },
    /// A command gave up waiting for somebody's lock, or was cancelled, and is to be given again. The session keeps its
    /// shards.
    Failed {
        command: Command,
        asked: Instant,
        retry_in: Duration,
    },
    /// There is none any more, or none could be opened. Another one is tried for.
    Lost(Trouble),
}

/// When a command was executed.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// When the server was asked.
    pub asked: Instant,
    pub took: Duration,
    /// The shortest time that a command took in this session.
    pub round_trip: Duration,
}

/// With a session that is opened, the way to it: what was asked of one is never asked of the next.
type Message = (Event, Option<UnboundedSender<Command>>);

/// The engine's end of the session.
pub struct Link {
    messages: UnboundedReceiver<Message>,
    commands: Option<UnboundedSender<Command>>,
    is_busy: bool,
    is_closed: bool,
    task: AbortOnDropHandle<()>,
}

impl Link {
    /// The next event. Cancel-safe. There is none when it was closed.
    pub async fn event(&mut self) -> Event {
        let Some((event, commands)) = self.messages.recv().await else {
            if !self.is_closed
                && let Err(error) = (&mut self.task).await
                && let Ok(panic) = error.try_into_panic()
            {
                // Nothing can go on without it.
                std::panic::resume_unwind(panic);
            }
            return std::future::pending().await;
        };
        match &event {
            Event::Opened { .. } => self.commands = commands,
            Event::Answered { .. } | Event::Failed { .. } => self.is_busy = false,
            Event::Lost(_) => {
                self.commands = None;
                self.is_busy = false;
            }
            Event::Heard(_) => {}
        }
        event
    }

    pub fn is_open(&self) -> bool {
        self.commands.is_some()
    }

    /// Whether it can be given a command.
    pub fn is_idle(&self) -> bool {
        self.is_open() && !self.is_busy
    }

    /// Gives it a command: only while it is idle.
    pub fn execute(&mut self, command: Command) {
        if let Some(commands) = &self.commands {
            // One that has just been lost says so.
            let _ = commands.send(command);
            self.is_busy = true;
        }
    }

    /// Ends the session, and opens no other.
    pub fn close(&mut self) {
        self.is_closed = true;
        self.task.abort();
        self.messages.close();
        while self.messages.try_recv().is_ok() {}
        self.commands = None;
    }
}

/// Starts the session, which is among `tasks`. It ends when its link is dropped.
pub fn start(database: Database, lease: Duration, tasks: &TaskGroup) -> Link {
    let (messages_sender, messages) = unbounded_channel();
    let task = tasks.spawn(run(database, lease, messages_sender));
    Link {
        messages,
        commands: None,
        is_busy: false,
        is_closed: false,
        task: AbortOnDropHandle::new(task),
    }
}

/// Opens one session after the other.
async fn run(database: Database, lease: Duration, events: UnboundedSender<Message>) {
    let mut backoff = Backoff::new();
    let mut blocked = Blocked::default();
    loop {
        let began = Instant::now();
        let trouble = match Owner::open(&database, lease).await {
            Ok(opened) => Session::begin(opened, &mut blocked, lease, events.clone()).await,
            Err(trouble) => trouble,
        };
        let _ = events.send((Event::Lost(trouble), None));
        if began.elapsed() > STABLE {
            backoff = Backoff::new();
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

/// One session.
struct Session<'a> {
    executor: Executor,
    listener: Listener,
    blocked: &'a mut Blocked,
    round_trip: Duration,
    server: String,
    lease: Duration,
}

impl<'a> Session<'a> {
    /// Executes commands until the session is lost. Returns why.
    async fn begin(
        opened: Opened,
        blocked: &'a mut Blocked,
        lease: Duration,
        events: UnboundedSender<Message>,
    ) -> Trouble {
        let (commands_sender, mut commands) = unbounded_channel();
        let (settings, clock) = (Arc::new(opened.settings), opened.clock);
        let event = Event::Opened {
            settings: settings.clone(),
            clock,
        };
        let _ = events.send((event, Some(commands_sender)));
        let mut session = Self {
            server: opened.owner.server.clone(),
            executor: Executor::new(opened.owner, settings),
            listener: Listener {
                notifications: opened.notifications,
                events,
                heard: Vec::new(),
            },
            blocked,
            round_trip: Duration::MAX,
            lease,
        };
        loop {
            let executed = match session.listener.listen_during(commands.recv()).await {
                Ok(Some(command)) => session.execute(command).await,
                // The engine has ended, which aborts this task.
                Ok(None) => std::future::pending().await,
                Err(Closed) => Err(session.ended()),
            };
            if let Err(trouble) = executed {
                return trouble;
            }
        }
    }

    async fn execute(&mut self, mut command: Command) -> Result<(), Trouble> {
        for signal in self.listener.heard.drain(..) {
            self.executor.forget(signal);
        }
        let asked = Instant::now();
        let execution = tokio::time::timeout(self.lease, self.executor.execute(&mut command));
        let executed = match self.listener.listen_during(execution).await {
            Ok(Ok(executed)) => executed,
            Ok(Err(_)) => return Err(self.no_answer()),
            Err(Closed) => return Err(self.ended()),
        };
        let now = Instant::now();
        let event = match executed {
            Ok(reply) => {
                if let Reply::Settings(settings) = &reply {
                    version::check(&settings.extension_version)
                        .map_err(|words| Trouble::permanent(format!("{}: {words}", self.server)))?;
                }
                self.blocked.on_reply(&reply, now);
                let took = now - asked;
                self.round_trip = self.round_trip.min(took);
                let timing = Timing {
                    asked,
                    took,
                    round_trip: self.round_trip,
                };
                Event::Answered { reply, timing }
            }
            Err(error) if blockers::is_passing(&error) => {
                let retry_in = self.blocked.on_failed(&command, &error, now);
                Event::Failed {
                    command,
                    asked,
                    retry_in,
                }
            }
            Err(error) => return Err(Trouble::of(&error, &self.server)),
        };
        self.listener.tell(event);
        self.name_blockers().await
    }

    /// Says who is in the way, if that is worth a warning.
    async fn name_blockers(&mut self) -> Result<(), Trouble> {
        let Some((waits, deliveries)) = self.blocked.take_warning() else {
            return Ok(());
        };
        let question = blockers::find(self.executor.client(), &deliveries, &[]);
        let question = tokio::time::timeout(self.lease, question);
        let found = match self.listener.listen_during(question).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => return Err(self.no_answer()),
            Err(Closed) => return Err(self.ended()),
        };
        blockers::warn(&waits, &found);
        match found {
            Err(error) if !blockers::is_passing(&error) => Err(Trouble::of(&error, &self.server)),
            _ => Ok(()),
        }
    }

    fn no_answer(&self) -> Trouble {
        let (server, seconds) = (&self.server, self.lease.as_secs());
        Trouble::passing(format!(
            "{server}: no answer from the database within {seconds} s"
        ))
    }

    fn ended(&self) -> Trouble {
        Trouble::passing(format!("{}: the server ended the session", self.server))
    }
}

/// What the server tells unasked.
struct Listener {
    notifications: UnboundedReceiver<Notification>,
    events: UnboundedSender<Message>,
    /// What was heard since the last command, which concerns the subscriptions that are loaded.
    heard: Vec<Signal>,
}

/// The server tells nothing more.
struct Closed;

impl Listener {
    /// Passes on what the server tells until `something` is done, and all that it told before.
    async fn listen_during<T>(&mut self, something: impl Future<Output = T>) -> Result<T, Closed> {
        let mut something = pin!(something);
        let done = loop {
            tokio::select! {
                biased;
                done = something.as_mut() => break done,
                notification = self.notifications.recv() => self.pass_on(&notification.ok_or(Closed)?),
            }
        };
        while let Ok(notification) = self.notifications.try_recv() {
            self.pass_on(&notification);
        }
        Ok(done)
    }

    fn pass_on(&mut self, notification: &Notification) {
        let Some(signal) = Signal::of(notification) else {
            return;
        };
        if let Signal::Subscription(_) | Signal::Verify(_) | Signal::Subscriptions = signal {
            self.heard.push(signal);
        }
        self.tell(Event::Heard(signal));
    }

    fn tell(&self, event: Event) {
        // The engine may have ended.
        let _ = self.events.send((event, None));
    }
}
