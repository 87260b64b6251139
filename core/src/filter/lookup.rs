//! Finding a filter's key in an event's data.

use serde_json::Value;

/// The value of `key`: literally, else as a dotted path from the root.
pub fn lookup<'v>(data: &'v Value, key: &str) -> Option<&'v Value> {
    if let Some(value) = data.get(key) {
        return Some(value);
    }
    key.split('.').try_fold(data, |value, segment| match value {
        Value::Object(fields) => fields.get(segment),
        Value::Array(items) => items.get(array_index(segment)?),
        _ => None,
    })
}

fn array_index(segment: &str) -> Option<usize> {
    // `parse` alone would also take "+1".
    segment
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| segment.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn literal_first_then_path() {
        let data = json!({"a.b": 1, "a": {"b": 2, "c": [10, {"d": 11}], "1": 3, "": 4}, "n": null});
        let cases = [
            ("a.b", Some(json!(1))),
            ("a.c.0", Some(json!(10))),
            ("a.c.00", Some(json!(10))),
            ("a.c.1.d", Some(json!(11))),
            ("a.1", Some(json!(3))),
            ("a.", Some(json!(4))),
            ("n", Some(json!(null))),
            ("n.x", None),
            ("a.c.2", None),
            ("a.c.+1", None),
            ("a.c.", None),
            ("a.c.99999999999999999999999", None),
            ("a.b.c", None),
            ("", None),
            ("missing", None),
        ];
        for (key, expected) in cases {
            assert_eq!(lookup(&data, key), expected.as_ref(), "{key}");
        }
        assert_eq!(lookup(&json!([[5]]), "0.0"), Some(&json!(5)));
        assert_eq!(lookup(&json!("text"), "0"), None);
    }
}
