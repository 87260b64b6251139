//! What is wrong with a template.

use super::MAX_TEMPLATE_BYTES;
use crate::excerpt::Excerpt;
use minijinja::{Error, ErrorKind};
use thiserror::Error as ThisError;

/// What is wrong, and where. `Display` shows no values of the event: monitors read it, who may not see payloads.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum TemplateError {
    /// The template is longer than templates may be.
    #[error("{0} bytes are more than {MAX_TEMPLATE_BYTES}")]
    TooLong(usize),
    /// The content type is none.
    #[error("content type {0} is no media type such as text/plain")]
    ContentType(String),
    /// It can't be compiled.
    #[error("line {line}: {reason}")]
    Syntax {
        /// In the template, from 1.
        line: usize,
        /// What the compiler says.
        reason: String,
    },
    /// It does something else with a secret than to print it.
    #[error("line {line}: a secret can only be printed, as {{{{ secrets.name }}}}")]
    SecretUse {
        /// In the template, from 1.
        line: usize,
    },
    /// It prints a secret that there is not.
    #[error("there is no secret \"{0}\" in template_secrets")]
    NoSecret(String),
    /// It can't be rendered with an event.
    #[error("line {line}: {reason}")]
    Rendering {
        /// In the template, from 1.
        line: usize,
        /// What kind of error it is.
        reason: String,
        /// What the engine says of the values.
        detail: Option<String>,
    },
    /// The body would be larger than the subscription takes, or than may be made of such an event.
    #[error(
        "the body is larger than {0} bytes, which is max_payload_size_kb or four times the event and 256 KiB"
    )]
    TooLarge(usize),
    /// The result is no JSON.
    #[error("the result is no JSON at line {line}, column {column}: {reason}")]
    NotJson {
        /// In the result, from 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
        /// What stands before it.
        detail: Option<String>,
    },
    /// A character that PostgreSQL does not store.
    #[error("the result has the character U+0000")]
    Nul,
    /// The event's data is nested deeper than is read.
    #[error("the event can't be read: {0}")]
    Event(String),
}

impl TemplateError {
    pub(super) fn syntax(error: &Error) -> Self {
        Self::Syntax {
            line: error.line().unwrap_or(1),
            reason: match error.detail() {
                Some(detail) => format!("{}: {detail}", error.kind()),
                None => error.kind().to_string(),
            },
        }
    }

    pub(super) fn rendering(error: &Error, unknown_variable: Option<String>) -> Self {
        let reason = match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => "the template works too long".to_owned(),
            (kind @ ErrorKind::UndefinedError, _) if unknown_variable.is_some() => {
                let name = unknown_variable.unwrap_or_default();
                format!("{kind}: there is no variable {name}")
            }
            // Names of the template's own.
            (
                kind @ (ErrorKind::UndefinedError
                | ErrorKind::UnknownFilter
                | ErrorKind::UnknownFunction
                | ErrorKind::UnknownTest
                | ErrorKind::UnknownMethod),
                Some(detail),
            ) => format!("{kind}: {detail}"),
            (kind, _) => kind.to_string(),
        };
        let detail = error.detail().filter(|detail| !reason.contains(detail));
        Self::Rendering {
            line: error.line().unwrap_or(1),
            detail: detail.map(str::to_owned),
            reason,
        }
    }

    pub(super) fn not_json(error: &serde_json::Error, body: &str) -> Self {
        let line = error.line().max(1);
        let text = body.lines().nth(line - 1).unwrap_or_default();
        let end = text.floor_char_boundary(error.column().saturating_sub(1));
        let start = text.floor_char_boundary(end.saturating_sub(40));
        let mut reason = error.to_string();
        reason.truncate(reason.find(" at line").unwrap_or(reason.len()));
        Self::NotJson {
            line,
            column: error.column().max(1),
            reason,
            detail: Some(format!("after {}", Excerpt(&text[start..end]))),
        }
    }

    /// What more can be said to who may see the event.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Rendering { detail, .. } | Self::NotJson { detail, .. } => detail.as_deref(),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "Shorten it; comments and indentation count.",
            Self::ContentType(_) => {
                "Write for example text/plain; charset=utf-8, or null for JSON."
            }
            Self::Syntax { .. } => {
                "It is a Jinja template: {{ data.title }} prints, {% if … %} … {% endif %} decides. There are no macros and no includes."
            }
            Self::SecretUse { .. } => {
                "Write {{ secrets.name }}, or {{ secrets.name | urlencode }} in a form: no other filter, no condition, no variable of it."
            }
            Self::NoSecret(_) => {
                "Set it in template_secrets, for example {\"routing_key\": \"…\"}, or don't print it."
            }
            Self::Rendering { .. } => {
                "Variables are id, event, tenant_id, data, resource, context and secrets. For what not every event has, write {{ data.x | default('') }} or {% if data.x is defined %}."
            }
            Self::TooLarge(_) => {
                "Print less, for example with {{ data.text[:1000] }}, or raise max_payload_size_kb."
            }
            Self::NotJson { .. } => {
                "Values are escaped by themselves: write {\"text\": \"New: {{ data.title }}\", \"pages\": {{ data.pages }}}. For anything but JSON set payload_content_type."
            }
            Self::Nul => "Remove it from the template.",
            Self::Event(_) => {
                "Nest event_data and resource_data at most 512 levels deep, or use no template."
            }
        }
    }
}
