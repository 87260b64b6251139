//! `cargo xtask crash`: faults at random on a cluster of its own, and whether the promise holds. See
//! `webhooks_tests::chaos`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use webhooks_tests::chaos::{self, Plan};
use webhooks_tests::process;

/// The longest time that the first delivery after a fault may take, once the server accepts connections.
const RECOVERY_TARGET: Duration = Duration::from_secs(5);

/// Breaks everything at random while events are published, and checks that each arrives where it should.
#[derive(Debug, Parser)]
struct Arguments {
    /// How long there are faults
    #[arg(long, default_value_t = 5.0, value_parser = minutes)]
    minutes: f64,
    /// Determines the faults (default: a random one, which is printed)
    #[arg(long)]
    seed: Option<u64>,
    /// Where to write the report and all logs, in a directory named after the seed
    #[arg(long, default_value = "target/crash")]
    logs: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = tokio::select! {
        ran = run(&arguments) => ran,
        interrupted = process::interrupted() => interrupted.map(|()| {
            println!("\nInterrupted. Everything is ended and removed.");
            false
        }),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nThe harness failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every promise held.
async fn run(arguments: &Arguments) -> Result<bool> {
    let plan = Plan {
        seed: arguments.seed.unwrap_or_else(rand::random),
        duration: Duration::from_secs_f64(arguments.minutes * 60.0),
        recovery_target: RECOVERY_TARGET,
    };
    println!("seed {}, {} minutes\n", plan.seed, arguments.minutes);
    let outcome = chaos::run(&plan).await?;
    println!("\n{outcome}");
    let directory = arguments.logs.join(format!("seed-{}", plan.seed));
    outcome.write_logs(&directory)?;
    println!("Logs: {}", directory.display());
    Ok(outcome.holds())
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if minutes > 0.0 && minutes <= 1440.0 => Ok(minutes),
        _ => Err("give a number of minutes, up to 1440".to_owned()),
    }
}
