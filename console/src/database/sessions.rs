//! Sessions of browsers: opened with an access token or a portal link, and closed.

use super::pool::Connection;
use super::request::Access;
use deadpool_postgres::Transaction;
use std::time::Duration;
use tokio_postgres::Error;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A session is opened with this. Secrets themselves go no further than the form: this is their SHA-256.
#[derive(Clone, Copy)]
pub enum Key {
    /// An access token, which can open sessions as long as it is valid.
    Token([u8; 32]),
    /// A portal link, which is used up.
    Link([u8; 32]),
}

const BECOME: &str = "select
    pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
    pg_catalog.set_config('webhooks.request_id', $1, true)";

impl Connection<'_> {
    /// Opens a session, which is known by the hash of its secret.
    ///
    /// Returns: how long it lasts at the most.
    ///
    /// # Errors
    /// The database's: SQLSTATE 28000 if the token or link is not valid.
    pub async fn open_session(
        &mut self,
        key: &Key,
        session_hash: &[u8; 32],
        request_id: &str,
    ) -> Result<Duration, Error> {
        let (function, hash) = match key {
            Key::Token(hash) => ("open_session", hash.as_slice()),
            Key::Link(hash) => ("redeem_link", hash.as_slice()),
        };
        let transaction = self.begin_without_role(request_id).await?;
        let open = format!(
            "select extract(epoch from expires_at - now())::float8 as seconds from webhooks_private.{function}($1, $2)"
        );
        let open = transaction.prepare_cached(&open).await?;
        let parameters: [&(dyn ToSql + Sync); 2] = [&hash, &session_hash.as_slice()];
        let row = transaction.query_one(&open, &parameters).await?;
        transaction.commit().await?;
        let seconds: f64 = row.try_get("seconds")?;
        Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }

    /// Ends a session, if it is there.
    ///
    /// # Errors
    /// The database's.
    pub async fn close_session(
        &mut self,
        session_hash: &[u8; 32],
        request_id: &str,
    ) -> Result<(), Error> {
        let transaction = self.begin_without_role(request_id).await?;
        let close = "select webhooks_private.close_session($1)";
        let close = transaction.prepare_cached(close).await?;
        transaction
            .query_one(&close, &[&session_hash.as_slice()])
            .await?;
        transaction.commit().await
    }

    /// What a session is for, whatever it permits: its tenant, or all of them.
    ///
    /// # Errors
    /// The database's: SQLSTATE 28000 if it has ended.
    pub async fn session_access(&self, session_hash: &[u8; 32]) -> Result<Access, Error> {
        let find = "select tenant_id, scopes from webhooks_private.session_access($1)";
        let find = self.client.prepare_cached(find).await?;
        let row = self
            .client
            .query_one(&find, &[&session_hash.as_slice()])
            .await?;
        let tenant_id: Option<Uuid> = row.try_get("tenant_id")?;
        Ok(Access {
            tenant_id,
            scopes: row.try_get("scopes")?,
            is_operator: tenant_id.is_none(),
            is_read_only: self.database.is_read_only,
        })
    }

    /// As the console itself: for what its own role may do.
    pub(super) async fn begin_without_role(
        &mut self,
        request_id: &str,
    ) -> Result<Transaction<'_>, Error> {
        let transaction = self.client.transaction().await?;
        let settings = transaction.prepare_cached(BECOME).await?;
        transaction.query_one(&settings, &[&request_id]).await?;
        Ok(transaction)
    }
}
