//! Changes of a subscription.

use super::choices::Choices;
use super::create::{Written, new_secret};
use super::field::Fields;
use super::form::{Form, Purpose, is_about_input};
use super::values::Values;
use super::{UPDATE, condition_rows, of, secret};
use crate::database::{Access, Database, Mode, Request};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::{Frame, Section, page};
use crate::pages::refusal::check_writable;
use crate::pages::view::as_sql;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, UPDATE, Mode::Read).await?;
    check_writable(&request.access)?;
    let stored: Vec<Map<String, Value>> = request
        .items(
            "select to_json(s)::text as item from webhooks.get_subscription($1) s",
            &[&id],
        )
        .await?;
    let mut values = Values::default();
    for settings in &stored {
        values.put(settings);
    }
    let choices = Choices::read(&request).await?;
    let shown = form(
        &session,
        &request.access,
        (tenant, id),
        &choices,
        &values,
        None,
    );
    request.commit().await?;
    Ok(shown)
}

pub async fn update(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Signed(values): Signed<Values>,
) -> Result<Response, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, UPDATE, Mode::Write).await?;
    let choices = Choices::read(&request).await?;
    if condition_rows::asks_for_more(&values) {
        let shown = form(
            &session,
            &request.access,
            (tenant, id),
            &choices,
            &values,
            None,
        );
        return Ok(shown.into_response());
    }
    match change(&request, id, &values).await {
        Ok(Written { secret: None, .. }) => {
            request.commit().await?;
            Ok(Redirect::to(&of(tenant, id, "?done=saved")).into_response())
        }
        Ok(Written {
            secret: Some(made), ..
        }) => {
            let shown = secret::shown_once(&session, &request.access, tenant, id, &made, None);
            request.commit().await?;
            Ok(shown)
        }
        Err(problem) if is_about_input(&problem) => {
            let shown = form(
                &session,
                &request.access,
                (tenant, id),
                &choices,
                &values,
                Some(&problem),
            );
            Ok((problem.status(), shown).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// Changes a subscription to what a form says.
///
/// # Errors
/// The database's; somebody else has changed it since the form was made.
pub async fn change(request: &Request<'_>, id: Uuid, values: &Values) -> Result<Written, Problem> {
    let found = request
        .rows(
            "select s.auth_type::text, s.version from webhooks.webhook_subscriptions s where s.id = $1 for no key update",
            &[&id],
        )
        .await?;
    let Some(stored) = found.first() else {
        // Says that there is none.
        request
            .row(
                "select webhooks_private.raise_unknown_subscription($1)",
                &[&id],
            )
            .await?;
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no subscription {id}"),
        ));
    };
    let version: i64 = stored.try_get("version")?;
    if values.get("version") != version.to_string() {
        let detail = "the subscription was changed since this form was opened";
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .hint("Open it in another tab, compare, and save from there."));
    }
    let auth_type: Option<String> = stored.try_get("auth_type")?;
    let mut settings = values.settings()?;
    let secret = match values.lacks_secret() && auth_type.as_deref() != Some("signature") {
        true => Some(new_secret(request).await?),
        false => None,
    };
    if let Some(secret) = &secret {
        settings.insert("auth_config".to_owned(), json!({"secret": secret}));
    }
    let settings = Value::from(settings).to_string();
    request
        .row(
            "select s.id from webhooks.update_subscription($1, $2::text::jsonb) s",
            &[&id, &settings],
        )
        .await?;
    Ok(Written { id, secret })
}

fn form(
    session: &Session,
    access: &Access,
    (tenant, id): (Uuid, Uuid),
    choices: &Choices,
    values: &Values,
    problem: Option<&Problem>,
) -> Markup {
    let form = Form {
        tenant,
        csrf: &session.csrf,
        purpose: Purpose::Change(id),
        choices,
        fields: Fields { values, problem },
    };
    let content = html! {
        h1 { "Change " a href=(of(tenant, id, "")) { (values.get("name")) } }
        (form.show())
        (as_sql(&format!("select webhooks.update_subscription('{id}', '{{\"retry_count\": 5}}');")))
    };
    let frame = Frame {
        title: "Change subscription",
        section: Some(Section::Subscriptions),
        tenant: Some(tenant),
        access,
        csrf: &session.csrf,
    };
    page(&frame, &content)
}
