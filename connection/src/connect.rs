//! Going over the servers until one gives a session that will do.

use crate::conninfo::Error;
use crate::pooler;
use crate::program::Program;
use crate::settings::{Place, Settings, SslMode, Target};
use crate::startup::{self, Facts, Request};
use crate::timeline::{NewestTimeline, Timeline};
use crate::tls;
use crate::trouble::{Cause, ConnectError, Failure};
use rand::seq::SliceRandom;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode as WireMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Notification};
use tokio_postgres_rustls::MakeRustlsConnect;

/// For sockets always: PostgreSQL has no TLS there.
const PLAIN: &[Encryption] = &[Encryption::None];

/// What a connection does until its session ends.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

type Spawn = dyn Fn(Task) -> JoinHandle<()> + Send + Sync;

/// Opens sessions with the database.
#[derive(Clone)]
pub struct Connector {
    settings: Arc<Settings>,
    program: Program,
    tls: MakeRustlsConnect,
    spawn: Arc<Spawn>,
    newest_timeline: Arc<NewestTimeline>,
}

/// A session. Its connection lives on a task of its own, until the client is dropped.
pub struct Session {
    /// What statements are sent by.
    pub client: Client,
    /// The task of the connection.
    pub connection: JoinHandle<()>,
    /// Closed when the session has ended.
    pub notifications: UnboundedReceiver<Notification>,
    /// Host and port.
    pub server: String,
    /// PostgreSQL's.
    pub server_version: String,
    /// On which the server is, as far as it tells.
    pub timeline: Option<Timeline>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    None,
    /// If the server offers it.
    Offered,
    Required,
}

/// One address of a server.
struct Address<'a> {
    target: &'a Target,
    ip: Option<IpAddr>,
    /// For messages.
    name: String,
}

impl Connector {
    /// Each connection lives on a task that `spawn` starts.
    ///
    /// # Errors
    /// Certificates and keys that can't be read or used.
    pub fn new(
        settings: Settings,
        program: Program,
        spawn: impl Fn(Task) -> JoinHandle<()> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Ok(Self {
            tls: tls::connector(&settings.tls)?,
            settings: Arc::new(settings),
            program,
            spawn: Arc::new(spawn),
            newest_timeline: Arc::default(),
        })
    }

    /// How the database is reached.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a later session is with another server than one on this timeline, which a standby has replaced then.
    pub fn has_left(&self, timeline: Option<&Timeline>) -> bool {
        timeline.is_some_and(|timeline| self.newest_timeline.has_left(timeline))
    }

    /// Opens a session named `name` in pg_stat_activity, with these run-time settings beside those that all have.
    ///
    /// # Errors
    /// Of each server, why it will not do.
    pub async fn connect(
        &self,
        name: &str,
        settings: &[(&str, String)],
    ) -> Result<Session, ConnectError> {
        self.open(name, settings, false).await
    }

    /// As [`connect`](Self::connect), for locks and notifications: refused where a pooler shares sessions.
    ///
    /// # Errors
    /// Of each server, why it will not do.
    pub async fn connect_for_good(
        &self,
        name: &str,
        settings: &[(&str, String)],
    ) -> Result<Session, ConnectError> {
        self.open(name, settings, true).await
    }

    async fn open(
        &self,
        name: &str,
        settings: &[(&str, String)],
        has_state: bool,
    ) -> Result<Session, ConnectError> {
        let request = Request {
            name,
            settings,
            has_state,
            mark: uuid::Uuid::new_v4().simple().to_string(),
        };
        let mut failures = Vec::new();
        let error = |failures| ConnectError {
            failures,
            program: self.program,
        };
        let mut targets: Vec<&Target> = self.settings.targets.iter().collect();
        if self.settings.shuffles {
            targets.shuffle(&mut rand::rng());
        }
        for target in targets {
            let addresses = match self.addresses(target).await {
                Ok(addresses) => addresses,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
            for address in addresses {
                match self.open_at(&address, &request).await {
                    Ok(session) => return Ok(session),
                    Err(causes) => {
                        let is_refusal = causes.iter().any(Cause::is_refusal);
                        failures.extend(causes.into_iter().map(|cause| Failure {
                            server: address.name.clone(),
                            cause,
                        }));
                        if is_refusal {
                            return Err(error(failures));
                        }
                    }
                }
            }
        }
        Err(error(failures))
    }

    async fn addresses<'a>(&self, target: &'a Target) -> Result<Vec<Address<'a>>, Failure> {
        let port = target.port;
        let (name, known) = match &target.place {
            Place::Unix(directory) => {
                let name = directory
                    .join(format!(".s.PGSQL.{port}"))
                    .display()
                    .to_string();
                return Ok(vec![Address {
                    target,
                    ip: None,
                    name,
                }]);
            }
            Place::Tcp { name, address } => (name, address.or_else(|| name.parse().ok())),
        };
        if let Some(ip) = known {
            let name = if ip.to_string() == *name {
                SocketAddr::new(ip, port).to_string()
            } else {
                format!("{name}:{port} ({ip})")
            };
            let ip = Some(ip);
            return Ok(vec![Address { target, ip, name }]);
        }
        let server = format!("{name}:{port}");
        let failure = |cause| Failure {
            server: server.clone(),
            cause,
        };
        let resolved = self.bounded(async {
            let found = tokio::net::lookup_host((name.as_str(), port)).await;
            found.map_err(Cause::Unresolved)
        });
        let resolved = resolved.await.map_err(failure)?;
        let mut found: Vec<IpAddr> = resolved.map(|address| address.ip()).collect();
        found.dedup();
        if found.is_empty() {
            return Err(failure(Cause::NoAddress));
        }
        if self.settings.shuffles {
            found.shuffle(&mut rand::rng());
        }
        let addresses = found.into_iter().map(|ip| Address {
            target,
            ip: Some(ip),
            name: format!("{server} ({ip})"),
        });
        Ok(addresses.collect())
    }

    /// A session at this address, with as much encryption as sslmode and server agree on.
    async fn open_at(
        &self,
        address: &Address<'_>,
        request: &Request<'_>,
    ) -> Result<Session, Vec<Cause>> {
        let mut causes = Vec::new();
        for encryption in self.encryptions(address.target) {
            match self.open_with(address, *encryption, request).await {
                Ok(session) => return Ok(session),
                Err(cause) => {
                    let is_over = !may_be_otherwise(&cause);
                    causes.push(cause);
                    if is_over {
                        break;
                    }
                }
            }
        }
        Err(causes)
    }

    /// What to try, one after the other.
    fn encryptions(&self, target: &Target) -> &'static [Encryption] {
        if let Place::Unix(_) = target.place {
            return PLAIN;
        }
        match self.settings.tls.mode {
            SslMode::Disable => PLAIN,
            SslMode::Allow => &[Encryption::None, Encryption::Required],
            SslMode::Prefer => &[Encryption::Offered, Encryption::None],
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Encryption::Required],
        }
    }

    async fn open_with(
        &self,
        address: &Address<'_>,
        encryption: Encryption,
        request: &Request<'_>,
    ) -> Result<Session, Cause> {
        let mut session = self.begin(address, encryption, request).await?;
        let facts = self.bounded(Facts::of(&session.client)).await?;
        if let Some(problem) = facts.problem() {
            return Err(problem);
        }
        if let Some(timeline) = &facts.timeline {
            self.newest_timeline.reach(timeline)?;
        }
        let is_direct = facts.has_mark(request);
        session.server_version = facts.server_version;
        session.timeline = facts.timeline;
        if !is_direct && self.settings.options.is_some() {
            return Err(Cause::OptionsRefused);
        }
        if request.has_state || !is_direct {
            // Before anything is set: on a session that is shared, that would be for others, too.
            let name = format!("{} check", request.name);
            let other = self.connect_to(address, encryption, &name, None);
            if let Ok(other) = self.bounded(other).await {
                look_for_pooler(&mut session, &other, is_direct).await?;
            }
        }
        self.bounded(async {
            if !is_direct {
                request.apply_settings(&session.client).await?;
            }
            startup::forget_transaction_timeout(&session.client).await
        })
        .await?;
        Ok(session)
    }

    /// A session with its settings, if nothing is in between that takes none.
    async fn begin(
        &self,
        address: &Address<'_>,
        encryption: Encryption,
        request: &Request<'_>,
    ) -> Result<Session, Cause> {
        let options = request.options(self.settings.options.as_deref());
        let with_options = self.connect_to(address, encryption, request.name, Some(options));
        match self.bounded(with_options).await {
            // A pooler: one that keeps sessions, perhaps, in which they can be set.
            Err(Cause::Postgres(error)) if is_about_startup_options(&error) => {
                let without = self.connect_to(address, encryption, request.name, None);
                self.bounded(without).await
            }
            opened => opened,
        }
    }

    async fn connect_to(
        &self,
        address: &Address<'_>,
        encryption: Encryption,
        name: &str,
        options: Option<String>,
    ) -> Result<Session, tokio_postgres::Error> {
        let mut config = self.config(address, encryption);
        match &self.settings.application_name {
            Some(given) => config.application_name(format!("{name}: {given}")),
            None => config.application_name(name),
        };
        if let Some(options) = options {
            config.options(options);
        }
        let (sender, notifications) = unbounded_channel();
        let (client, connection) = if encryption == Encryption::None {
            let (client, connection) = config.connect(NoTls).await?;
            (client, (self.spawn)(Box::pin(serve(connection, sender))))
        } else {
            let (client, connection) = config.connect(self.tls.clone()).await?;
            (client, (self.spawn)(Box::pin(serve(connection, sender))))
        };
        Ok(Session {
            client,
            connection,
            notifications,
            server: address.name.clone(),
            server_version: String::new(),
            timeline: None,
        })
    }

    fn config(&self, address: &Address<'_>, encryption: Encryption) -> Config {
        let settings = &self.settings;
        let mut config = Config::new();
        match (&address.target.place, address.ip) {
            (Place::Unix(directory), _) => config.host_path(directory),
            (Place::Tcp { name, .. }, None) => config.host(name),
            (Place::Tcp { name, .. }, Some(ip)) => config.host(name).hostaddr(ip),
        };
        config
            .port(address.target.port)
            .user(&settings.user)
            .dbname(&settings.database)
            .channel_binding(settings.channel_binding)
            .ssl_mode(match encryption {
                Encryption::None => WireMode::Disable,
                Encryption::Offered => WireMode::Prefer,
                Encryption::Required => WireMode::Require,
            })
            .keepalives(settings.liveness.keepalives)
            .keepalives_idle(settings.liveness.idle)
            .keepalives_interval(settings.liveness.interval)
            .keepalives_retries(settings.liveness.count);
        if settings.tls.is_direct && encryption != Encryption::None {
            config.ssl_negotiation(SslNegotiation::Direct);
        }
        if let Some(timeout) = settings.liveness.user_timeout {
            config.tcp_user_timeout(timeout);
        }
        if let Some(password) = &address.target.password {
            config.password(password);
        }
        config
    }

    /// At most as long as connect_timeout.
    async fn bounded<T, E: Into<Cause>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Cause> {
        match self.settings.connect_timeout {
            None => step.await.map_err(Into::into),
            Some(timeout) => match tokio::time::timeout(timeout, step).await {
                Ok(done) => done.map_err(Into::into),
                Err(_) => Err(Cause::TimedOut(timeout)),
            },
        }
    }
}

async fn look_for_pooler(
    session: &mut Session,
    other: &Session,
    is_direct: bool,
) -> Result<(), Cause> {
    let mut evidence = pooler::shared(&session.client, &other.client).await?;
    // Where settings of the startup packet arrive, notifications do.
    if evidence.is_none() && !is_direct {
        let notifications = &mut session.notifications;
        evidence = pooler::deaf(&session.client, &other.client, notifications).await?;
    }
    match evidence {
        Some(evidence) => {
            tracing::debug!(server = session.server, "pooler: {evidence}");
            Err(Cause::Pooled)
        }
        None => Ok(()),
    }
}

async fn serve<S, T>(mut connection: Connection<S, T>, notifications: UnboundedSender<Notification>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
        match message {
            // Nobody may be listening any more, as at shutdown: the session must live on nevertheless.
            Ok(AsyncMessage::Notification(notification)) => {
                let _ = notifications.send(notification);
            }
            Ok(AsyncMessage::Notice(notice)) => {
                tracing::warn!(code = notice.code().code(), "server: {}", notice.message());
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "session ended");
                break;
            }
        }
    }
}

/// Whether the same address may let this user in with another encryption.
fn may_be_otherwise(cause: &Cause) -> bool {
    match cause {
        Cause::Postgres(error) => match error.code() {
            Some(_) => cause.is_refusal(),
            None => cause.is_permanent(),
        },
        _ => false,
    }
}

/// As PgBouncer refuses a startup packet with options.
fn is_about_startup_options(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|server| {
        *server.code() == SqlState::PROTOCOL_VIOLATION
            && server.message().contains("unsupported startup parameter")
    })
}
