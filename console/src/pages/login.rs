//! Logging in with an access token, and out.

use super::failure::Failure;
use super::layout;
use super::site::Site;
use crate::database::{Database, Key};
use crate::http::client_address::ClientAddress;
use crate::http::form::{Form, Signed};
use crate::http::problem::Problem;
use crate::http::secret;
use crate::http::session::secret_in;
use crate::http::trace::RequestId;
use axum::Extension;
use axum::extract::{Query, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Instant;

static HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
static HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

/// Where to go after the login.
#[derive(Deserialize)]
pub struct Destination {
    next: Option<String>,
}

#[derive(Deserialize)]
pub struct Login {
    token: String,
    next: Option<String>,
}

pub async fn show(Query(to): Query<Destination>) -> Markup {
    form(own_path(to.next.as_deref()), None)
}

fn form(next: Option<&str>, problem: Option<&Problem>) -> Markup {
    let content = html! {
        h1 { "Log in" }
        form method="post" action="/login" {
            @if let Some(next) = next { input type="hidden" name="next" value=(next); }
            div.field {
                label for="token" { "Access token" }
                input #token type="password" name="token" required autofocus autocomplete="off"
                    aria-describedby="about-token" aria-invalid=[problem.map(|_| "true")];
                p.help #about-token {
                    "It begins with whtok_. A person who manages webhooks by SQL makes one: "
                    code { "webhooks.create_access_token()" } "."
                }
                @if let Some(problem) = problem { (refusal(problem)) }
            }
            button.primary type="submit" { "Log in" }
        }
    };
    layout::bare("Log in", &content)
}

/// Why an attempt to log in failed.
pub fn refusal(problem: &Problem) -> Markup {
    html! {
        p.error role="alert" {
            (problem.detail()) "."
            @if let Some(advice) = problem.advice() { " " (advice) }
        }
    }
}

pub async fn submit(
    State(database): State<Database>,
    Extension(site): Extension<Arc<Site>>,
    parts: Parts,
    Form(login): Form<Login>,
) -> Result<Response, Failure> {
    let next = own_path(login.next.as_deref());
    let key = Key::Token(secret::hash(login.token.trim()));
    let again = |problem: &Problem| form(next, Some(problem));
    enter(&database, &site, &parts, &key, next, again).await
}

/// Opens a session and goes on, or shows the form again.
pub async fn enter(
    database: &Database,
    site: &Site,
    parts: &Parts,
    key: &Key,
    next: Option<&str>,
    again: impl FnOnce(&Problem) -> Markup,
) -> Result<Response, Failure> {
    let Parts {
        headers,
        extensions,
        ..
    } = parts;
    let client = ClientAddress::of(extensions);
    if let Err(too_many) = site.attempts.begin(client, Instant::now()) {
        let page = again(&Problem::from(&too_many));
        return Ok(too_many.answer((StatusCode::TOO_MANY_REQUESTS, page)));
    }
    let request_id = RequestId::of(extensions);
    let session = secret::generate().map_err(|error| {
        tracing::error!("there are no random numbers: {error}");
        Problem::fault()
    })?;
    let mut connection = database.connection().await?;
    let opened = connection
        .open_session(key, &secret::hash(&session), &request_id)
        .await
        .map_err(Problem::from);
    let lasts = match opened {
        Ok(lasts) => lasts,
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            tracing::info!("an attempt to log in failed: {}", problem.detail());
            return Ok((StatusCode::FORBIDDEN, again(&problem)).into_response());
        }
        Err(problem) => {
            site.attempts.succeeded(client, Instant::now());
            return Err(problem.into());
        }
    };
    site.attempts.succeeded(client, Instant::now());
    // One that the browser had before is of no more use.
    if let Some(before) = secret_in(headers) {
        connection
            .close_session(&secret::hash(before), &request_id)
            .await?;
    }
    let cookie = site.cookies.set(&session, lasts, headers)?;
    Ok(with_cookie(cookie, next.unwrap_or("/")))
}

#[derive(Deserialize)]
pub struct Logout {}

pub async fn log_out(
    State(database): State<Database>,
    Extension(site): Extension<Arc<Site>>,
    parts: Parts,
    _: Signed<Logout>,
) -> Result<Response, Failure> {
    let hash = secret::hash(secret_in(&parts.headers).unwrap_or_default());
    let mut connection = database.connection().await?;
    connection
        .close_session(&hash, &RequestId::of(&parts.extensions))
        .await?;
    let cookie = site.cookies.remove(&parts.headers)?;
    Ok(with_cookie(cookie, "/login"))
}

fn with_cookie(cookie: HeaderValue, to: &str) -> Response {
    ([(SET_COOKIE, cookie)], Redirect::to(to)).into_response()
}

/// A path of this console: a link to the login can't lead elsewhere.
fn own_path(next: Option<&str>) -> Option<&str> {
    next.filter(|path| {
        let is_graphic = path.bytes().all(|byte| byte.is_ascii_graphic());
        let is_ours = path.starts_with("/t/") || path.starts_with("/operator");
        is_ours && is_graphic && !path.contains('\\') && path.len() <= 2000
    })
}

/// Sends browsers without a valid session to the login, and from there back to the page.
pub async fn require(request: Request, next: Next) -> Response {
    let is_partial = request.headers().contains_key(&HX_REQUEST);
    let page = match (request.method(), is_partial) {
        (&Method::GET, false) => request.uri().path_and_query().map(ToString::to_string),
        _ => None,
    };
    let response = next.run(request).await;
    if response.status() != StatusCode::UNAUTHORIZED {
        return response;
    }
    if is_partial {
        let headers = [(HX_REDIRECT.clone(), HeaderValue::from_static("/login"))];
        return (StatusCode::NO_CONTENT, headers).into_response();
    }
    let to = match own_path(page.as_deref()) {
        Some(page) => {
            let query: String = form_urlencoded::byte_serialize(page.as_bytes()).collect();
            format!("/login?next={query}")
        }
        None => "/login".to_owned(),
    };
    Redirect::to(&to).into_response()
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn a_login_leads_to_pages_of_this_console() {
        for path in ["/t/1", "/t/1/events?type=a.b&x=%2F", "/operator/queue"] {
            assert_eq!(own_path(Some(path)), Some(path));
        }
        for path in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/t/",
            "/t/\r\nx",
            "/t/\\",
            "/logout",
            "t/1",
            "",
        ] {
            assert_eq!(own_path(Some(path)), None, "{path}");
        }
    }
}
