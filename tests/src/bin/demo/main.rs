//! `cargo xtask demo`: from an INSERT to a signed HTTP request, on a cluster of its own that it removes at the end.
//!
//! On a terminal it stays up after the first delivery, to be played with; otherwise, or with `--once`, it ends: with
//! success if the delivery arrived, signed and recorded.
//!
//! # Layout
//! - `stage`: what the demo runs on (cluster, receiver, sidecar)
//! - `script`: what it does and shows, step by step
//! - `paper`: how it looks

mod paper;
mod script;
mod stage;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use webhooks_tests::process;

use paper::Paper;
use stage::Stage;

/// Shows the whole flow on a throw-away cluster: commit, signed request, recorded delivery.
#[derive(Debug, Parser)]
struct Arguments {
    /// End after the first delivery, also on a terminal
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let stays = std::io::stdout().is_terminal() && !arguments.once;
    let ended = tokio::select! {
        played = play(stays) => played.map(|()| ExitCode::SUCCESS),
        interrupted = process::interrupted() => interrupted.map(|()| {
            println!("\nEverything is ended and removed.");
            // Leaving a demo that waits for Ctrl-C is its success.
            if stays { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("\nThe demo failed: {error:#}");
        ExitCode::FAILURE
    })
}

async fn play(stays: bool) -> Result<()> {
    let paper = Paper::for_stdout();
    paper.title("Transactional webhooks for PostgreSQL");
    let stage = Stage::set(&paper).await?;
    let played = script::play(&stage, &paper).await;
    stage.explain_failure(played).await?;
    if stays {
        script::stay(&stage, &paper).await?;
    }
    Ok(())
}
