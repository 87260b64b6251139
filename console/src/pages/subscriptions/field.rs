//! A field of a form: its label, its help, and what is wrong with it.

use super::values::Values;
use crate::http::problem::Problem;
use maud::{Markup, html};

/// What fields show.
pub struct Fields<'f> {
    pub values: &'f Values,
    /// Why the form was refused.
    pub problem: Option<&'f Problem>,
}

impl Fields<'_> {
    /// A text of one line. `kind` is the type of the input, `example` what an empty one shows.
    pub fn line(&self, name: &str, label: &str, kind: &str, example: &str, help: &str) -> Markup {
        let input = html! {
            input id=(name) name=(name) type=(kind) value=(self.values.get(name)) placeholder=(example)
                autocomplete="off" aria-describedby={ "help-" (name) " error-" (name) } aria-invalid=[self.invalid(name)];
        };
        self.framed(name, label, help, &input)
    }

    pub fn number(&self, name: &str, label: &str, unit: &str, example: &str, help: &str) -> Markup {
        let input = html! {
            input id=(name) name=(name) type="text" inputmode="decimal" class="short" value=(self.values.get(name))
                placeholder=(example) autocomplete="off" aria-describedby={ "help-" (name) " error-" (name) }
                aria-invalid=[self.invalid(name)];
            " " (unit)
        };
        self.framed(name, label, help, &input)
    }

    pub fn area(&self, name: &str, label: &str, example: &str, help: &str) -> Markup {
        let input = html! {
            textarea id=(name) name=(name) placeholder=(example) spellcheck="false"
                aria-describedby={ "help-" (name) " error-" (name) } aria-invalid=[self.invalid(name)] {
                // A line end right after the tag is not part of the text.
                "\n" (self.values.get(name))
            }
        };
        self.framed(name, label, help, &input)
    }

    /// One of some words, each with an explanation.
    pub fn choice(&self, name: &str, label: &str, words: &[(&str, &str)], help: &str) -> Markup {
        let chosen = self.values.get(name);
        let input = html! {
            select id=(name) name=(name) aria-describedby={ "help-" (name) " error-" (name) }
                aria-invalid=[self.invalid(name)] {
                @for (word, explanation) in words {
                    option value=(word) selected[*word == chosen] { (explanation) }
                }
                @if !words.iter().any(|(word, _)| *word == chosen) {
                    option value=(chosen) selected { (chosen) }
                }
            }
        };
        self.framed(name, label, help, &input)
    }

    pub fn switch(&self, name: &str, label: &str, help: &str) -> Markup {
        html! {
            div.field {
                label.check for=(name) {
                    input id=(name) name=(name) type="checkbox" value="true" checked[self.values.has(name, "true")]
                        aria-describedby={ "help-" (name) " error-" (name) };
                    (label)
                }
                p.help id={ "help-" (name) } { (help) }
                (self.error(name))
            }
        }
    }

    fn framed(&self, name: &str, label: &str, help: &str, input: &Markup) -> Markup {
        html! {
            div.field {
                label for=(name) { (label) }
                (input)
                p.help id={ "help-" (name) } { (help) }
                (self.error(name))
            }
        }
    }

    fn invalid(&self, name: &str) -> Option<&'static str> {
        (self.problem?.named_field() == Some(name)).then_some("true")
    }

    /// The place of an error about a setting.
    pub fn error(&self, name: &str) -> Markup {
        error(name, self.problem, false)
    }
}

/// What is wrong with a setting, in the database's words; empty if nothing is. `renews`: it takes the place of the one
/// that the page has.
pub fn error(name: &str, problem: Option<&Problem>, renews: bool) -> Markup {
    let own = problem.filter(|problem| problem.named_field() == Some(name));
    html! {
        p.error id={ "error-" (name) } hx-swap-oob=[renews.then_some("true")] {
            @if let Some(problem) = own {
                (problem.detail()) "." @if let Some(hint) = problem.advice() { " " (hint) }
            }
        }
    }
}

/// What is wrong with a form as a whole.
pub fn summary(problem: &Problem) -> Markup {
    html! {
        div.note.failed role="alert" {
            p { (problem.detail()) "." }
            @if let Some(hint) = problem.advice() { p { (hint) } }
            @if let Some(field) = problem.named_field() { p { a href={ "#" (field) } { "To the field " (field) } } }
        }
    }
}
