//! A batch of deliveries made again.

use super::progress::{self, Next};
use super::{Recovery, What, moment, preview};
use crate::database::{Database, Mode, Request};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::scopes::RETRY;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use uuid::Uuid;

static HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
static HX_REPLACE_URL: HeaderName = HeaderName::from_static("hx-replace-url");

/// Deliveries, or events, of one request: they take a fraction of a second.
const BATCH: i32 = 2000;
/// Subscriptions of one request.
const MAX_SUBSCRIPTIONS: usize = 50;

/// How a batch ended.
struct Batch {
    made: i64,
    /// Where the next one goes on; `None`: all is done.
    after: Option<String>,
    is_last: bool,
}

pub async fn submit(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    headers: HeaderMap,
    Signed(mut recovery): Signed<Recovery>,
) -> Result<Response, Failure> {
    let what = recovery.what().ok_or_else(|| {
        Problem::bad_request("what to make again was not chosen").hint("Begin again.")
    })?;
    if recovery.from.is_none() || recovery.to.is_none() {
        return Err(Problem::bad_request("the period was not chosen")
            .hint("Begin again.")
            .into());
    }
    // Before the first delivery is made, by the clock of this machine.
    let early = Timestamp::now() - jiff::SignedDuration::from_secs(2);
    recovery.started.get_or_insert_with(|| moment(early));
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, RETRY, Mode::Write).await?;
    let batch = match what {
        What::Failed => failed(&request, tenant, &recovery).await?,
        What::Events => events(&request, tenant, &recovery).await?,
        What::Unmatched => unmatched(&request, tenant, &recovery).await?,
    };
    request.commit().await?;
    let made = recovery.made() + batch.made;
    recovery.made = Some(made.to_string());
    recovery.after = batch.after;
    if batch.is_last {
        let late = Timestamp::now() + jiff::SignedDuration::from_secs(2);
        recovery.ended = Some(moment(late));
    }
    let progress = progress::signed(&session, tenant, &recovery);
    if !headers.contains_key(&HX_REQUEST) {
        return Ok(Redirect::to(&progress).into_response());
    }
    // A script goes on as long as it gets this answer. The address that the browser has then makes nothing again.
    let request = connection.begin(&session.who, RETRY, Mode::Read).await?;
    let page = progress::shown(request, &session, tenant, &recovery, Next::Script).await?;
    Ok(([(HX_REPLACE_URL.clone(), progress)], page).into_response())
}

/// Of one subscription after the other. What is made again is not found again, so that a subscription is done when there
/// is nothing left of it.
async fn failed(
    request: &Request<'_>,
    tenant: Uuid,
    recovery: &Recovery,
) -> Result<Batch, tokio_postgres::Error> {
    let mut left = BATCH;
    let mut after = recovery.after.clone();
    let subscriptions = preview::failing(request, tenant, recovery).await?;
    for id in subscriptions.iter().take(MAX_SUBSCRIPTIONS) {
        let row = request
            .row(
                "select webhooks.retry_failed(
                     $1, $2::text::timestamptz, $3::text::timestamptz, $4,
                     event_types => case when $5::text is not null then array[$5::text] end) as n",
                &[
                    id,
                    &recovery.from,
                    &recovery.to,
                    &left,
                    &recovery.event_type,
                ],
            )
            .await?;
        let n: i64 = row.try_get("n")?;
        left -= i32::try_from(n).unwrap_or(left);
        if left <= 0 {
            return Ok(Batch {
                made: i64::from(BATCH - left),
                after,
                is_last: false,
            });
        }
        after = Some(id.to_string());
    }
    Ok(Batch {
        made: i64::from(BATCH - left),
        after,
        is_last: subscriptions.len() <= MAX_SUBSCRIPTIONS,
    })
}

async fn events(
    request: &Request<'_>,
    tenant: Uuid,
    recovery: &Recovery,
) -> Result<Batch, tokio_postgres::Error> {
    let row = request
        .row(
            "select r.deliveries, r.resume_after::text
             from webhooks.replay_events(
                 $1, $2::text::timestamptz, $3::text::timestamptz,
                 case when $4::text is not null then array[$4::text] end, $5::text::uuid, max_events => $6,
                 after => $7::text::uuid) r",
            &[
                &tenant,
                &recovery.from,
                &recovery.to,
                &recovery.event_type,
                &recovery.subscription,
                &BATCH,
                &recovery.after,
            ],
        )
        .await?;
    let after: Option<String> = row.try_get("resume_after")?;
    Ok(Batch {
        made: row.try_get("deliveries")?,
        is_last: after.is_none(),
        after,
    })
}

/// At once: those that still match nothing would be found again.
async fn unmatched(
    request: &Request<'_>,
    tenant: Uuid,
    recovery: &Recovery,
) -> Result<Batch, tokio_postgres::Error> {
    let row = request
        .row(
            "select r.deliveries as n
             from webhooks.replay_event_set(
                 $1,
                 array(select u.event_log_id
                       from webhooks.unmatched_events(
                           $1, $2::text::timestamptz, $3::text::timestamptz, ($4::bigint)::integer,
                           case when $6::text is not null then array[$6::text] end) u),
                 $5::text::uuid) r",
            &[
                &tenant,
                &recovery.from,
                &recovery.to,
                &preview::MAX_UNMATCHED,
                &recovery.subscription,
                &recovery.event_type,
            ],
        )
        .await?;
    Ok(Batch {
        made: row.try_get("n")?,
        after: None,
        is_last: true,
    })
}
