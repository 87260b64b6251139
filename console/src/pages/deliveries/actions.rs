//! What can be done with a delivery: made again, attempted at once, cancelled.

use super::delivery::Delivery;
use crate::database::{Access, Database, Mode};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::path;
use crate::pages::scopes::{READ_AUDIT, RETRY, UPDATE, may};
use crate::pages::view::{action, done};
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// The fields of the forms, which have none but what signs them.
#[derive(Deserialize)]
pub struct Confirmed {}

pub fn offer(access: &Access, csrf: &str, tenant: Uuid, delivery: &Delivery) -> Markup {
    let to = |what: &str| path(tenant, &format!("/deliveries/{}/{what}", delivery.id));
    let name = delivery.subscription_name.as_deref();
    html! {
        @if let (Some(name), true) = (name, may(access, RETRY)) {
            @if delivery.delivery_status == "retrying" && !delivery.is_due {
                (action("Retry now", &to("retry"), csrf, &format!("The next attempt to deliver it to {name} is made now instead of at its time."), None))
            }
            @if !delivery.is_outstanding() && !delivery.is_test && delivery.has_event() {
                (action("Send again", &to("retry"), csrf, &format!("The event is sent to {name} again, as a new delivery."), None))
            }
        }
        @if delivery.is_outstanding() && may(access, UPDATE) {
            (action("Cancel", &to("cancel"), csrf, "No further attempt is made. A request that is being made is not interrupted.", None))
        }
    }
}

pub async fn retry(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Signed(Confirmed {}): Signed<Confirmed>,
) -> Result<Redirect, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, RETRY, Mode::Write).await?;
    let again = request
        .row("select webhooks.retry_delivery($1) as id", &[&id])
        .await?;
    let made: Uuid = again.try_get("id")?;
    request.commit().await?;
    let word = if made == id { "hurried" } else { "retried" };
    Ok(Redirect::to(&path(
        tenant,
        &format!("/deliveries/{made}?done={word}"),
    )))
}

pub async fn cancel(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Signed(Confirmed {}): Signed<Confirmed>,
) -> Result<Redirect, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, UPDATE, Mode::Write).await?;
    let cancelled = request
        .row("select webhooks.cancel_delivery($1) as done", &[&id])
        .await?;
    let word = match cancelled.try_get("done")? {
        true => "cancelled",
        false => "finished",
    };
    request.commit().await?;
    Ok(Redirect::to(&path(
        tenant,
        &format!("/deliveries/{id}?done={word}"),
    )))
}

/// What an action did.
pub fn result(access: &Access, tenant: Uuid, delivery: &Delivery, word: Option<&str>) -> Markup {
    // The entry about a delivery that is made again is about the one that it repeats.
    let audit = may(access, READ_AUDIT).then(|| path(tenant, "/audit?object_type=delivery"));
    let words = match word {
        Some("hurried") => "Its next attempt is made now.",
        Some("retried") => "The event is sent again: this is the new delivery.",
        Some("cancelled") if delivery.delivery_status == "cancelled" => "It is cancelled.",
        Some("finished") => {
            "It could not be cancelled: it is finished, or its result is being recorded."
        }
        _ => return html! {},
    };
    done(words, audit.as_deref())
}
