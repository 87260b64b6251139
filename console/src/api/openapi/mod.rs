//! The API, described for programs in OpenAPI 3.1. It is made from the code; who may read event types is told also
//! which requests receivers get ([`webhooks`]).

mod scopes;
mod webhooks;

use super::{
    audit, deliveries, events, metrics, poll, receiver, recovery, subscriptions, templates, test,
    transfer,
};
use crate::database::{Credentials, Database};
use crate::http::output;
use crate::http::problem::{Details, Problem};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Response, StatusCode};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// All routes of the API but this one.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Transactional webhooks for PostgreSQL",
        description = "Subscriptions, their deliveries and events of a tenant. A request is one transaction of the \
            database, and errors are in the database's words. Lists come in pages: the header Link has the path of \
            the next one (rel=\"next\")."
    ),
    paths(
        subscriptions::list,
        subscriptions::create,
        subscriptions::get,
        subscriptions::update,
        subscriptions::delete,
        test::test,
        poll::poll,
        receiver::health,
        receiver::renew_secret,
        transfer::export,
        transfer::import,
        deliveries::list,
        deliveries::get,
        deliveries::retry,
        recovery::retry_failed,
        recovery::replay,
        templates::list,
        templates::create,
        templates::get,
        templates::replace,
        templates::delete,
        templates::subscribe,
        events::list,
        events::publish,
        events::get,
        events::types,
        metrics::deliveries,
        metrics::events,
        metrics::latency,
        metrics::endpoints,
        metrics::usage,
        audit::list
    ),
    // Answers do not bring theirs along.
    components(schemas(Details)),
    modifiers(&Token),
    security(("token" = []))
)]
struct Api;

/// How requests are authenticated.
struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(format!(
                "A token of webhooks.create_access_token(). With one for all tenants, the header Webhooks-Tenant has \
                 the id of the tenant. {}",
                scopes::words()
            )))
            .build();
        let components = api.components.get_or_insert_default();
        components.add_security_scheme(scopes::TOKEN, SecurityScheme::Http(bearer));
        scopes::add(api);
    }
}

/// With a token for reading events also the webhooks, as the event types have them at the moment.
pub async fn get(
    State(database): State<Database>,
    who: Result<Credentials, Problem>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let api = Api::openapi();
    let document = match headers.contains_key(AUTHORIZATION) {
        false => api.to_pretty_json(),
        true => {
            let webhooks = webhooks::read(&database, &who?).await?;
            webhooks::add(&api, webhooks)
        }
    };
    let document = document.map_err(|error| {
        tracing::error!("the description of the API can't be written: {error}");
        Problem::fault()
    })?;
    Ok(output::json(StatusCode::OK, document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_says_what_it_needs() {
        let document = serde_json::to_value(Api::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                let scopes = operation["security"][0]["token"].as_array();
                assert!(!scopes.unwrap().is_empty(), "{method} {path}");
            }
        }
    }
}
