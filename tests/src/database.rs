//! A database of its own for each test: extension, roles, and what an application does with them.

mod application;
mod attacker;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio_postgres::Client;
use uuid::Uuid;

pub use application::publish;
use sessions::Sessions;

use crate::cluster::Cluster;
use crate::wait::{Seen, eventually};

/// Login role of the sidecar: a member of `webhooks_sidecar` and nothing else.
pub const SIDECAR_ROLE: &str = "sidecar";
/// Login role of an application: a member of `webhooks_publisher` and nothing else. It sets the tenant it publishes for.
pub const PUBLISHER_ROLE: &str = "publisher";
/// Login role of a trusted application: publishes for every tenant.
pub const BACKEND_ROLE: &str = "backend";
/// Login role of a tenant's administrator: a member of `webhooks_manager` and nothing else.
pub const MANAGER_ROLE: &str = "manager";
/// Login role of a monitoring system: a member of `webhooks_monitor` and nothing else.
pub const MONITOR_ROLE: &str = "monitor";
/// Login role of an auditor: a member of `webhooks_auditor` and nothing else.
pub const AUDITOR_ROLE: &str = "auditor";
/// Login role of the console: a member of `webhooks_console` and nothing else.
pub const CONSOLE_ROLE: &str = "console";
/// Login role of nobody in particular.
pub const STRANGER_ROLE: &str = "stranger";

/// Those, and two that are more than one thing.
const CREATE_LOGIN_ROLES: &str = "
do $$
declare
    login text;
    membership text;
begin
    for login, membership in values
        ('sidecar', 'in role webhooks_sidecar'),
        ('publisher', 'in role webhooks_publisher'),
        ('backend', 'in role webhooks_publisher, webhooks_all_tenants'),
        ('manager', 'in role webhooks_manager'),
        ('manager_backend', 'in role webhooks_manager, webhooks_all_tenants'),
        ('manager_monitor', 'in role webhooks_manager, webhooks_monitor'),
        ('monitor', 'in role webhooks_monitor'),
        ('auditor', 'in role webhooks_auditor'),
        ('console', 'in role webhooks_console'),
        ('stranger', '')
    loop
        if to_regrole(login) is null then
            execute format('create role %I login %s', login, membership);
        end if;
    end loop;
end
$$";

/// The database from which the databases of tests are copied.
const TEMPLATE: &str = "with_extension";

/// A database with the extension.
#[derive(Debug)]
pub struct Database {
    cluster: Arc<Cluster>,
    name: String,
    sessions: Sessions,
}

impl Database {
    /// A new database in this process's shared cluster. The name is for logs and gets a number.
    ///
    /// It is as `create extension` makes it, but copied from one of the cluster's, which takes a tenth of the time.
    ///
    /// # Errors
    /// When cluster, database or extension cannot be made.
    pub async fn fresh(name: &str) -> Result<Self> {
        let cluster = Cluster::shared().await?;
        let make_template = async || {
            let template = Self::create_named(&cluster, TEMPLATE).await?;
            template.create_extension().await
        };
        cluster.template.get_or_try_init(make_template).await?;
        let name = numbered(name);
        let template = format!("template {TEMPLATE} strategy file_copy");
        cluster.create_database(&name, &template).await?;
        let database = Self::existing(&cluster, &name);
        // Deliveries are made from the database that the extension was created in, not from copies.
        database
            .execute("select webhooks_private.bind_database()")
            .await?;
        Ok(database)
    }

    /// A new database, and `create extension` in it: for a cluster of the test's own.
    ///
    /// # Errors
    /// When database or extension cannot be made.
    pub async fn create(cluster: &Arc<Cluster>, name: &str) -> Result<Self> {
        let database = Self::create_empty(cluster, name).await?;
        database.create_extension().await?;
        Ok(database)
    }

    /// A new database with a released version of the extension, such as `0.2.0`. The login roles must be there.
    ///
    /// # Errors
    /// When database or extension cannot be made.
    pub async fn create_version(cluster: &Arc<Cluster>, name: &str, version: &str) -> Result<Self> {
        let database = Self::create_empty(cluster, name).await?;
        let create = format!("create extension webhooks version '{version}'");
        database.execute(&create).await?;
        Ok(database)
    }

    /// A new database without the extension: to restore a dump into, or to install by hand.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn create_empty(cluster: &Arc<Cluster>, name: &str) -> Result<Self> {
        Self::create_named(cluster, &numbered(name)).await
    }

    /// As [`create_empty`](Self::create_empty), with exactly this name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn create_named(cluster: &Arc<Cluster>, name: &str) -> Result<Self> {
        cluster.create_database(name, "").await?;
        Ok(Self::existing(cluster, name))
    }

    /// A database that is there already.
    #[must_use]
    pub fn existing(cluster: &Arc<Cluster>, name: &str) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            name: name.to_owned(),
            sessions: Sessions::default(),
        }
    }

    /// A copy of it by CREATE DATABASE, in the same cluster. Its sessions are ended.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn copy(&self) -> Result<Self> {
        let name = format!("{}_copy", self.name);
        self.end_sessions();
        let admin = self.cluster.connect("postgres", "postgres").await?;
        // Sessions that were dropped a moment ago may still be there.
        let gone = format!(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '{}'",
            self.name
        );
        admin.batch_execute(&gone).await?;
        drop(admin);
        let template = format!("template {}", self.name);
        self.cluster.create_database(&name, &template).await?;
        Ok(Self::existing(&self.cluster, &name))
    }

    /// Creates the extension and, once per cluster, the login roles: [`SIDECAR_ROLE`], [`PUBLISHER_ROLE`] and so on.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_extension(&self) -> Result<()> {
        let mut has_roles = self.cluster.has_roles.lock().await;
        if *has_roles {
            drop(has_roles);
            return self.execute("create extension webhooks").await;
        }
        self.execute("create extension webhooks").await?;
        self.execute(CREATE_LOGIN_ROLES).await?;
        *has_roles = true;
        Ok(())
    }

    /// Creates a role of the whole cluster, unless another test did.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_role(&self, name: &str, options: &str) -> Result<()> {
        let _one_at_a_time = self.cluster.has_roles.lock().await;
        self.execute(&format!(
            "do $$ begin if to_regrole('{name}') is null then create role {name} {options}; end if; end $$"
        ))
        .await
    }

    /// The cluster it is in.
    #[must_use]
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connection URL for a role.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        self.cluster.url(role, &self.name)
    }

    /// Opens a session as superuser.
    ///
    /// # Errors
    /// When the server refuses or does not run.
    pub async fn connect(&self) -> Result<Client> {
        self.connect_as("postgres").await
    }

    /// Opens a session as another role.
    ///
    /// # Errors
    /// When the server refuses or does not run.
    pub async fn connect_as(&self, role: &str) -> Result<Client> {
        self.cluster.connect(role, &self.name).await
    }

    /// Runs SQL statements, in a session that is used again: they leave no temporary table and no open transaction behind.
    ///
    /// # Errors
    /// When one fails.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        let session = self.session().await?;
        let done = session.batch_execute(sql).await;
        done.with_context(|| sql.to_owned())?;
        session.give_back();
        Ok(())
    }

    /// Runs a query for one value and casts it to text.
    ///
    /// Returns: `None` for SQL's null or no row.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn value(&self, query: &str) -> Result<Option<String>> {
        let session = self.session().await?;
        let value = value(&session, query).await?;
        session.give_back();
        Ok(value)
    }

    /// Runs a query.
    ///
    /// Returns: its rows as JSON objects.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn rows(&self, query: &str) -> Result<Vec<Value>> {
        let session = self.session().await?;
        let rows = rows(&session, query).await?;
        session.give_back();
        Ok(rows)
    }

    /// Waits until a query's value, as text, is the expected one.
    ///
    /// # Errors
    /// When it is not within [`PATIENCE`](crate::PATIENCE), with the last value seen.
    pub async fn wait_value(&self, query: &str, expected: &str) -> Result<()> {
        self.wait_value_within(crate::PATIENCE, query, expected)
            .await
    }

    /// As [`wait_value`](Self::wait_value), with a time-out.
    ///
    /// # Errors
    /// When it is not within `timeout`, with the last value seen.
    pub async fn wait_value_within(
        &self,
        timeout: Duration,
        query: &str,
        expected: &str,
    ) -> Result<()> {
        let session = self.session().await?;
        let check = async || {
            let seen = value(&session, query).await?;
            Ok(Seen::done_if(seen, |v| v.as_deref() == Some(expected)))
        };
        eventually(timeout, check)
            .await
            .with_context(|| format!("waiting for {expected} from {query}"))?;
        session.give_back();
        Ok(())
    }

    /// The deliveries of an event, from `webhook_delivery_logs`, oldest first.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn deliveries(&self, event: Uuid) -> Result<Vec<Value>> {
        self.rows(&deliveries_of(event)).await
    }

    /// The attempts of an event's deliveries, from `delivery_attempts`, oldest first.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn attempts(&self, event: Uuid) -> Result<Vec<Value>> {
        self.rows(&format!(
            "select * from webhooks.delivery_attempts where event_log_id = '{event}'
             order by delivery_id, delivery_attempt"
        ))
        .await
    }

    /// Waits until an event's only delivery has a status.
    ///
    /// Returns: its row of `webhook_delivery_logs`.
    ///
    /// # Errors
    /// When it has not within [`PATIENCE`](crate::PATIENCE), with the rows last seen.
    pub async fn wait_delivery(&self, event: Uuid, status: &str) -> Result<Value> {
        let session = self.session().await?;
        let query = deliveries_of(event);
        let check = async || {
            let seen = rows(&session, &query).await?;
            Ok(match seen.as_slice() {
                [delivery] if delivery["delivery_status"] == status => Seen::Done(delivery.clone()),
                other => Seen::not_yet(Value::from(other)),
            })
        };
        let delivery = eventually(crate::PATIENCE, check)
            .await
            .with_context(|| format!("waiting for the delivery of event {event} to be {status}"))?;
        session.give_back();
        Ok(delivery)
    }

    /// Waits until nothing is outstanding.
    ///
    /// # Errors
    /// When something is after `timeout`.
    pub async fn wait_drained(&self, timeout: Duration) -> Result<()> {
        let outstanding = "select count(*) from webhooks.delivery_queue";
        self.wait_value_within(timeout, outstanding, "0").await
    }
}

/// A name that no other database of this process has.
fn numbered(name: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    format!("{name}_{}", NUMBER.fetch_add(1, SeqCst))
}

fn deliveries_of(event: Uuid) -> String {
    format!(
        "select * from webhooks.webhook_delivery_logs where event_log_id = '{event}' order by id"
    )
}

async fn value(client: &Client, query: &str) -> Result<Option<String>> {
    let query = query.trim_end().trim_end_matches(';');
    let row = client
        .query_opt(&format!("select v.v::text from ({query}) v (v)"), &[])
        .await
        .with_context(|| query.to_owned())?;
    Ok(row.and_then(|row| row.get(0)))
}

async fn rows(client: &Client, query: &str) -> Result<Vec<Value>> {
    let query = query.trim_end().trim_end_matches(';');
    let rows = client
        .query(&format!("select to_json(r)::text from ({query}) r"), &[])
        .await
        .with_context(|| query.to_owned())?;
    rows.iter()
        .map(|row| Ok(serde_json::from_str(row.get(0))?))
        .collect()
}
