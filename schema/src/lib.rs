//! JSON Schemas of event types: whether data fits one, and an example made from one.
//!
//! Publishers wait for it, so it keeps to itself and to bounds: no schema is fetched from anywhere, patterns match in
//! linear time, and of the errors the first few are told, without the data that is wrong.
//!
//! # Layout
//! - `cost`: how much work a schema makes
//! - `example`: data made from a schema

mod cost;
mod example;

use cost::{Graph, MAX_STEPS, TooMuch};
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use webhooks_core::json;

pub use example::example;

/// How many errors are told.
const MOST_ERRORS: usize = 10;
/// Up to how many steps of checking errors are looked for: each may be kept in memory.
const STEPS_FOR_ERRORS: u64 = 200_000;
/// Largest automaton of one pattern, in bytes, and the most patterns: sessions keep them.
const PATTERN_BYTES: usize = 8 * 1024 * 1024;
const MAX_PATTERNS: usize = 100;

/// A compiled schema. Drafts 4 to 2020-12 are understood; without `$schema` it is 2020-12. Formats are checked.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    graph: Graph,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(schema: &str) -> Result<Self, String> {
        let schema = read(schema)?;
        if !schema.is_object() {
            return Err("it is no object".to_owned());
        }
        if patterns(&schema) > MAX_PATTERNS {
            return Err(format!("more than {MAX_PATTERNS} patterns"));
        }
        let graph = Graph::read(&schema);
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .with_pattern_options(
                PatternOptions::regex()
                    .size_limit(PATTERN_BYTES)
                    .dfa_size_limit(PATTERN_BYTES / 4),
            )
            .offline()
            .build(&schema)
            .map_err(|error| located(&error, &error.to_string()))?;
        // What is wrong with the schema itself is told first.
        let graph = graph?;
        Ok(Self { validator, graph })
    }

    /// Where data does not fit, and why; empty: it fits.
    #[must_use]
    pub fn errors(&self, data: &str) -> Vec<String> {
        let value = match read(data) {
            Ok(value) => value,
            Err(error) => return vec![error],
        };
        // No two values are nearer than two bytes.
        let is_light = self.graph.is_light(data.len() / 2 + 1);
        if !is_light && let Err(TooMuch) = self.graph.steps(&value) {
            return vec![format!(
                "checking it takes more than {MAX_STEPS} steps, or leads too deep: the schema is too complex for it"
            )];
        }
        if self.validator.is_valid(&value) {
            return Vec::new();
        }
        match self.graph.steps_for_errors(&value) {
            Ok(..=STEPS_FOR_ERRORS) => self
                .validator
                .iter_errors(&value)
                .take(MOST_ERRORS)
                .map(|error| located(&error, &error.masked().to_string()))
                .collect(),
            _ => vec!["it is too large to tell where".to_owned()],
        }
    }
}

/// How many patterns a schema may have.
fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Object(fields) => {
            let own = fields.get("pattern").map_or(0, |_| 1);
            let named = fields.get("patternProperties").and_then(Value::as_object);
            own + named.map_or(0, serde_json::Map::len)
                + fields.values().map(patterns).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(patterns).sum(),
        _ => 0,
    }
}

/// A JSON pointer and what is wrong there.
fn located(error: &jsonschema::ValidationError<'_>, message: &str) -> String {
    match error.instance_path().as_str() {
        "" => message.to_owned(),
        path => format!("{path}: {message}"),
    }
}

/// Reads JSON text.
///
/// # Errors
/// When it is none, or nested too deep.
pub fn read(text: &str) -> Result<Value, String> {
    json::parse(text).map_err(|error| format!("it can't be read: {error}"))
}

#[cfg(test)]
mod tests;
