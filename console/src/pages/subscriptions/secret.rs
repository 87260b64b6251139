//! A signing secret that was made: shown once, with how a receiver verifies signatures by it.

use super::values::Values;
use super::{UPDATE, of, verification};
use crate::database::{Access, Database, Mode};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::{Frame, Section, page};
use crate::pages::view::{Moment, absolute};
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maud::html;
use uuid::Uuid;

/// Gives a subscription a new secret.
pub async fn renew(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Signed(_): Signed<Values>,
) -> Result<Response, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, UPDATE, Mode::Write).await?;
    let row = request
        .row(
            "select webhooks.renew_secret($1) as secret,
                    extract(epoch from now() + make_interval(secs => s.value))::bigint as ends_at
             from webhooks.settings s where s.name = 'secret_overlap_seconds'",
            &[&id],
        )
        .await?;
    let (secret, ends_at): (String, i64) = (row.try_get("secret")?, row.try_get("ends_at")?);
    let ends_at = Timestamp::from_second(ends_at).ok().map(Moment::At);
    let shown = shown_once(&session, &request.access, tenant, id, &secret, ends_at);
    request.commit().await?;
    Ok(shown)
}

/// The page with a new secret. `overlap_ends_at`: until then requests are signed with the one before, too.
pub fn shown_once(
    session: &Session,
    access: &Access,
    tenant: Uuid,
    id: Uuid,
    secret: &str,
    overlap_ends_at: Option<Moment>,
) -> Response {
    let content = html! {
        h1 { "Signing secret" }
        div.note.held {
            p { "This is shown once. Hand it over to the receiver now: it cannot be read again, only renewed." }
            @if overlap_ends_at.is_some() {
                p { "Until " (absolute(overlap_ends_at)) " requests are signed with the secret before, too, so that the receiver can change it in between." }
            }
        }
        pre #new-secret { (secret) }
        div.row {
            button type="button" data-copy-from="new-secret" { "Copy secret" }
            a.button href=(of(tenant, id, "")) { "I have stored it: to the subscription" }
        }
        (verification::section())
    };
    let frame = Frame {
        title: "Signing secret",
        section: Some(Section::Subscriptions),
        tenant: Some(tenant),
        access,
        csrf: &session.csrf,
    };
    let mut response = page(&frame, &content).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}
