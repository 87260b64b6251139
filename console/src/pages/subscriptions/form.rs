//! The form of a subscription: groups of fields in one column, checked by the database while somebody types.

use super::choices::{Choices, Template};
use super::field::{Fields, summary};
use super::{groups, of};
use crate::http::problem::Problem;
use crate::pages::layout::path;
use maud::{Markup, html};
use uuid::Uuid;

/// What a form is for.
pub enum Purpose<'f> {
    Create(Option<&'f Template>),
    Change(Uuid),
}

pub struct Form<'f> {
    pub tenant: Uuid,
    pub csrf: &'f str,
    pub purpose: Purpose<'f>,
    pub choices: &'f Choices,
    pub fields: Fields<'f>,
}

impl Form<'_> {
    fn paths(&self) -> (String, String, String) {
        let all = path(self.tenant, "/subscriptions");
        match self.purpose {
            Purpose::Create(_) => (all.clone(), format!("{all}/check"), all),
            Purpose::Change(id) => {
                let one = of(self.tenant, id, "");
                (one.clone(), format!("{one}/check"), one)
            }
        }
    }

    pub fn show(&self) -> Markup {
        let (action, check, back) = self.paths();
        let is_new = matches!(self.purpose, Purpose::Create(_));
        html! {
            @if let Some(problem) = self.fields.problem { (summary(problem)) }
            form.subscription method="post" action=(action) novalidate autocomplete="off"
                hx-post=(check) hx-trigger="input delay:600ms, change delay:100ms" hx-target="#check" hx-swap="innerHTML"
                hx-sync="this:replace" {
                input type="hidden" name="csrf" value=(self.csrf);
                @match &self.purpose {
                    Purpose::Create(Some(template)) => (placeholders(template, &self.fields)),
                    Purpose::Create(None) => {}
                    Purpose::Change(_) => {
                        input type="hidden" name="version" value=(self.fields.values.get("version"));
                    }
                }
                (groups::identity(&self.fields))
                (groups::events(&self.fields, self.choices))
                (groups::authentication(&self.fields, is_new))
                (groups::delivery(&self.fields, self.choices))
                (groups::limits(&self.fields, self.choices))
                (groups::payload(&self.fields))
                (groups::filter(&self.fields))
                section aria-labelledby="check-title" {
                    h2 #check-title { "Check" }
                    div #check aria-live="polite" {
                        p.muted { "What is typed is checked by the database, with a preview of the request; nothing is saved before you say so." }
                    }
                }
                div.row {
                    button.primary type="submit" { @if is_new { "Create subscription" } @else { "Save changes" } }
                    a href=(back) { "Cancel" }
                }
            }
        }
    }
}

/// Which template a new subscription is made of. It works without scripts by its button.
pub fn template_choice(tenant: Uuid, choices: &Choices, chosen: Option<&Template>) -> Markup {
    html! {
        form.filters method="get" action=(path(tenant, "/subscriptions/new")) {
            div {
                label for="template-choice" { "Template" }
                select #template-choice name="template" data-submit {
                    option value="" { "None" }
                    @for template in &choices.templates {
                        option value=(template.name) selected[chosen.is_some_and(|c| c.name == template.name)] {
                            (template.name) @if template.is_own { " (own)" }
                        }
                    }
                }
            }
            button type="submit" { "Use" }
            a href=(path(tenant, "/templates")) { "All templates" }
        }
        @if let Some(description) = chosen.and_then(|template| template.description.as_deref()) {
            p.muted { (description) }
        }
    }
}

/// What a template asks for.
fn placeholders(template: &Template, fields: &Fields<'_>) -> Markup {
    html! {
        input type="hidden" name="template" value=(template.name);
        @if !template.placeholders.is_empty() {
            fieldset {
                legend { "Template " (template.name) }
                @for (name, explanation) in &template.placeholders {
                    (fields.line(&placeholder_field(name), name, "text", "", explanation))
                }
            }
        }
    }
}

/// The field of a placeholder.
pub fn placeholder_field(name: &str) -> String {
    format!("placeholder_{name}")
}

/// Whether a form that was refused is worth showing again: it is about what was typed.
pub fn is_about_input(problem: &Problem) -> bool {
    matches!(problem.status().as_u16(), 400 | 409 | 429)
}
