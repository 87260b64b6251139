//! The envelope as templates see it: the same names, and `context`, `resource.data` and `test` always there: null, and false, if
//! they are not.

use super::TemplateError;
use super::json::{JsonText, STATE};
use super::secrets::VARIABLE;
use minijinja::Value;
use serde_json::{Map, Number, Value as Json, json};
use std::collections::BTreeMap;

/// The variables, with the state of the writer in a place that no template can name.
pub fn of(envelope: &str, secrets: Value, state: Value) -> Result<Value, TemplateError> {
    let mut envelope: Map<String, Json> =
        serde_json::from_str(envelope).map_err(|error| TemplateError::Event(error.to_string()))?;
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
        Json::Number(number) => self::number(&number),
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

/// Whole numbers exactly, others as doubles; what is neither can be printed as it is, and not calculated with.
fn number(number: &Number) -> Value {
    let text = number.as_str();
    if let Ok(whole) = text.parse::<i64>() {
        return Value::from(whole);
    }
    if let Ok(whole) = text.parse::<i128>() {
        return Value::from(whole);
    }
    match text.parse::<f64>() {
        Ok(double)
            if double.is_finite() && !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') =>
        {
            Value::from(double)
        }
        _ => Value::from_object(JsonText(text.to_owned())),
    }
}
