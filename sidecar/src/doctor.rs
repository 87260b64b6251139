//! `webhooks-sidecar doctor`: looks, from where the sidecar is to run and with its options, for what keeps deliveries from
//! being made, or may do so soon.

mod report;

use crate::config::{DoctorArgs, NamedDatabase, ProcessEnvironment, RunArgs};
use crate::model::finding::{Finding, Severity};
use crate::postgres::{Database, Identities, doctor};
use crate::task_group::TaskGroup;
use crate::tasks::sender::Sender;
use crate::telemetry::spans::Spans;
use futures_util::future::join_all;
use report::Entry;
use std::io;
use std::process::ExitCode;
use tokio_util::task::TaskTracker;

/// As monitoring plugins have it: 1 is a warning, 2 an error.
const WARNINGS: u8 = 1;
const ERRORS: u8 = 2;

/// Prints what is found.
pub fn run(args: &DoctorArgs) -> ExitCode {
    let examined = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map(|runtime| runtime.block_on(examine(&args.run)));
    let printed = examined.and_then(|mut entries| {
        // What is worst comes first.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.finding.severity));
        report::print(&entries, args.json, &mut io::stdout().lock())?;
        Ok(entries)
    });
    let entries = match printed {
        Ok(entries) => entries,
        Err(error) => {
            eprintln!("webhooks-sidecar doctor: {error}");
            return ExitCode::from(ERRORS);
        }
    };
    match entries.iter().map(|entry| entry.finding.severity).max() {
        Some(Severity::Error) => ExitCode::from(ERRORS),
        Some(Severity::Warning) => ExitCode::from(WARNINGS),
        Some(Severity::Info) | None => ExitCode::SUCCESS,
    }
}

async fn examine(args: &RunArgs) -> Vec<Entry> {
    let mut entries: Vec<Entry> = options(args).into_iter().map(Entry::of_process).collect();
    let databases = match args.databases() {
        Ok(databases) => databases,
        Err(error) => {
            let finding = Finding::new(Severity::Error, "setting", error.to_string());
            entries.push(Entry::of_process(
                finding.meaning("A sidecar would not start."),
            ));
            return entries;
        }
    };
    let identities = Identities::default();
    let databases = databases.into_iter().map(|named| {
        let identities = identities.clone();
        async move {
            let name = named.name.clone();
            let findings = examine_database(named, identities).await.into_iter();
            findings
                .map(|finding| Entry::of_database(&name, finding))
                .collect::<Vec<_>>()
        }
    });
    entries.extend(join_all(databases).await.into_iter().flatten());
    entries
}

/// What can be said without a database.
fn options(args: &RunArgs) -> Vec<Finding> {
    let mut findings = Vec::new();
    match args.check(&ProcessEnvironment::current()) {
        Ok(warnings) => findings.extend(
            warnings
                .into_iter()
                .map(|warning| Finding::new(Severity::Warning, "setting", warning)),
        ),
        Err(error) => {
            let finding = Finding::new(Severity::Error, "setting", error.to_string());
            findings.push(finding.meaning("A sidecar would not start."));
        }
    }
    if let Err(error) = Sender::new(args, Spans::default(), TaskTracker::new()) {
        let words = format!("requests to receivers can't be made: {error}");
        findings.push(Finding::new(Severity::Error, "receivers", words));
    }
    let list = |networks: &[ipnet::IpNet]| {
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        networks.join(", ")
    };
    let mut words = "receivers have to be at public addresses".to_owned();
    if !args.allow_networks.is_empty() {
        words += &format!(", or in {}", list(&args.allow_networks));
    }
    if !args.deny_networks.is_empty() {
        words += &format!(", and not in {}", list(&args.deny_networks));
    }
    findings.push(
        Finding::new(Severity::Info, "address policy", words)
            .advice("--allow-network and --deny-network change that."),
    );
    findings
}

async fn examine_database(named: NamedDatabase, identities: Identities) -> Vec<Finding> {
    let warnings = named.settings.warnings.clone().into_iter();
    let mut findings: Vec<Finding> = warnings
        .map(|warning| Finding::new(Severity::Warning, "setting", warning))
        .collect();
    match Database::new(named, identities, TaskGroup::unnamed()) {
        Ok(database) => findings.extend(doctor::examine(&database).await),
        Err(error) => {
            let finding = Finding::new(Severity::Error, "setting", error.to_string());
            findings.push(finding.meaning("A sidecar would not start."));
        }
    }
    findings
}
