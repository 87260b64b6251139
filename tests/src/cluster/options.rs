use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

/// Settings of a new cluster.
#[derive(Debug, Clone)]
pub struct Options {
    settings: Vec<(String, String)>,
    pub(super) initdb_arguments: Vec<String>,
    pub(super) copies_template: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Vec::new(),
            initdb_arguments: Vec::new(),
            copies_template: true,
        }
    }
}

impl Options {
    /// Sets a server parameter, as in postgresql.conf.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Allows two-phase commit (`max_prepared_transactions`).
    #[must_use]
    pub fn prepared_transactions(self, max: u32) -> Self {
        self.set("max_prepared_transactions", &max.to_string())
    }

    /// Saves what a cluster takes to survive a crash of the machine, and background work that no test waits for: right for
    /// clusters that are thrown away, and for tests that say themselves when tables are vacuumed and analysed.
    #[must_use]
    pub fn without_durability(self) -> Self {
        self.set("fsync", "off")
            .set("full_page_writes", "off")
            .set("autovacuum", "off")
            .set("max_wal_size", "4GB")
            .set("checkpoint_timeout", "1h")
    }

    /// Runs `initdb` instead of copying this process's template: right for a process that makes one cluster only.
    #[must_use]
    pub fn without_template(mut self) -> Self {
        self.copies_template = false;
        self
    }

    /// Adds an argument for `initdb`, which then runs for this cluster alone.
    #[must_use]
    pub fn initdb_argument(mut self, argument: &str) -> Self {
        self.initdb_arguments.push(argument.to_owned());
        self.without_template()
    }

    pub(super) fn write(&self, data: &Path, sockets: &Path, port: u16) -> Result<()> {
        let defaults = [
            ("listen_addresses", "127.0.0.1"),
            ("port", &port.to_string()),
            ("unix_socket_directories", &sockets.to_string_lossy()),
            ("logging_collector", "off"),
            ("log_line_prefix", "%m [%p] %a %d "),
            ("timezone", "UTC"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut lines = String::from("\n# webhooks-tests\n");
        // The last one wins.
        for (name, value) in defaults.iter().chain(&self.settings) {
            writeln!(lines, "{name} = '{}'", value.replace('\'', "''"))?;
        }
        let path = data.join("postgresql.conf");
        std::fs::File::options()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(lines.as_bytes()))
            .with_context(|| format!("writing {}", path.display()))
    }
}
