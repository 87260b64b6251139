//! `doctor()`, and what can be seen of a database only from where the sidecar runs. Nothing is changed, and no shard is
//! taken.

use super::clock_skew::{self, Skew, Verdict};
use super::database::Database;
use super::trouble::describe;
use super::version;
use crate::model::finding::{Finding, Severity};
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};
use webhooks_connection::connect::Session;

/// The server cancels a look that takes longer.
const STATEMENT_TIMEOUT: &str = "30s";
/// And all of it ends then.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Looks at a database as a sidecar would be connected to it.
pub async fn examine(database: &Database) -> Vec<Finding> {
    let examined = tokio::time::timeout(TIMEOUT, examine_without_end(database));
    examined.await.unwrap_or_else(|_| {
        let words = format!("no answer within {} s", TIMEOUT.as_secs());
        vec![Finding::new(Severity::Error, "connection", words)]
    })
}

async fn examine_without_end(database: &Database) -> Vec<Finding> {
    let settings = [
        ("statement_timeout", STATEMENT_TIMEOUT.to_owned()),
        ("lock_timeout", "5s".to_owned()),
    ];
    // No name of a sidecar's: doctor() counts these.
    let session = database
        .connect_for_good("webhooks-doctor", &settings)
        .await;
    let session = match session {
        Ok(session) => session,
        Err(error) => {
            let finding = Finding::new(Severity::Error, "connection", error.to_string());
            return vec![finding.meaning("A sidecar could not connect, either.")];
        }
    };
    let mut findings = Vec::new();
    if let Err(error) = look_at(database, &session, &mut findings).await {
        let words = format!("the session failed: {}", describe(&error));
        findings.push(Finding::new(Severity::Error, "connection", words));
    }
    findings
}

/// # Errors
/// Those of the session.
async fn look_at(
    database: &Database,
    session: &Session,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let client = &session.client;
    findings.push(connection(database, session).await?);
    findings.extend(encryption(client).await?);
    findings.extend(clocks(client).await?);
    let extension = version::installed(client).await?;
    let works = version_findings(extension.as_deref(), &database.settings().database);
    let is_usable = works.severity < Severity::Error;
    findings.push(works);
    if !is_usable {
        return Ok(());
    }
    findings.extend(role(client).await?);
    if let Err(error) = client
        .batch_execute("select webhooks_private.check_adopted()")
        .await
        && error.code() != Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    {
        let words = describe(&error);
        findings.push(Finding::new(Severity::Error, "adoption", words));
    }
    findings.extend(doctor(client, &database.settings().user).await?);
    Ok(())
}

async fn connection(database: &Database, session: &Session) -> Result<Finding, Error> {
    let query = "select count(*) from pg_catalog.pg_stat_activity a \
         where a.usename operator(pg_catalog.=) current_user";
    let sessions: i64 = session.client.query_one(query, &[]).await?.get(0);
    let words = format!(
        "connected to {}, PostgreSQL {}, as role {:?} (its sessions: {sessions})",
        session.server,
        session.server_version,
        database.settings().user
    );
    let meaning = "Locks and notifications last: no pooler in transaction mode is in between.";
    Ok(Finding::new(Severity::Info, "connection", words).meaning(meaning))
}

/// Not between this machine and itself.
async fn encryption(client: &Client) -> Result<Option<Finding>, Error> {
    let query = "select coalesce(pg_catalog.inet_server_addr() operator(pg_catalog.<>) pg_catalog.inet_client_addr() \
         and not s.ssl, false) from pg_catalog.pg_stat_ssl s where s.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid()";
    let row = client.query_opt(query, &[]).await?;
    let is_plain = row.is_some_and(|row| row.get(0));
    Ok(is_plain.then(|| {
        Finding::new(
            Severity::Warning,
            "encryption",
            "the connection is not encrypted",
        )
        .meaning(
            "Everyone on the way can read events, secrets and, with some methods, the password.",
        )
        .advice("Set sslmode=verify-full, with sslrootcert or --database-ca-file.")
    }))
}

async fn clocks(client: &Client) -> Result<Option<Finding>, Error> {
    let statement = clock_skew::prepare(client).await?;
    // The first answer of a statement is its slowest.
    clock_skew::measure(client, &statement).await?;
    let sample = clock_skew::measure(client, &statement).await?;
    let reading = Skew::default().take(&sample);
    let Some(Verdict::Differs(ahead)) = reading.map(|reading| reading.verdict) else {
        return Ok(None);
    };
    let side = if ahead < 0.0 { "ahead of" } else { "behind" };
    let words = format!(
        "this machine's clock is {:.1} s {side} the database server's",
        ahead.abs()
    );
    Ok(Some(
        Finding::new(Severity::Warning, "clock", words)
            .meaning("Signatures go by the server's clock, and receivers refuse those that are too old or too new.")
            .advice("Synchronize both clocks (NTP)."),
    ))
}

fn version_findings(extension: Option<&str>, database: &str) -> Finding {
    let Some(extension) = extension else {
        let words = format!("the extension webhooks is not installed in database {database:?}");
        return Finding::new(Severity::Error, "version", words)
            .meaning("A sidecar waits until it is.")
            .advice("create extension webhooks; or name another database");
    };
    let own = env!("CARGO_PKG_VERSION");
    let words = format!("sidecar {own}, extension webhooks {extension}");
    match version::check(extension) {
        Err(words) => Finding::new(Severity::Error, "version", words),
        Ok(()) if version::is_own_minor(extension) => {
            Finding::new(Severity::Info, "version", words)
        }
        Ok(()) => Finding::new(Severity::Warning, "version", words)
            .meaning(
                "They work together while a fleet is upgraded; the next minor version will not.",
            )
            .advice("Upgrade the older one: see the guide \"Upgrade\"."),
    }
}

async fn role(client: &Client) -> Result<Vec<Finding>, Error> {
    let query = "select r.rolname::text as name, r.rolsuper or r.rolbypassrls as is_unbound, \
         pg_catalog.pg_has_role(r.oid, 'webhooks_sidecar', 'usage') as is_member \
         from pg_catalog.pg_roles r where r.rolname operator(pg_catalog.=) current_user";
    let row = client.query_one(query, &[]).await?;
    let name: String = row.get("name");
    let mut findings = Vec::new();
    if !row.get::<_, bool>("is_member") {
        let words = format!("role {name:?} is no member of webhooks_sidecar");
        findings.push(
            Finding::new(Severity::Error, "privilege", words)
                .meaning("A sidecar may not claim deliveries with this role.")
                .advice(format!("grant webhooks_sidecar to {name:?};")),
        );
    }
    if row.get("is_unbound") {
        let words = format!("role {name:?} is a superuser, or not bound by row-level security");
        findings.push(
            Finding::new(Severity::Warning, "privilege", words)
                .meaning("A sidecar needs no such rights, and whoever gets at its password has them.")
                .advice("Have it connect as a role that is a member of webhooks_sidecar and nothing else."),
        );
    }
    Ok(findings)
}

/// What the server finds of itself.
async fn doctor(client: &Client, role: &str) -> Result<Vec<Finding>, Error> {
    let query = "select severity, check_name, finding, meaning, advice from webhooks.doctor()";
    let rows = match client.query(query, &[]).await {
        Ok(rows) => rows,
        Err(error) => return refused(error, role).map(|finding| vec![finding]),
    };
    let findings = rows.iter().map(|row| Finding {
        severity: Severity::of(row.get("severity")),
        check: row.get("check_name"),
        finding: row.get("finding"),
        meaning: row.get("meaning"),
        advice: row.get("advice"),
    });
    Ok(findings.collect())
}

fn refused(error: Error, role: &str) -> Result<Finding, Error> {
    let meaning = "What only the server sees was not looked at: sidecars, shards, settings, the notification queue, long transactions, autovacuum, partitions, secrets.";
    let (words, advice) = match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => (
            format!("role {role:?} may not call webhooks.doctor()"),
            "As a member of webhooks_monitor: select * from webhooks.doctor(); or give the doctor such a role in --database-url.",
        ),
        Some(&(SqlState::UNDEFINED_FUNCTION | SqlState::INVALID_SCHEMA_NAME)) => (
            "the extension has no webhooks.doctor()".to_owned(),
            "alter extension webhooks update;",
        ),
        _ => return Err(error),
    };
    Ok(Finding::new(Severity::Info, "doctor", words)
        .meaning(meaning)
        .advice(advice))
}
