//! The cluster, receiver and sidecar of the demo.

use anyhow::{Context, Result};
use tokio_postgres::Client;
use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::console::Console;
use webhooks_tests::database::Database;
use webhooks_tests::receiver::Receiver;
use webhooks_tests::sidecar::{self, Sidecar};

use crate::paper::Paper;

/// Everything; dropping it ends and removes everything, in this order.
pub struct Stage {
    pub sidecar: Sidecar,
    pub receiver: Receiver,
    pub database: Database,
}

impl Stage {
    /// Starts it all and says where it is.
    pub async fn set(paper: &Paper) -> Result<Self> {
        paper.step("A throw-away cluster with the extension, a receiver, and the sidecar");
        let cluster = Cluster::start(Options::default().without_template()).await?;
        let database = Database::create_named(&cluster, "demo").await?;
        database.create_extension().await?;
        let client = database.connect().await?;
        let server = show_setting(&client, "show server_version").await?;
        let extension = "select extversion from pg_extension where extname = 'webhooks'";
        let extension = show_setting(&client, extension).await?;
        paper.pair(
            "cluster",
            &format!("{} (PostgreSQL {server})", cluster.directory().display()),
        );
        paper.pair(
            "extension",
            &format!("webhooks {extension}, by `create extension webhooks`"),
        );

        let receiver = Receiver::start()?;
        paper.pair(
            "receiver",
            &format!("{}, checks signatures", receiver.url(super::script::PATH)),
        );

        let options = sidecar::Options::default().quiet();
        let sidecar = Sidecar::start_with(&database, options).await?;
        paper.pair(
            "sidecar",
            &format!("webhooks-sidecar run, process {}", sidecar.pid()),
        );
        Ok(Self {
            sidecar,
            receiver,
            database,
        })
    }

    /// Starts the console.
    ///
    /// Returns: it, and where a browser opens it for a tenant, once.
    pub async fn open_console(&self, tenant: &str) -> Result<(Console, String)> {
        let console = Console::start(&self.database).await?.quiet();
        let link = format!(
            "select webhooks.create_portal_link('{tenant}', array_agg(scope), '1 hour', label => 'demo')
             from webhooks_private.access_scopes() where scope not like 'operator:%'"
        );
        let link = self.database.value(&link).await?.context("no link")?;
        let url = format!("http://{}{link}", console.address());
        Ok((console, url))
    }

    /// Adds to an error what helps to find its cause.
    pub async fn explain_failure(&self, played: Result<()>) -> Result<()> {
        let Err(error) = played else { return Ok(()) };
        let deliveries = self
            .database
            .rows("select * from webhooks.webhook_delivery_logs")
            .await;
        let deliveries = deliveries.map_or_else(
            |error| format!("{error:#}"),
            |rows| rows.iter().map(|row| format!("{row}\n")).collect(),
        );
        eprintln!(
            "\n--- webhooks.webhook_delivery_logs\n{deliveries}\n--- sidecar log (end)\n{}\n--- server log (end)\n{}",
            self.sidecar.log_tail(20),
            self.database.cluster().server_log_tail(20),
        );
        Err(error)
    }
}

async fn show_setting(client: &Client, query: &str) -> Result<String> {
    let row = client
        .query_one(query, &[])
        .await
        .with_context(|| query.to_owned())?;
    Ok(row.get(0))
}
