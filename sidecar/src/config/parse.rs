//! Reading single values. What is refused says what to write instead.

use crate::log;
use hyper::header::HeaderValue;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use url::Url;

/// A number of seconds, with a fraction if need be; at most a year.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<f64>() {
        Ok(seconds) if (0.0..=31_536_000.0).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err("give a number of seconds, 0 to 31536000".to_owned()),
    }
}

/// A network, by its own address.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        let host = IpNet::from(address);
        return Err(format!("an address alone: for only this one write {host}"));
    }
    let network: IpNet = text
        .parse()
        .map_err(|_| "give an address and its prefix, such as 10.0.0.0/8".to_owned())?;
    let whole = network.trunc();
    if whole != network {
        let host = IpNet::from(network.addr());
        return Err(format!(
            "{} is one address in a larger network: write {whole} for the network, or {host} for only that address",
            network.addr()
        ));
    }
    Ok(network)
}

/// Where to listen: a port of this machine alone, or an address and a port. 0: any that is free.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let address = text.parse().map(local);
    address.or_else(|_| text.parse()).map_err(|_| {
        "give a port, which only this machine reaches, or an address and a port, such as 9744 or 0.0.0.0:9744".to_owned()
    })
}

/// The address of a DNS server, and its port unless it is 53.
pub fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    match address.or_else(|_| text.parse()) {
        Ok(address) if address.port() != 0 && !address.ip().is_unspecified() => Ok(address),
        _ => Err(
            "give an address, or an address and a port, such as 10.0.0.2 or 127.0.0.1:5353"
                .to_owned(),
        ),
    }
}

/// The URL of an OpenTelemetry collector.
pub fn collector_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or("give a URL, such as http://localhost:4318")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "give the URL without user and password: OTEL_EXPORTER_OTLP_HEADERS has what the collector is to be told"
                .to_owned(),
        );
    }
    Ok(url)
}

/// What a header can carry.
pub fn user_agent(text: &str) -> Result<HeaderValue, String> {
    if text.trim().is_empty() {
        return Err("it is empty: leave it out for the default".to_owned());
    }
    HeaderValue::from_str(text)
        .ok()
        .filter(|_| text.is_ascii())
        .ok_or_else(|| {
            "use visible ASCII characters and spaces: a header can't carry others".to_owned()
        })
}

/// A filter of log lines, checked.
pub fn log_filter(text: &str) -> Result<String, String> {
    // The parser panics at some others.
    if !text.is_ascii() {
        return Err("use ASCII: error, warn, info, debug or trace, or a filter such as webhooks_sidecar=debug".to_owned());
    }
    log::filter(text).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dns_servers_are_addresses() {
        for (text, expected) in [
            ("10.0.0.2", "10.0.0.2:53"),
            (" 127.0.0.1:5353", "127.0.0.1:5353"),
            ("fd00::2", "[fd00::2]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            let parsed = dns_server(text).map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), Ok(expected));
        }
        for bad in [
            "",
            "localhost",
            "10.0.0.2:0",
            "0.0.0.0",
            "10.0.0.2:x",
            "[::1]",
        ] {
            assert!(dns_server(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_are_bounded() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["-1", "nan", "inf", "1e99", "x", "", "15s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_are_given_by_their_own_address() {
        for good in ["10.0.0.0/8", " 127.0.0.1/32", "fd00::/8", "0.0.0.0/0"] {
            assert!(network(good).is_ok(), "{good}");
        }
        for (bad, fix) in [
            (
                "10.1.2.3/8",
                "write 10.0.0.0/8 for the network, or 10.1.2.3/32",
            ),
            (
                "fd00::1/8",
                "write fd00::/8 for the network, or fd00::1/128",
            ),
            ("10.1.2.3", "write 10.1.2.3/32"),
            ("::1", "write ::1/128"),
            ("10.0.0.0/33", "such as 10.0.0.0/8"),
            ("localhost", "such as 10.0.0.0/8"),
            ("", "such as 10.0.0.0/8"),
        ] {
            let error = network(bad).unwrap_err();
            assert!(error.contains(fix), "{bad}: {error}");
        }
    }

    #[test]
    fn collectors_have_urls_without_passwords() {
        for good in ["http://localhost:4318", " https://otel.example/base "] {
            assert!(collector_url(good).is_ok(), "{good}");
        }
        for bad in ["", "localhost:4318", "grpc://h:4317", "4318", "http://"] {
            let error = collector_url(bad).unwrap_err();
            assert!(error.starts_with("give a URL,"), "{bad}: {error}");
        }
        let error = collector_url("http://user:hush@h:4318").unwrap_err();
        assert!(error.contains("OTEL_EXPORTER_OTLP_HEADERS") && !error.contains("hush"));
    }

    #[test]
    fn user_agents_can_be_sent() {
        assert!(user_agent("webhooks of ACME (+https://acme.example)").is_ok());
        for bad in ["", " ", "a\r\nx: y", "Büro", "a\0"] {
            assert!(user_agent(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn what_passes_as_seconds_is_within_bounds(
            text in "-?[0-9]{0,12}(\\.[0-9]{0,12})?([eE][+-]?[0-9]{1,4})?|[a-z+]{0,8}|.{0,12}"
        ) {
            if let Ok(duration) = seconds(&text) {
                prop_assert!(duration <= Duration::from_secs(31_536_000));
                let given: f64 = text.trim().parse().unwrap();
                prop_assert!((duration.as_secs_f64() - given).abs() < 1e-6);
            }
        }

        /// What is taken is taken as it is written; whatever fix a refusal names is accepted.
        #[test]
        fn networks_are_read_exactly_or_with_a_fix_that_works(
            address in prop_oneof![any::<std::net::Ipv4Addr>().prop_map(IpAddr::V4), any::<std::net::Ipv6Addr>().prop_map(IpAddr::V6)],
            prefix in prop::option::of(0_u8..140),
        ) {
            let text = prefix.map_or(address.to_string(), |prefix| format!("{address}/{prefix}"));
            match network(&text) {
                Ok(network) => {
                    prop_assert_eq!(network.to_string(), text);
                    prop_assert!(network.contains(&address));
                }
                Err(fix) => for word in fix.split([' ', ',']).filter(|word| word.contains('/')) {
                    let fixed = network(word);
                    prop_assert!(fixed.is_ok_and(|n| n.contains(&address) || word == "10.0.0.0/8"), "{}: {}", text, fix);
                }
            }
        }

        #[test]
        fn networks_and_filters_never_panic(text in "[0-9a-f:./, ]{0,40}|[a-z_=,\\[\\]{}:\"/*+-]{0,30}|.{0,20}") {
            let _ = network(&text);
            let _ = log_filter(&text);
        }

        #[test]
        fn user_agents_are_one_line(text in "[ -~\t\r\n\u{0}é]{0,12}|.{0,12}") {
            if let Ok(value) = user_agent(&text) {
                prop_assert!(value.as_bytes().iter().all(|b| *b == b'\t' || (0x20..0x7f).contains(b)));
                prop_assert_eq!(value.as_bytes(), text.as_bytes());
            }
        }
    }
}
