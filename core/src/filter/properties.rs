use super::*;
use proptest::prelude::*;
use serde_json::{Map, Number, json};

fn config() -> ProptestConfig {
    ProptestConfig::with_cases(300)
}

/// JSON as hostile as it gets: odd keys, operators anywhere, huge numbers.
fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[$.a-c0-2é]{0,4}",
        prop::sample::select(vec![
            "$eq",
            "$ne",
            "$gt",
            "$gte",
            "$lt",
            "$lte",
            "$in",
            "$nin",
            "$exists",
            "$prefix",
            "a",
            "b",
            "a.b",
            "a.0",
            "event_data",
            "resource_type",
            "resource_id",
            "jsonpath",
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,25})?"
            .prop_map(|n| serde_json::from_str(&n).unwrap()),
        text.clone().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map(text.clone(), inner, 0..5)
                .prop_map(|m| Value::Object(Map::from_iter(m))),
        ]
    })
}

/// A small decimal as its text, and as an integer count of 10^-9.
fn small_number() -> impl Strategy<Value = (String, i128)> {
    (-2000_i64..2000, 0_u32..4, -5_i32..6, any::<bool>()).prop_map(
        |(digits, decimals, exponent, upper)| {
            let scale = 10_i64.pow(decimals);
            let sign = if digits < 0 { "-" } else { "" };
            let (whole, fraction) = (digits.abs() / scale, digits.abs() % scale);
            let mut text = format!("{sign}{whole}");
            if decimals > 0 {
                text += &format!(".{fraction:0width$}", width = decimals as usize);
            }
            text += &format!("{}{exponent}", if upper { "E" } else { "e" });
            let power = 9 + exponent - decimals as i32;
            (text, i128::from(digits) * 10_i128.pow(power as u32))
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn numbers_compare_as_scaled_integers((a, a_int) in small_number(), (b, b_int) in small_number()) {
        let parse = |text: &str| -> Number { serde_json::from_str(text).unwrap() };
        prop_assert_eq!(number::compare(&parse(&a), &parse(&b)), Some(a_int.cmp(&b_int)));
    }

    #[test]
    fn integers_compare_exactly(a in any::<i128>(), step in -2_i128..3) {
        let b = a.saturating_add(step);
        let parse = |n: i128| -> Number { serde_json::from_str(&n.to_string()).unwrap() };
        prop_assert_eq!(number::compare(&parse(a), &parse(b)), Some(a.cmp(&b)));
    }

    #[test]
    fn parsing_and_matching_are_total(filters in any_json(), data in any_json()) {
        for filters in [filters.clone(), json!({"event_data": filters}), json!({"event_data": {"a": filters}})] {
            match Filter::parse(&filters) {
                Ok(filter) => {
                    let reason = filter.mismatch(Some("a"), None, &data);
                    prop_assert_eq!(reason.is_none(), filter.matches(Some("a"), None, &data));
                    prop_assert!(reason.is_none_or(|r| !r.is_empty() && r.len() < 2000));
                }
                Err(error) => prop_assert!(error.to_string().len() < 2000),
            }
        }
    }

    #[test]
    fn a_value_equals_itself_and_is_not_unequal(value in any_json()) {
        let holds = |operator: &str| {
            Filter::parse(&json!({"event_data": {"k": {operator: value}}}))
                .ok()
                .map(|f| f.matches(None, None, &json!({"k": value})))
        };
        // None: beyond the limits, as exponents of 25 digits are.
        prop_assert!(holds("$eq") != Some(false));
        prop_assert!(holds("$ne") != Some(true));
    }

    #[test]
    fn orders_agree_with_each_other(a in any_json(), b in any_json()) {
        let holds = |operator: &str| {
            Filter::parse(&json!({"event_data": {"k": {operator: b}}}))
                .ok()
                .map(|f| f.matches(None, None, &json!({"k": a})))
        };
        if let (Some(gt), Some(gte), Some(lt), Some(lte), Some(eq)) =
            (holds("$gt"), holds("$gte"), holds("$lt"), holds("$lte"), holds("$eq"))
        {
            prop_assert!(!(gt && lt));
            prop_assert_eq!(gte, gt || (lte && eq));
            prop_assert_eq!(lte, lt || (gte && eq));
            let comparable = (a.is_number() && b.is_number()) || (a.is_string() && b.is_string());
            prop_assert_eq!(gte || lte, comparable);
        }
    }
}
