//! The requests that receivers get, one for each event type, in the format `envelope`.

use crate::database::{Credentials, Database, Mode};
use crate::http::problem::Problem;
use crate::scope::Scope;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

/// A current version of an event type.
pub struct EventType {
    name: String,
    version: String,
    description: Option<String>,
    schema: Option<Value>,
    example: Option<Value>,
}

/// # Errors
/// The token is not for reading events.
pub async fn read(database: &Database, who: &Credentials) -> Result<Vec<EventType>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(who, Scope::ReadEvents, Mode::Read).await?;
    let rows = request
        .rows(
            "select t.name, t.version, t.description, t.schema::text, t.example_payload
             from webhooks.event_type_catalogue t where t.is_current order by t.name",
            &[],
        )
        .await?;
    request.commit().await?;
    let json = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok());
    let mut types = Vec::with_capacity(rows.len());
    for row in &rows {
        types.push(EventType {
            name: row.try_get("name")?,
            version: row.try_get("version")?,
            description: row.try_get("description")?,
            schema: json(row.try_get("schema")?),
            example: json(row.try_get("example_payload")?),
        });
    }
    Ok(types)
}

/// The description of the API with that of its webhooks.
///
/// # Errors
/// None that is known: it is written to memory.
pub fn add(api: &OpenApi, types: Vec<EventType>) -> serde_json::Result<String> {
    let mut document = serde_json::to_value(api)?;
    let webhooks = types.into_iter().map(|event_type| {
        let name = event_type.name.clone();
        (name, json!({ "post": operation(event_type) }))
    });
    document["webhooks"] = Value::Object(webhooks.collect());
    serde_json::to_string_pretty(&document)
}

fn operation(event_type: EventType) -> Value {
    let text = json!({"type": "string"});
    let nullable = json!({"type": ["string", "null"]});
    let mut content = json!({"schema": {
        "type": "object",
        "required": ["id", "event", "tenant_id", "data", "resource"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "event": {
                "type": "object",
                "properties": {
                    "type": {"const": event_type.name}, "category": text, "name": text, "version": nullable,
                    "timestamp": {"type": "string", "format": "date-time"}
                }
            },
            "tenant_id": {"type": "string", "format": "uuid"},
            "data": data(&event_type.name, &event_type.version, event_type.schema),
            "resource": {"type": "object", "properties": {"type": nullable, "id": nullable}}
        }
    }});
    if let Some(example) = event_type.example {
        content["example"] = example;
    }
    json!({
        "operationId": event_type.name,
        "description": event_type.description.unwrap_or_default(),
        "requestBody": {"required": true, "content": {"application/json": content}},
        // Receivers verify a request by what its subscription's auth_type says.
        "security": [],
        "responses": {"2XX": {"description": "It is delivered."}}
    })
}

/// Without a schema data may be anything. A schema has an id of its own here, so that its references stay within it.
fn data(name: &str, version: &str, schema: Option<Value>) -> Value {
    match schema {
        Some(Value::Object(mut schema)) => {
            let id = || Value::from(format!("urn:webhooks:event-type:{name}:{version}"));
            schema.entry("$id").or_insert_with(id);
            Value::Object(schema)
        }
        Some(schema) => schema,
        None => Value::Object(Map::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stay_within_their_schema() {
        let schema = json!({"$ref": "#/$defs/x", "$defs": {"x": {"type": "object"}}});
        let data = data("a.b", "1.0", Some(schema));
        assert_eq!(data["$id"], "urn:webhooks:event-type:a.b:1.0");
        assert_eq!(data["$ref"], "#/$defs/x");
        assert_eq!(super::data("a.b", "1.0", None), json!({}));
        assert_eq!(super::data("a.b", "1.0", Some(json!(true))), json!(true));
    }
}
