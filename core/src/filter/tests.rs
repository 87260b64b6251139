use super::*;
use serde_json::json;

fn id() -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001)
}

fn mismatch(filters: Value, data: Value) -> Option<String> {
    let filter = Filter::parse(&filters).unwrap();
    let reason = filter.mismatch(Some("document"), Some(id()), &data);
    let matches = filter.matches(Some("document"), Some(id()), &data);
    assert_eq!(matches, reason.is_none());
    reason
}

#[test]
fn no_filter_passes_everything() {
    assert_eq!(mismatch(json!({}), json!({"a": 1})), None);
    assert_eq!(mismatch(Value::Null, Value::Null), None);
    assert_eq!(mismatch(json!({"event_data": {}}), json!([])), None);
    assert_eq!(mismatch(json!({"jsonpath": "$.a"}), json!({})), None);
}

#[test]
fn resource_is_compared() {
    let reason = |filters| mismatch(filters, json!({}));
    assert_eq!(reason(json!({"resource_type": "document"})), None);
    assert_eq!(
        reason(json!({"resource_id": id().to_string().to_uppercase()})),
        None
    );
    assert_eq!(
        reason(json!({"resource_type": "job"})).unwrap(),
        r#"resource_type is "document"; the filter wants "job""#
    );
    assert_eq!(
        reason(json!({"resource_type": null})).unwrap(),
        r#"resource_type is "document"; the filter wants null"#
    );
    assert_eq!(
        reason(json!({"resource_id": Uuid::nil().to_string()})).unwrap(),
        format!("resource_id is {}; the filter wants {}", id(), Uuid::nil())
    );
    let without = |filters: Value| {
        let filter = Filter::parse(&filters).unwrap();
        filter.mismatch(None, None, &json!({}))
    };
    assert_eq!(
        without(json!({"resource_type": null, "resource_id": null})),
        None
    );
    assert!(without(json!({"resource_type": "document"})).is_some());
    assert!(without(json!({"resource_id": id().to_string()})).is_some());
}

/// Each row: the entry for key "k", then data that passes and data that does not.
#[test]
fn entries_pass_and_fail() {
    let cases = [
        (
            json!("final"),
            vec![json!({"k": "final"})],
            vec![
                json!({"k": "draft"}),
                json!({}),
                json!({"k": ["final"]}),
                json!("final"),
            ],
        ),
        (
            json!(null),
            vec![json!({"k": null}), json!({}), json!(null)],
            vec![json!({"k": false}), json!({"k": 0})],
        ),
        (
            json!({}),
            vec![json!({"k": {}})],
            vec![json!({}), json!({"k": {"a": 1}})],
        ),
        (
            json!({"a": [1, 2]}),
            vec![json!({"k": {"a": [1.0, 2]}})],
            vec![json!({"k": {"a": [1, 2], "b": 1}})],
        ),
        (
            json!({"$eq": {"$gt": 1}}),
            vec![json!({"k": {"$gt": 1.0}})],
            vec![json!({"k": 2})],
        ),
        (
            json!({"$ne": 1}),
            vec![json!({"k": 2}), json!({"k": "1"}), json!({})],
            vec![json!({"k": 1.0})],
        ),
        (
            json!({"$ne": null}),
            vec![json!({"k": 0})],
            vec![json!({"k": null}), json!({})],
        ),
        (
            json!({"$gt": 100}),
            vec![json!({"k": 100.5})],
            vec![
                json!({"k": 100}),
                json!({"k": "200"}),
                json!({"k": true}),
                json!({}),
            ],
        ),
        (
            json!({"$gte": 100}),
            vec![json!({"k": 100.0})],
            vec![json!({"k": 99}), json!({"k": null})],
        ),
        (
            json!({"$lt": "2026-01-01"}),
            vec![json!({"k": "2025-12-31T23:59:59"})],
            vec![json!({"k": "2026-01-01"}), json!({"k": 1}), json!({})],
        ),
        (
            json!({"$lte": "b"}),
            vec![json!({"k": "b"}), json!({"k": ""})],
            vec![json!({"k": "ba"})],
        ),
        (
            json!({"$gte": 1, "$lt": 5}),
            vec![json!({"k": 1}), json!({"k": 4})],
            vec![json!({"k": 5}), json!({"k": 0})],
        ),
        (
            json!({"$in": ["a", 1, null]}),
            vec![json!({"k": "a"}), json!({"k": 1.0}), json!({})],
            vec![json!({"k": "b"}), json!({"k": ["a"]})],
        ),
        (json!({"$in": []}), vec![], vec![json!({"k": 1}), json!({})]),
        (
            json!({"$nin": ["a", 1]}),
            vec![json!({"k": "b"}), json!({})],
            vec![json!({"k": "a"}), json!({"k": 1e0})],
        ),
        (
            json!({"$exists": true}),
            vec![json!({"k": null}), json!({"k": 1})],
            vec![json!({}), json!([])],
        ),
        (
            json!({"$exists": false}),
            vec![json!({})],
            vec![json!({"k": null})],
        ),
        (
            json!({"$prefix": "inv-"}),
            vec![json!({"k": "inv-1"}), json!({"k": "inv-"})],
            vec![json!({"k": "in"}), json!({"k": 1}), json!({})],
        ),
    ];
    for (entry, passing, failing) in cases {
        let filters = json!({"event_data": {"k": entry}});
        for data in passing {
            assert_eq!(
                mismatch(filters.clone(), data.clone()),
                None,
                "{entry} {data}"
            );
        }
        for data in failing {
            let reason = mismatch(filters.clone(), data.clone());
            let reason = reason.unwrap_or_else(|| panic!("{entry} passes {data}"));
            assert!(reason.contains("\"k\""), "{reason}");
        }
    }
}

#[test]
fn reasons_name_key_value_and_condition() {
    let cases = [
        (
            json!({"status": "final"}),
            json!({"status": "draft"}),
            r#"event_data key "status" is "draft"; the filter wants "final""#,
        ),
        (
            json!({"totals.net": {"$gte": 1, "$lt": 100}}),
            json!({"totals": {"net": 100}}),
            r#"event_data key "totals.net" is 100; the filter wants $lt 100"#,
        ),
        (
            json!({"a": {"$in": [1, 2, 3, 4, 5, 6]}}),
            json!({}),
            r#"event_data key "a" is missing; the filter wants $in [1,2,3,4,5,…]"#,
        ),
        (
            json!({"a": {"$exists": false}}),
            json!({"a": {"b": []}}),
            r#"event_data key "a" is {"b":[]}; the filter wants $exists false"#,
        ),
    ];
    for (event_data, data, reason) in cases {
        let filters = json!({"event_data": event_data});
        assert_eq!(mismatch(filters, data).unwrap(), reason);
    }
    let huge = "x".repeat(20_000);
    let filters = json!({"event_data": {&huge: {"$in": [1, huge]}}});
    let reason = mismatch(filters, json!({&huge: [huge]})).unwrap();
    assert!(reason.len() < 500, "{reason}");
}

#[test]
fn malformed_filters_are_refused_by_name() {
    let cases = [
        (json!([]), "event_filters must be an object, not an array"),
        (json!("x"), "event_filters must be an object, not a string"),
        (
            json!({"resource_typ": "x"}),
            r#"unknown key "resource_typ""#,
        ),
        (
            json!({"resource_type": 1}),
            "resource_type must be a string, not a number",
        ),
        (
            json!({"resource_id": true}),
            "resource_id must be a string, not a boolean",
        ),
        (
            json!({"resource_id": "12"}),
            r#"resource_id "12" is not a UUID"#,
        ),
        (
            json!({"event_data": null}),
            "event_data must be an object, not null",
        ),
        (
            json!({"jsonpath": ["$"]}),
            "jsonpath must be a string, not an array",
        ),
        (
            json!({"event_data": {"a": {"$gtt": 1}}}),
            r#"event_data "a": unknown operator "$gtt""#,
        ),
        (
            json!({"event_data": {"a": {"$gt": 1, "b": 2}}}),
            r#"event_data "a" mixes operators with the plain key "b""#,
        ),
        (
            json!({"event_data": {"a": {"$gt": null}}}),
            r#"event_data "a" $gt must be a number or a string, not null"#,
        ),
        (
            json!({"event_data": {"a": {"$lte": [1]}}}),
            r#"event_data "a" $lte must be a number or a string, not an array"#,
        ),
        (
            json!({"event_data": {"a": {"$in": "x"}}}),
            r#"event_data "a" $in must be an array, not a string"#,
        ),
        (
            json!({"event_data": {"a": {"$nin": {}}}}),
            r#"event_data "a" $nin must be an array, not an object"#,
        ),
        (
            json!({"event_data": {"a": {"$exists": 1}}}),
            r#"event_data "a" $exists must be a boolean, not a number"#,
        ),
        (
            json!({"event_data": {"a": {"$prefix": 1}}}),
            r#"event_data "a" $prefix must be a string, not a number"#,
        ),
        (
            json!({"event_data": {"a": [{"b": {"$gt": 1}}]}}),
            r#"event_data "a": operator $gt is nested"#,
        ),
    ];
    for (filters, message) in cases {
        let error = Filter::parse(&filters).unwrap_err().to_string();
        assert!(error.starts_with(message), "{filters}: {error}");
    }
}

#[test]
fn limits_are_named() {
    let nested = |levels| (0..levels).fold(json!(1), |value, _| json!([value]));
    let filter = |value: Value| Filter::parse(&json!({"event_data": {"k": value}}));
    assert!(filter(nested(13)).is_ok());
    assert_eq!(filter(nested(14)).unwrap_err(), FilterError::TooDeep);
    assert!(filter(json!("x".repeat(60_000))).is_ok());
    for large in [
        json!("x".repeat(70_000)),
        json!({"$in": vec![1; 40_000]}),
        json!({"x".repeat(70_000): 1}),
    ] {
        let error = filter(large).unwrap_err();
        assert_eq!(error.to_string(), "larger than 65536 bytes");
    }
    let number: Value = serde_json::from_str("1e9999999999999").unwrap();
    assert_eq!(
        filter(number).unwrap_err().to_string(),
        "the exponent of number 1e+9999999999999 is beyond ±1000000000000"
    );
}

#[test]
fn huge_numbers_are_cheap() {
    let filters = r#"{"event_data": {"k": {"$gt": 1e999999999}}}"#;
    let filter = Filter::parse(&serde_json::from_str(filters).unwrap()).unwrap();
    let matches = |data: &str| {
        let data = serde_json::from_str(data).unwrap();
        filter.matches(None, None, &data)
    };
    assert!(matches(r#"{"k": 1.0000001e999999999}"#));
    assert!(matches(r#"{"k": 1e99999999999999999999999}"#));
    assert!(!matches(r#"{"k": 1e999999999}"#));
    assert!(!matches(r#"{"k": 99999999999999999999999999}"#));
}
