//! Where spans are exported to: --otlp-endpoint, and the environment variables that the OpenTelemetry specification
//! names for every exporter ("OpenTelemetry Protocol Exporter", "Environment Variable Specification"). What is not read
//! here, such as headers, sampler, batches and resource, the library reads itself.

use super::RunArgs;
use super::check::ConfigError;
use super::parse::collector_url;
use std::time::Duration;
use url::Url;

/// Where the flag and the general variable lead to.
const TRACES_PATH: &str = "v1/traces";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TIMEOUTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
];
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];
const PROTOCOL: &str = "http/protobuf";
/// The specification's.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A collector of spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// The whole URL of the traces.
    pub url: Url,
    /// How long an export may take.
    pub timeout: Duration,
}

impl RunArgs {
    /// The collector that spans are exported to. `None`: they are not.
    ///
    /// # Errors
    /// An environment variable that is no URL, and what to write.
    pub fn collector(
        &self,
        variable: fn(&str) -> Option<String>,
    ) -> Result<Option<Collector>, ConfigError> {
        let is = |name, value: &str| {
            variable(name).is_some_and(|is| is.trim().eq_ignore_ascii_case(value))
        };
        let url = match &self.otlp_endpoint {
            _ if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") => None,
            Some(base) => Some(traces_url(base)),
            None => url_of_variables(variable)?,
        };
        let timeout = TIMEOUTS
            .iter()
            .find_map(|name| variable(name)?.trim().parse().ok())
            .map_or(DEFAULT_TIMEOUT, Duration::from_millis);
        Ok(url.map(|url| Collector { url, timeout }))
    }

    /// About what is exported otherwise than the environment says.
    pub(super) fn collector_warnings(
        &self,
        variable: fn(&str) -> Option<String>,
    ) -> Option<String> {
        self.collector(variable).ok().flatten()?;
        let (name, protocol) = PROTOCOLS
            .iter()
            .find_map(|name| Some((name, variable(name)?)))?;
        (protocol.trim() != PROTOCOL).then(|| {
            format!(
                "{name} is {protocol:?}, and spans are exported by {PROTOCOL} all the same: give the collector's port for HTTP, usually 4318"
            )
        })
    }
}

fn url_of_variables(variable: fn(&str) -> Option<String>) -> Result<Option<Url>, ConfigError> {
    let read = |name| {
        let url = variable(name).map(|value| collector_url(&value));
        url.transpose()
            .map_err(|error| ConfigError(format!("{name}: {error}")))
    };
    match read(TRACES_ENDPOINT)? {
        Some(url) => Ok(Some(url)),
        None => Ok(read(ENDPOINT)?.as_ref().map(traces_url)),
    }
}

fn traces_url(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path(&format!(
        "{}/{TRACES_PATH}",
        base.path().trim_end_matches('/')
    ));
    url
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn args(more: &[&str]) -> RunArgs {
        let base = ["webhooks-sidecar", "run", "--database-url="];
        let Command::Run(args) = Cli::parse_from(base.iter().chain(more)).command else {
            panic!("another command");
        };
        *args
    }

    fn url(more: &[&str], variable: fn(&str) -> Option<String>) -> Option<String> {
        let collector = args(more).collector(variable).unwrap();
        collector.map(|collector| collector.url.to_string())
    }

    #[test]
    fn the_flag_wins_over_the_variable_for_traces_and_that_over_the_general_one() {
        let general = |name: &str| (name == ENDPOINT).then(|| "http://a:4318/otlp/".to_owned());
        let both = |name: &str| match name {
            TRACES_ENDPOINT => Some("https://b/as-it-is?x=1".to_owned()),
            ENDPOINT => Some("http://a:4318".to_owned()),
            _ => None,
        };
        let flag = ["--otlp-endpoint=http://localhost:4318"];
        assert_eq!(url(&[], |_| None), None);
        let expected = Some("http://a:4318/otlp/v1/traces".to_owned());
        assert_eq!(url(&[], general), expected);
        assert_eq!(url(&[], both), Some("https://b/as-it-is?x=1".to_owned()));
        let expected = Some("http://localhost:4318/v1/traces".to_owned());
        assert_eq!(url(&flag, both), expected);
    }

    #[test]
    fn the_variables_turn_it_off() {
        let flag = ["--otlp-endpoint=http://localhost:4318"];
        let disabled = |name: &str| (name == "OTEL_SDK_DISABLED").then(|| "TRUE".to_owned());
        assert_eq!(url(&flag, disabled), None);
        let none = |name: &str| (name == "OTEL_TRACES_EXPORTER").then(|| "none".to_owned());
        assert_eq!(url(&flag, none), None);
    }

    #[test]
    fn what_is_no_url_is_refused_and_named() {
        let bad = |name: &str| (name == ENDPOINT).then(|| "collector:4318".to_owned());
        let error = args(&[]).collector(bad).unwrap_err().to_string();
        assert!(
            error.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: give "),
            "{error}"
        );
    }

    #[test]
    fn timeouts_are_in_milliseconds() {
        let flag = ["--otlp-endpoint=http://localhost:4318"];
        let timeout = |variable| args(&flag).collector(variable).unwrap().unwrap().timeout;
        assert_eq!(timeout(|_| None), DEFAULT_TIMEOUT);
        let both = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_TIMEOUT" => Some("2000".to_owned()),
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT" => Some("1500".to_owned()),
            _ => None,
        };
        assert_eq!(timeout(both), Duration::from_millis(1500));
    }

    #[test]
    fn another_protocol_is_warned_of() {
        let flag = ["--otlp-endpoint=http://localhost:4318"];
        let grpc = |name: &str| (name == PROTOCOLS[1]).then(|| "grpc".to_owned());
        let warning = args(&flag).collector_warnings(grpc).unwrap();
        assert!(
            warning.contains("OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\""),
            "{warning}"
        );
        assert_eq!(args(&[]).collector_warnings(grpc), None);
        let same = |name: &str| (name == PROTOCOLS[1]).then(|| PROTOCOL.to_owned());
        assert_eq!(args(&flag).collector_warnings(same), None);
    }
}
