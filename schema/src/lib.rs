//! JSON Schemas of event types: whether data fits one, and an example made from one.
//!
//! Publishers wait for it, so it keeps to itself and to bounds: no schema is fetched from anywhere, patterns match in
//! linear time, and of the errors the first few are told, without the data that is wrong.
//!
//! # Layout
//! - `example`: data made from a schema

mod example;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

pub use example::example;

/// How many errors are told.
const MOST_ERRORS: usize = 10;

/// A compiled schema. Drafts 4 to 2020-12 are understood; without `$schema` it is 2020-12. Formats are checked.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
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
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex())
            .offline()
            .build(&schema)
            .map_err(|error| located(&error, &error.to_string()))?;
        Ok(Self { validator })
    }

    /// Where data does not fit, and why; empty: it fits.
    #[must_use]
    pub fn errors(&self, data: &str) -> Vec<String> {
        match read(data) {
            // Nearly always; looking for errors takes longer, and finds all that there are.
            Ok(data) if self.validator.is_valid(&data) => Vec::new(),
            Ok(data) => self
                .validator
                .iter_errors(&data)
                .take(MOST_ERRORS)
                .map(|error| located(&error, &error.masked().to_string()))
                .collect(),
            Err(error) => vec![error],
        }
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
/// When it is none, or nested more than 127 deep.
pub fn read(json: &str) -> Result<Value, String> {
    serde_json::from_str(json).map_err(|error| format!("it can't be read: {error}"))
}

#[cfg(test)]
mod tests;
