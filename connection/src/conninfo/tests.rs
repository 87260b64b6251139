use super::*;
use proptest::prelude::*;

fn completed(text: &str, environment: &[(&str, &str)]) -> Result<Parameters, Error> {
    complete(text, |name| {
        let found = environment.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[track_caller]
fn reads(text: &str, expected: &[(&str, &str)]) {
    let parameters = parse(text).unwrap();
    let read: Vec<(&str, &str)> = parameters
        .given
        .iter()
        .map(|(keyword, given)| (*keyword, given.value.as_str()))
        .collect();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(read, expected, "{text}");
}

#[test]
fn strings_are_read_as_libpq_reads_them() {
    // From libpq's own tests of URIs, and its documentation.
    reads("", &[]);
    reads(
        "postgresql://uri-user:secret@host:12345/db",
        &[
            ("user", "uri-user"),
            ("password", "secret"),
            ("host", "host"),
            ("port", "12345"),
            ("dbname", "db"),
        ],
    );
    reads(
        "postgresql://user@host:12345/",
        &[("user", "user"), ("host", "host"), ("port", "12345")],
    );
    reads(
        "postgresql://:12345/db",
        &[("port", "12345"), ("dbname", "db")],
    );
    reads(
        "postgresql:///db?host=/tmp",
        &[("dbname", "db"), ("host", "/tmp")],
    );
    reads(
        "postgresql:///?user=u&port=1",
        &[("user", "u"), ("port", "1")],
    );
    reads("postgres://", &[]);
    reads(
        "postgres://?hostaddr=127.0.0.1",
        &[("hostaddr", "127.0.0.1")],
    );
    reads("postgresql://host?", &[("host", "host")]);
    reads(
        "postgresql://host?user=u&",
        &[("host", "host"), ("user", "u")],
    );
    reads(
        "postgresql://[2001:db8::1234]:5433,b,[::1]/d",
        &[
            ("host", "2001:db8::1234,b,::1"),
            ("port", "5433,,"),
            ("dbname", "d"),
        ],
    );
    reads(
        "postgresql://%2Fvar%2Flib/d",
        &[("host", "/var/lib"), ("dbname", "d")],
    );
    reads(
        "postgresql://u%40x:p%3A%2f%25@h/d%20b?sslmode=verify-full&application_name=a%26b",
        &[
            ("user", "u@x"),
            ("password", "p:/%"),
            ("host", "h"),
            ("dbname", "d b"),
            ("sslmode", "verify-full"),
            ("application_name", "a&b"),
        ],
    );
    reads(
        "postgresql://h?ssl=true",
        &[("host", "h"), ("sslmode", "require")],
    );
    reads("host=/run/postgresql", &[("host", "/run/postgresql")]);
    reads(
        "  host = a,b  port=1\tpassword = 'it' ",
        &[("host", "a,b"), ("port", "1"), ("password", "it")],
    );
}

#[test]
fn quotes_and_backslashes_are_libpqs() {
    reads(
        r"password='a\'b\\c d' user=x\ y",
        &[("password", r"a'b\c d"), ("user", "x y")],
    );
    reads("password='' user=u", &[("password", ""), ("user", "u")]);
    // An alteration of the whole string would change this password.
    let password = "password='x sslmode=verify-full y' sslmode=verify-ca";
    reads(
        password,
        &[
            ("password", "x sslmode=verify-full y"),
            ("sslmode", "verify-ca"),
        ],
    );
}

#[test]
fn the_string_wins_over_the_service_and_that_over_the_environment() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[hooks]\nuser=service\nport=2\nhost=s\n").unwrap();
    let environment = [
        ("PGSERVICEFILE", file.path().to_str().unwrap()),
        ("PGSERVICE", "hooks"),
        ("PGUSER", "environment"),
        ("PGPORT", "3"),
        ("PGDATABASE", "environment"),
        ("PGREQUIRESSL", "1"),
    ];
    let parameters = completed("user=string", &environment).unwrap();
    let values =
        ["user", "port", "host", "dbname", "sslmode"].map(|k| parameters.value(k).unwrap());
    assert_eq!(values, ["string", "2", "s", "environment", "require"]);
    assert!(completed("service=other", &environment).is_err());
}

#[test]
fn what_can_not_be_honoured_is_refused_with_what_to_use() {
    for (text, part) in [
        ("gssencmode=require", "gssencmode in the database URL"),
        ("require_auth=md5", "channel_binding=require"),
        ("sslcrl=/x", "new certificate authority"),
        ("sslpassword=hush", "store the key without a password"),
        ("krbsrvname=x", "client certificate"),
        ("client_encoding=LATIN1", "in UTF8"),
        ("replication=database", "leave it out"),
        ("requirepeer=postgres", "verify-full over TCP"),
        ("oauth_issuer=x", "OAuth"),
        ("ssl_min_protocol_version=TLSv1.3", "of the server"),
        ("min_protocol_version=3.2", "leave it out"),
    ] {
        let error = completed(text, &[]).err().unwrap().to_string();
        assert!(
            error.contains("not supported") && error.contains(part),
            "{text}: {error}"
        );
        assert!(!error.contains("hush"), "{error}");
    }
    let error = completed("", &[("PGREQUIREAUTH", "scram-sha-256")]);
    assert!(
        error
            .err()
            .unwrap()
            .to_string()
            .starts_with("PGREQUIREAUTH is not supported")
    );
    for text in [
        "gssencmode=prefer",
        "fallback_application_name=x",
        "replication=false",
        "sslcompression=0",
        "client_encoding=auto",
        "ssl_min_protocol_version=TLSv1.2",
        "max_protocol_version=latest",
        "sslcrl=''",
    ] {
        assert!(completed(text, &[]).is_ok(), "{text}");
    }
}

#[test]
fn a_malformed_string_is_explained_without_its_password() {
    for (text, part) in [
        ("postgres://h/d?colour=red", "unknown option `colour`"),
        ("host=h colour=red", "unknown option `colour`"),
        ("postgre://u:hush@h/d?sslmode=require", FORMS),
        ("u:hush@h/d?sslmode=require", FORMS),
        ("postgres://u:x@hush?hush=hush@h/d", FORMS),
        ("host=h password=hush hush=hush", FORMS),
        ("host=h password=hush hush", FORMS),
        ("host=h password='hush", "no end"),
        ("postgres://u:hush/hush@h/d", FORMS),
        ("postgres://u:1/hush@h/d", FORMS),
        ("postgres://u:hush%4@h/d", "hexadecimal"),
        ("postgres://u:hush%00@h/d", "%00"),
        ("postgres://u:hush%ff@h/d", "UTF-8"),
        ("postgres://u:hush@[::1/d", "bracket"),
        ("postgres://u:hush@[::1]x/d", "IPv6"),
        ("postgres://u:hush@h/d?sslmode", "no ="),
        ("postgres://u:hush@h/d?sslmode=a=b", "more than one ="),
    ] {
        let error = parse(text).err().unwrap().to_string();
        assert!(
            error.contains(part) && error.contains("DATABASE_URL"),
            "{text}: {error}"
        );
        assert!(!error.contains("hush"), "{text}: {error}");
    }
}

/// Any byte but the unreserved ones, encoded.
fn encoded(text: &str) -> String {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let encode = |b: u8| match unreserved(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn parts_are_taken_as_they_are(
        user in "[a-z][ -~é]{0,8}", password in "[ -~é]{1,12}", host in "[a-z]{1,8}(\\.[a-z]{1,4})?", port in 1_u16..,
        database in "[a-z][ -~é]{0,8}",
    ) {
        let [u, p, d] = [&user, &password, &database].map(|text| encoded(text));
        let uri = format!("postgresql://{u}:{p}@{host}:{port}/{d}?sslmode=verify-ca");
        let [u, p, d] = [&user, &password, &database].map(|text| quoted(text));
        let pairs = format!("user={u} password = {p} host={host} port={port} dbname={d} sslmode=verify-ca");
        for text in [uri, pairs] {
            let parameters = complete(&text, |name| (!name.contains("SERVICE")).then(|| format!("other-{name}")));
            // Those that are not in the string are nonsense.
            prop_assert!(parameters.is_err());
            let parameters = parse(&text).unwrap();
            let values = ["user", "password", "host", "dbname", "sslmode"].map(|keyword| parameters.value(keyword).unwrap());
            prop_assert_eq!(values, [user.as_str(), &password, &host, &database, "verify-ca"]);
            prop_assert_eq!(parameters.value("port").unwrap(), port.to_string());
        }
    }

    /// Whatever is wrong with a connection string, reading it ends in an answer, and no answer shows the password.
    #[test]
    fn malformed_strings_are_refused_in_silence_about_the_password(
        before in "postgres(ql)?://u:|host=h password=|password='|[a-z:/@=' %]{0,12}",
        after in "@h:?[0-9a-z]{0,6}/?[a-z]{0,3}(\\?[a-z_]{0,8}=?[a-z0-9]{0,4})?|'? ?[a-z]{0,8}=?[a-z0-9]{0,4}|[ -~é]{0,12}",
        port in "[0-9]{0,6}|[a-z]{0,3}",
    ) {
        let text = format!("{before}pa55w0rd{after}");
        let get = |name: &str| (name == "PGPORT").then(|| port.clone());
        let settings = complete(&text, get).and_then(|parameters| {
            crate::settings::Settings::new(&parameters, &Default::default())
        });
        if let Err(error) = settings {
            let shown = error.to_string();
            // Where there is no password, the word is a part that may be named.
            let is_password = before.contains(":") && before.contains("//") || before.contains("password=");
            prop_assert!(!is_password || !shown.contains("pa55w0rd"), "{}", shown);
        }
    }
}
