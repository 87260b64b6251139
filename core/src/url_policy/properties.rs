use super::*;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

fn url_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "http",
            "https",
            "HTTP",
            "ftp",
            ":",
            "//",
            "/",
            "\\",
            "@",
            "#",
            "?",
            "%40",
            "%00",
            "\t",
            "\n",
            " ",
            "\u{0}",
            "[",
            "]",
            "::1",
            "127.0.0.1",
            "0x7f.1",
            "example.com",
            "user",
            ":80",
            ":0",
            "é",
            ".",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    (
        prop::sample::select(vec!["https://", "http://", "http:", "//", ""]),
        prop::collection::vec(piece, 0..8),
    )
        .prop_map(|(start, pieces)| start.to_owned() + &pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn accepted_urls_are_plain(text in url_like()) {
        if let Ok(url) = parse_webhook_url(&text) {
            prop_assert!(matches!(url.scheme(), "http" | "https"));
            prop_assert!(url.host_str().is_some_and(|host| !host.is_empty()));
            prop_assert!(url.username().is_empty() && url.password().is_none());
            prop_assert!(url.fragment().is_none() && url.port() != Some(0));
            prop_assert!(!text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\'));
            prop_assert!(url.as_str().bytes().all(|b| b.is_ascii_graphic()));
            // The text and the URL agree on where the host is: nothing hides it from a reader.
            let authority = text.split("://").nth(1).unwrap().split(['/', '?']).next().unwrap();
            prop_assert!(!authority.contains('@'));
            // What was normalised once stays as it is.
            prop_assert_eq!(parse_webhook_url(url.as_str()).unwrap(), url);
        }
    }

    #[test]
    fn userinfo_is_never_accepted(
        user in "[a-z0-9:%.é-]{0,8}", host in "[a-z]{1,8}\\.example", path in "(/[a-z@]{0,5})?"
    ) {
        let url = format!("https://{user}@{host}{path}");
        prop_assert_eq!(parse_webhook_url(&url), Err(UrlError::UserInfo));
    }

    #[test]
    fn every_spelling_of_an_ipv4_address_is_judged_alike(bits in any::<u32>()) {
        let address = Ipv4Addr::from(bits);
        let [a, b, c, d] = address.octets();
        let policy = AddressPolicy::default();
        let verdict = policy.check(address.into()).is_ok();
        for host in [
            format!("{bits}"),
            format!("0x{bits:x}"),
            format!("{a}.{}", bits & 0xff_ffff),
            format!("0{a:o}.0x{b:x}.{c}.{d}"),
            format!("[::ffff:{address}]"),
            format!("[64:ff9b::{address}]"),
        ] {
            let url = parse_webhook_url(&format!("http://{host}/")).unwrap();
            prop_assert_eq!(policy.check(host_address(&url).unwrap()).is_ok(), verdict, "{}", host);
        }
    }

    /// The standard library's own, coarser notions never pass.
    #[test]
    fn what_the_standard_library_calls_local_is_refused(bits in any::<u128>(), short in any::<u32>()) {
        let policy = AddressPolicy::default();
        let v4 = Ipv4Addr::from(short);
        if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
            || v4.is_documentation() || v4.is_unspecified()
        {
            prop_assert!(policy.check(v4.into()).is_err());
        }
        let v6 = std::net::Ipv6Addr::from(bits);
        if v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_multicast() || v6.is_loopback() {
            prop_assert!(policy.check(IpAddr::V6(v6)).is_err());
        }
    }
}
