//! In which order a name's addresses are tried.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

/// The families take turns, so that one that leads nowhere costs one try (RFC 8305, 4); IPv6 comes first where there is
/// a route. Within a family each look-up begins with another address, as a DNS server would have it.
pub fn in_order(addresses: &[IpAddr], turn: usize) -> Vec<SocketAddr> {
    let (mut ipv4, mut ipv6): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().copied().partition(IpAddr::is_ipv4);
    for family in [&mut ipv4, &mut ipv6] {
        if !family.is_empty() {
            let first = turn % family.len();
            family.rotate_left(first);
        }
    }
    let is_ipv6_first = !ipv4.is_empty() && ipv6.first().is_some_and(|first| has_route(*first));
    let (first, second) = if is_ipv6_first {
        (ipv6, ipv4)
    } else {
        (ipv4, ipv6)
    };
    interleaved(first, second)
        .map(|address| SocketAddr::new(address, 0))
        .collect()
}

fn interleaved(first: Vec<IpAddr>, second: Vec<IpAddr>) -> impl Iterator<Item = IpAddr> {
    let most = first.len().max(second.len());
    (0..most)
        .flat_map(move |n| [first.get(n).copied(), second.get(n).copied()])
        .flatten()
}

/// Whether the system knows a way to an address. Nothing is sent: connecting a UDP socket only looks up the route.
fn has_route(address: IpAddr) -> bool {
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect((address, 443)))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_addresses_do() {
        let addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"]
            .map(|address| address.parse::<IpAddr>().unwrap());
        let ipv4 = |turn| {
            let ordered = in_order(&addresses, turn);
            let ipv4 = ordered.iter().filter(|address| address.is_ipv4());
            ipv4.map(|address| address.ip().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(ipv4(0), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        assert_eq!(ipv4(4), ["192.0.2.2", "192.0.2.3", "192.0.2.1"]);
        let ordered = in_order(&addresses, 0);
        assert_eq!(ordered.len(), 4);
        assert_ne!(ordered[0].is_ipv4(), ordered[1].is_ipv4());
        assert!(in_order(&[], 1).is_empty());
    }
}
