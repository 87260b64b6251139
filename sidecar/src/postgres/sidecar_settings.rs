//! `sidecar_settings()`: the settings in force.

use super::owner::Owner;
use crate::model::Settings;
use std::time::Duration;
use tokio_postgres::Error;

impl Owner {
    /// The settings in force.
    ///
    /// # Errors
    /// Those of the statement.
    pub async fn settings(&self) -> Result<Settings, Error> {
        let row = self
            .client
            .query_one("select * from webhooks_private.sidecar_settings()", &[])
            .await?;
        let seconds = |column: &str| {
            Duration::from_secs(u64::try_from(row.get::<_, i64>(column)).unwrap_or(0))
        };
        let bytes = |column: &str| usize::try_from(row.get::<_, i64>(column)).unwrap_or(0);
        Ok(Settings {
            extension_version: row.get("extension_version"),
            max_retry_delay: seconds("max_retry_delay_seconds"),
            max_retry_after: seconds("max_retry_after_seconds"),
            max_response_body_bytes: bytes("max_response_body_bytes"),
            max_response_headers_bytes: bytes("max_response_headers_bytes"),
            disable_after: Some(seconds("disable_after_failing_hours") * 3600)
                .filter(|after| !after.is_zero()),
            endpoint_verification: row.get("endpoint_verification"),
            verification_origin: row.get("verification_origin"),
            digest: row.get("digest"),
        })
    }
}
