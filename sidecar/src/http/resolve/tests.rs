use super::*;
use std::path::PathBuf;

/// Without a DNS server: nobody listens there.
fn resolver(allowed: &[&str], hosts: &str) -> PolicyResolver {
    resolver_of(allowed, hosts, "/nonexistent")
}

fn resolver_of(allowed: &[&str], hosts: &str, resolv_conf: &str) -> PolicyResolver {
    let policy = AddressPolicy {
        allowed: allowed.iter().map(|net| net.parse().unwrap()).collect(),
        denied: vec!["10.9.0.0/16".parse().unwrap()],
    };
    let sources = Sources {
        resolv_conf: resolv_conf.into(),
        hosts: hosts.into(),
        servers: vec!["127.0.0.1:9".parse().unwrap()],
    };
    PolicyResolver::with(policy, sources, 16).unwrap()
}

/// A file that is gone at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("webhooks-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_name_for_a_private_address_is_refused_unless_allowed() {
    let refusing = resolver(&[], "/nonexistent");
    let error = refusing.lookup("localhost".to_owned()).await.unwrap_err();
    assert!(matches!(error, ResolveError::Refused { .. }), "{error}");
    assert!(error.to_string().ends_with("--allow-network"), "{error}");
    let allowing = resolver(&["127.0.0.0/8"], "/nonexistent");
    for name in ["localhost", "app.localhost", "LOCALHOST."] {
        let addresses = allowing.lookup(name.to_owned()).await.unwrap();
        assert_eq!(addresses, ["127.0.0.1:0".parse().unwrap()], "{name}");
    }
}

#[tokio::test]
async fn what_is_denied_stays_out_of_what_is_connected_to() {
    let hosts = Temporary::new("denied", "10.9.0.1 a b\n10.8.0.1 b\n168.63.129.16 wire\n");
    let resolver = resolver(&["10.0.0.0/8"], hosts.path());
    let of = async |name: &str| resolver.lookup(name.to_owned()).await;
    let denied = of("a").await.unwrap_err().to_string();
    assert!(
        denied.contains("10.9.0.0/16") && denied.ends_with("--deny-network"),
        "{denied}"
    );
    assert_eq!(of("b").await.unwrap(), ["10.8.0.1:0".parse().unwrap()]);
    let wire = of("wire").await.unwrap_err().to_string();
    assert!(wire.contains("always denied"), "{wire}");
}

#[tokio::test]
async fn silence_and_nonsense_are_told_apart() {
    let conf = Temporary::new("silence", "options timeout:1 attempts:1\n");
    let resolver = resolver_of(&[], "/nonexistent", conf.path());
    for (name, expected) in [
        ("hooks.example".to_owned(), LookupFailure::NoAnswer),
        ("x".repeat(64), LookupFailure::NotAName),
    ] {
        match resolver.lookup(name).await.unwrap_err() {
            ResolveError::Lookup { reason, .. } => assert_eq!(reason, expected),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn literal_addresses_are_checked() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let _context = runtime.enter();
    let resolver = resolver(&[], "/nonexistent");
    for refused in [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://2130706433/",
        "http://169.254.169.254/",
        "http://168.63.129.16/",
    ] {
        assert!(
            resolver.check_literal(&refused.parse().unwrap()).is_err(),
            "{refused}"
        );
    }
    assert!(
        resolver
            .check_literal(&"http://example.com/".parse().unwrap())
            .is_ok()
    );
}
