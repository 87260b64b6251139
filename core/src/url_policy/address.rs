//! Which addresses are on the public internet.
//!
//! By the IANA special-purpose registries (RFC 6890 and its updates):
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use thiserror::Error;

/// An address that the sidecar must not connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("address {address} is refused: it is {reason}")]
pub struct AddressError {
    /// The address, as resolved.
    pub address: IpAddr,
    /// Why it is refused.
    pub reason: Refusal,
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is special, for example `link-local`, and in no allowed network.
    #[error("{0}, not on the public internet, and in no allowed network")]
    Special(&'static str),
    /// It is in a network that the operator denies.
    #[error("in the network {0}, which is denied")]
    Denied(IpNet),
    /// It is a cloud provider's own, though public, and no setting allows it.
    #[error("{0}, which is always denied")]
    Always(&'static str),
}

/// Public unicast addresses, and the networks that an operator allows and denies.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    /// Networks that may be connected to although they are special, for example `10.0.0.0/8`.
    pub allowed: Vec<IpNet>,
    /// Networks that may not be connected to, although they are public or allowed.
    pub denied: Vec<IpNet>,
}

/// The host's agent of every virtual machine of Azure: a public address, reachable from within, that hands out certificates and
/// configuration.
const AZURE_WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

impl AddressPolicy {
    /// Whether the sidecar may connect to `address`.
    ///
    /// An IPv4 address inside an IPv6 one (mapped `::ffff:a.b.c.d`, NAT64 `64:ff9b::a.b.c.d`) is judged as the
    /// IPv4 address that the connection ends at.
    ///
    /// # Errors
    /// If it is denied, or special and not allowed.
    pub fn check(&self, address: IpAddr) -> Result<(), AddressError> {
        self.refusal(address)
            .map_or(Ok(()), |reason| Err(AddressError { address, reason }))
    }

    fn refusal(&self, address: IpAddr) -> Option<Refusal> {
        let target = embedded_v4(address).map_or(address, IpAddr::V4);
        if target == AZURE_WIRE_SERVER {
            return Some(Refusal::Always("Azure's wire server"));
        }
        let covers = |net: &&IpNet| net.contains(&address) || net.contains(&target);
        if let Some(network) = self.denied.iter().find(covers) {
            return Some(Refusal::Denied(*network));
        }
        if self.allowed.iter().any(|net| covers(&net)) {
            return None;
        }
        let special = match target {
            IpAddr::V4(v4) => special_v4(v4),
            IpAddr::V6(v6) => special_v6(v6),
        };
        special.map(Refusal::Special)
    }
}

/// The IPv4 address that a connection to this IPv6 address ends at.
fn embedded_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else {
        return None;
    };
    let nat64 = || {
        let [.., a, b, c, d] = v6.octets();
        NAT64.contains(&v6).then(|| Ipv4Addr::new(a, b, c, d))
    };
    v6.to_ipv4_mapped().or_else(nat64)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    const SPECIAL: [(Ipv4Net, &str); 16] = [
        (v4(0, 0, 0, 0, 8), "this host or network (0.0.0.0/8)"),
        (v4(10, 0, 0, 0, 8), "private (10.0.0.0/8)"),
        (
            v4(100, 64, 0, 0, 10),
            "shared address space of carriers (100.64.0.0/10)",
        ),
        (v4(127, 0, 0, 0, 8), "loopback"),
        (
            v4(169, 254, 0, 0, 16),
            "link-local (cloud metadata lives here)",
        ),
        (v4(172, 16, 0, 0, 12), "private (172.16.0.0/12)"),
        (
            v4(192, 0, 0, 0, 24),
            "for protocol assignments (192.0.0.0/24)",
        ),
        (v4(192, 0, 2, 0, 24), "documentation"),
        (v4(192, 88, 99, 0, 24), "the retired 6to4 relay"),
        (v4(192, 168, 0, 0, 16), "private (192.168.0.0/16)"),
        (v4(198, 18, 0, 0, 15), "for benchmarks (198.18.0.0/15)"),
        (v4(198, 51, 100, 0, 24), "documentation"),
        (v4(203, 0, 113, 0, 24), "documentation"),
        (v4(224, 0, 0, 0, 4), "multicast"),
        (v4(255, 255, 255, 255, 32), "broadcast"),
        (v4(240, 0, 0, 0, 4), "reserved (240.0.0.0/4)"),
    ];
    reason(&SPECIAL, |net| net.contains(&address))
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    /// All that is allocated for unicast; what is special outside of it is listed only for its reason.
    const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 0, 3);
    const SPECIAL: [(Ipv6Net, &str); 12] = [
        (
            Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128),
            "unspecified",
        ),
        (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
        (v6(0, 0, 0, 96), "IPv4-compatible (retired)"),
        (v6(0x64, 0xff9b, 1, 48), "local NAT64"),
        (v6(0x100, 0, 0, 48), "discard-only or a dummy"),
        (
            v6(0x2001, 0, 0, 23),
            "for protocol assignments (2001::/23: Teredo, ORCHID, benchmarks)",
        ),
        (v6(0x2001, 0xdb8, 0, 32), "documentation"),
        (v6(0x2002, 0, 0, 16), "6to4 (retired)"),
        (v6(0x3fff, 0, 0, 20), "documentation"),
        (v6(0xfc00, 0, 0, 7), "unique local (private)"),
        (v6(0xfe80, 0, 0, 10), "link-local"),
        (v6(0xff00, 0, 0, 8), "multicast"),
    ];
    reason(&SPECIAL, |net| net.contains(&address))
        .or_else(|| (!GLOBAL_UNICAST.contains(&address)).then_some("outside of 2000::/3"))
}

fn reason<N>(special: &[(N, &'static str)], contains: impl Fn(&N) -> bool) -> Option<&'static str> {
    special
        .iter()
        .find(|(net, _)| contains(net))
        .map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|net| net.parse().unwrap()).collect()
    }

    fn check(policy: &AddressPolicy, address: &str) -> Result<(), AddressError> {
        policy.check(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_pass() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "11.0.0.0",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.1",
            "126.255.255.255",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "192.31.196.1",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2001:200::1",
            "2003::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(
                check(&AddressPolicy::default(), address),
                Ok(()),
                "{address}"
            );
        }
    }

    #[test]
    fn special_addresses_are_refused_with_a_reason() {
        let cases = [
            ("0.0.0.0", "this host"),
            ("0.1.2.3", "this host"),
            ("10.0.0.1", "private"),
            ("100.64.0.1", "shared"),
            ("100.127.255.255", "shared"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.255", "loopback"),
            ("169.254.169.254", "link-local"),
            ("172.16.0.0", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.8", "for protocol"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "the retired"),
            ("192.168.1.1", "private"),
            ("198.18.0.1", "for bench"),
            ("198.19.255.255", "for bench"),
            ("198.51.100.7", "documentation"),
            ("203.0.113.7", "documentation"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::8.8.8.8", "IPv4-compatible"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "link-local"),
            ("64:ff9b::10.0.0.1", "private"),
            ("64:ff9b:1::1", "local NAT64"),
            ("100::1", "discard"),
            ("100:0:0:1::1", "discard"),
            ("2001::1", "for protocol"),
            ("2001:2::1", "for protocol"),
            ("2001:20::1", "for protocol"),
            ("2001:db8::1", "documentation"),
            ("2002:808:808::1", "6to4"),
            ("2002:7f00:1::", "6to4"),
            ("3fff::1", "documentation"),
            ("5f00::1", "outside"),
            ("fc00::1", "unique local"),
            ("fd12:3456::1", "unique local"),
            ("fe80::1", "link-local"),
            ("fec0::1", "outside"),
            ("ff02::1", "multicast"),
            ("4000::1", "outside"),
            ("::ffff:0:127.0.0.1", "outside"),
        ];
        for (address, reason) in cases {
            let error = check(&AddressPolicy::default(), address).unwrap_err();
            assert!(error.reason.to_string().starts_with(reason), "{error}");
            let message = error.to_string();
            let shown = error.address.to_string();
            assert!(
                message.contains(&shown) && message.contains(reason),
                "{message}"
            );
        }
    }

    #[test]
    fn allowed_networks_are_exactly_that() {
        let policy = AddressPolicy {
            allowed: networks(&["10.1.0.0/16", "::1/128"]),
            denied: vec![],
        };
        for allowed in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "::1",
            "8.8.8.8",
        ] {
            assert_eq!(check(&policy, allowed), Ok(()), "{allowed}");
        }
        for refused in [
            "10.2.0.1",
            "::ffff:10.2.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "::2",
        ] {
            assert!(check(&policy, refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn denied_networks_win() {
        let policy = AddressPolicy {
            allowed: networks(&["0.0.0.0/0", "::/0"]),
            denied: networks(&["10.1.0.0/16", "8.8.8.0/24", "2001:db8::/32"]),
        };
        for denied in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "8.8.8.8",
            "64:ff9b::808:808",
            "2001:db8::1",
        ] {
            let error = check(&policy, denied).unwrap_err();
            assert!(matches!(error.reason, Refusal::Denied(_)), "{error}");
        }
        for allowed in ["10.2.0.1", "8.8.4.4", "127.0.0.1", "2001:db9::1"] {
            assert_eq!(check(&policy, allowed), Ok(()), "{allowed}");
        }
    }

    #[test]
    fn the_wire_server_is_never_allowed() {
        let everything = AddressPolicy {
            allowed: networks(&["0.0.0.0/0", "::/0", "168.63.129.16/32"]),
            denied: vec![],
        };
        for policy in [&AddressPolicy::default(), &everything] {
            for address in [
                "168.63.129.16",
                "::ffff:168.63.129.16",
                "64:ff9b::168.63.129.16",
            ] {
                let error = check(policy, address).unwrap_err();
                assert!(error.to_string().contains("Azure"), "{error}");
            }
            assert_eq!(check(policy, "168.63.129.15"), Ok(()));
        }
    }
}
