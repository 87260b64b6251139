//! Subscriptions enabled and disabled, one or many.

use super::values::Values;
use super::{UPDATE, of};
use crate::database::{Database, Mode};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::path;
use axum::extract::State;
use axum::response::Redirect;
use uuid::Uuid;

/// The form has `id` for each subscription and `enabled`; with `from` `one` it is of a subscription's own page.
pub async fn set(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Signed(values): Signed<Values>,
) -> Result<Redirect, Failure> {
    let ids = values.ids()?;
    let all = |done: &str| path(tenant, &format!("/subscriptions?done={done}"));
    if ids.is_empty() {
        return Ok(Redirect::to(&all("chosen-none")));
    }
    let enabled = values.get("enabled") == "true";
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, UPDATE, Mode::Write).await?;
    request
        .row(
            "select webhooks.set_subscriptions_enabled($1, $2)",
            &[&ids, &enabled],
        )
        .await?;
    request.commit().await?;
    let done = if enabled { "enabled" } else { "disabled" };
    Ok(Redirect::to(&match (values.get("from"), ids.first()) {
        ("one", Some(id)) => of(tenant, *id, &format!("?done={done}")),
        _ => all(done),
    }))
}
