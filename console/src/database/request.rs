//! A request is one transaction: the database looks up its token or session, and the role and the tenant that it gives
//! are set in the transaction, and nowhere else.

use super::pool::Connection;
use crate::scope::Scope;
use deadpool_postgres::Transaction;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

/// Proof of a request, and the tenant that it names.
#[derive(Clone)]
pub struct Credentials {
    pub proof: Proof,
    /// The tenant that the request names.
    pub tenant: Option<Uuid>,
    /// For the audit log and the log.
    pub request_id: String,
    /// A link can have led to the request: it changes nothing, whatever it asks for (RFC 9110, 9.2.1).
    pub follows_link: bool,
    /// Becomes true when the database has accepted them.
    pub accepted: Arc<AtomicBool>,
}

/// What a request was sent with. Secrets themselves go no further than the header: this is their SHA-256.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Proof {
    /// An access token, in the header Authorization.
    Token([u8; 32]),
    /// A session, in the cookie.
    Session([u8; 32]),
    /// A JWT that is valid, in the header Authorization.
    Jwt(Arc<Claims>),
}

/// What a JWT says.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Claims {
    /// `None`: all tenants.
    pub tenant: Option<Uuid>,
    pub scopes: Vec<String>,
    pub user: Option<Uuid>,
}

/// Who asks, as the database says.
pub struct Access {
    /// `None`: the request is about no tenant, which scopes of operators are for.
    pub tenant_id: Option<Uuid>,
    /// What the token or session permits.
    pub scopes: Vec<String>,
    /// Whether it is for all tenants.
    pub is_operator: bool,
    /// Nothing can be changed here, whatever the scopes are.
    pub is_read_only: bool,
}

impl Access {
    /// Whether a scope is among those that the token or session has.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|has| has == scope.name())
    }
}

/// Rows that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Database(#[from] Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Whether a transaction may write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Read,
    Write,
    /// It writes to see what comes of it, and is rolled back in any case.
    Trial,
}

/// Why there is no transaction for a request.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Database(#[from] Error),
    /// It would write, and the console only reads.
    #[error("the console is read-only")]
    ReadOnly,
}

/// The transaction of a request. Unless it is committed it is rolled back.
pub struct Request<'c> {
    transaction: Transaction<'c>,
    is_trial: bool,
    pub access: Access,
}

/// Looks up the token or session: an error, which is the answer, if it does not permit this.
const OPEN: &str = "select token_id, tenant_id, user_id::text, role::text, scopes, is_operator
    from webhooks_private.open_access($1, $2, $3, $4)";

/// The same for a JWT, which is valid: what it permits is the database's to say.
const OPEN_JWT: &str = "select token_id, tenant_id, user_id::text, role::text, scopes, is_operator
    from webhooks_private.open_jwt($1, $2, $3, $4, $5)";

/// Nothing of it outlasts the transaction. The names in statements below are then those of PostgreSQL and the extension,
/// whatever the search_path of the role or the database is. Ids are constants of each plan, so that it opens the
/// partitions that have them, and no others.
const BECOME: &str = "select
    set_config('search_path', 'pg_catalog, pg_temp', true), set_config('TimeZone', 'UTC', true),
    set_config('DateStyle', 'ISO', true), set_config('plan_cache_mode', 'force_custom_plan', true),
    set_config('webhooks.tenant_id', $1, true), set_config('webhooks.user_id', $2, true),
    set_config('webhooks.request_id', $3, true), set_config('role', $4, true)";

impl Connection<'_> {
    /// Begins the transaction of a request that needs a scope. One to which a link can lead is READ ONLY unless it is a
    /// trial.
    ///
    /// # Errors
    /// The database's: SQLSTATE 28000 if the token or session is not valid, 42501 if it lacks the scope. That the request
    /// would write, if the console only reads.
    pub async fn begin(
        &mut self,
        who: &Credentials,
        scope: Scope,
        mode: Mode,
    ) -> Result<Request<'_>, Refused> {
        if mode != Mode::Read && self.database.is_read_only {
            return Err(Refused::ReadOnly);
        }
        let transaction = self
            .client
            .build_transaction()
            .read_only(mode == Mode::Read || mode == Mode::Write && who.follows_link)
            .start()
            .await?;
        let row = look_up(&transaction, who, scope).await?;
        let access = Access {
            tenant_id: row.try_get("tenant_id")?,
            scopes: row.try_get("scopes")?,
            is_operator: row.try_get("is_operator")?,
            is_read_only: self.database.is_read_only,
        };
        let tenant = access.tenant_id.map(|id| id.to_string());
        let user: Option<String> = row.try_get("user_id")?;
        let role: String = row.try_get("role")?;
        let become_role = transaction.prepare_cached(BECOME).await?;
        transaction
            .query_one(
                &become_role,
                &[
                    &tenant.unwrap_or_default(),
                    &user.unwrap_or_default(),
                    &who.request_id,
                    &role,
                ],
            )
            .await?;
        if let Some(token_id) = row.try_get("token_id")? {
            self.database.uses.add(token_id);
        }
        who.accepted.store(true, Relaxed);
        Ok(Request {
            transaction,
            is_trial: mode == Mode::Trial,
            access,
        })
    }
}

/// For whom the request acts, and as which role.
async fn look_up(
    transaction: &Transaction<'_>,
    who: &Credentials,
    scope: Scope,
) -> Result<Row, Error> {
    let (hash, kind) = match &who.proof {
        Proof::Token(hash) => (hash.as_slice(), "token"),
        Proof::Session(hash) => (hash.as_slice(), "session"),
        Proof::Jwt(claims) => {
            let Claims {
                tenant,
                scopes,
                user,
            } = &**claims;
            let open = transaction.prepare_cached(OPEN_JWT).await?;
            return transaction
                .query_one(&open, &[tenant, scopes, user, &scope.name(), &who.tenant])
                .await;
        }
    };
    let open = transaction.prepare_cached(OPEN).await?;
    transaction
        .query_one(&open, &[&hash, &scope.name(), &who.tenant, &kind])
        .await
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

    /// The rows of a statement whose column `item` is JSON.
    ///
    /// # Errors
    /// The database's; JSON that is not as `T` has it, which is a fault of this program.
    pub async fn items<T: DeserializeOwned>(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<T>, ReadError> {
        let rows = self.rows(statement, parameters).await?;
        let item = |row: &Row| Ok(serde_json::from_str(row.try_get("item")?)?);
        rows.iter().map(item).collect()
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

    /// Ends it: what it wrote stays, unless it was a trial.
    ///
    /// # Errors
    /// The database's.
    pub async fn commit(self) -> Result<(), Error> {
        if self.is_trial {
            return self.transaction.rollback().await;
        }
        self.transaction.commit().await
    }
}
