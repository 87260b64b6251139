//! Templates of subscriptions: those of the tenant, and those that are shipped, which can't be changed.

use super::schemas::subscription::{Subscription, Template};
use super::subscriptions::{CREATE, DELETE, READ, UPDATE, created_subscription};
use crate::database::{Credentials, Database, Mode};
use crate::http::input::{Ids, JsonText, Parameters};
use crate::http::problem::{AnyProblem, Problem};
use crate::http::{cursor, output, paging};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

const PATH: &str = "/api/subscription-templates/";
const DEFAULT_LIMIT: i64 = 100;
const MAX_LIMIT: i64 = 1000;

/// Those of the tenant hide shipped ones of the same name.
const TEMPLATES: &str = "with templates as (
    select o.name::text, o.description, o.settings, o.placeholders, o.created_at, false as is_shipped
    from webhooks.subscription_templates o where o.tenant_id = $1
    union all
    select s.name, s.description, s.settings, s.placeholders, null, true
    from webhooks.shipped_templates() s
    where not exists (select from webhooks.subscription_templates o where o.tenant_id = $1 and o.name = s.name))";

/// Which part of the list.
#[derive(Deserialize, IntoParams, Serialize)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// How many on a page: 100 unless it is given, at most 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Where the page begins: as the header Link of the page before has it.
    cursor: Option<String>,
}

/// Lists templates in the order of names.
#[utoipa::path(
    get,
    path = "/api/subscription-templates/",
    tag = "Templates",
    operation_id = "list_templates",
    params(Part),
    responses((status = 200, description = "A page of templates", body = Vec<Template>), AnyProblem)
)]
pub async fn list(
    State(database): State<Database>,
    who: Credentials,
    Parameters(part): Parameters<Part>,
) -> Result<Response<Body>, Problem> {
    let limit = paging::size(part.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let after: Option<String> = cursor::decode(part.cursor.as_deref())?;
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    let statement = format!(
        "{TEMPLATES} select to_json(t)::text as item, t.name from templates t
         where $2::text is null or t.name > $2 order by t.name limit $3"
    );
    let tenant = request.access.tenant_id;
    // One more tells whether there is a next page.
    let rows = request
        .rows(&statement, &[&tenant, &after, &(limit + 1)])
        .await?;
    request.commit().await?;
    paging::answer(&rows, limit, PATH, |last| {
        let name: String = last.try_get("name")?;
        Ok(Part {
            limit: Some(limit),
            cursor: Some(cursor::encode(&name)),
        })
    })
}

/// Reads a template.
#[utoipa::path(
    get,
    path = "/api/subscription-templates/{name}",
    tag = "Templates",
    operation_id = "get_template",
    params(("name" = String, Path, description = "Name of the template")),
    responses((status = 200, description = "The template", body = Template), AnyProblem)
)]
pub async fn get(
    State(database): State<Database>,
    who: Credentials,
    Ids(name): Ids<String>,
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    let statement =
        format!("{TEMPLATES} select to_json(t)::text as item from templates t where t.name = $2");
    let tenant = request.access.tenant_id;
    let rows = request.rows(&statement, &[&tenant, &name]).await?;
    request.commit().await?;
    let row = rows.first().ok_or_else(|| unknown(&name))?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}

/// A template without its name.
#[derive(Deserialize, ToSchema)]
#[schema(as = TemplateContent)]
#[serde(deny_unknown_fields)]
struct Content {
    /// Description for people.
    description: Option<String>,
    /// Settings of the subscriptions.
    #[schema(value_type = BTreeMap<String, Value>)]
    settings: Box<RawValue>,
    /// Names and explanations of what the settings leave open.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    placeholders: Option<Box<RawValue>>,
}

/// A new template.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTemplate {
    /// Name of the template.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Description for people.
    description: Option<String>,
    /// Settings of the subscriptions.
    #[schema(value_type = BTreeMap<String, Value>)]
    settings: Box<RawValue>,
    /// Names and explanations of what the settings leave open.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    placeholders: Option<Box<RawValue>>,
}

/// What the statements below return: the template as it was stored.
const STORED: &str =
    "returning jsonb_build_object('name', name, 'description', description, 'settings', settings,
    'placeholders', placeholders, 'created_at', created_at, 'is_shipped', false)::text as item";

/// Creates a template.
#[utoipa::path(
    post,
    path = "/api/subscription-templates/",
    tag = "Templates",
    operation_id = "create_template",
    request_body = NewTemplate,
    responses((status = 201, description = "The template", body = Template), AnyProblem)
)]
pub async fn create(
    State(database): State<Database>,
    who: Credentials,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let new: NewTemplate = body.parsed()?;
    // No path would lead to it.
    if ["", ".", ".."].contains(&new.name.as_str()) {
        let detail = format!("invalid name: \"{}\"", new.name);
        let problem = Problem::bad_request(detail).field("name");
        return Err(problem.hint("Give 1 to 100 characters, but not just dots."));
    }
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, CREATE, Mode::Write).await?;
    let statement = format!(
        "insert into webhooks.subscription_templates as t (tenant_id, name, description, settings, placeholders)
         values ($1, $2::text, $3::text, $4::text::jsonb, coalesce($5::text::jsonb, '{{}}'))
         on conflict do nothing {STORED}"
    );
    let rows = request
        .rows(
            &statement,
            &[
                &request.access.tenant_id,
                &new.name,
                &new.description,
                &new.settings.get(),
                &new.placeholders.as_deref().map(RawValue::get),
            ],
        )
        .await?;
    request.commit().await?;
    let Some(row) = rows.first() else {
        let detail = format!("there is a template \"{}\" already", new.name);
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .hint("Change it with PUT, or give another name.")
            .field("name"));
    };
    let item: String = row.try_get("item")?;
    let mut response = output::json(StatusCode::CREATED, item);
    let path = format!("{PATH}{}", in_path(&new.name));
    if let Ok(location) = HeaderValue::from_str(&path) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Replaces all of a template but its name.
#[utoipa::path(
    put,
    path = "/api/subscription-templates/{name}",
    tag = "Templates",
    operation_id = "replace_template",
    params(("name" = String, Path, description = "Name of the template")),
    request_body = Content,
    responses((status = 200, description = "The template as it is now", body = Template), AnyProblem)
)]
pub async fn replace(
    State(database): State<Database>,
    who: Credentials,
    Ids(name): Ids<String>,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let content: Content = body.parsed()?;
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, UPDATE, Mode::Write).await?;
    let statement = format!(
        "update webhooks.subscription_templates t
         set description = $3::text, settings = $4::text::jsonb, placeholders = coalesce($5::text::jsonb, '{{}}')
         where t.tenant_id = $1 and t.name = $2 {STORED}"
    );
    let rows = request
        .rows(
            &statement,
            &[
                &request.access.tenant_id,
                &name,
                &content.description,
                &content.settings.get(),
                &content.placeholders.as_deref().map(RawValue::get),
            ],
        )
        .await?;
    request.commit().await?;
    let row = rows.first().ok_or_else(|| unknown(&name))?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}

/// Deletes a template. Subscriptions that were created from it remain.
#[utoipa::path(
    delete,
    path = "/api/subscription-templates/{name}",
    tag = "Templates",
    operation_id = "delete_template",
    params(("name" = String, Path, description = "Name of the template")),
    responses((status = 204, description = "It is deleted"), AnyProblem)
)]
pub async fn delete(
    State(database): State<Database>,
    who: Credentials,
    Ids(name): Ids<String>,
) -> Result<StatusCode, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, DELETE, Mode::Write).await?;
    let row = request
        .row(
            "select webhooks.delete_subscription_template($1, $2) as was_there",
            &[&request.access.tenant_id, &name],
        )
        .await?;
    request.commit().await?;
    match row.try_get("was_there")? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown(&name)),
    }
}

/// Creates a subscription from a template; the body has what the template leaves open.
#[utoipa::path(
    post,
    path = "/api/subscription-templates/{name}/subscriptions",
    tag = "Templates",
    operation_id = "create_subscription_from_template",
    params(("name" = String, Path, description = "Name of the template")),
    request_body = Option<BTreeMap<String, Value>>,
    responses((status = 201, description = "The subscription", body = Subscription), AnyProblem)
)]
pub async fn subscribe(
    State(database): State<Database>,
    who: Credentials,
    Ids(name): Ids<String>,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, CREATE, Mode::Write).await?;
    let created = request
        .row(
            "select webhooks.create_subscription_from_template($1, $2, $3::text::jsonb) as id",
            &[&request.access.tenant_id, &name, &body.or_empty()],
        )
        .await?;
    let response = created_subscription(&request, created.try_get("id")?).await?;
    request.commit().await?;
    Ok(response)
}

fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(100).collect();
    let detail = format!("there is no template \"{shown}\"");
    Problem::new(StatusCode::NOT_FOUND, detail).hint(
        "GET /api/subscription-templates/ lists them. Shipped ones can't be changed or deleted.",
    )
}

/// A name as a segment of a path: all but letters, digits and what stands for itself is escaped.
fn in_path(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::in_path;

    #[test]
    fn names_are_escaped_in_paths() {
        assert_eq!(in_path("team-chat_2"), "team-chat_2");
        assert_eq!(in_path("a/b ü"), "a%2Fb%20%C3%BC");
    }
}
