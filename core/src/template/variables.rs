//! The envelope as templates see it: the same names, and `context`, `resource.data` and `test` always there: null, and false, if
//! they are not.

use super::TemplateError;
use super::json::STATE;
use super::numbers;
use super::secrets::VARIABLE;
use crate::json;
use minijinja::Value;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// What there is at the top.
pub const NAMES: [&str; 8] = [
    "id",
    "event",
    "tenant_id",
    "data",
    "resource",
    "context",
    "test",
    VARIABLE,
];

/// The variables, with the state of the writer in a place that no template can name.
pub fn of(envelope: &str, secrets: Value, state: Value) -> Result<Value, TemplateError> {
    let envelope =
        json::parse(envelope).map_err(|error| TemplateError::Event(error.to_string()))?;
    let Json::Object(mut envelope) = envelope else {
        return Err(TemplateError::Event("it is no object".to_owned()));
    };
    envelope.entry("context").or_insert_with(
        || json!({"user_id": null, "session_id": null, "request_id": null, "source_ip": null}),
    );
    envelope.entry("test").or_insert(Json::Bool(false));
    if let Some(Json::Object(resource)) = envelope.get_mut("resource") {
        resource.entry("data").or_insert(Json::Null);
    }
    let mut variables: BTreeMap<String, Value> = envelope
        .into_iter()
        .map(|(name, json)| (name, value(json)))
        .collect();
    variables.insert(VARIABLE.to_owned(), secrets);
    variables.insert(STATE.to_owned(), state);
    Ok(Value::from(variables))
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(value),
        Json::Number(number) => numbers::value(number),
        Json::String(text) => Value::from(text),
        Json::Array(items) => items.into_iter().map(value).collect(),
        Json::Object(fields) => Value::from(
            fields
                .into_iter()
                .map(|(name, json)| (name, value(json)))
                .collect::<BTreeMap<_, _>>(),
        ),
    }
}
