use super::*;
use crate::Schema;
use serde_json::{Map, json};
use std::time::{Duration, Instant};

/// Definitions, each of which uses the next twice.
fn doubling(levels: usize, use_twice: impl Fn(Value) -> Value) -> Value {
    let level = |n: usize| {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        (format!("d{n}"), use_twice(next))
    };
    let mut levels_by_name: Map<String, Value> = (0..levels).map(level).collect();
    levels_by_name.insert(format!("d{levels}"), json!({"type": "string"}));
    json!({"$ref": "#/$defs/d0", "$defs": levels_by_name})
}

fn nested(levels: usize) -> String {
    "{\"c\":".repeat(levels) + "1" + &"}".repeat(levels)
}

fn errors(schema: &Value, data: &str) -> Vec<String> {
    let started = Instant::now();
    let errors = Schema::parse(&schema.to_string()).unwrap().errors(data);
    assert!(started.elapsed() < Duration::from_secs(20), "{schema}");
    errors
}

#[test]
fn schemas_that_double_are_refused() {
    let mut unevaluated = json!({"properties": {"a": true}});
    for _ in 0..12 {
        unevaluated = json!({"allOf": [unevaluated], "unevaluatedProperties": false});
    }
    let wide: Vec<_> = (0..101).map(|_| json!({"$ref": "#/$defs/a"})).collect();
    for schema in [
        doubling(30, |next| json!({"anyOf": [next, next]})),
        doubling(30, |next| json!({"oneOf": [next, next]})),
        doubling(30, |next| json!({"allOf": [next, {"not": next}]})),
        doubling(30, |next| json!({"if": next, "then": next})),
        doubling(
            30,
            |next| json!({"dependentSchemas": {"a": next, "b": next}}),
        ),
        doubling(20, |next| json!({"anyOf": [next, next, next]})),
        unevaluated,
        json!({"allOf": wide, "$defs": {"a": {"allOf": vec![true; 101]}}}),
    ] {
        let refused = Schema::parse(&schema.to_string()).unwrap_err();
        assert!(
            refused.contains("sub-schemas look at one value"),
            "{refused}"
        );
    }
    assert!(Schema::parse(&doubling(8, |next| json!({"anyOf": [next, next]})).to_string()).is_ok());
    let itself = Schema::parse(
        r##"{"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}"##,
    );
    assert!(itself.unwrap_err().contains("refers to itself"));
}

/// Whichever words are ids in a draft: where references lead is not to be hidden by others.
#[test]
fn ids_hide_nothing() {
    let doubled = doubling(30, |next| json!({"anyOf": [next, next]}));
    let draft = |n: u32| format!("http://json-schema.org/draft-0{n}/schema#");
    let latest = "https://json-schema.org/draft/2020-12/schema".to_owned();
    let cheap = json!({"d0": true});
    for (draft, rest) in [
        (
            &latest,
            json!({"allOf": [{"id": "x", "$ref": "#/$defs/d0", "$defs": cheap}]}),
        ),
        (
            &latest,
            json!({"allOf": [{"$id": "", "allOf": [{"$ref": "#/$defs/d0"}], "$defs": cheap}]}),
        ),
        (
            &latest,
            json!({"allOf": [{"$id": "https://example.com/", "$defs": cheap}, {"$ref": "json-schema:///#/$defs/d0"}]}),
        ),
        (
            &draft(7),
            json!({"allOf": [{"$id": "https://example.com/x", "$ref": "#/$defs/d0", "$defs": cheap}]}),
        ),
        (
            &draft(7),
            json!({"allOf": [{"id": "https://example.com/x", "allOf": [{"$ref": "#/$defs/d0"}], "$defs": cheap}]}),
        ),
        (
            &draft(4),
            json!({"allOf": [{"$id": "https://example.com/x", "allOf": [{"$ref": "#/$defs/d0"}], "$defs": cheap}]}),
        ),
        (
            &draft(4),
            json!({"id": "https://example.com/y", "$id": "z",
            "allOf": [{"id": "https://example.org/y", "$defs": cheap}, {"$ref": "https://example.com/y#/$defs/d0"}]}),
        ),
    ] {
        let mut schema = rest;
        schema["$schema"] = json!(draft);
        schema["$defs"] = doubled["$defs"].clone();
        let refused = Schema::parse(&schema.to_string()).unwrap_err();
        assert!(refused.contains("look at one value"), "{schema}: {refused}");
    }
}

/// What doubles with each level of the data is small when it is written.
#[test]
fn data_that_makes_a_schema_double_does_not_fit() {
    let here = json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]});
    for schema in [
        json!({"properties": {"c": here}, "type": "object"}),
        json!({"additionalProperties": here, "type": "object"}),
        json!({"patternProperties": {"c": here}, "type": "object"}),
        json!({"properties": {"c": {"$ref": "#"}}, "additionalProperties": here, "patternProperties": {"c": {"$ref": "#"}}}),
        json!({"$dynamicAnchor": "a", "properties": {"c": {"anyOf": [{"$dynamicRef": "#a"}, {"$dynamicRef": "#a"}]}}, "type": "object"}),
        doubling(
            25,
            |next| json!({"anyOf": [{"properties": {"c": next}}, {"properties": {"c": next}}]}),
        ),
    ] {
        let errors = errors(&schema, &nested(60));
        assert!(errors[0].contains("steps"), "{schema}: {errors:?}");
    }
}

#[test]
fn ordinary_schemas_cost_little() {
    let tree = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "c": {"$ref": "#"}, "children": {"type": "array", "items": {"$ref": "#"}}}});
    let leaf = r#"{"name": "x", "children": []}"#;
    let data = format!(
        "{{\"name\": \"x\", \"children\": [{}]}}",
        vec![leaf; 20_000].join(",")
    );
    assert_eq!(errors(&tree, &data), [""; 0]);
    let deep = "{\"name\": \"x\", \"c\":".repeat(500) + leaf + &"}".repeat(500);
    assert_eq!(errors(&tree, &deep), [""; 0]);
    let list =
        json!({"items": {"anyOf": (0..50).map(|n| json!({"const": n})).collect::<Vec<_>>()}});
    let numbers = |count: usize| Value::from(vec![100; count]).to_string();
    assert_eq!(errors(&list, &numbers(1000)).len(), 10);
    assert_eq!(
        errors(&list, &numbers(50_000)),
        ["it is too large to tell where"]
    );
    assert!(errors(&list, &numbers(200_000))[0].contains("steps"));
}

/// A document of nested blocks, each of one of many kinds.
#[test]
fn unions_of_kinds_cost_one_kind() {
    let union = |word: &str, kind: fn(usize) -> Value| {
        let kinds = (0..40).map(|n| (format!("k{n}"), kind(n)));
        let mut defs: Map<String, Value> = kinds.collect();
        let all: Vec<_> = (0..40)
            .map(|n| json!({"$ref": format!("#/$defs/k{n}")}))
            .collect();
        defs.insert("block".to_owned(), json!({word: all}));
        json!({"$ref": "#/$defs/block", "$defs": defs})
    };
    let plain = |n: usize| {
        json!({"type": "object", "required": ["type"], "properties": {"type": {"const": format!("k{n}")},
            "children": {"type": "array", "items": {"$ref": "#/$defs/block"}}}})
    };
    fn document(levels: usize, kind: &str) -> Value {
        let children = (0..4).filter(|_| levels > 0);
        json!({"type": kind, "children": children.map(|_| document(levels - 1, kind)).collect::<Vec<_>>()})
    }
    for word in ["anyOf", "oneOf"] {
        let schema = union(word, plain);
        assert_eq!(errors(&schema, &document(6, "k7").to_string()), [""; 0]);
        // To tell what is wrong takes all of them.
        assert_eq!(
            errors(&schema, &document(6, "x").to_string()),
            ["it is too large to tell where"]
        );
        assert_eq!(errors(&schema, &document(0, "x").to_string()).len(), 1);
    }
    // Two kinds of one name, a kind that isn't required, a draft without const: all branches are asked.
    let same = |n: usize| json!({"required": ["type"], "properties": {"type": {"const": format!("k{}", n / 2)}, "children": {"items": {"$ref": "#/$defs/block"}}}});
    let optional = |n: usize| json!({"properties": {"type": {"const": format!("k{n}")}, "children": {"items": {"$ref": "#/$defs/block"}}}});
    let mut old = union("anyOf", plain);
    old["$schema"] = json!("http://json-schema.org/draft-04/schema#");
    for schema in [union("anyOf", same), union("anyOf", optional), old] {
        let refused = errors(&schema, &document(6, "k7").to_string());
        assert!(refused[0].contains("steps"), "{refused:?}");
    }
}

#[test]
fn references_of_all_kinds_are_followed() {
    for (schema, fits, fails) in [
        (
            json!({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "string"}}}),
            "\"x\"",
            "1",
        ),
        (
            json!({"$ref": "#x", "$defs": {"a": {"$anchor": "x", "type": "string"}}}),
            "\"x\"",
            "1",
        ),
        (
            json!({"$ref": "item", "$defs": {"a": {"$id": "item", "type": "string"}}}),
            "\"x\"",
            "1",
        ),
        (
            json!({"$id": "https://example.com/root", "$ref": "item", "$defs": {
                "a": {"$id": "item", "$ref": "#/$defs/b", "$defs": {"b": {"type": "string"}}}}}),
            "\"x\"",
            "1",
        ),
        (
            json!({"properties": {"a": {"id": "of a tool", "$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "string"}}}),
            r#"{"a": "x"}"#,
            r#"{"a": 1}"#,
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"$id": "#a", "type": "string"}},
                "items": [{"$ref": "#a"}]}),
            "[\"x\"]",
            "[1]",
        ),
    ] {
        assert_eq!(errors(&schema, fits), [""; 0], "{schema}");
        assert_eq!(errors(&schema, fails).len(), 1, "{schema}");
    }
}

#[test]
fn patterns_have_a_size() {
    for schema in [
        json!({"pattern": "((a{100}){100}){100}"}),
        json!({"patternProperties": {"(\\p{L}{200}){20}": true}}),
        json!({"properties": (0..201).map(|n| (format!("a{n}"), json!({"pattern": "a"}))).collect::<Map<_, _>>()}),
    ] {
        let refused = Schema::parse(&schema.to_string()).unwrap_err();
        assert!(refused.contains("pattern"), "{refused}");
    }
    assert_eq!(
        errors(&json!({"pattern": "^\\p{L}{1,50}$"}), "\"é\""),
        [""; 0]
    );
}
