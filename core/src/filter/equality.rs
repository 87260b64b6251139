//! Deep equality of JSON values, with numbers by value.

use super::number;
use serde_json::Value;
use std::cmp::Ordering;

/// Whether two values are the same, numbers by value at any depth.
///
/// Recurses no deeper than the shallower of the two, so a filter's depth limit bounds it.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => number::compare(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        // Null, booleans, strings; or different kinds.
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_compare_by_kind_and_value() {
        let cases = [
            ("null", "null", true),
            ("null", "0", false),
            ("true", "true", true),
            ("true", "1", false),
            ("false", "null", false),
            (r#""a""#, r#""a""#, true),
            (r#""1""#, "1", false),
            ("1", "1.00e0", true),
            ("[1, [2.0]]", "[1.0, [2]]", true),
            ("[1, 2]", "[2, 1]", false),
            ("[1]", "[1, null]", false),
            (r#"{"a": 1, "b": [10]}"#, r#"{"b": [1e1], "a": 1.0}"#, true),
            (r#"{"a": null}"#, r#"{"b": null}"#, false),
            (r#"{"a": null}"#, "{}", false),
            ("{}", "[]", false),
        ];
        for (a, b, expected) in cases {
            let [a, b]: [Value; 2] = [a, b].map(|text| serde_json::from_str(text).unwrap());
            assert_eq!(same(&a, &b), expected, "{a} = {b}");
            assert_eq!(same(&b, &a), expected, "{b} = {a}");
        }
    }
}
