//! The rows of a form for conditions on event data.

use super::field::Fields;
use super::values::{CONDITION, Values};
use maud::{Markup, html};
use serde_json::Value;
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

/// The rows of a form, and the same as JSON.
pub fn fields(fields: &Fields<'_>) -> Markup {
    let values = fields.values;
    let given = values.triples(CONDITION);
    let empty = if asks_for_more(values) { MORE } else { EMPTY };
    let all = given.into_iter().chain(repeat_n(("", "", ""), empty));
    let as_json = values
        .conditions()
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
