use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Bytes that are text now and then, with the troublemakers well represented.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|b| vec![b]),
        any::<char>().prop_map(|c| c.to_string().into_bytes()),
        prop::sample::select(vec![
            &b"\0"[..],
            b"\xff",
            b"\xc3",
            b"\xf0\x9f\xa6",
            b"\xed\xa0\x80",
            b"\"\\",
            b"\r\n",
            b"\\u0000",
            b"abc",
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn bodies_are_storable_and_bounded(bytes in bytes(), truncated in any::<bool>()) {
        let text = body_text(&bytes, truncated);
        prop_assert!(!text.contains('\0'));
        prop_assert!(text.len() <= 3 * bytes.len() + CUT.len());
        prop_assert_eq!(text.ends_with(CUT), truncated);
    }

    /// Wherever a limit cuts a text, what is kept is the start of it.
    #[test]
    fn cutting_valid_text_replaces_nothing(text in "[a-zé漢🦀]{0,10}", cut in any::<prop::sample::Index>()) {
        let cut = cut.index(text.len() + 1);
        let kept = body_text(&text.as_bytes()[..cut], true);
        let kept = kept.strip_suffix(CUT).unwrap();
        prop_assert!(text.starts_with(kept) && kept.len() + 4 > cut);
    }

    #[test]
    fn headers_are_json_that_jsonb_takes(
        headers in prop::collection::vec(("[a-cA-C]{1,2}|set-cookie|\u{0}|.{0,4}", bytes()), 0..20),
        cap_bytes in 0_usize..200,
        cap_count in 0_usize..10,
    ) {
        let given = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let json = headers_json(given, cap_bytes, cap_count);
prop_assert!(!json.contains('\0'));
        let object: Map<String, Value> = serde_json::from_str(&json).unwrap();
        let kept = object.iter().filter(|(name, _)| *name != "(omitted)");
        let mut size = 0;
        for (name, value) in kept.clone() {
            let value = value.as_str().unwrap();
            prop_assert!(!name.contains('\0') && !value.contains('\0'));
            prop_assert!(name != "set-cookie" || value.starts_with("[redacted]"));
            size += name.len() + value.len();
        }
        prop_assert!(size <= cap_bytes && kept.count() <= cap_count);
        if !object.contains_key("(omitted)") {
            let all = headers.iter().all(|(name, _)| {
                object.contains_key(&name.to_ascii_lowercase().replace('\0', "\u{fffd}"))
            });
            prop_assert!(all, "nothing is left out silently: {}", json);
        }
    }

    #[test]
    fn errors_are_storable_lines(text in any::<String>(), times in 1_usize..200) {
        let error = error_text(&text.repeat(times));
        prop_assert!(!error.contains(char::is_control));
        prop_assert!(error.len() <= 3 * MAX_ERROR_BYTES + CUT.len());
    }
}
