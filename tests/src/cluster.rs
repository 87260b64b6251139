//! Throw-away PostgreSQL clusters that can be stopped, killed and started again.

mod backup;
mod options;
mod programs;
mod server;
mod template;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

pub use options::Options;

use crate::environment::Postgres;
use crate::process::{Process, Signal, send_signal};
use crate::watchdog::Watchdog;

const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const ATTEMPTS_TO_FIND_A_PORT: usize = 5;

/// How to stop a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, then a checkpoint is written (SIGINT).
    Fast,
    /// No checkpoint; the next start recovers (SIGQUIT).
    Immediate,
}

/// A cluster of its own in a new directory. Dropping it ends the server and removes the directory.
#[derive(Debug)]
pub struct Cluster {
    // Fields drop in this order: the server ends before its directory goes.
    server: Mutex<Option<Process>>,
    directory: TempDir,
    _watchdog: Watchdog,
    postgres: Postgres,
    port: u16,
    /// Whether its cluster-wide roles are there. Held while they are made: two sessions at once would race for them.
    pub(crate) has_roles: tokio::sync::Mutex<bool>,
    /// Whether its template database is there.
    pub(crate) template: OnceCell<()>,
}

impl Cluster {
    /// Makes a cluster and starts it: superuser `postgres`, UTF-8, locale C, durability as PostgreSQL ships it.
    ///
    /// Whoever may connect is trusted: the socket lies in a private directory, TCP listens on 127.0.0.1 alone.
    ///
    /// # Errors
    /// With the server's log when it does not start.
    pub async fn start(options: Options) -> Result<Arc<Self>> {
        let postgres = Postgres::from_env()?;
        Self::start_made(|| Self::create(postgres.clone(), &options)).await
    }

    /// Starts a cluster that is made anew for each try.
    async fn start_made<F>(make: impl Fn() -> F) -> Result<Arc<Self>>
    where
        F: Future<Output = Result<Self>>,
    {
        let mut last_error = None;
        // Another process may take the port between the choice and the start.
        for _ in 0..ATTEMPTS_TO_FIND_A_PORT {
            let cluster = make().await?;
            match cluster.launch().await {
                Ok(()) => return Ok(Arc::new(cluster)),
                Err(error) if cluster.server_log().contains("could not bind") => {
                    last_error = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last_error.context("no free port")?)
    }

    /// The cluster that all tests of this process share; each takes a database of its own.
    ///
    /// It is made at the first call and ends with the process. It is not durable and does not vacuum by itself
    /// ([`Options::without_durability`]).
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn shared() -> Result<Arc<Self>> {
        static SHARED: OnceCell<Arc<Cluster>> = OnceCell::const_new();
        let options = Options::default()
            .without_durability()
            .prepared_transactions(10);
        SHARED
            .get_or_try_init(|| Self::start(options))
            .await
            .cloned()
    }

    async fn create(postgres: Postgres, options: &Options) -> Result<Self> {
        let cluster = Self::empty(postgres)?;
        let data = cluster.data_directory();
        if options.copies_template {
            template::copy_to(&cluster.postgres, &data).await?;
        } else {
            template::initdb(&cluster.postgres, &data, &options.initdb_arguments).await?;
        }
        cluster.configure(options)?;
        Ok(cluster)
    }

    /// Without a data directory.
    fn empty(postgres: Postgres) -> Result<Self> {
        let directory = postgres.new_directory()?;
        let watchdog = Watchdog::removes_directory(directory.path())?;
        Ok(Self {
            server: Mutex::new(None),
            directory,
            _watchdog: watchdog,
            postgres,
            port: server::choose_port()?,
            has_roles: tokio::sync::Mutex::new(false),
            template: OnceCell::new(),
        })
    }

    fn configure(&self, options: &Options) -> Result<()> {
        options.write(&self.data_directory(), self.directory.path(), self.port)
    }

    /// Starts the server again after [`stop`](Self::stop) or [`kill9`](Self::kill9); returns once it accepts connections.
    ///
    /// # Errors
    /// With the server's log when it does not start; when it runs already.
    pub async fn launch(&self) -> Result<()> {
        if self.server().is_some() {
            bail!("the server runs already");
        }
        let process = server::spawn(&self.postgres, self.directory.path())?;
        *self.server() = Some(process);
        self.wait_accepting().await
    }

    /// Waits until the server accepts connections, also after a crash that it recovers from by itself.
    ///
    /// # Errors
    /// With the server's log when it ends instead or takes too long.
    pub async fn wait_accepting(&self) -> Result<()> {
        let exited = || match self.server().as_mut() {
            Some(process) => process.exited(),
            None => bail!("the server is stopped"),
        };
        let connect = || self.connect("postgres", "postgres");
        server::wait_accepting(connect, exited)
            .await
            .map_err(|error| {
                anyhow!(
                    "{error:#}\n--- server log (end)\n{}",
                    self.server_log_tail(30)
                )
            })
    }

    /// Stops the server and waits for its end.
    ///
    /// # Errors
    /// When it does not run or does not end.
    pub async fn stop(&self, how: Stop) -> Result<()> {
        let mut process = self.take_server()?;
        process.signal(match how {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        })?;
        process.wait_exit(STOP_TIMEOUT).await?;
        Ok(())
    }

    /// Kills the postmaster with SIGKILL and waits until its backends have noticed and left, so that
    /// [`launch`](Self::launch) finds the shared memory free.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill9(&self) -> Result<()> {
        self.take_server()?.kill9()?;
        server::wait_backends_gone(&self.data_directory()).await
    }

    /// Ends all processes at once, as when the machine fails: none gets to notice the end of another.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn crash(&self) -> Result<()> {
        // The postmaster first: it makes the others.
        if let Some(postmaster) = self.server().as_mut() {
            postmaster.signal(Signal::STOP)?;
        }
        for signal in [Signal::STOP, Signal::KILL] {
            for pid in self.processes()? {
                // Gone in the meantime is as good.
                let _ = send_signal(pid, signal);
            }
        }
        self.kill9().await
    }

    /// Waits until the server accepts connections; starts it if it has ended by itself.
    ///
    /// # Errors
    /// With the server's log when it does not start.
    pub async fn revive(&self) -> Result<()> {
        if self.ended()? {
            return self.start_again().await;
        }
        match self.wait_accepting().await {
            Ok(()) => Ok(()),
            // It was about to end.
            Err(_) if self.ended()? => self.start_again().await,
            Err(error) => Err(error),
        }
    }

    async fn start_again(&self) -> Result<()> {
        drop(self.server().take());
        server::wait_backends_gone(&self.data_directory()).await?;
        self.launch().await
    }

    fn ended(&self) -> Result<bool> {
        match self.server().as_mut() {
            Some(process) => Ok(process.exited()?.is_some()),
            None => Ok(true),
        }
    }

    /// Ids of all its processes, the postmaster among them.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn processes(&self) -> Result<Vec<u32>> {
        server::processes_in(&self.data_directory().canonicalize()?)
    }

    /// Stops (fast) and starts, on the same port.
    ///
    /// # Errors
    /// As [`stop`](Self::stop) and [`launch`](Self::launch).
    pub async fn restart(&self) -> Result<()> {
        self.stop(Stop::Fast).await?;
        self.launch().await
    }

    /// Opens a session. Its connection lives on a task of the current runtime, until the client is dropped.
    ///
    /// # Errors
    /// When the server refuses or does not run.
    pub async fn connect(&self, role: &str, database: &str) -> Result<Client> {
        let (client, connection) = tokio_postgres::Config::new()
            .host_path(self.directory.path())
            .port(self.port)
            .user(role)
            .dbname(database)
            .application_name("webhooks-tests")
            .connect(NoTls)
            .await
            .with_context(|| format!("connecting to {database} as {role}"))?;
        // Its error reaches the client's next call.
        tokio::spawn(connection);
        Ok(client)
    }

    /// Creates a database, with what else CREATE DATABASE is to say: nothing for an empty one.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_database(&self, name: &str, options: &str) -> Result<()> {
        let client = self.connect("postgres", "postgres").await?;
        client
            .batch_execute(&format!("create database \"{name}\" {options}"))
            .await
            .with_context(|| format!("creating database {name}"))
    }

    /// The versions of the extension before this one that can be created here (`sql/releases`), oldest first.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn released_versions(&self) -> Result<Vec<String>> {
        let client = self.connect("postgres", "postgres").await?;
        let query = "select v.version from pg_available_extension_versions v join pg_available_extensions e on e.name = v.name
                     where v.name = 'webhooks' and v.version <> e.default_version order by string_to_array(v.version, '.')::integer[]";
        let rows = client.query(query, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Connection URL, over TCP.
    #[must_use]
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// TCP port; stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where everything of this cluster lies.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The installation it runs on.
    #[must_use]
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// Everything the server has logged so far.
    #[must_use]
    pub fn server_log(&self) -> String {
        std::fs::read(self.directory.path().join(server::LOG))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// The last lines of the server's log.
    #[must_use]
    pub fn server_log_tail(&self, lines: usize) -> String {
        let log = self.server_log();
        let all: Vec<_> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn data_directory(&self) -> PathBuf {
        self.directory.path().join(server::DATA)
    }

    fn server(&self) -> MutexGuard<'_, Option<Process>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_server(&self) -> Result<Process> {
        self.server().take().context("the server is stopped")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- server log (end)\n{}", self.server_log_tail(30));
        }
    }
}
