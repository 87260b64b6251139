//! `cargo xtask bench`: what the product costs and how fast it is, each time against a baseline in the same run.
//!
//! Absolute numbers are the machine's; the ratios are the product's. Baseline and product take turns within one
//! run, and the median of the rounds counts. Targets are those of `docs/reference/benchmark.md`.
//!
//! # Layout
//! - `figure`: what is printed and written; `stage`: clusters, subscriptions, events
//! - one module a benchmark: `drain`, `ordered`, `publish`, `latency`, `fairness`, `scale`, `cost`, `xmin`, `watch`, `event_data`, `limits`
//! - `bare`: the baseline of deliveries, a loop of requests without any database

mod bare;
mod cost;
mod drain;
mod event_data;
mod fairness;
mod figure;
mod latency;
mod limits;
mod ordered;
mod publish;
mod scale;
mod stage;
mod watch;
mod xmin;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use figure::Report;

/// Measures publishing and delivering, against baselines.
#[derive(Debug, Parser)]
struct Arguments {
    /// Smaller numbers and fewer rounds: under five minutes in all
    #[arg(long)]
    quick: bool,
    /// Only this benchmark (repeatable)
    #[arg(long, value_enum)]
    only: Vec<Benchmark>,
    /// Exit with 1 if a target is missed
    #[arg(long)]
    check: bool,
    /// Where to write the figures as JSON
    #[arg(long, default_value = "target/bench/latest.json")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Benchmark {
    /// Queued deliveries to a fast receiver
    Drain,
    /// Deliveries that go one at a time
    Ordered,
    /// Transactions that publish
    Publish,
    /// From commit to receipt
    Latency,
    /// Latency beside those that hang, fail, are slow or are many
    Fairness,
    /// Many subscriptions, much queued, two sidecars
    Scale,
    /// WAL, CPU, statements, memory
    Cost,
    /// Beside a transaction that keeps old rows visible
    Xmin,
    /// Changes of watched tables
    Watch,
    /// Events with a schema, and with a snapshot of their resource
    EventData,
    /// Publishing with limits of tenants
    Limits,
}

/// How much to do.
#[derive(Debug, Clone, Copy)]
struct Size {
    quick: bool,
}

impl Size {
    fn pick<T>(self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&arguments)) {
        Ok(report) if arguments.check && report.missed() > 0 => {
            eprintln!("{} targets missed", report.missed());
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Report> {
    let size = Size {
        quick: arguments.quick,
    };
    let mut report = Report::default();
    let all = Benchmark::value_variants();
    let started = Instant::now();
    for benchmark in all {
        if !arguments.only.is_empty() && !arguments.only.contains(benchmark) {
            continue;
        }
        let name = format!("{benchmark:?}").to_lowercase();
        println!(
            "── {name} ({:.0} s so far)",
            started.elapsed().as_secs_f64()
        );
        let figures = match benchmark {
            Benchmark::Drain => drain::run(size).await,
            Benchmark::Ordered => ordered::run(size).await,
            Benchmark::Publish => publish::run(size).await,
            Benchmark::Latency => latency::run(size).await,
            Benchmark::Fairness => fairness::run(size).await,
            Benchmark::Scale => scale::run(size).await,
            Benchmark::Cost => cost::run(size).await,
            Benchmark::Xmin => xmin::run(size).await,
            Benchmark::Watch => watch::run(size).await,
            Benchmark::EventData => event_data::run(size).await,
            Benchmark::Limits => limits::run(size).await,
        };
        for figure in figures.with_context(|| name)? {
            println!("   {}", figure.line());
            report.figures.push(figure);
        }
    }
    println!();
    report.print();
    report.write(&arguments.output)?;
    println!("Written to {}", arguments.output.display());
    Ok(report)
}
