//! The first line of the log: what runs, where to, and with which settings.

use super::connection::settings::{Place, Settings};

/// `given`: the flags that differ from their defaults.
pub fn say(settings: &Settings, given: &[String]) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        servers = servers(settings),
        database = settings.database,
        role = settings.user,
        sslmode = settings.tls.mode.name(),
        settings = if given.is_empty() {
            "all defaults".to_owned()
        } else {
            given.join(" ")
        },
        "starting"
    );
}

fn servers(settings: &Settings) -> String {
    let targets = settings.targets.iter().map(|target| {
        let port = target.port;
        match &target.place {
            Place::Unix(directory) => format!("{}/.s.PGSQL.{port}", directory.display()),
            Place::Tcp { name, .. } if name.contains(':') => format!("[{name}]:{port}"),
            Place::Tcp { name, .. } => format!("{name}:{port}"),
        }
    });
    targets.collect::<Vec<_>>().join(",")
}
