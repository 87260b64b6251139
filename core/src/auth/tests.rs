use super::*;
use crate::signature;
use serde_json::json;

fn parsed_key(config: Value) -> (String, String) {
    match Auth::parse("api_key", &config).unwrap() {
        Auth::ApiKey { header, value } => (header, value),
        other => panic!("{other:?}"),
    }
}

#[test]
fn good_configurations() {
    for config in [json!({}), json!(null)] {
        assert!(matches!(Auth::parse("none", &config), Ok(Auth::None)));
    }
    let bearer = ("authorization".to_owned(), "Bearer k 1".to_owned());
    assert_eq!(parsed_key(json!({"api_key": "k 1"})), bearer);
    assert_eq!(
        parsed_key(json!({"api_key": "k 1", "header": "Authorization"})),
        bearer
    );
    assert_eq!(
        parsed_key(json!({"api_key": "k", "header": "X-Api-Key"})),
        ("x-api-key".into(), "k".into())
    );
    match Auth::parse("signature", &json!({"secret": "s"})).unwrap() {
        Auth::Signature(signer) => assert_eq!(
            signer.sign_body_hex(b"{}"),
            signature::sign_body_hex("s", b"{}")
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bad_configurations_are_refused_without_showing_secrets() {
    let cases = [
        (
            "oauth",
            json!({"secret": "hush"}),
            "auth_type oauth is not supported yet by this version",
        ),
        ("basic", json!({}), r#"unknown auth_type "basic""#),
        (
            "none",
            json!("hush"),
            "auth_config must be an object, not a string",
        ),
        (
            "none",
            json!({"api_key": "hush"}),
            r#"auth_type none has no auth_config key "api_key""#,
        ),
        (
            "api_key",
            json!({}),
            r#"auth_type api_key needs the auth_config key "api_key""#,
        ),
        (
            "api_key",
            json!({"api_key": ["hush"]}),
            r#"auth_config "api_key" must be a string, not an array"#,
        ),
        (
            "api_key",
            json!({"api_key": "hush", "secret": "hush"}),
            r#"auth_type api_key has no auth_config key "secret""#,
        ),
        (
            "api_key",
            json!({"api_key": ""}),
            r#"auth_config "api_key" must be 1 to 4096"#,
        ),
        (
            "api_key",
            json!({"api_key": " hush"}),
            r#"auth_config "api_key" must be 1 to 4096"#,
        ),
        (
            "api_key",
            json!({"api_key": "hush\r\nx: y"}),
            r#"auth_config "api_key" must be 1 to 4096"#,
        ),
        (
            "api_key",
            json!({"api_key": "hush".repeat(2000)}),
            r#"auth_config "api_key" must be 1 to 4096"#,
        ),
        (
            "api_key",
            json!({"api_key": "hush", "header": "a b"}),
            r#"auth_config "header": "a b" is not a header name"#,
        ),
        (
            "api_key",
            json!({"api_key": "hush", "header": "Host"}),
            r#"auth_config "header": header host is reserved"#,
        ),
        (
            "api_key",
            json!({"api_key": "hush", "header": "webhook-id"}),
            r#"auth_config "header": header webhook-id is reserved"#,
        ),
        (
            "signature",
            json!({}),
            r#"auth_type signature needs the auth_config key "secret""#,
        ),
        (
            "signature",
            json!({"secret": ""}),
            r#"auth_config "secret": the secret is empty"#,
        ),
        (
            "signature",
            json!({"secret": format!("hush{}", "h".repeat(4093))}),
            r#"auth_config "secret" has 4097 bytes; 4096 at most"#,
        ),
        (
            "signature",
            json!({"secret": "whsec_hush!"}),
            r#"auth_config "secret": the secret starts with whsec_ but"#,
        ),
        (
            "signature",
            json!({"secret": null}),
            r#"auth_config "secret" must be a string, not null"#,
        ),
    ];
    for (auth_type, config, message) in cases {
        let error = Auth::parse(auth_type, &config).unwrap_err();
        assert!(error.to_string().starts_with(message), "{config}: {error}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}

#[test]
fn debug_shows_no_secret() {
    for (auth_type, config) in [
        ("api_key", json!({"api_key": "hush"})),
        ("signature", json!({"secret": "hush"})),
    ] {
        let shown = format!("{:?}", Auth::parse(auth_type, &config).unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }
}

#[test]
fn headers_may_not_set_the_key_s_header() {
    let headers = [("x-key".to_owned(), "1".to_owned())];
    let clash = Auth::parse("api_key", &json!({"api_key": "k", "header": "X-Key"})).unwrap();
    assert_eq!(
        clash.check_headers(&headers),
        Err(AuthError::HeaderClash("x-key".into()))
    );
    let bearer = Auth::parse("api_key", &json!({"api_key": "k"})).unwrap();
    assert_eq!(bearer.check_headers(&headers), Ok(()));
    assert_eq!(Auth::None.check_headers(&headers), Ok(()));
}
