//! Where requests go to, whoever's subscription they are of.

use std::fmt;
use std::sync::Arc;
use url::Url;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination(Arc<str>);

impl Destination {
    /// That of a URL.
    pub fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        // By DNS these are the same.
        let host = host.strip_suffix('.').unwrap_or(host);
        Self(format!("{host}:{port}").into())
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_port_is_one_destination_however_it_is_written() {
        let of = |url: &str| Destination::of(&Url::parse(url).unwrap()).to_string();
        for url in [
            "https://hooks.example/a",
            "https://HOOKS.example:443/b?c",
            "https://hooks.example./",
        ] {
            assert_eq!(of(url), "hooks.example:443", "{url}");
        }
        assert_eq!(of("http://hooks.example/"), "hooks.example:80");
        assert_eq!(of("https://[2001:DB8::1]:8443/"), "[2001:db8::1]:8443");
    }
}
