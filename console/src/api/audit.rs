//! The audit log of a tenant: who changed what, and when.

use super::schemas::tenant::AuditEntry;
use crate::database::{Credentials, Database, Mode};
use crate::http::input::Parameters;
use crate::http::problem::{AnyProblem, Problem};
use crate::http::{cursor, paging};
use crate::scope::Scope;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

const PATH: &str = "/api/audit-log/";
const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;

/// Which entries to list.
#[derive(Deserialize, IntoParams, Serialize)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only those about objects of this kind, such as `subscription`.
    object_type: Option<String>,
    /// Only those about this object.
    object_id: Option<String>,
    /// The time from which on they were written: 30 days ago unless it is given.
    since: Option<String>,
    /// The time before which they were written.
    until: Option<String>,
    /// How many on a page: 50 unless it is given, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the page begins: as the header Link of the page before has it.
    cursor: Option<String>,
}

/// Lists changes, the newest first.
#[utoipa::path(
    get,
    path = "/api/audit-log/",
    tag = "Audit log",
    operation_id = "list_audit_log",
    params(Filter),
    responses((status = 200, description = "A page of changes", body = Vec<AuditEntry>), AnyProblem)
)]
pub async fn list(
    State(database): State<Database>,
    who: Credentials,
    Parameters(filter): Parameters<Filter>,
) -> Result<Response<Body>, Problem> {
    let limit = paging::size(filter.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let after: Option<(Uuid, String)> = cursor::decode(filter.cursor.as_deref())?;
    // The next page has the same period.
    let (after_id, since) = match after {
        Some((id, since)) => (Some(id), Some(since)),
        None => (None, filter.since.clone()),
    };
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, Scope::ReadAudit, Mode::Read).await?;
    let rows = request
        .rows(
            "select (to_jsonb(a) - '{session_role,client_address}'::text[])::text as item, a.id, s.since::text
             from (select coalesce($2::text::timestamptz, now() - interval '30 days') as since) s
             cross join lateral webhooks.list_audit_log(
                 $1, s.since, coalesce($3::text::timestamptz, 'infinity'), $4, $5, ($6::bigint)::integer, $7) a",
            &[
                &request.access.tenant_id,
                &since,
                &filter.until,
                &filter.object_type,
                &filter.object_id,
                // One more tells whether there is a next page.
                &(limit + 1),
                &after_id,
            ],
        )
        .await?;
    request.commit().await?;
    paging::answer(&rows, limit, PATH, |last| {
        let order: (Uuid, String) = (last.try_get("id")?, last.try_get("since")?);
        Ok(Filter {
            limit: Some(limit),
            cursor: Some(cursor::encode(&order)),
            ..filter
        })
    })
}
