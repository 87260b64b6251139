//! Conditions on event data as rows of a form: a path, an operator and a value. `docs/reference/filters.md` has what
//! they mean. All that is stored can be shown in rows; what somebody writes as JSON is added to them.

use crate::http::problem::Problem;
use serde_json::{Map, Value};

/// Rows of stored conditions: path, operator and value.
pub fn rows(conditions: &Value) -> Vec<(String, String, String)> {
    let mut rows = Vec::new();
    for (path, wanted) in conditions.as_object().into_iter().flatten() {
        match operators(wanted) {
            Some(operators) => rows.extend(
                operators
                    .iter()
                    .map(|(operator, operand)| (path.clone(), operator.clone(), shown(operand))),
            ),
            None => rows.push((path.clone(), String::new(), shown(wanted))),
        }
    }
    rows
}

/// The conditions of rows, and those that are written as JSON besides; blank: none are.
///
/// # Errors
/// What is no JSON object; conditions that can't both hold a place.
pub fn read(rows: &[(&str, &str, &str)], json: &str) -> Result<Map<String, Value>, Problem> {
    let mut conditions = Map::new();
    for (path, operator, value) in rows {
        let operand = match (*operator, value.trim()) {
            ("$exists", "") => Value::Bool(true),
            (_, value) => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
        };
        let wanted = match *operator {
            "" => operand,
            operator => Value::Object(Map::from_iter([(operator.to_owned(), operand)])),
        };
        add(&mut conditions, path, wanted)?;
    }
    if !json.trim().is_empty() {
        let more = serde_json::from_str(json);
        let more: Map<String, Value> = more.map_err(|error| {
            refused(format!("event_data is no JSON object: {error}"))
                .hint("Write for example {\"pages\": {\"$gt\": 100}}.")
        })?;
        for (path, wanted) in more {
            add(&mut conditions, &path, wanted)?;
        }
    }
    Ok(conditions)
}

/// Operators of the same path hold together.
fn add(conditions: &mut Map<String, Value>, path: &str, wanted: Value) -> Result<(), Problem> {
    let Some(present) = conditions.get_mut(path) else {
        conditions.insert(path.to_owned(), wanted);
        return Ok(());
    };
    let both = operators(present).zip(operators(&wanted));
    let fits =
        both.is_some_and(|(present, wanted)| wanted.keys().all(|k| !present.contains_key(k)));
    let (true, Value::Object(present), Value::Object(wanted)) = (fits, present, wanted) else {
        return Err(refused(format!("two conditions on \"{path}\""))
            .hint("Give one value, or operators that differ, such as $gt and $lt."));
    };
    present.extend(wanted);
    Ok(())
}

fn refused(why: String) -> Problem {
    Problem::bad_request(format!("invalid event_filters: {why}")).field("event_filters")
}

/// The operators of a condition; `None`: it is a value as it is.
fn operators(wanted: &Value) -> Option<&Map<String, Value>> {
    let members = wanted.as_object()?;
    let are_operators = members.keys().all(|name| name.starts_with('$'));
    (are_operators && !members.is_empty()).then_some(members)
}

/// As a field shows a value: a text without quotes, unless it would be read as something else.
fn shown(value: &Value) -> String {
    match value {
        Value::String(plain)
            if serde_json::from_str::<Value>(plain).is_err() && plain.trim() == plain =>
        {
            plain.clone()
        }
        Value::String(_) | Value::Null => value.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_survive_the_way_through_rows() {
        let stored = json!({
            "kind": "invoice", "n": {"$gt": 1, "$lt": 5}, "code": "12", "a.b": null, "empty": "", "list": ["x", 1],
            "object": {"x": 1}, "there": {"$exists": false}, "one": {"$in": ["a", "b"]}, "same": {"$eq": "x"}
        });
        let rows = rows(&stored);
        let rows: Vec<(&str, &str, &str)> = rows
            .iter()
            .map(|(path, operator, value)| (path.as_str(), operator.as_str(), value.as_str()))
            .collect();
        assert_eq!(Value::from(read(&rows, "").unwrap()), stored);
    }

    #[test]
    fn what_is_written_as_json_is_added() {
        let row = |operator, value| ("n", operator, value);
        let with = |row, json| read(&[row], json).map(Value::from);
        let both = with(row("$gt", "1"), "{\"n\": {\"$lt\": 5}, \"kind\": \"x\"}");
        assert_eq!(
            both.unwrap(),
            json!({"n": {"$gt": 1, "$lt": 5}, "kind": "x"})
        );
        assert_eq!(
            with(row("$exists", ""), "{}").unwrap(),
            json!({"n": {"$exists": true}})
        );
        for (row, json) in [
            (row("$gt", "1"), "{\"n\": {\"$gt\": 5}}"),
            (row("", "1"), "{\"n\": 1}"),
            (row("", "1"), "[]"),
            (row("", "1"), "{"),
        ] {
            let problem = with(row, json).unwrap_err();
            assert_eq!(problem.named_field(), Some("event_filters"), "{json}");
        }
    }
}
