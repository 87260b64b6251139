//! The first line of the log: what runs, where to, and with which settings.

use super::databases::NamedDatabase;

/// `given`: the flags that differ from their defaults.
pub fn say(databases: &[NamedDatabase], given: &[String]) {
    let given = match given.is_empty() {
        true => "all defaults".to_owned(),
        false => given.join(" "),
    };
    let version = env!("CARGO_PKG_VERSION");
    if let [NamedDatabase { settings, .. }] = databases {
        tracing::info!(
            version,
            servers = settings.servers(),
            database = settings.database,
            role = settings.user,
            sslmode = settings.tls.mode.name(),
            settings = given,
            "starting"
        );
    } else {
        tracing::info!(
            version,
            databases = databases.len(),
            settings = given,
            "starting"
        );
    }
}
