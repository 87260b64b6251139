//! Log lines on standard error: fields, never payloads or secrets.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// One line of text per message.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging what a filter, as [`filter`] takes it, lets through.
pub fn start(format: LogFormat, filter: &str) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(self::filter(filter).unwrap_or_default())
        .with_writer(std::io::stderr)
        .with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true);
            builder.with_span_list(false).init();
        }
    }
}

/// Reads a filter. A bare level is meant for this program; its libraries only warn then. What tokio_postgres logs below
/// `info` has the statements' parameters, responses among them: never.
///
/// # Errors
/// What is wrong, and what to write instead.
pub fn filter(filter: &str) -> Result<EnvFilter, String> {
    let is_level =
        |text: &str| text.parse::<tracing::Level>().is_ok() || text.eq_ignore_ascii_case("off");
    // To the library a misspelt level is the name of a program that may log everything, and this one nothing.
    let misspelt = |text: &&str| text.chars().all(char::is_alphanumeric) && !is_level(text);
    if let Some(word) = filter.split(',').map(str::trim).find(misspelt) {
        return Err(format!(
            "{word:?} is no level: give error, warn, info, debug, trace or off, or a library with its level, such as hyper=debug"
        ));
    }
    let filter = if is_level(filter) {
        // What the resolver warns of (an answer that was not asked for, a truncated one) is the DNS server's doing, and
        // no operator's business until a name can't be resolved, which the attempt's record says.
        format!(
            "warn,hickory_net=off,hickory_resolver=off,webhooks_sidecar={filter},webhooks_connection={filter},webhooks_tls={filter}"
        )
    } else {
        filter.to_owned()
    };
    let malformed = |error: &dyn std::fmt::Display| {
        format!("{error}: give a level, or a filter such as webhooks_sidecar=debug,hyper=info")
    };
    let quiet = "tokio_postgres=warn"
        .parse()
        .map_err(|error| malformed(&error))?;
    let filter = EnvFilter::try_new(filter).map_err(|error| malformed(&error))?;
    Ok(filter.add_directive(quiet))
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn parameters_are_never_logged() {
        for filter in [
            "trace",
            "tokio_postgres=trace",
            "debug,tokio_postgres=debug",
        ] {
            let filter = super::filter(filter).unwrap().to_string();
            assert!(
                filter.contains("tokio_postgres=warn") && !filter.contains("tokio_postgres=debug"),
                "{filter}"
            );
            assert!(!filter.contains("tokio_postgres=trace"), "{filter}");
        }
    }

    #[test]
    fn malformed_filters_are_refused_with_what_to_write() {
        for bad in [
            "webhooks_sidecar=loud",
            "warning",
            "verbose,hyper=info",
            "",
            "a=b=c",
        ] {
            let error = filter(bad).unwrap_err();
            assert!(error.contains("give "), "{bad}: {error}");
        }
        for good in [
            "info",
            "WARN",
            "off",
            "3",
            "warn,hyper=debug",
            "webhooks_sidecar",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
    }
}
