//! Filters, and events that they pass or not.

/// `event_filters`, event data that passes, event data that does not.
pub struct Case(
    pub &'static str,
    pub &'static [&'static str],
    pub &'static [&'static str],
);

pub const CASES: &[Case] = &[
    Case("{}", &["{}", "[]", "1", "null"], &[]),
    Case(r#"{"event_data": {}}"#, &["{}", "[1]"], &[]),
    // Equality per key.
    Case(
        r#"{"event_data": {"status": "final"}}"#,
        &[r#"{"status": "final"}"#, r#"{"status": "final", "x": 1}"#],
        &[
            r#"{"status": "draft"}"#,
            r#"{"x": "final"}"#,
            "{}",
            r#"["final"]"#,
            "\"final\"",
            "null",
        ],
    ),
    Case(
        r#"{"event_data": {"a": 1, "b": true}}"#,
        &[
            r#"{"a": 1.0, "b": true}"#,
            r#"{"a": 10e-1, "b": true, "c": null}"#,
        ],
        &[
            r#"{"a": 1}"#,
            r#"{"a": true, "b": true}"#,
            r#"{"a": "1", "b": true}"#,
            r#"{"a": 1, "b": 1}"#,
        ],
    ),
    Case(
        r#"{"event_data": {"a": null}}"#,
        &["{}", r#"{"a": null}"#],
        &[r#"{"a": 0}"#, r#"{"a": ""}"#],
    ),
    Case(
        r#"{"event_data": {"a": {"b": [1, {"c": 2}]}}}"#,
        &[r#"{"a": {"b": [1.0, {"c": 2e0}]}}"#],
        &[
            r#"{"a": {"b": [1, {"c": 2, "d": 3}]}}"#,
            r#"{"a": {"b": [{"c": 2}, 1]}}"#,
        ],
    ),
    // Dotted paths: literally first, then through objects and arrays.
    Case(
        r#"{"event_data": {"a.b": 1}}"#,
        &[
            r#"{"a": {"b": 1}}"#,
            r#"{"a.b": 1}"#,
            r#"{"a.b": 1, "a": {"b": 2}}"#,
        ],
        &[r#"{"a.b": 2, "a": {"b": 1}}"#, r#"{"a": [1]}"#, "{}"],
    ),
    Case(
        r#"{"event_data": {"items.0.sku": "x"}}"#,
        &[
            r#"{"items": [{"sku": "x"}]}"#,
            r#"{"items": {"0": {"sku": "x"}}}"#,
        ],
        &[
            r#"{"items": [{"sku": "y"}, {"sku": "x"}]}"#,
            r#"{"items": []}"#,
        ],
    ),
    // Operators.
    Case(
        r#"{"event_data": {"a": {"$eq": {"$x": 1}}}}"#,
        &[r#"{"a": {"$x": 1}}"#],
        &[r#"{"a": {}}"#, "{}"],
    ),
    Case(
        r#"{"event_data": {"a": {"$ne": 1}}}"#,
        &[r#"{"a": 2}"#, "{}", r#"{"a": "1"}"#],
        &[r#"{"a": 1}"#, r#"{"a": 1.0}"#],
    ),
    Case(
        r#"{"event_data": {"amount": {"$gt": 100}}}"#,
        &[
            r#"{"amount": 100.0000000000000000001}"#,
            r#"{"amount": 1e400}"#,
        ],
        &[
            r#"{"amount": 100}"#,
            r#"{"amount": "101"}"#,
            r#"{"amount": null}"#,
            r#"{"amount": -1e400}"#,
            "{}",
        ],
    ),
    Case(
        r#"{"event_data": {"amount": {"$gte": 100, "$lt": 200}}}"#,
        &[r#"{"amount": 100}"#, r#"{"amount": 199.9}"#],
        &[
            r#"{"amount": 200}"#,
            r#"{"amount": 99.9}"#,
            r#"{"amount": [150]}"#,
        ],
    ),
    Case(
        r#"{"event_data": {"n": {"$lte": 9007199254740993}}}"#,
        &[r#"{"n": 9007199254740993}"#, r#"{"n": -1e400}"#],
        &[r#"{"n": 9007199254740994}"#, r#"{"n": 1e400}"#],
    ),
    Case(
        r#"{"event_data": {"day": {"$gte": "2024-01-01", "$lt": "2025"}}}"#,
        &[r#"{"day": "2024-06-30"}"#],
        &[r#"{"day": "2025-01-01"}"#, r#"{"day": 20240630}"#],
    ),
    Case(
        r#"{"event_data": {"a": {"$in": [1, "x", null]}}}"#,
        &[r#"{"a": 1}"#, r#"{"a": "x"}"#, r#"{"a": null}"#, "{}"],
        &[r#"{"a": 2}"#, r#"{"a": [1]}"#],
    ),
    Case(
        r#"{"event_data": {"a": {"$nin": [1, "x"]}}}"#,
        &[r#"{"a": 2}"#, "{}"],
        &[r#"{"a": 1}"#, r#"{"a": "x"}"#],
    ),
    Case(
        r#"{"event_data": {"a": {"$exists": true}}}"#,
        &[r#"{"a": null}"#, r#"{"a": 0}"#],
        &["{}", r#"{"b": 1}"#, "[]"],
    ),
    Case(
        r#"{"event_data": {"a": {"$exists": false}}}"#,
        &["{}", "1"],
        &[r#"{"a": null}"#],
    ),
    Case(
        r#"{"event_data": {"path": {"$prefix": "/a/ü"}}}"#,
        &[r#"{"path": "/a/übung"}"#, r#"{"path": "/a/\u00fc"}"#],
        &[r#"{"path": "/a/"}"#, r#"{"path": ["/a/ü"]}"#, "{}"],
    ),
    Case(
        r#"{"event_data": {"it's": "\"quoted\" \\ $$"}}"#,
        &[r#"{"it's": "\"quoted\" \\ $$"}"#],
        &[r#"{"it's": "quoted"}"#],
    ),
    // jsonpath: a predicate holds, or a path finds something.
    Case(
        r#"{"jsonpath": "$.amount > 100"}"#,
        &[
            r#"{"amount": 101}"#,
            r#"{"amount": [1, 200]}"#,
            r#"{"amount": 1e400}"#,
        ],
        &[r#"{"amount": 100}"#, r#"{"amount": "101"}"#, "{}", "null"],
    ),
    Case(
        r#"{"jsonpath": "$.items[*] ? (@.qty > 1)"}"#,
        &[r#"{"items": [{"qty": 1}, {"qty": 2}]}"#],
        &[r#"{"items": [{"qty": 1}]}"#, r#"{"items": []}"#, "{}"],
    ),
    Case(
        r#"{"jsonpath": "$.flag"}"#,
        &[
            r#"{"flag": true}"#,
            r#"{"flag": 0}"#,
            r#"{"flag": ""}"#,
            r#"{"flag": [false, true]}"#,
        ],
        &[r#"{"flag": false}"#, r#"{"flag": null}"#, "{}"],
    ),
    Case(
        r#"{"jsonpath": "strict $.a.b == 1"}"#,
        &[r#"{"a": {"b": 1}}"#],
        &["{}", r#"{"a": 1}"#, r#"{"a": [{"b": 1}]}"#, "1"],
    ),
    Case(
        r#"{"jsonpath": "$.a / $.b > 1"}"#,
        &[r#"{"a": 4, "b": 2}"#],
        &[
            r#"{"a": 1, "b": 0}"#,
            r#"{"a": "x", "b": 1}"#,
            r#"{"a": 1e131000, "b": 1e-16000}"#,
            "{}",
        ],
    ),
    // Comparisons across time zones, which the immutable jsonpath functions refuse.
    Case(
        r#"{"jsonpath": "$.at.datetime() >= \"2024-06-01T00:00:00+02:00\".datetime()"}"#,
        &[
            r#"{"at": "2024-06-01"}"#,
            r#"{"at": "2024-05-31T22:00:00+00:00"}"#,
            r#"{"at": "2024-06-01T00:00:00"}"#,
        ],
        &[
            r#"{"at": "2024-05-31T21:59:59+00:00"}"#,
            r#"{"at": "2024-05-31"}"#,
            r#"{"at": "no date"}"#,
            r#"{"at": 5}"#,
            "{}",
        ],
    ),
    // Nothing that a path meets may break the publisher, even where "silent" is not.
    Case(
        r#"{"jsonpath": "$.at.datetime(\"bogus\") == \"2024-06-01\".datetime()"}"#,
        &[],
        &[r#"{"at": "2024-06-01"}"#, r#"{"at": 1}"#, "{}"],
    ),
    Case(
        r#"{"jsonpath": "$.at.datetime() < \"2024-06-01T00:00:00+02:00\".datetime()"}"#,
        &[r#"{"at": "2024-05-31"}"#],
        &[
            r#"{"at": "5874897-12-31"}"#,
            r#"{"at": "99999999-01-01"}"#,
            r#"{"at": "2024-02-30"}"#,
        ],
    ),
    Case(
        r#"{"event_data": {"a": 1}, "jsonpath": "$.b == 2"}"#,
        &[r#"{"a": 1, "b": 2}"#],
        &[r#"{"a": 1}"#, r#"{"b": 2}"#, "{}"],
    ),
];
