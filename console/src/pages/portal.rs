//! The entrance of the portal. Its link has a secret after the "#", which browsers send to nobody: it is in no log, and
//! programs that look at links, such as those of mail servers, do not use it up. A script puts it into the form and takes
//! it out of the address; the session begins when the form is sent.

use super::assets;
use super::brand;
use super::failure::Failure;
use super::layout;
use super::login::{enter, refusal};
use super::site::Site;
use crate::database::{Database, Key};
use crate::http::form::Form;
use crate::http::problem::Problem;
use crate::http::secret;
use axum::Extension;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
pub struct Opening {
    link: String,
}

pub async fn show() -> Markup {
    form(None)
}

fn form(problem: Option<&Problem>) -> Markup {
    let content = html! {
        h1 { (brand::name()) }
        form #portal method="post" action="/portal" {
            div.field {
                label for="link" { "Your link" }
                input #link type="text" name="link" required autocomplete="off" spellcheck="false"
                    aria-describedby="about-link" aria-invalid=[problem.map(|_| "true")];
                p.help #about-link { "Paste the whole link that you were given. It works once." }
            }
            @if let Some(problem) = problem { (refusal(problem)) }
            button.primary type="submit" { "Open" }
        }
        script src=(assets::url("portal.js")) {}
    };
    layout::bare("Portal", &content)
}

pub async fn submit(
    State(database): State<Database>,
    Extension(site): Extension<Arc<Site>>,
    parts: Parts,
    Form(opening): Form<Opening>,
) -> Result<Response, Failure> {
    let link = opening.link.trim();
    let link = link.rsplit_once('#').map_or(link, |(_, secret)| secret);
    let key = Key::Link(secret::hash(link));
    let again = |problem: &Problem| form(Some(problem));
    enter(&database, &site, &parts, &key, None, again).await
}
