//! A new subscription, perhaps of a template.

use super::choices::{Choices, Template};
use super::field::Fields;
use super::form::{Form, Purpose, is_about_input, placeholder_field, template_choice};
use super::values::Values;
use super::{CREATE, condition_rows, of, secret};
use crate::database::{Access, Database, Mode, Request};
use crate::http::form::Signed;
use crate::http::input::{Ids, Parameters};
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::{Frame, Section, page};
use crate::pages::refusal::check_writable;
use crate::pages::view::as_sql;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Choice {
    #[serde(default)]
    template: String,
}

/// A subscription that was written, and the secret that was made for it.
pub struct Written {
    pub id: Uuid,
    pub secret: Option<String>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(choice): Parameters<Choice>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, CREATE, Mode::Read).await?;
    check_writable(&request.access)?;
    let choices = Choices::read(&request).await?;
    let template = choices.template(&choice.template);
    let mut values = Values::of_a_new_one();
    if let Some(template) = template {
        values.put(&starting_with(template));
    }
    let shown = form(
        &session,
        &request.access,
        tenant,
        &choices,
        &values,
        template,
        None,
    );
    request.commit().await?;
    Ok(shown)
}

pub async fn create(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Signed(values): Signed<Values>,
) -> Result<Response, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, CREATE, Mode::Write).await?;
    let choices = Choices::read(&request).await?;
    let template = choices.template(values.get("template"));
    if condition_rows::asks_for_more(&values) {
        let shown = form(
            &session,
            &request.access,
            tenant,
            &choices,
            &values,
            template,
            None,
        );
        return Ok(shown.into_response());
    }
    match insert(&request, tenant, &choices, &values).await {
        Ok(Written { id, secret: None }) => {
            request.commit().await?;
            Ok(Redirect::to(&of(tenant, id, "?done=created")).into_response())
        }
        Ok(Written {
            id,
            secret: Some(made),
        }) => {
            let shown = secret::shown_once(&session, &request.access, tenant, id, &made, None);
            request.commit().await?;
            Ok(shown)
        }
        Err(problem) if is_about_input(&problem) => {
            let shown = form(
                &session,
                &request.access,
                tenant,
                &choices,
                &values,
                template,
                Some(&problem),
            );
            Ok((problem.status(), shown).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// Makes a subscription of a form.
///
/// # Errors
/// The database's.
pub async fn insert(
    request: &Request<'_>,
    tenant: Uuid,
    choices: &Choices,
    values: &Values,
) -> Result<Written, Problem> {
    let mut settings = values.settings()?;
    let template = choices.template(values.get("template"));
    if let Some(template) = template {
        settings = overrides(template, settings, values)?;
    } else if !values.is_blank("template") {
        let detail = format!("there is no template \"{}\"", values.get("template"));
        return Err(
            Problem::bad_request(detail).hint("It may have been deleted: begin with another one.")
        );
    }
    let secret = match values.lacks_secret() {
        true => Some(new_secret(request).await?),
        false => None,
    };
    if let Some(secret) = &secret {
        settings.insert("auth_config".to_owned(), json!({"secret": secret}));
    }
    let settings = Value::from(settings).to_string();
    let row = match template {
        Some(template) => request
            .row(
                "select webhooks.create_subscription_from_template($1, $2, $3::text::jsonb) as id",
                &[&tenant, &template.name, &settings],
            )
            .await?,
        None => {
            request
                .row(
                    "select webhooks_private.insert_subscription($1, $2::text::jsonb) as id",
                    &[&tenant, &settings],
                )
                .await?
        }
    };
    Ok(Written {
        id: row.try_get("id")?,
        secret,
    })
}

/// # Errors
/// The database's.
pub async fn new_secret(request: &Request<'_>) -> Result<String, Problem> {
    let row = request
        .row("select webhooks.generate_secret() as secret", &[])
        .await?;
    Ok(row.try_get("secret")?)
}

/// What a form begins with for a template: its settings and its name.
fn starting_with(template: &Template) -> Map<String, Value> {
    let mut settings = template.settings.clone();
    settings.entry("auth_type").or_insert_with(|| "none".into());
    settings
        .entry("name")
        .or_insert_with(|| template.name.clone().into());
    settings
}

/// What differs from the template, whose placeholders are still to be replaced in the rest, and their values.
fn overrides(
    template: &Template,
    settings: Map<String, Value>,
    values: &Values,
) -> Result<Map<String, Value>, Problem> {
    let mut unchanged = Values::of_a_new_one();
    unchanged.put(&starting_with(template));
    let unchanged = unchanged.settings()?;
    let differs = |(name, value): &(String, Value)| {
        // The name of the form counts also when it is the template's.
        name == "name" || unchanged.get(name) != Some(value)
    };
    let mut overrides: Map<String, Value> = settings.into_iter().filter(differs).collect();
    for name in template.placeholders.keys() {
        overrides.insert(name.clone(), values.get(&placeholder_field(name)).into());
    }
    Ok(overrides)
}

fn form(
    session: &Session,
    access: &Access,
    tenant: Uuid,
    choices: &Choices,
    values: &Values,
    template: Option<&Template>,
    problem: Option<&Problem>,
) -> Markup {
    let form = Form {
        tenant,
        csrf: &session.csrf,
        purpose: Purpose::Create(template),
        choices,
        fields: Fields { values, problem },
    };
    let content = html! {
        h1 { "New subscription" }
        (template_choice(tenant, choices, template))
        (form.show())
        (as_sql(&format!("select webhooks.create_subscription('{tenant}', name => 'Invoices',\n    webhook_url => 'https://hooks.example.com/invoices', subscribed_events => '[\"document.*\"]');")))
    };
    let frame = Frame {
        title: "New subscription",
        section: Some(Section::Subscriptions),
        tenant: Some(tenant),
        access,
        csrf: &session.csrf,
    };
    page(&frame, &content)
}
