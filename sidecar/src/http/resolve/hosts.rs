//! Names that need no DNS server: those of /etc/hosts, and localhost.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of names in a hosts file.
#[derive(Debug, Default)]
pub struct Hosts {
    by_name: HashMap<String, Vec<IpAddr>>,
}

impl Hosts {
    /// Reads a hosts file; lines that are none are passed over, as libc does.
    pub fn parse(text: &str) -> Self {
        let mut by_name: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
                continue;
            };
            for name in words {
                let addresses = by_name.entry(normal(name)).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        Self { by_name }
    }

    /// The addresses of a name, if it is one of these, localhost or below localhost (RFC 6761: never asked for in DNS).
    pub fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        let name = normal(name);
        if let Some(addresses) = self.by_name.get(&name) {
            return Some(addresses.clone());
        }
        let is_local = name == "localhost" || name.ends_with(".localhost");
        is_local.then(|| vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()])
    }
}

fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_addresses_of_all_their_lines() {
        let hosts = Hosts::parse(
            "\u{feff}# comment\r\n10.0.0.7  Hooks.Corp hooks # the gateway\n\nnonsense hooks\nfd00::7 hooks\n10.0.0.7 hooks\n10.0.0.8",
        );
        let of = |name| {
            let found = hosts.addresses(name)?;
            Some(found.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(of("HOOKS.corp."), Some(vec!["10.0.0.7".to_owned()]));
        assert_eq!(
            of("hooks"),
            Some(vec!["10.0.0.7".to_owned(), "fd00::7".to_owned()])
        );
        assert_eq!(of("gateway"), None);
        assert_eq!(
            of("app.localhost"),
            Some(vec!["::1".to_owned(), "127.0.0.1".to_owned()])
        );
        assert_eq!(of("notlocalhost"), None);
    }

    #[test]
    fn the_file_may_say_what_localhost_is() {
        let hosts = Hosts::parse("127.0.0.1 localhost");
        assert_eq!(
            hosts.addresses("localhost"),
            Some(vec![Ipv4Addr::LOCALHOST.into()])
        );
    }
}
