//! Connection strings as libpq takes them, and the PG* variables for what they leave out.

use anyhow::Context;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// An environment variable; an empty one is none.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads a connection string.
///
/// # Errors
/// What is wrong, without anything that may be part of a password.
pub fn parse(url: &str) -> anyhow::Result<Config> {
    let parsed: Result<Config, _> = map_sslmode(url).parse();
    parsed.map_err(|error| {
        anyhow::anyhow!(
            "can't read the database URL (--database-url or DATABASE_URL): {}",
            what_is_wrong(url, &error)
        )
    })
}

const FORMS: &str = "it has to be postgresql://user:password@host/database, where the password has %40 for @, %3F for ? and so on, or key=value pairs, where it is in single quotes";

/// The parser's words, but for the names of options: a scheme that is misspelt, or a password that is not encoded or
/// quoted, makes one of the password.
fn what_is_wrong(url: &str, error: &tokio_postgres::Error) -> String {
    let words = std::error::Error::source(error).map_or(error.to_string(), ToString::to_string);
    let named = words.strip_prefix("unknown option `");
    let Some(option) = named.and_then(|rest| rest.strip_suffix('`')) else {
        return words;
    };
    if option == "sslrootcert" {
        return format!("{words}; give the file in it as --database-ca-file instead");
    }
    let is_name = |b: u8| b.is_ascii_lowercase() || b == b'_';
    let (before, after) = url.split_once(option).unwrap_or_default();
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let may_be_password = if is_url {
        after.contains('@')
    } else {
        before.contains("password")
    };
    if may_be_password || !option.bytes().all(is_name) {
        return FORMS.to_owned();
    }
    words
}

/// A connection string, and what it leaves out from the environment.
///
/// # Errors
/// As [`parse`], and variables that can't be used.
pub fn configured(url: &str, get: impl Fn(&str) -> Option<String>) -> anyhow::Result<Config> {
    let mut config = parse(url)?;
    fill_from_environment(url, &mut config, get)?;
    Ok(config)
}

/// libpq knows verify-ca and verify-full; rustls verifies fully whenever it is used, so both mean `require`.
fn map_sslmode(url: &str) -> String {
    url.replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require")
}

/// What the URL leaves out.
fn fill_from_environment(
    url: &str,
    config: &mut Config,
    get: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<()> {
    if config.get_hosts().is_empty() {
        config.host(get("PGHOST").unwrap_or_else(|| "localhost".to_owned()));
    }
    if config.get_ports().is_empty()
        && let Some(port) = get("PGPORT")
    {
        config.port(
            port.parse()
                .with_context(|| format!("PGPORT is {port:?}, not a port number"))?,
        );
    }
    if config.get_user().is_none()
        && let Some(user) = get("PGUSER")
    {
        config.user(user);
    }
    if config.get_password().is_none()
        && let Some(password) = get("PGPASSWORD")
    {
        config.password(password);
    }
    if config.get_dbname().is_none()
        && let Some(database) = get("PGDATABASE")
    {
        config.dbname(database);
    }
    if !url.contains("sslmode")
        && let Some(mode) = get("PGSSLMODE")
    {
        config.ssl_mode(match mode.as_str() {
            "disable" => SslMode::Disable,
            "allow" | "prefer" => SslMode::Prefer,
            "require" | "verify-ca" | "verify-full" => SslMode::Require,
            _ => {
                anyhow::bail!("PGSSLMODE is {mode:?}: use disable, prefer, require or verify-full")
            }
        });
    }
    let local = config
        .get_hosts()
        .iter()
        .all(|host| matches!(host, Host::Unix(_)));
    if local {
        config.ssl_mode(SslMode::Disable);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(url: &str, environment: &[(&str, &str)]) -> anyhow::Result<Config> {
        configured(url, |name| {
            environment
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn the_url_wins_over_the_environment() {
        let config = filled(
            "postgresql://u@h:1/d",
            &[("PGUSER", "x"), ("PGPORT", "2"), ("PGDATABASE", "y")],
        )
        .unwrap();
        assert_eq!(
            (config.get_user(), config.get_ports(), config.get_dbname()),
            (Some("u"), &[1u16][..], Some("d"))
        );
    }

    #[test]
    fn tls_that_the_url_asks_for_is_not_turned_off() {
        let off = [("PGSSLMODE", "disable")];
        let mode = |url| filled(url, &off).unwrap().get_ssl_mode();
        assert_eq!(mode("postgresql://h/d?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgresql://h/d"), SslMode::Disable);
    }

    #[test]
    fn the_environment_alone_is_enough() {
        let config = filled(
            "",
            &[
                ("PGHOST", "db"),
                ("PGPORT", "2"),
                ("PGUSER", "x"),
                ("PGSSLMODE", "verify-full"),
            ],
        )
        .unwrap();
        assert_eq!(
            (config.get_user(), config.get_ports(), config.get_ssl_mode()),
            (Some("x"), &[2u16][..], SslMode::Require)
        );
    }

    #[test]
    fn bad_values_are_named() {
        let error = filled("", &[("PGPORT", "none")]).unwrap_err();
        assert!(format!("{error:#}").contains("\"none\""), "{error:#}");
        let error = filled("", &[("PGSSLMODE", "always")]).unwrap_err();
        assert!(format!("{error:#}").contains("\"always\""), "{error:#}");
    }

    #[test]
    fn verify_full_is_understood() {
        assert_eq!(
            filled("host=h sslmode=verify-full", &[])
                .unwrap()
                .get_ssl_mode(),
            SslMode::Require
        );
    }

    #[test]
    fn a_malformed_url_is_explained_without_its_password() {
        for (url, part) in [
            ("postgres://h/d?colour=red", "unknown option `colour`"),
            ("host=h colour=red", "unknown option `colour`"),
            (
                "postgres://h/d?sslrootcert=/db.pem",
                "as --database-ca-file instead",
            ),
            ("postgre://u:hush@h/d?sslmode=require", FORMS),
            ("u:hush@h/d?sslmode=require", FORMS),
            ("postgres://u:x@hush?hush=hush@h/d", FORMS),
            ("host=h password=hush hush=hush", FORMS),
            (
                "postgres://u:hush@h:port/d",
                "invalid value for option `port`",
            ),
        ] {
            let error = format!("{:#}", parse(url).unwrap_err());
            assert!(
                error.contains(part) && !error.contains("hush"),
                "{url}: {error}"
            );
        }
    }

    /// Any byte but the unreserved ones, encoded.
    fn encoded(text: &str) -> String {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        text.bytes()
            .map(|b| {
                if unreserved(b) {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn the_parts_of_a_url_are_taken_as_they_are(
            user in "[a-z][ -~é]{0,8}", password in "[ -~é]{1,12}", host in "[a-z]{1,8}(\\.[a-z]{1,4})?", port in 1_u16..,
            database in "[a-z][ -~é]{0,8}", mode in prop::sample::select(vec!["disable", "prefer", "require", "verify-ca", "verify-full"]),
        ) {
            let [u, p, d] = [&user, &password, &database].map(|text| encoded(text));
            let url = format!("postgresql://{u}:{p}@{host}:{port}/{d}?sslmode={mode}");
            let config = configured(&url, |name| Some(format!("other-{name}"))).unwrap();
            prop_assert_eq!(config.get_user(), Some(user.as_str()));
            prop_assert_eq!(config.get_password(), Some(password.as_bytes()));
            prop_assert_eq!(config.get_dbname(), Some(database.as_str()));
            prop_assert_eq!(config.get_hosts(), &[Host::Tcp(host)][..]);
            prop_assert_eq!(config.get_ports(), &[port][..]);
            prop_assert_eq!(config.get_ssl_mode() == SslMode::Require, !["disable", "prefer"].contains(&mode));
        }

        /// Whatever is wrong with a connection string, reading it ends in an answer, and no answer shows the password.
        #[test]
        fn malformed_connection_strings_are_refused_in_silence_about_the_password(
            before in "postgres(ql)?://u:|host=h password=|password='|[a-z:/@=' %]{0,12}",
            after in "@h:?[0-9a-z]{0,6}/?[a-z]{0,3}(\\?[a-z_]{0,8}=?[a-z0-9]{0,4})?|'? ?[a-z]{0,8}=?[a-z0-9]{0,4}|[ -~é]{0,12}",
            port in "[0-9]{0,6}|[a-z]{0,3}",
        ) {
            let get = |name: &str| (name == "PGPORT").then(|| port.clone());
            if let Err(error) = configured(&format!("{before}pa55w0rd{after}"), get) {
                let shown = format!("{error:#}");
                // Where there is no password, the word is a part that may be named.
                let is_password = before.contains(":") && before.contains("//") || before.contains("password=");
                prop_assert!(!is_password || !shown.contains("pa55w0rd"), "{}", shown);
            }
        }
    }
}
