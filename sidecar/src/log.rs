//! Log lines on standard error: fields, never payloads or secrets.

use crate::args::LogFormat;
use tracing_subscriber::EnvFilter;

/// Starts logging. A malformed filter falls back to `info`, with a warning.
pub fn start(format: LogFormat, filter: &str) {
    let parsed = filter_of(filter);
    let malformed = parsed.is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed.unwrap_or_else(|| EnvFilter::new("info")))
        .with_writer(std::io::stderr)
        .with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    if malformed {
        tracing::warn!(filter, "--log-level is no valid filter; using info");
    }
}

/// A bare level is meant for this program; its libraries only warn then. What tokio_postgres logs below `info` has
/// the statements' parameters, responses among them: never.
fn filter_of(filter: &str) -> Option<EnvFilter> {
    let bare = filter.parse::<tracing::Level>().is_ok() || filter.eq_ignore_ascii_case("off");
    let filter = if bare {
        format!("warn,webhooks_sidecar={filter}")
    } else {
        filter.to_owned()
    };
    let quiet = "tokio_postgres=warn".parse().ok()?;
    Some(EnvFilter::try_new(filter).ok()?.add_directive(quiet))
}

#[cfg(test)]
mod tests {
    use super::filter_of;

    #[test]
    fn parameters_are_never_logged() {
        for filter in [
            "trace",
            "tokio_postgres=trace",
            "debug,tokio_postgres=debug",
        ] {
            let filter = filter_of(filter).unwrap().to_string();
            assert!(
                filter.contains("tokio_postgres=warn") && !filter.contains("tokio_postgres=debug"),
                "{filter}"
            );
            assert!(!filter.contains("tokio_postgres=trace"), "{filter}");
        }
    }

    #[test]
    fn malformed_filters_are_noticed() {
        assert!(filter_of("webhooks_sidecar=loud").is_none());
    }
}
