//! Where a request comes from.

use axum::http::{Extensions, HeaderMap, HeaderName};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Address of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The peer's, or behind a proxy the one that the proxy has added last: what stands before it anybody can write.
    pub fn new(peer: IpAddr, headers: &HeaderMap, is_behind_proxy: bool) -> Self {
        let forwarded = headers
            .get_all(&FORWARDED_FOR)
            .iter()
            .next_back()
            .filter(|_| is_behind_proxy)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.rsplit(',').next()?.trim().parse().ok());
        Self(forwarded.unwrap_or(peer))
    }

    /// That of this request.
    pub fn of(extensions: &Extensions) -> Self {
        let nobody = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        extensions.get().copied().unwrap_or(nobody)
    }

    /// What one client has for itself: of IPv6 64 bits.
    pub fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
                address.to_bits() & !u128::from(u64::MAX),
            )),
            address => address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_what_the_proxy_has_written_is_believed() {
        let mut headers = HeaderMap::new();
        let peer = address("10.0.0.1");
        let found = |headers: &HeaderMap, behind| ClientAddress::new(peer, headers, behind).0;
        assert_eq!(found(&headers, true), peer);
        headers.append(FORWARDED_FOR.clone(), HeaderValue::from_static("192.0.2.1"));
        headers.append(
            FORWARDED_FOR.clone(),
            HeaderValue::from_static("192.0.2.2, 192.0.2.3"),
        );
        assert_eq!(found(&headers, true), address("192.0.2.3"));
        assert_eq!(found(&headers, false), peer);
        headers.append(FORWARDED_FOR.clone(), HeaderValue::from_static("unknown"));
        assert_eq!(found(&headers, true), peer);
    }

    #[test]
    fn a_client_has_64_bits_of_ipv6() {
        for (text, network) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(ClientAddress(address(text)).network(), address(network));
        }
    }
}
