//! Secrets of a template (`template_secrets` of a subscription): `{{ secrets.routing_key }}` prints one into the body.
//!
//! To be printed is all that can be done with one. No condition, no filter and no variable sees its text, so that neither an
//! error nor whether there is one says anything about it. Which ones a template asks for can be read off it, so previews,
//! made by who may not read them, print [`SHOWN`] instead, and a template that asks for one that is not set is refused
//! when it is written.

use super::TemplateError;
use crate::excerpt::{Excerpt, kind};
use minijinja::filters::urlencode;
use minijinja::machinery::{Span, Token, tokenize};
use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use thiserror::Error as ThisError;

/// What stands for a secret where it is not known.
pub const SHOWN: &str = "***";
/// The variable that has them.
pub const VARIABLE: &str = "secrets";
/// Most secrets of a subscription.
pub const MAX_COUNT: usize = 20;
/// Longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 63;
/// Longest secret, in bytes: the longest tokens in use are of two thousand.
pub const MAX_SECRET_BYTES: usize = 4096;

/// A subscription's secrets by name. `Debug` shows the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

/// What is wrong with `template_secrets`. Shows names, never values.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum SecretsError {
    /// Not an object.
    #[error("must be an object of names and strings, not {0}")]
    NotAnObject(&'static str),
    /// More than the limit.
    #[error("{0} secrets; {MAX_COUNT} at most")]
    TooMany(usize),
    /// A name that templates can't write.
    #[error(
        "{0} is no name: a lower-case letter, then letters, digits and _, {MAX_NAME_BYTES} at most"
    )]
    BadName(String),
    /// A value that is not a string.
    #[error("\"{name}\" must be a string, not {found}")]
    ValueKind {
        /// The secret's.
        name: String,
        /// The kind of value.
        found: &'static str,
    },
    /// A value that is empty or too long.
    #[error("\"{name}\" has {bytes} bytes, not 1 to {MAX_SECRET_BYTES}")]
    Length {
        /// The secret's.
        name: String,
        /// Of its value.
        bytes: usize,
    },
}

impl Secrets {
    /// Checks `template_secrets`: an object of names and strings, null counting as `{}`.
    ///
    /// # Errors
    /// For the first that is none, naming it.
    pub fn parse(secrets: &Json) -> Result<Self, SecretsError> {
        let fields = match secrets {
            Json::Null => return Ok(Self::default()),
            Json::Object(fields) => fields,
            other => return Err(SecretsError::NotAnObject(kind(other))),
        };
        if fields.len() > MAX_COUNT {
            return Err(SecretsError::TooMany(fields.len()));
        }
        let secret = |(name, value): (&String, &Json)| {
            if !is_name(name) {
                return Err(SecretsError::BadName(Excerpt(name).to_string()));
            }
            let Some(text) = value.as_str() else {
                return Err(SecretsError::ValueKind {
                    name: name.clone(),
                    found: kind(value),
                });
            };
            if text.is_empty() || text.len() > MAX_SECRET_BYTES {
                return Err(SecretsError::Length {
                    name: name.clone(),
                    bytes: text.len(),
                });
            }
            Ok((name.clone(), text.to_owned()))
        };
        fields
            .iter()
            .map(secret)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// [`SHOWN`] for each of these.
    pub(super) fn shown(names: &BTreeSet<String>) -> Self {
        let shown = |name: &String| (name.clone(), SHOWN.to_owned());
        Self(names.iter().map(shown).collect())
    }

    /// The first of these that is not there.
    ///
    /// # Errors
    /// If there is one.
    pub fn check(&self, names: &BTreeSet<String>) -> Result<(), TemplateError> {
        match names.iter().find(|name| !self.0.contains_key(*name)) {
            Some(name) => Err(TemplateError::NoSecret(name.clone())),
            None => Ok(()),
        }
    }

    /// For the variables.
    pub(super) fn value(&self) -> Value {
        let secret = |(name, text): (&String, &String)| {
            (name.clone(), Value::from_object(Secret(text.clone())))
        };
        Value::from(self.0.iter().map(secret).collect::<BTreeMap<_, _>>())
    }
}

impl Debug for Secrets {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets")
            .field(&self.0.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// A secret as the engine has it: for all but the writing of the body it is [`SHOWN`].
pub struct Secret(pub(super) String);

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

impl Object for Secret {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

/// `{{ secrets.token | urlencode }}`, which forms need, and of anything else what the engine's own does.
pub fn urlencode_filter(value: &Value) -> Result<Value, Error> {
    Ok(match value.downcast_object_ref::<Secret>() {
        Some(Secret(text)) => Value::from_object(Secret(urlencode(&Value::from(text.as_str()))?)),
        None => Value::from(urlencode(value)?),
    })
}

/// What printing one anywhere but into the body is answered with.
pub fn captured() -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        "a secret can only be printed into the body",
    )
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The names that a template asks for.
///
/// # Errors
/// It does something else with a secret than to print it.
pub fn names(source: &str) -> Result<BTreeSet<String>, TemplateError> {
    let mut names = BTreeSet::new();
    // What can't be read is left to the compiler.
    let tokens: Vec<(Token<'_>, Span)> = tokenize(source, false, Default::default())
        .map_while(Result::ok)
        .collect();
    let token = |n: usize| tokens.get(n).map(|(token, _)| token);
    for (n, (here, span)) in tokens.iter().enumerate() {
        let before = n.checked_sub(1).and_then(token);
        if !matches!(here, Token::Ident(name) if *name == VARIABLE)
            || matches!(before, Some(Token::Dot))
        {
            continue;
        }
        let end = match (token(n + 3), token(n + 4)) {
            (Some(Token::Pipe), Some(Token::Ident("urlencode"))) => token(n + 5),
            (end, _) => end,
        };
        match (before, token(n + 1), token(n + 2), end) {
            (
                Some(Token::VariableStart),
                Some(Token::Dot),
                Some(Token::Ident(name)),
                Some(Token::VariableEnd),
            ) if is_name(name) => {
                names.insert((*name).to_owned());
            }
            _ => {
                return Err(TemplateError::SecretUse {
                    line: span.start_line as usize,
                });
            }
        }
    }
    Ok(names)
}
