//! A request is one transaction: the database looks up its token, and the role and the tenant that the token gives are
//! set in it, and nowhere else.

use super::pool::Connection;
use axum::http::Extensions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

/// Who asks, as the request says.
#[derive(Clone)]
pub struct Credentials {
    /// SHA-256 of the access token. The token itself goes no further than the header.
    pub token_hash: [u8; 32],
    /// The tenant that the request names.
    pub tenant: Option<Uuid>,
    /// For the audit log and the log.
    pub request_id: String,
    /// Who wants to know whether the token is valid learns it here.
    pub acceptance: Acceptance,
}

/// Whether the database has accepted the token of a request.
#[derive(Clone, Default)]
pub struct Acceptance(Arc<AtomicBool>);

impl Acceptance {
    /// That of this request.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    pub fn is_accepted(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Who asks, as the database says.
pub struct Access {
    pub token_id: Uuid,
    pub tenant_id: Uuid,
}

/// Whether a transaction may write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Read,
    Write,
}

/// The transaction of a request. Unless it is committed it is rolled back.
pub struct Request<'c> {
    transaction: deadpool_postgres::Transaction<'c>,
    pub access: Access,
}

/// Looks up the token: an error, which is the answer, if it does not permit this.
const OPEN: &str = "select token_id, tenant_id, user_id::text, role::text
    from webhooks_private.open_access($1, $2, $3)";

/// Nothing of it outlasts the transaction. The names in statements below are then those of PostgreSQL and the extension,
/// whatever the search_path of the role or the database is.
const BECOME: &str = "select
    set_config('search_path', 'pg_catalog, pg_temp', true), set_config('TimeZone', 'UTC', true),
    set_config('DateStyle', 'ISO', true),
    set_config('statement_timeout', $1, true), set_config('webhooks.tenant_id', $2, true),
    set_config('webhooks.user_id', $3, true), set_config('webhooks.request_id', $4, true),
    set_config('role', $5, true)";

impl Connection<'_> {
    /// Begins the transaction of a request that needs a scope.
    ///
    /// # Errors
    /// The database's: SQLSTATE 28000 if the token is not valid, 42501 if it lacks the scope.
    pub async fn begin(
        &mut self,
        who: &Credentials,
        scope: &str,
        mode: Mode,
    ) -> Result<Request<'_>, Error> {
        let transaction = self
            .client
            .build_transaction()
            .read_only(mode == Mode::Read)
            .start()
            .await?;
        let open = transaction.prepare_cached(OPEN).await?;
        let token_hash: &[u8] = &who.token_hash;
        let row = transaction
            .query_one(&open, &[&token_hash, &scope, &who.tenant])
            .await?;
        let access = Access {
            token_id: row.try_get("token_id")?,
            tenant_id: row.try_get("tenant_id")?,
        };
        let user: Option<String> = row.try_get("user_id")?;
        let role: String = row.try_get("role")?;
        let (timeout, tenant) = (
            &*self.database.statement_timeout,
            access.tenant_id.to_string(),
        );
        let become_role = transaction.prepare_cached(BECOME).await?;
        transaction
            .query_one(
                &become_role,
                &[
                    &timeout,
                    &tenant,
                    &user.unwrap_or_default(),
                    &who.request_id,
                    &role,
                ],
            )
            .await?;
        self.database.uses.add(access.token_id);
        who.acceptance.0.store(true, Relaxed);
        Ok(Request {
            transaction,
            access,
        })
    }
}

impl Request<'_> {
    /// The rows of a statement, which is prepared once a connection.
    ///
    /// # Errors
    /// The database's.
    pub async fn rows(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let statement = self.transaction.prepare_cached(statement).await?;
        self.transaction.query(&statement, parameters).await
    }

    /// The only row.
    ///
    /// # Errors
    /// The database's.
    pub async fn row(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        let statement = self.transaction.prepare_cached(statement).await?;
        self.transaction.query_one(&statement, parameters).await
    }

    /// # Errors
    /// The database's.
    pub async fn commit(self) -> Result<(), Error> {
        self.transaction.commit().await
    }
}
