//! Conditions on event data as rows of a form: a path, an operator and a value. `docs/reference/filters.md` has what
//! they mean. All that is stored can be shown in rows; what somebody writes as JSON is added to them.

use super::field::Fields;
use super::values::{Values, text};
use crate::http::problem::Problem;
use maud::{Markup, html};
use serde_json::{Map, Value};
use std::iter::repeat_n;

/// As filters have them, and in words; the first is a value as it is.
const OPERATORS: [(&str, &str); 11] = [
    ("", "is"),
    ("$ne", "is not"),
    ("$gt", "is greater than"),
    ("$gte", "is at least"),
    ("$lt", "is less than"),
    ("$lte", "is at most"),
    ("$in", "is one of"),
    ("$nin", "is none of"),
    ("$prefix", "begins with"),
    ("$exists", "is there"),
    ("$eq", "equals"),
];
/// Rows that are empty, and how many there are when somebody asks for more.
const EMPTY: usize = 2;
const MORE: usize = 8;
/// The button that asks for more has this name and value.
const ASK: (&str, &str) = ("more", "conditions");

/// Whether the form was sent for more rows, not to be saved.
pub fn asks_for_more(values: &Values) -> bool {
    values.has(ASK.0, ASK.1)
}

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

/// The conditions of a form: those of its rows, and those that it has as JSON.
///
/// # Errors
/// What is no JSON object; conditions that can't both hold a place.
pub fn read(values: &Values) -> Result<Map<String, Value>, Problem> {
    let mut conditions = Map::new();
    let rows = values.triples(["filter_path", "filter_operator", "filter_value"]);
    for (path, operator, value) in rows {
        let operand = match (operator, value.trim()) {
            ("$exists", "") => Value::Bool(true),
            (_, value) => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
        };
        let wanted = match operator {
            "" => operand,
            operator => Value::Object(Map::from_iter([(operator.to_owned(), operand)])),
        };
        add(&mut conditions, path, wanted)?;
    }
    if !values.is_blank("filter_event_data") {
        let more = serde_json::from_str(values.get("filter_event_data"));
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
        other => text(other),
    }
}

/// The rows of a form, and the same as JSON.
pub fn fields(fields: &Fields<'_>) -> Markup {
    let values = fields.values;
    let given = values.triples(["filter_path", "filter_operator", "filter_value"]);
    let empty = if asks_for_more(values) { MORE } else { EMPTY };
    let all = given.into_iter().chain(repeat_n(("", "", ""), empty));
    let as_json = read(values)
        .ok()
        .filter(|conditions| !conditions.is_empty());
    html! {
        h3 { "Event data" }
        @for (i, (path, operator, value)) in all.enumerate() {
            div.row.condition {
                label.visually-hidden for={ "filter_path" (i) } { "Condition " (i + 1) ": path" }
                input id={ "filter_path" (i) } name="filter_path" type="text" value=(path) placeholder="totals.net" autocomplete="off" spellcheck="false";
                label.visually-hidden for={ "filter_operator" (i) } { "Condition " (i + 1) ": operator" }
                select id={ "filter_operator" (i) } name="filter_operator" {
                    @for (sign, words) in OPERATORS { option value=(sign) selected[sign == operator] { (words) } }
                }
                label.visually-hidden for={ "filter_value" (i) } { "Condition " (i + 1) ": value" }
                input id={ "filter_value" (i) } name="filter_value" type="text" value=(value) placeholder="100" autocomplete="off" spellcheck="false";
            }
        }
        p.help { "A path goes through objects and lists by dots and numbers. A value is JSON, such as 100, true or [\"a\", \"b\"]; anything else is a text. A row without a path is left out." }
        button type="submit" name=(ASK.0) value=(ASK.1) { "More rows" }
        @if let Some(conditions) = as_json {
            details { summary { "As JSON" } pre { code { (format!("{:#}", Value::from(conditions))) } } }
        }
        (fields.area("filter_event_data", "More conditions on event data, as JSON", "{\"pages\": {\"$gt\": 100}, \"kind\": \"invoice\"}", "Added to the rows above: values that must be equal, or operators $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists and $prefix."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(fields: &[(&str, &str)]) -> Values {
        serde_json::from_value(json!(fields)).unwrap()
    }

    #[test]
    fn conditions_survive_the_way_through_rows() {
        let stored = json!({
            "kind": "invoice", "n": {"$gt": 1, "$lt": 5}, "code": "12", "a.b": null, "empty": "", "list": ["x", 1],
            "object": {"x": 1}, "there": {"$exists": false}, "one": {"$in": ["a", "b"]}, "same": {"$eq": "x"}
        });
        let rows = rows(&stored);
        let fields: Vec<(&str, &str)> = rows
            .iter()
            .flat_map(|(path, operator, value)| {
                [
                    ("filter_path", path.as_str()),
                    ("filter_operator", operator),
                    ("filter_value", value),
                ]
            })
            .collect();
        assert_eq!(Value::from(read(&values(&fields)).unwrap()), stored);
    }

    #[test]
    fn what_is_written_as_json_is_added() {
        let row = |operator, value| {
            [
                ("filter_path", "n"),
                ("filter_operator", operator),
                ("filter_value", value),
            ]
        };
        let with = |row: [(&'static str, &'static str); 3], json| {
            let mut fields = row.to_vec();
            fields.push(("filter_event_data", json));
            read(&values(&fields)).map(Value::from)
        };
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
