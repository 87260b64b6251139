//! What can be done with a subscription by a click.

use super::values::Values;
use super::{DELETE, UPDATE, of};
use crate::database::{Database, Mode};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::path;
use axum::extract::State;
use axum::response::Redirect;
use uuid::Uuid;

/// Closes its circuit breaker, and ends a pause.
pub async fn reset_breaker(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Signed(_): Signed<Values>,
) -> Result<Redirect, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, UPDATE, Mode::Write).await?;
    let row = request
        .row("select webhooks.reset_breaker($1) as was_reset", &[&id])
        .await?;
    let was_reset: bool = row.try_get("was_reset")?;
    request.commit().await?;
    let done = if was_reset {
        "reset"
    } else {
        "nothing-to-reset"
    };
    Ok(Redirect::to(&of(tenant, id, &format!("?done={done}"))))
}

/// Asks its receiver whether it agrees.
pub async fn verify(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Signed(_): Signed<Values>,
) -> Result<Redirect, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, UPDATE, Mode::Write).await?;
    request
        .row("select webhooks.verify_subscription($1)", &[&id])
        .await?;
    request.commit().await?;
    Ok(Redirect::to(&of(tenant, id, "?done=verifying")))
}

pub async fn delete(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Signed(_): Signed<Values>,
) -> Result<Redirect, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, DELETE, Mode::Write).await?;
    request
        .row("select webhooks.delete_subscription($1)", &[&id])
        .await?;
    request.commit().await?;
    Ok(Redirect::to(&path(tenant, "/subscriptions?done=deleted")))
}
