use super::*;
use rustls::pki_types::pem::PemObject;
use std::path::PathBuf;
use std::time::Duration;

/// 2027-01-01: after all that were made for a day have expired.
const NOW: u64 = 1_798_761_600;
const HOST: &str = "hooks.example.com";

fn file(name: &str) -> PathBuf {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fixtures");
    PathBuf::from(fixtures).join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file(&format!("{name}.pem"))).unwrap()
}

/// What is said of a chain that a server shows, to one who trusts a file.
fn verify(names: Names, trusted: &str, host: &str, shown: &[&str], now: u64) -> Result<(), String> {
    let roots = Roots::of_file(&file(&format!("{trusted}.pem"))).unwrap();
    let shown: Vec<_> = shown.iter().map(|name| certificate(name)).collect();
    let host = ServerName::try_from(host).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    Verifier::new(roots, names)
        .verify_server_cert(&shown[0], &shown[1..], &host, &[], now)
        .map(drop)
        .map_err(|error| crate::describe(&error))
}

#[test]
fn what_people_have_is_accepted() {
    use Names::{Any, Database, Receiver};
    for (names, trusted, host, shown) in [
        (Receiver, "authority", HOST, &["named"][..]),
        (Receiver, "authority", "a.wild.example.com", &["named"]),
        (Receiver, "authority", "xn--bcher-kva.example", &["named"]),
        (Receiver, "authority", "192.0.2.1", &["named"]),
        (Receiver, "authority", "HOOKS.example.com", &["named"]),
        (Receiver, "authority", HOST, &["behind", "intermediate"]),
        (Receiver, "intermediate", HOST, &["behind"]),
        // Trusted by itself, whoever signed it, and whatever it says it is.
        (Receiver, "self_signed", HOST, &["self_signed"]),
        (Receiver, "named", HOST, &["named"]),
        (Receiver, "common_name", HOST, &["common_name"]),
        (Receiver, "version_1", HOST, &["version_1"]),
        (Database, "self_signed", HOST, &["self_signed"]),
        // What libpq takes: common names and version 1.
        (Database, "authority", HOST, &["named"]),
        (Database, "authority", HOST, &["common_name"]),
        (Database, "authority", HOST, &["version_1"]),
        (Any, "authority", "other.example.com", &["version_1"]),
        (Any, "authority", "other.example.com", &["named"]),
        (Any, "self_signed", "192.0.2.7", &["self_signed"]),
        // Kinds of keys and signatures.
        (Receiver, "p521", HOST, &["by_p521"]),
        (Receiver, "authority", HOST, &["by_sha512"]),
        (Receiver, "pss", HOST, &["by_pss"]),
        (Receiver, "authority", HOST, &["ed25519"]),
    ] {
        let verified = verify(names, trusted, host, shown, NOW);
        assert_eq!(verified, Ok(()), "{names:?} {trusted} {host} {shown:?}");
    }
}

#[test]
fn what_is_wrong_is_said_plainly() {
    use Names::{Any, Database, Receiver};
    for (names, trusted, host, shown, part) in [
        (
            Receiver,
            "authority",
            "other.example.com",
            &["named"][..],
            "is not for other.example.com, but for hooks.example.com, *.wild.example.com, xn--bcher-kva.example, 192.0.2.1",
        ),
        (
            Receiver,
            "authority",
            "a.b.wild.example.com",
            &["named"],
            "is not for a.b.wild.example.com",
        ),
        (
            Receiver,
            "authority",
            "192.0.2.2",
            &["named"],
            "is not for 192.0.2.2, but for",
        ),
        (
            Receiver,
            "authority",
            HOST,
            &["common_name"],
            "names no hosts (subjectAltName), only the common name hooks.example.com",
        ),
        (Receiver, "authority", HOST, &["version_1"], "of version 1"),
        (
            Receiver,
            "self_signed",
            "other.example.com",
            &["self_signed"],
            "is not for other.example.com, but for hooks.example.com",
        ),
        (
            Database,
            "authority",
            "other.example.com",
            &["version_1"],
            "is not for other.example.com, but for hooks.example.com",
        ),
        // Alternative names are there, so the common name does not count.
        (
            Database,
            "authority",
            "ignored.example.com",
            &["named"],
            "is not for ignored.example.com",
        ),
        (
            Receiver,
            "authority",
            HOST,
            &["expired"],
            "the certificate of hooks.example.com expired on 20",
        ),
        (
            Receiver,
            "self_expired",
            HOST,
            &["self_expired"],
            "the certificate of hooks.example.com expired on 20",
        ),
        (
            Database,
            "authority",
            HOST,
            &["version_1_expired"],
            "the certificate of hooks.example.com expired on 20",
        ),
        (Any, "authority", HOST, &["expired"], "expired on 20"),
        (
            Receiver,
            "authority",
            HOST,
            &["behind_expired", "intermediate_expired"],
            "the certificate of Test intermediate that expired expired on 20",
        ),
        (
            Receiver,
            "authority",
            HOST,
            &["behind"],
            "issuer, Test intermediate, is not trusted, and the server sent no intermediate certificates",
        ),
        (
            Receiver,
            "p521",
            HOST,
            &["behind", "intermediate"],
            "chain ends at Test authority, which is not trusted",
        ),
        (
            Receiver,
            "p521",
            HOST,
            &["self_signed"],
            "self-signed and not trusted",
        ),
        (
            Database,
            "p521",
            HOST,
            &["version_1"],
            "issuer, Test authority, is not trusted",
        ),
        // It says that it is an authority; the one that is trusted is another with its name.
        (
            Any,
            "p521",
            HOST,
            &["self_signed"],
            "self-signed and not trusted",
        ),
        (
            Receiver,
            "authority",
            HOST,
            &["intermediate"],
            "is that of an authority",
        ),
        (Receiver, "authority", HOST, &["client"], "not for servers"),
        (
            Receiver,
            "self_client",
            HOST,
            &["self_client"],
            "not for servers",
        ),
        (Receiver, "authority", HOST, &["sha1"], "signed with SHA-1"),
        (
            Receiver,
            "pss",
            HOST,
            &["long_salt"],
            "signed with RSA-PSS in an unusual way",
        ),
        (
            Receiver,
            "authority",
            HOST,
            &["behind_constrained", "constrained"],
            "not among those that its authority may certify",
        ),
    ] {
        let verified = verify(names, trusted, host, shown, NOW);
        let said = verified.expect_err(&format!("{names:?} {trusted} {host} {shown:?}"));
        assert!(said.contains(part), "{trusted} {host} {shown:?}: {said}");
    }
    let early = verify(
        Receiver,
        "self_signed",
        HOST,
        &["self_signed"],
        NOW - 3 * 31_536_000,
    );
    assert!(early.unwrap_err().contains("is not valid before 20"));
    let early = verify(
        Receiver,
        "authority",
        HOST,
        &["named"],
        NOW - 3 * 31_536_000,
    );
    assert!(early.unwrap_err().contains("is not valid before 20"));
}

/// A certificate alone is no proof: the server must sign with its key.
#[test]
fn signatures_by_unusual_keys_are_checked() {
    let pss_key = SignatureScheme::Unknown(0x0809);
    for (name, scheme) in [
        ("pss", pss_key),
        ("by_pss", pss_key),
        ("version_1", SignatureScheme::RSA_PSS_SHA256),
    ] {
        let signature = std::fs::read(file(&format!("{name}.signature"))).unwrap();
        let der = certificate(name);
        let certificate = Certificate::read(&der).unwrap();
        assert!(
            certificate.has_signed(b"message", scheme, &signature),
            "{name}"
        );
        assert!(
            !certificate.has_signed(b"massage", scheme, &signature),
            "{name}"
        );
        let other_scheme = SignatureScheme::RSA_PSS_SHA384;
        assert!(
            !certificate.has_signed(b"message", other_scheme, &signature),
            "{name}"
        );
        assert!(!certificate.has_signed(b"message", scheme, &[]), "{name}");
    }
    let pss = std::fs::read(file("pss.signature")).unwrap();
    let der = certificate("by_pss");
    assert!(
        !Certificate::read(&der)
            .unwrap()
            .has_signed(b"message", pss_key, &pss)
    );
}

#[test]
fn who_signed_is_told_by_the_signature() {
    for (name, expected) in [
        ("self_signed", true),
        ("p521", true),
        ("named", false),
        ("version_1", false),
    ] {
        let der = certificate(name);
        let certificate = Certificate::read(&der).unwrap();
        assert_eq!(certificate.is_self_signed(), expected, "{name}");
    }
}

#[test]
fn short_keys_are_named() {
    let der = certificate("short");
    let problem = short_key(&Certificate::read(&der).unwrap()).unwrap();
    assert!(
        problem.to_string().contains("RSA key of 1024 bits"),
        "{problem}"
    );
    let der = certificate("pss");
    assert_eq!(Certificate::read(&der).unwrap().rsa_bits(), Some(2048));
    let der = certificate("named");
    assert_eq!(Certificate::read(&der).unwrap().rsa_bits(), None);
}

#[test]
fn files_are_read_as_they_come() {
    let text = std::fs::read_to_string(file("authority.pem")).unwrap();
    let other = std::fs::read_to_string(file("p521.pem")).unwrap();
    let path = std::env::temp_dir().join(format!("webhooks-roots-{}", std::process::id()));
    let read = |contents: &[u8]| {
        std::fs::write(&path, contents).unwrap();
        let roots = Roots::of_file(&path);
        let _ = std::fs::remove_file(&path);
        roots
            .map(|roots| roots.anchors.len())
            .map_err(|error| error.to_string())
    };
    let several = format!("\u{feff}{text}\n# a comment\nsubject=x\n{other}");
    assert_eq!(read(several.as_bytes()), Ok(2));
    assert_eq!(read(several.replace('\n', "\r\n").as_bytes()), Ok(2));
    for (contents, part) in [
        (&b""[..], "holds no PEM certificates"),
        (b"\x30\x82\x01", "holds no PEM certificates"),
        (
            b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
            "is damaged PEM",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 1 in ",
        ),
    ] {
        let error = read(contents).unwrap_err();
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = Roots::of_file(&path).unwrap_err().to_string();
    assert!(error.contains("can't read"), "{error}");
}
