//! JSON text without the white space between its tokens.
//!
//! PostgreSQL writes jsonb with a space after each `,` and `:`. One pass over the bytes drops them: no parsing, so
//! numbers of any size and duplicate keys stay as they are.

/// Appends `json` without white space outside of its strings.
pub fn push_compact(out: &mut String, json: &str) {
    let bytes = json.as_bytes();
    // Where what is not yet copied begins; it always begins and ends next to ASCII.
    let mut kept = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = after_string(bytes, at + 1),
            b' ' | b'\t' | b'\n' | b'\r' => {
                out.push_str(&json[kept..at]);
                at += 1;
                kept = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(&json[kept..]);
}

/// Where a string ends whose first byte, after the quotation mark, is at `at`.
fn after_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn compact(json: &str) -> String {
        let mut out = String::new();
        push_compact(&mut out, json);
        out
    }

    #[test]
    fn only_white_space_between_tokens_goes() {
        for (json, expected) in [
            ("", ""),
            (" \t\r\n", ""),
            (r#"{"a": 1, "b": [1, 2]}"#, r#"{"a":1,"b":[1,2]}"#),
            (" [ 1 ,\n\t2 ]\r\n", "[1,2]"),
            (r#"{"a, b": "c: d , e"}"#, r#"{"a, b":"c: d , e"}"#),
            (
                r#"["\" , \"", "\\", "\\\" :"]"#,
                r#"["\" , \"","\\","\\\" :"]"#,
            ),
            (r#"["ü , 漢 \u0020 ", "\ü"]"#, r#"["ü , 漢 \u0020 ","\ü"]"#),
            // A no-break space is no white space of JSON's.
            ("[\u{a0}1]", "[\u{a0}1]"),
            // Not JSON, but nothing to panic about.
            (r#"a "b c"#, r#"a"b c"#),
            (r#""b \"#, r#""b \"#),
        ] {
            assert_eq!(compact(json), expected, "{json}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = "([ ,:{}\\[\\]\"\\\\\t\n\r]|\\PC){0,8}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((text, inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn is_what_serde_json_writes(value in any_json()) {
            let expected = value.to_string();
            prop_assert_eq!(&compact(&serde_json::to_string_pretty(&value).unwrap()), &expected);
            prop_assert_eq!(&compact(&expected), &expected);
        }

        #[test]
        fn any_text_is_taken(text in any::<String>(), more in "[ \"\\\\a\u{e9}]{0,12}") {
            let once = compact(&(text + &more));
            prop_assert_eq!(compact(&once), once);
        }
    }
}
