use std::time::{Duration, Instant};

use super::*;
use proptest::prelude::*;
use serde_json::{Map, json};

fn errors(schema: &Value, data: &str) -> Vec<String> {
    Schema::parse(&schema.to_string()).unwrap().errors(data)
}

#[test]
fn errors_say_where_and_why_but_not_what() {
    let schema = json!({
        "type": "object", "required": ["pages", "id"], "additionalProperties": false,
        "properties": {
            "pages": {"type": "integer", "minimum": 1},
            "id": {"format": "uuid"},
            "tags": {"items": {"enum": ["a", "b"]}},
            "name": {"pattern": "^[a-z]+$", "maxLength": 10},
            "kind": {"const": "invoice"}
        }
    });
    assert_eq!(
        errors(
            &schema,
            r#"{"pages": 3, "id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f"}"#
        ),
        [""; 0]
    );
    assert_eq!(errors(&schema, "{}").len(), 2);
    let wrong = r#"{"pages": "secret", "id": "secret", "tags": ["a", "secret"], "more": "secret",
        "name": "SECRET secret", "kind": "secret"}"#;
    let mut errors = errors(&schema, wrong);
    errors.sort();
    assert_eq!(
        errors,
        [
            "/id: value is not a \"uuid\"",
            "/kind: \"invoice\" was expected",
            "/name: value does not match \"^[a-z]+$\"",
            "/name: value is longer than 10 characters",
            "/pages: value is not of type \"integer\"",
            "/tags/1: value is not one of \"a\" or \"b\"",
            "Additional properties are not allowed ('more' was unexpected)"
        ]
    );
}

#[test]
fn only_the_first_errors_are_told() {
    let schema = json!({"items": {"type": "string"}});
    let data = Value::from(vec![1; 1000]).to_string();
    assert_eq!(errors(&schema, &data).len(), MOST_ERRORS);
}

#[test]
fn numbers_are_compared_exactly() {
    let schema = json!({"maximum": 1});
    assert_eq!(errors(&schema, "1.00000000000000000000000000000"), [""; 0]);
    assert_eq!(errors(&schema, "1.00000000000000000000000000001").len(), 1);
    let whole = json!({"type": "integer"});
    assert_eq!(errors(&whole, &format!("1{}", "0".repeat(50))), [""; 0]);
}

#[test]
fn each_draft_is_understood() {
    for (draft, schema) in [
        (
            "http://json-schema.org/draft-04/schema#",
            json!({"maximum": 3, "exclusiveMaximum": true}),
        ),
        (
            "http://json-schema.org/draft-07/schema#",
            json!({"exclusiveMaximum": 3}),
        ),
        (
            "https://json-schema.org/draft/2020-12/schema",
            json!({"exclusiveMaximum": 3}),
        ),
    ] {
        let mut schema = schema;
        schema["$schema"] = draft.into();
        assert_eq!(errors(&schema, "2"), [""; 0], "{draft}");
        assert_eq!(errors(&schema, "3").len(), 1, "{draft}");
    }
}

#[test]
fn what_is_no_schema_is_refused() {
    for (schema, reason) in [
        ("", "can't be read: EOF"),
        ("{", "can't be read: EOF"),
        ("true", "it is no object"),
        ("[]", "it is no object"),
        (r#"{"type": "objekt"}"#, "/type: "),
        (
            r#"{"properties": {"a": {"minLength": -1}}}"#,
            "/properties/a/minLength: ",
        ),
        (r#"{"pattern": "("}"#, "/pattern: "),
        // Neither linear in time.
        (r#"{"pattern": "(a)\\1"}"#, "/pattern: "),
        (r#"{"pattern": "a(?=b)"}"#, "/pattern: "),
        (
            r#"{"$ref": "https://example.com/other.json"}"#,
            "https://example.com/other.json",
        ),
        (r#"{"$ref": "file:///etc/passwd"}"#, "file:///etc/passwd"),
        (r##"{"$ref": "#/$defs/none"}"##, "none"),
        (
            r#"{"$schema": "https://example.com/draft"}"#,
            "https://example.com/draft",
        ),
    ] {
        let Err(refused) = Schema::parse(schema) else {
            panic!("accepted: {schema}");
        };
        assert!(refused.contains(reason), "{schema}: {refused}");
    }
}

#[test]
fn data_that_is_too_deep_does_not_fit() {
    let deep = |levels| "[".repeat(levels) + &"]".repeat(levels);
    assert_eq!(
        errors(&json!({"items": {"type": "array"}}), &deep(512)),
        [""; 0]
    );
    let too_deep = errors(&json!({}), &deep(1000));
    assert!(too_deep[0].contains("nested more than"), "{too_deep:?}");
}

/// Patterns that take other engines for ever.
#[test]
fn patterns_match_in_linear_time() {
    let schema = json!({"pattern": "^(a+)+$"});
    let started = Instant::now();
    assert_eq!(
        errors(&schema, &format!("\"{}!\"", "a".repeat(100_000))).len(),
        1
    );
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn examples_fit() {
    for schema in [
        json!({}),
        json!({"type": "object"}),
        json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "string"}, "c": {"type": ["null", "number"]}}}),
        json!({"required": ["a"], "additionalProperties": {"type": "integer"}}),
        json!({"properties": {"a": false, "b": true}}),
        json!({"type": "array"}),
        json!({"items": {"type": "string", "minLength": 7, "maxLength": 8}, "minItems": 3}),
        json!({"items": {"type": "string"}, "maxItems": 0}),
        json!({"prefixItems": [{"type": "integer"}, {"type": "boolean"}], "items": {"type": "null"}, "minItems": 4}),
        json!({"type": "string", "maxLength": 2}),
        json!({"type": "integer", "minimum": 5.5}),
        json!({"type": "integer", "exclusiveMinimum": 5, "multipleOf": 4}),
        json!({"type": "integer", "maximum": -3}),
        json!({"type": "number", "exclusiveMaximum": 0}),
        json!({"type": "number", "minimum": 0.25, "maximum": 0.5}),
        json!({"type": "boolean"}),
        json!({"type": "null"}),
        json!({"const": {"a": 1}}),
        json!({"enum": [3, 4], "type": "integer"}),
        json!({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]}),
        json!({"type": "integer", "default": 7}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/b"}}, "b": {"enum": ["x"]}}}),
        json!({"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]}),
        json!({"type": "object", "properties": {"kind": {"type": "string"}},
               "oneOf": [{"properties": {"kind": {"const": "a"}, "n": {"type": "integer"}}, "required": ["n"]}, {"properties": {"kind": {"const": "b"}}}]}),
        json!({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}]}),
        // A tree: its end is left out, since it need not be there.
        json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}}}),
    ] {
        let made = example(&schema);
        assert_eq!(
            errors(&schema, &made.to_string()),
            [""; 0],
            "{made} for {schema}"
        );
    }
    for format in [
        "uuid",
        "date-time",
        "date",
        "time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uri-reference",
        "json-pointer",
        "regex",
        "unheard-of",
    ] {
        let schema = json!({"type": "string", "format": format});
        let made = example(&schema);
        assert_eq!(
            errors(&schema, &made.to_string()),
            [""; 0],
            "{made} for {format}"
        );
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5..1000).prop_map(Value::from),
        prop_oneof![
            "object",
            "array",
            "string",
            "integer",
            "number",
            "[a-z]{0,3}",
            "#/\\$defs/a",
            "#"
        ]
        .prop_map(Value::from),
    ];
    let word = prop_oneof![
        "type",
        "properties",
        "items",
        "required",
        "enum",
        "const",
        "\\$ref",
        "\\$defs",
        "allOf",
        "anyOf",
        "oneOf",
        "minItems",
        "maxItems",
        "minLength",
        "minimum",
        "maximum",
        "multipleOf",
        "prefixItems",
        "additionalProperties",
        "format",
        "a"
    ];
    leaf.prop_recursive(5, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(word.clone(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Six levels of twenty properties each: 64 million values.
#[test]
fn a_schema_that_is_wide_and_deep_has_a_small_example() {
    let level = |n: usize| {
        let properties: Map<String, Value> = (0..20)
            .map(|p| {
                (
                    format!("p{p}"),
                    json!({"$ref": format!("#/$defs/l{}", n + 1)}),
                )
            })
            .collect();
        (format!("l{n}"), json!({"properties": properties}))
    };
    let mut levels: Map<String, Value> = (0..6).map(level).collect();
    levels.insert("l6".to_owned(), json!({"const": 1}));
    let schema = json!({"$ref": "#/$defs/l0", "$defs": levels});
    let made = example(&schema).to_string();
    assert!((100..100_000).contains(&made.len()), "{}", made.len());
}

/// A large word of the schema's own, used a thousand times.
#[test]
fn an_example_does_not_multiply_large_words() {
    let properties: Map<String, Value> = (0..1000)
        .map(|p| (format!("p{p}"), json!({"$ref": "#/$defs/a"})))
        .collect();
    let schema = json!({"properties": properties, "$defs": {"a": {"const": "x".repeat(100_000)}}});
    let made = example(&schema).to_string();
    assert!((100_000..2_000_000).contains(&made.len()), "{}", made.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever a schema says: an example is made, of a bounded size, and nothing panics.
    #[test]
    fn any_schema_has_an_example(schema in any_json()) {
        let made = example(&schema).to_string();
        if let Ok(schema) = Schema::parse(&schema.to_string()) {
            let _ = schema.errors(&made);
        }
    }
}
