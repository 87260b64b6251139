use super::*;
use crate::signature;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What every value in these configurations holds, and no message may show.
const SECRET: &str = "hush";

fn secret_text() -> impl Strategy<Value = String> {
    "(whsec_|v1,)?[ -~\t\r\n\u{0}é=+/]{0,10}|(whsec_)?[A-Za-z0-9+/]{0,40}={0,3}"
        .prop_map(|text| text + SECRET)
}

/// Configurations that are nearly right: known keys, misspelt ones, values of every kind.
fn config() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["api_key", "header", "secret", "Secret", "", "é"]);
    let value = prop_oneof![
        4 => secret_text().prop_map(Value::String),
        1 => prop::sample::select(vec![json!(null), json!(true), json!(9), json!([SECRET]), json!({"secret": SECRET})]),
    ];
    let object = prop::collection::btree_map(key, value, 0..4)
        .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)));
    prop_oneof![
        8 => object.prop_map(|fields| Value::Object(fields.collect())),
        1 => prop::sample::select(vec![json!(null), json!(SECRET), json!([SECRET]), json!(7)]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// No configuration makes it panic or show a secret, and what is accepted can be sent and is what was given.
    #[test]
    fn parsing_is_total_and_discreet(
        auth_type in prop_oneof![
            8 => prop::sample::select(vec!["none", "api_key", "signature", "oauth"]).prop_map(str::to_owned),
            1 => ".{0,12}",
        ],
        config in config(),
    ) {
        match Auth::parse(&auth_type, &config) {
            Ok(auth) => {
                // A header's name is no secret, whatever it is.
                let shown = match &auth {
                    Auth::ApiKey { header, .. } => format!("{auth:?}").replacen(header.as_str(), "", 1),
                    _ => format!("{auth:?}"),
                };
                prop_assert!(!shown.contains(SECRET), "{:?}", auth);
                match &auth {
                    Auth::None => prop_assert_eq!(auth_type, "none"),
                    Auth::ApiKey { header, value } => {
                        let given = config["api_key"].as_str().unwrap();
                        let bare = value.strip_prefix("Bearer ").filter(|_| header == "authorization");
                        prop_assert_eq!(bare.unwrap_or(value), given);
                        prop_assert!(value.bytes().all(|b| b == b'\t' || (0x20..0x7f).contains(&b)));
                        prop_assert_eq!(headers::check_name(header), Ok(header.clone()));
                        prop_assert!(!headers::is_reserved(header));
                    }
                    Auth::Signature(signer) => {
                        let given = config["secret"].as_str().unwrap();
                        let standard = signer.sign_standard("msg_1", 1_795_507_200, b"body");
                        prop_assert!(signature::verify_standard(given, "msg_1", 1_795_507_200, b"body", &standard));
                        prop_assert!(signature::verify_body_hex(given, b"body", &signer.sign_body_hex(b"body")));
                    }
                }
            }
            Err(error) => {
                // The name of a header is shown; it holds the word too, but is none of the secrets.
                let shown = format!("{error} {error:?}");
                let names_header = matches!(error, AuthError::BadHeader(_));
                prop_assert!(names_header || !shown.contains(SECRET), "{}: {}", config, shown);
                prop_assert!(!error.to_string().is_empty() && error.to_string().len() < 1000);
            }
        }
    }

    #[test]
    fn a_usable_key_is_used(key in "[!-~]([ -~]{0,40}[!-~])?", header in prop::option::of("[xX]-[a-z]{1,8}")) {
        let config = match &header {
            Some(header) => json!({"api_key": key, "header": header}),
            None => json!({"api_key": key}),
        };
        let Ok(Auth::ApiKey { header: name, value }) = Auth::parse("api_key", &config) else {
            return Err(TestCaseError::fail(format!("refused: {config}")));
        };
        let expected = match header {
            Some(header) => (header.to_lowercase(), key),
            None => ("authorization".to_owned(), format!("Bearer {key}")),
        };
        prop_assert_eq!((name, value), expected);
    }
}
