//! An event delivered again.

use super::event::Event;
use crate::database::{Access, Database, Mode, ReadError, Request};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::path;
use crate::pages::scopes::{READ_AUDIT, RETRY, may};
use crate::pages::view::{action, done, quantity};
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// The fields of the form, which has none but what signs it.
#[derive(Deserialize)]
pub struct Confirmed {}

/// A row of `replay_event()`.
#[derive(Deserialize)]
struct Counts {
    deliveries: i64,
    outstanding: i64,
}

async fn replay(
    request: &Request<'_>,
    tenant: Uuid,
    event: Uuid,
    dry_run: bool,
) -> Result<Counts, ReadError> {
    let found = request
        .items(
            "select to_json(r)::text as item from webhooks.replay_event($1, $2, dry_run => $3) r",
            &[&tenant, &event, &dry_run],
        )
        .await?;
    Ok(found.into_iter().next().unwrap_or(Counts {
        deliveries: 0,
        outstanding: 0,
    }))
}

/// The action, with what it will do.
pub async fn offer(
    request: &Request<'_>,
    csrf: &str,
    tenant: Uuid,
    id: Uuid,
    event: &Event,
) -> Result<Markup, ReadError> {
    if event.is_test || event.is_expired {
        let why = if event.is_test { "a test" } else { "expired" };
        return Ok(html! { span.muted { "Can't be replayed: " (why) "." } });
    }
    let counts = replay(request, tenant, id, true).await?;
    let others = match counts.outstanding {
        0 => String::new(),
        n => format!(" To {n} it is outstanding: they do not get it twice."),
    };
    if counts.deliveries == 0 {
        return Ok(
            html! { span.muted { "Nothing to replay: no subscription would get it now." (others) } },
        );
    }
    let what = format!(
        "The event is sent again to {} it now.{others}",
        quantity(
            counts.deliveries,
            "subscription that matches",
            "subscriptions that match"
        )
    );
    if request.access.is_read_only {
        return Ok(html! { span.muted { (what) " Not from here: the console is read-only." } });
    }
    let to = path(tenant, &format!("/events/{id}/replay"));
    Ok(action("Replay", &to, csrf, &what, None))
}

pub async fn submit(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Signed(Confirmed {}): Signed<Confirmed>,
) -> Result<Redirect, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, RETRY, Mode::Write).await?;
    let counts = replay(&request, tenant, id, false).await?;
    request.commit().await?;
    let word = if counts.deliveries == 0 {
        "nothing"
    } else {
        "replayed"
    };
    Ok(Redirect::to(&path(
        tenant,
        &format!("/events/{id}?done={word}"),
    )))
}

/// What the action did.
pub fn result(access: &Access, tenant: Uuid, id: Uuid, word: Option<&str>) -> Markup {
    let audit = may(access, READ_AUDIT)
        .then(|| path(tenant, &format!("/audit?object_type=event&object_id={id}")));
    match word {
        Some("replayed") => done(
            "It is sent again: see the deliveries below.",
            audit.as_deref(),
        ),
        Some("nothing") => done("Nothing was sent: no subscription would get it now.", None),
        _ => html! {},
    }
}
