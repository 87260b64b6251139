//! The audit log of a tenant: who changed what, and when.

use crate::database::{Credentials, Database, Mode};
use crate::http::input::Parameters;
use crate::http::problem::Problem;
use crate::http::{cursor, paging};
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const PATH: &str = "/api/audit-log/";
const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;

/// Which entries to list.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    object_type: Option<String>,
    object_id: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

/// The newest first.
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
    let request = connection.begin(&who, "audit:read", Mode::Read).await?;
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
