//! A subscription's own body: its `payload_template`, a Jinja template over the envelope's fields.
//!
//! Templates are written by tenants, so they are bounded: a template sees the event and nothing else, can't load, include or
//! define others, and stops at a budget of work (which bounds memory, too) and at the largest body that the subscription
//! takes. What it must not do is an error, never a wrong body: to print a variable that is not there, or to make what is no
//! JSON if JSON is what it is for.
//!
//! # Layout
//! - `content_type`: what a body is, and how text is escaped in it
//! - `variables`: the envelope as the template sees it
//! - `numbers`: printed as they are, calculated with as doubles
//! - `operands`: where a template calculates
//! - `xml`: characters that XML can't have
//! - `json`: values as JSON, and where in the JSON written so far a value goes
//! - `secrets`: what it prints and nobody reads
//! - `shape`: how deep a template may be
//! - `error`: what is wrong, on which line, in words for who wrote it

mod content_type;
mod error;
mod json;
mod numbers;
mod operands;
mod secrets;
mod shape;
#[cfg(test)]
mod tests;
mod variables;
mod xml;

pub use error::TemplateError;
pub use secrets::{Secrets, SecretsError, names as secret_names};

use content_type::{Escaping, check_content_type};
use json::{JsonText, Writer};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Longest template, in bytes. The cards of chat receivers take two to four thousand.
pub const MAX_TEMPLATE_BYTES: usize = 16 * 1024;
/// The work that a template may do: about as many steps, a few milliseconds, or 64 times as many bytes.
const FUEL: u64 = 100_000;
/// Events of more bytes pay for more of it, so that all their data can be written out.
const SMALL_EVENT: usize = 100_000;
/// Of nested loops and expressions; a sidecar's threads have 2 MiB of stack.
const MAX_RECURSION: usize = 50;
/// The only template of an environment.
const NAME: &str = "payload_template";
/// The content type unless another is given.
const JSON: &str = "application/json";

/// A compiled template, with the secrets that it prints. `Debug` shows none.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    escaping: Escaping,
    content_type: String,
    secret_names: BTreeSet<String>,
    secrets: Secrets,
}

impl Template {
    /// Compiles a template whose bodies are of a content type; `None`: JSON. Instead of secrets it prints `***`.
    ///
    /// # Errors
    /// Its syntax, its length, a content type that is none.
    pub fn compile(source: &str, content_type: Option<&str>) -> Result<Self, TemplateError> {
        let content_type = content_type.unwrap_or(JSON);
        let escaping = check_content_type(content_type)?;
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLong(source.len()));
        }
        shape::check(source)?;
        let mut environment = environment(escaping);
        environment
            .add_template_owned(NAME, operands::as_doubles(source))
            .map_err(|error| TemplateError::syntax(&error))?;
        let secret_names = secret_names(source)?;
        Ok(Self {
            environment,
            escaping,
            content_type: content_type.to_owned(),
            secrets: Secrets::shown(&secret_names),
            secret_names,
        })
    }

    /// The same with the secrets that it prints.
    ///
    /// # Errors
    /// It asks for one that is not among them.
    pub fn with_secrets(self, secrets: Secrets) -> Result<Self, TemplateError> {
        secrets.check(&self.secret_names)?;
        Ok(Self { secrets, ..self })
    }

    /// What its bodies are.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The body for an event, of which the envelope is given.
    ///
    /// # Errors
    /// What the template does not allow, a budget that is used up, a result that is no JSON where it should be.
    pub fn render(&self, envelope: &str, max_bytes: usize) -> Result<String, TemplateError> {
        let max_bytes = largest_body(envelope, max_bytes);
        let writer = Writer::new(max_bytes);
        let variables = variables::of(envelope, self.secrets.value(), writer.state())?;
        let mut environment = Cow::Borrowed(&self.environment);
        if envelope.len() > SMALL_EVENT {
            environment
                .to_mut()
                .set_fuel(Some(FUEL + envelope.len() as u64 / 2));
        }
        let rendered = environment
            .get_template(NAME)
            .and_then(|template| template.render_captured_to(variables, writer.by_ref()));
        if writer.is_full() {
            return Err(TemplateError::TooLarge(max_bytes));
        }
        rendered.map_err(|error| TemplateError::rendering(&error, self.unknown_variable()))?;
        let mut body = writer.into_text();
        if body.contains('\0') {
            return Err(TemplateError::Nul);
        }
        if self.escaping == Escaping::Xml {
            body = xml::allowed(body);
            if body.len() > max_bytes {
                return Err(TemplateError::TooLarge(max_bytes));
            }
        }
        if self.escaping == Escaping::Json {
            serde_json::from_str::<IgnoredAny>(&body)
                .map_err(|error| TemplateError::not_json(&error, &body))?;
        }
        Ok(body)
    }
}

impl Template {
    /// The first name, of those that it uses as variables, that no event has.
    fn unknown_variable(&self) -> Option<String> {
        let template = self.environment.get_template(NAME).ok()?;
        let is_global =
            |name: &String| self.environment.globals().any(|(global, _)| global == name);
        let names = template.undeclared_variables(false).into_iter();
        names
            .filter(|name| !variables::NAMES.contains(&name.as_str()) && !is_global(name))
            .min()
    }
}

/// The most that a template may make of an event for a subscription that takes `max_bytes`: what is made of a few words must
/// not take the memory that large events need.
pub fn largest_body(envelope: &str, max_bytes: usize) -> usize {
    max_bytes.min(envelope.len() * 4 + 256 * 1024)
}

/// What a template may use. The parts are shared: each template has but itself.
fn environment(escaping: Escaping) -> Environment<'static> {
    static JSON: OnceLock<Environment<'static>> = OnceLock::new();
    static HTML: OnceLock<Environment<'static>> = OnceLock::new();
    static NONE: OnceLock<Environment<'static>> = OnceLock::new();
    let shared = match escaping {
        Escaping::Json => &JSON,
        Escaping::Html | Escaping::Xml => &HTML,
        Escaping::None => &NONE,
    };
    let make = || {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_recursion_limit(MAX_RECURSION);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(move |_| match escaping {
            Escaping::Json => AutoEscape::Custom("json".into()),
            Escaping::Html | Escaping::Xml => AutoEscape::Html,
            Escaping::None => AutoEscape::None,
        });
        // It alone makes values that nest as deep as a loop is long.
        environment.remove_global("namespace");
        environment.remove_global("debug");
        numbers::install(&mut environment);
        environment.add_filter("tojson", JsonText::filter);
        environment.add_filter("urlencode", secrets::urlencode_filter);
        environment.set_formatter(match escaping {
            Escaping::Json => json::format,
            Escaping::Html | Escaping::Xml | Escaping::None => json::format_text,
        });
        environment
    };
    shared.get_or_init(make).clone()
}
