//! Log lines on standard error: fields, never tokens, bodies or secrets.

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// One line of text per message.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging from a level on. Libraries only warn: below that, tokio_postgres logs the parameters of statements.
pub fn start(format: LogFormat, level: &Level) {
    let level = level.as_str().to_ascii_lowercase();
    let filter = EnvFilter::new(format!(
        "warn,webhooks_console={level},webhooks_connection={level},webhooks_tls={level}"
    ));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
