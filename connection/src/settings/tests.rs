use super::*;
use crate::conninfo;
use std::os::unix::fs::PermissionsExt;

fn settings(text: &str) -> Result<Settings, Error> {
    Settings::new(&conninfo::complete(text, |_| None)?, &Overrides::default())
}

fn with_variable(text: &str, name: &str, value: &str) -> Result<Settings, Error> {
    let get = |n: &str| (n == name).then(|| value.to_owned());
    Settings::new(&conninfo::complete(text, get)?, &Overrides::default())
}

fn places(text: &str) -> Vec<(String, u16)> {
    let targets = settings(text).unwrap().targets;
    let shown = targets.iter().map(|target| match &target.place {
        Place::Unix(path) => (path.display().to_string(), target.port),
        Place::Tcp {
            name,
            address: None,
        } => (name.clone(), target.port),
        Place::Tcp {
            name,
            address: Some(ip),
        } => (format!("{name}={ip}"), target.port),
    });
    shown.collect()
}

#[track_caller]
fn refuses(text: &str, part: &str) {
    let error = settings(text).err().unwrap().to_string();
    assert!(error.contains(part), "{text}: {error}");
}

#[test]
fn hosts_addresses_and_ports_belong_together() {
    let expect = |text, expected: &[(&str, u16)]| {
        let places = places(text);
        let places: Vec<(&str, u16)> = places.iter().map(|(p, n)| (p.as_str(), *n)).collect();
        assert_eq!(places, expected, "{text}");
    };
    expect("host=a", &[("a", 5432)]);
    expect("host=a,b port=1", &[("a", 1), ("b", 1)]);
    expect(
        "host=a,b,/tmp port=1,,3",
        &[("a", 1), ("b", 5432), ("/tmp", 3)],
    );
    expect("postgresql://a:1,b/d", &[("a", 1), ("b", 5432)]);
    expect("postgresql:///d?host=/tmp", &[("/tmp", 5432)]);
    expect("postgresql://%2Ftmp:7/d", &[("/tmp", 7)]);
    expect("hostaddr=::1", &[("::1=::1", 5432)]);
    expect(
        "host=a,b hostaddr=10.0.0.1,",
        &[("a=10.0.0.1", 5432), ("b", 5432)],
    );
    refuses("host=a,b port=1,2,3", "3 places, and there are 2 hosts");
    refuses(
        "host=a,b hostaddr=10.0.0.1",
        "1 places, and there are 2 hosts",
    );
    refuses("host=a port=0", "not a port number");
    refuses("host=a port=65536", "not a port number");
    refuses("hostaddr=db.example.com", "names go into host");
    refuses("host=@abstract", "abstract");
}

#[test]
fn bad_variables_are_named_with_their_values() {
    for (name, value) in [
        ("PGPORT", "none"),
        ("PGSSLMODE", "always"),
        ("PGCONNECT_TIMEOUT", "soon"),
    ] {
        let error = with_variable("host=h", name, value)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(&format!("{name} is {value:?}")), "{error}");
    }
    let error = with_variable("host=h", "PGTARGETSESSIONATTRS", "standby");
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains("standby for PGTARGETSESSIONATTRS is not supported"),
        "{error}"
    );
}

#[test]
fn only_servers_that_take_writes_are_asked_for() {
    for value in ["any", "read-write", "primary"] {
        assert!(settings(&format!("target_session_attrs={value}")).is_ok());
    }
    for value in ["standby", "read-only", "prefer-standby"] {
        refuses(
            &format!("target_session_attrs={value}"),
            "use read-write or primary",
        );
    }
    refuses("target_session_attrs=master", "use read-write or primary");
}

#[test]
fn sslmodes_are_libpqs() {
    let tls = |text: &str| settings(&format!("host=h {text}")).unwrap().tls;
    assert_eq!(tls("").mode, SslMode::Prefer);
    assert_eq!(tls("sslmode=allow").mode, SslMode::Allow);
    assert_eq!(tls("sslmode=require").roots, None);
    let file = Some(Roots::File("/ca.pem".into()));
    assert_eq!(tls("sslmode=require sslrootcert=/ca.pem").roots, file);
    assert_eq!(tls("sslmode=verify-full").roots, Some(Roots::System));
    let system = tls("sslrootcert=system");
    assert_eq!(
        (system.mode, system.roots),
        (SslMode::VerifyFull, Some(Roots::System))
    );
    refuses("sslmode=require sslrootcert=system", "verify-full");
    refuses("sslmode=verify-ca", "certificate authority");
    refuses(
        "sslmode=on",
        "use one of disable, allow, prefer, require, verify-ca, verify-full",
    );
    refuses("sslnegotiation=direct", "sslmode is prefer");
    assert!(tls("sslnegotiation=direct sslmode=require").is_direct);
    refuses("sslkey=/k.pem", "name its file with sslcert");
    refuses("sslcert=/c.pem", "name its file with sslkey");
    refuses(
        "sslcertmode=require sslcert=/c.pem sslkey=/k.pem",
        "clientcert=verify-full",
    );
    assert_eq!(tls("sslcertmode=disable sslcert=/c.pem").client, None);
    let overrides = Overrides {
        ca_file: Some("/flag.pem".into()),
        ..Overrides::default()
    };
    let parameters = conninfo::parse("host=h sslrootcert=/ca.pem sslmode=verify-ca").unwrap();
    let tls = Settings::new(&parameters, &overrides).unwrap().tls;
    assert_eq!(tls.roots, Some(Roots::File("/flag.pem".into())));
}

#[test]
fn times_are_libpqs() {
    let of = |text: &str| settings(text).unwrap();
    assert_eq!(of("").connect_timeout, Some(Duration::from_secs(10)));
    assert_eq!(of("connect_timeout=0").connect_timeout, None);
    assert_eq!(of("connect_timeout=-1").connect_timeout, None);
    assert_eq!(
        of("connect_timeout=1").connect_timeout,
        Some(Duration::from_secs(2))
    );
    refuses("connect_timeout=1s", "whole number");
    let liveness = of("keepalives=0 keepalives_idle=7 keepalives_interval=8 keepalives_count=9 tcp_user_timeout=1500").liveness;
    let expected = Liveness {
        keepalives: false,
        idle: Duration::from_secs(7),
        interval: Duration::from_secs(8),
        count: 9,
        user_timeout: Some(Duration::from_millis(1500)),
    };
    assert_eq!(liveness, expected);
    assert!(of("load_balance_hosts=random").shuffles);
    refuses("load_balance_hosts=yes", "use one of disable, random");
    refuses(
        "channel_binding=maybe",
        "use one of disable, prefer, require",
    );
}

#[test]
fn passwords_come_from_the_first_place_that_has_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "a:*:d:u:one\nlocalhost:1:*:*:local\n/sockets:*:*:*:socket\n*:2:*:*:two\n",
    )
    .unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let passfile = format!("user=u dbname=d passfile={}", file.path().display());
    let passwords = |text: &str, overrides: &Overrides| -> Vec<Option<String>> {
        let parameters = conninfo::parse(&format!("{passfile} {text}")).unwrap();
        let targets = Settings::new(&parameters, overrides).unwrap().targets;
        let text = |password| String::from_utf8(password).unwrap();
        targets
            .into_iter()
            .map(|target| target.password.map(text))
            .collect()
    };
    let none = Overrides::default();
    let some = |texts: &[&str]| {
        texts
            .iter()
            .map(|t| Some((*t).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(passwords("host=a,b port=1,2", &none), some(&["one", "two"]));
    assert_eq!(
        passwords("host=/run/postgresql,/sockets port=1", &none),
        some(&["local", "socket"])
    );
    assert_eq!(passwords("host=other port=3", &none), [None]);
    assert_eq!(passwords("host=a password=mine", &none), some(&["mine"]));
    let flag = Overrides {
        password: Some("flag".to_owned()),
        ca_file: None,
    };
    assert_eq!(passwords("host=a password=mine", &flag), some(&["flag"]));
    let by_environment = with_variable("host=a", "PGPASSWORD", "env").unwrap();
    assert_eq!(
        by_environment.targets[0].password.as_deref(),
        Some(&b"env"[..])
    );
}
