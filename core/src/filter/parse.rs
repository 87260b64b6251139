//! Reading `event_filters`, and refusing what is not understood.

use super::operator::{Operand, Operator, Order};
use super::{Entry, Filter, number};
use crate::excerpt::{Excerpt, JsonExcerpt, kind};
use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

/// Largest filter: roughly the bytes of its JSON text. Every event of the subscription's types is held against it.
const MAX_BYTES: usize = 64 * 1024;
/// Deepest filter; `{"event_data": {"key": {"$in": [1]}}}` has 5 levels.
const MAX_DEPTH: usize = 16;
const OPERATORS: [&str; 10] = [
    "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$prefix",
];

/// What is wrong with `event_filters`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A value of the wrong kind.
    #[error("{place} must be {expected}, not {found}")]
    WrongKind {
        /// Where, for example `event_data "amount" $gt`.
        place: String,
        /// The kinds of value that may be there.
        expected: &'static str,
        /// The kind of value that is.
        found: &'static str,
    },
    /// A key that is not one of the four.
    #[error(
        "unknown key {0}; the keys are resource_type, resource_id, event_data and jsonpath (conditions on the event's data belong in event_data)"
    )]
    UnknownKey(String),
    /// `resource_id` is not a UUID.
    #[error("resource_id {0} is not a UUID")]
    NotAUuid(String),
    /// A key that starts with `$` but is no operator.
    #[error("{place}: unknown operator {operator}; the operators are {}", OPERATORS.join(" "))]
    UnknownOperator {
        /// Where.
        place: String,
        /// The key.
        operator: String,
    },
    /// Operators and plain keys in one object.
    #[error(
        "{place} mixes operators with the plain key {plain}; split it into two entries or use $eq"
    )]
    MixedKeys {
        /// Where.
        place: String,
        /// One of the plain keys.
        plain: String,
    },
    /// An operator inside a value that would be compared for equality, so never match what was meant.
    #[error(
        "{place}: operator {operator} is nested in a plain value; write a dotted key such as \"a.b\": {{\"{operator}\": …}}, or $eq for the literal object"
    )]
    NestedOperator {
        /// Where.
        place: String,
        /// The operator.
        operator: &'static str,
    },
    /// Deeper than the limit.
    #[error("nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// Larger than the limit.
    #[error("larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// A number whose exponent is beyond the limit.
    #[error("the exponent of number {0} is beyond ±{max}", max = number::MAX_EXPONENT)]
    ExponentTooLarge(String),
}

/// The whole of `event_filters`.
pub fn filter(filters: &Value) -> Result<Filter, FilterError> {
    let mut parsed = Filter::default();
    if filters.is_null() {
        return Ok(parsed);
    }
    check_limits(filters, 1, &mut 0)?;
    let fields = object(filters, || "event_filters".into())?;
    for (key, value) in fields {
        match key.as_str() {
            "resource_type" => parsed.resource_type = Some(nullable_text(key, value)?),
            "resource_id" => {
                let id = nullable_text(key, value)?;
                parsed.resource_id = Some(id.as_deref().map(uuid).transpose()?);
            }
            "event_data" => {
                parsed.event_data = object(value, || key.clone())?
                    .iter()
                    .map(|(key, value)| entry(key, value))
                    .collect::<Result<_, _>>()?;
            }
            "jsonpath" if value.is_string() => {}
            "jsonpath" => return Err(wrong_kind(key.clone(), "a string", value)),
            _ => return Err(FilterError::UnknownKey(Excerpt(key).to_string())),
        }
    }
    Ok(parsed)
}

fn check_limits(value: &Value, depth: usize, bytes: &mut usize) -> Result<(), FilterError> {
    if depth > MAX_DEPTH {
        return Err(FilterError::TooDeep);
    }
    *bytes += 2 + match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(n) if number::is_sane(n) => n.as_str().len(),
        Value::Number(_) => {
            return Err(FilterError::ExponentTooLarge(
                JsonExcerpt(value).to_string(),
            ));
        }
        Value::String(s) => s.len(),
        Value::Array(_) => 0,
        Value::Object(fields) => fields.keys().map(|key| key.len() + 4).sum(),
    };
    if *bytes > MAX_BYTES {
        return Err(FilterError::TooLarge);
    }
    match value {
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| check_limits(item, depth + 1, bytes)),
        Value::Object(fields) => fields
            .values()
            .try_for_each(|field| check_limits(field, depth + 1, bytes)),
        _ => Ok(()),
    }
}

fn entry(key: &str, value: &Value) -> Result<Entry, FilterError> {
    let place = || format!("event_data {}", Excerpt(key));
    let operators = match value {
        Value::Object(fields) if fields.keys().any(|k| k.starts_with('$')) => {
            operators(fields, &place)?
        }
        plain => {
            refuse_nested_operators(plain, &place)?;
            vec![Operator::Eq(plain.clone())]
        }
    };
    Ok(Entry {
        key: key.to_owned(),
        operators,
    })
}

fn operators(
    fields: &Map<String, Value>,
    place: &impl Fn() -> String,
) -> Result<Vec<Operator>, FilterError> {
    if let Some(plain) = fields.keys().find(|k| !k.starts_with('$')) {
        return Err(FilterError::MixedKeys {
            place: place(),
            plain: Excerpt(plain).to_string(),
        });
    }
    fields
        .iter()
        .map(|(name, operand)| operator(name, operand, place))
        .collect()
}

fn operator(
    name: &str,
    operand: &Value,
    place: &impl Fn() -> String,
) -> Result<Operator, FilterError> {
    let wrong = |expected| wrong_kind(format!("{} {name}", place()), expected, operand);
    let order = |order| match operand {
        Value::Number(n) => Ok(Operator::Order(order, Operand::Number(n.clone()))),
        Value::String(s) => Ok(Operator::Order(order, Operand::Text(s.clone()))),
        _ => Err(wrong("a number or a string")),
    };
    let array = || operand.as_array().cloned().ok_or_else(|| wrong("an array"));
    match name {
        "$eq" => Ok(Operator::Eq(operand.clone())),
        "$ne" => Ok(Operator::Ne(operand.clone())),
        "$gt" => order(Order::Gt),
        "$gte" => order(Order::Gte),
        "$lt" => order(Order::Lt),
        "$lte" => order(Order::Lte),
        "$in" => array().map(Operator::In),
        "$nin" => array().map(Operator::Nin),
        "$exists" => operand
            .as_bool()
            .map(Operator::Exists)
            .ok_or_else(|| wrong("a boolean")),
        "$prefix" => operand
            .as_str()
            .map(|prefix| Operator::Prefix(prefix.to_owned()))
            .ok_or_else(|| wrong("a string")),
        _ => Err(FilterError::UnknownOperator {
            place: place(),
            operator: Excerpt(name).to_string(),
        }),
    }
}

fn refuse_nested_operators(value: &Value, place: &impl Fn() -> String) -> Result<(), FilterError> {
    match value {
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| refuse_nested_operators(item, place)),
        Value::Object(fields) => fields.iter().try_for_each(|(key, field)| {
            match OPERATORS.into_iter().find(|operator| operator == key) {
                Some(operator) => Err(FilterError::NestedOperator {
                    place: place(),
                    operator,
                }),
                None => refuse_nested_operators(field, place),
            }
        }),
        _ => Ok(()),
    }
}

fn object(
    value: &Value,
    place: impl FnOnce() -> String,
) -> Result<&Map<String, Value>, FilterError> {
    value
        .as_object()
        .ok_or_else(|| wrong_kind(place(), "an object", value))
}

fn nullable_text(key: &str, value: &Value) -> Result<Option<String>, FilterError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(wrong_kind(key.to_owned(), "a string", value)),
    }
}

fn uuid(text: &str) -> Result<Uuid, FilterError> {
    Uuid::parse_str(text).map_err(|_| FilterError::NotAUuid(Excerpt(text).to_string()))
}

fn wrong_kind(place: String, expected: &'static str, value: &Value) -> FilterError {
    FilterError::WrongKind {
        place,
        expected,
        found: kind(value),
    }
}
