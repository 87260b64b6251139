//! Templates of the tenant, written and deleted.

use super::detail::{named_one, unknown};
use super::named;
use crate::database::{Access, Database, Mode, Request};
use crate::http::form::Signed;
use crate::http::input::{Ids, Parameters};
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::{Frame, Section, page, path};
use crate::pages::refusal::check_writable;
use crate::pages::subscriptions::{CREATE, DELETE, READ, UPDATE, error, is_about_input, summary};
use crate::pages::view::as_sql;
use crate::scope::Scope;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Query {
    name: Option<String>,
}

/// What the form has. `is_new`: it must not be there yet.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Written {
    name: String,
    description: String,
    settings: String,
    placeholders: String,
    is_new: String,
}

impl Written {
    fn is_new(&self) -> bool {
        self.is_new == "true"
    }

    /// What writing it needs.
    fn scope(&self) -> Scope {
        match self.is_new() {
            true => CREATE,
            false => UPDATE,
        }
    }
}

#[derive(Deserialize)]
pub struct Named {
    name: String,
}

/// A new one, perhaps like a shipped one, or an own one.
pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(query): Parameters<Query>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let template = match &query.name {
        Some(name) => {
            let request = connection.begin(&session.who, READ, Mode::Read).await?;
            let template = named_one(&request, name).await?;
            request.commit().await?;
            Some(template)
        }
        None => None,
    };
    let written = match template {
        None => Written {
            settings: format!("{:#}", json!({"payload_format": "standard"})),
            placeholders: "{}".to_owned(),
            is_new: "true".to_owned(),
            ..Written::default()
        },
        Some(template) => Written {
            name: template.name,
            description: template.description.unwrap_or_default(),
            settings: format!("{:#}", Value::from(template.settings)),
            placeholders: format!("{:#}", json!(template.placeholders)),
            is_new: (!template.is_own).to_string(),
        },
    };
    // A shipped one is where an own one begins.
    let request = connection
        .begin(&session.who, written.scope(), Mode::Read)
        .await?;
    check_writable(&request.access)?;
    let shown = form(&session, &request.access, tenant, &written, None);
    request.commit().await?;
    Ok(shown)
}

pub async fn save(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Signed(written): Signed<Written>,
) -> Result<Response, Failure> {
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&session.who, written.scope(), Mode::Write)
        .await?;
    match store(&request, tenant, &written).await {
        Ok(()) => {
            request.commit().await?;
            Ok(Redirect::to(&path(tenant, "/templates?done=saved")).into_response())
        }
        Err(problem) if is_about_input(&problem) => {
            let shown = form(&session, &request.access, tenant, &written, Some(&problem));
            Ok((problem.status(), shown).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

pub async fn delete(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Signed(Named { name }): Signed<Named>,
) -> Result<Redirect, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, DELETE, Mode::Write).await?;
    let row = request
        .row(
            "select webhooks.delete_subscription_template($1, $2) as was_there",
            &[&tenant, &name],
        )
        .await?;
    if !row.try_get::<_, bool>("was_there")? {
        return Err(unknown(&name).into());
    }
    request.commit().await?;
    Ok(Redirect::to(&path(tenant, "/templates?done=deleted")))
}

async fn store(request: &Request<'_>, tenant: Uuid, written: &Written) -> Result<(), Problem> {
    let is_new = written.is_new();
    let name = Some(written.name.trim()).filter(|name| !name.is_empty());
    let description = Some(written.description.trim()).filter(|text| !text.is_empty());
    let settings = parsed("settings", &written.settings)?;
    let placeholders = parsed("placeholders", &written.placeholders)?;
    let statement = match is_new {
        true => {
            "insert into webhooks.subscription_templates as t (tenant_id, name, description, settings, placeholders)
             values ($1, $2, $3, $4::text::jsonb, $5::text::jsonb) returning t.name"
        }
        false => {
            "update webhooks.subscription_templates t
             set description = $3, settings = $4::text::jsonb, placeholders = $5::text::jsonb
             where t.tenant_id = $1 and t.name = $2 returning t.name"
        }
    };
    let stored = request
        .rows(
            statement,
            &[&tenant, &name, &description, &settings, &placeholders],
        )
        .await
        .map_err(|error| match error.code() {
            Some(&SqlState::UNIQUE_VIOLATION) => taken(&written.name),
            _ => error.into(),
        })?;
    match stored.is_empty() {
        true => Err(unknown(&written.name)),
        false => Ok(()),
    }
}

fn taken(name: &str) -> Problem {
    let detail = format!("there is a template \"{}\" already", name.trim());
    Problem::new(StatusCode::CONFLICT, detail)
        .hint("Give this one another name, or change that one: the list of templates leads to it.")
        .field("name")
}

/// JSON of a field, as text.
fn parsed(field: &str, json: &str) -> Result<String, Problem> {
    let value: Value = serde_json::from_str(json).map_err(|error| {
        Problem::bad_request(format!("invalid {field}: it is no JSON: {error}"))
            .hint("Write an object, for example {}.")
            .field(field)
    })?;
    Ok(value.to_string())
}

fn form(
    session: &Session,
    access: &Access,
    tenant: Uuid,
    written: &Written,
    problem: Option<&Problem>,
) -> Markup {
    let is_new = written.is_new();
    let title = if is_new {
        "New template"
    } else {
        "Change template"
    };
    let back = match is_new {
        true => path(tenant, "/templates"),
        false => named(tenant, "show", &written.name),
    };
    let area = |name: &str, label: &str, help: &str, value: &str| {
        html! {
            div.field {
                label for=(name) { (label) }
                textarea id=(name) name=(name) spellcheck="false" aria-describedby={ "help-" (name) } { "\n" (value) }
                p.help id={ "help-" (name) } { (help) }
            }
        }
    };
    let content = html! {
        h1 { (title) }
        @if let Some(problem) = problem { (summary(problem)) }
        form method="post" action=(path(tenant, "/templates/edit")) {
            input type="hidden" name="csrf" value=(session.csrf);
            input type="hidden" name="is_new" value=(written.is_new);
            div.field {
                label for="name" { "Name" }
                input #name type="text" name="name" value=(written.name) readonly[!is_new] aria-describedby="help-name";
                p.help #help-name { "It hides a shipped template of the same name." }
                (error("name", problem, false))
            }
            (area("description", "Description", "For people.", &written.description))
            (area("settings", "Settings", "JSON: settings of a subscription, but for auth_config, webhook_headers and template_secrets, which hold secrets. A placeholder is <<name>> in a text, or {{ secrets.name }} in payload_template for a secret.", &written.settings))
            (area("placeholders", "Placeholders", "JSON: names, each with an explanation of what to give.", &written.placeholders))
            div.row {
                button.primary type="submit" { "Save template" }
                a href=(back) { "Cancel" }
            }
        }
        (as_sql(&format!("insert into webhooks.subscription_templates (tenant_id, name, description, settings)\nvalues ('{tenant}', 'signed', 'Signed', '{{\"payload_format\": \"standard\", \"auth_type\": \"signature\"}}');")))
    };
    let frame = Frame {
        title,
        section: Some(Section::Templates),
        tenant: Some(tenant),
        access,
        csrf: &session.csrf,
    };
    page(&frame, &content)
}
