//! A role that may create objects, and waits for others to call them.

use anyhow::Result;

use super::Database;

impl Database {
    /// Creates the schema `evil`: a trap for whoever has it in `search_path` before `pg_catalog`. See `attacker.sql`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn plant_traps(&self) -> Result<()> {
        self.execute(include_str!("attacker.sql")).await
    }

    /// The calls of functions in the schema `evil`: a line of the server's log each.
    #[must_use]
    pub fn trapped(&self) -> Vec<String> {
        let log = self.cluster.server_log();
        let ours = format!(" {} ", self.name);
        let trapped = log
            .lines()
            .filter(|line| line.contains(&ours) && line.contains("LOG:  trapped: "));
        trapped.map(str::to_owned).collect()
    }
}
