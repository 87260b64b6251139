use super::*;

const SECRET: &str = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const TIMESTAMP: i64 = 1_649_367_553;
const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

#[test]
fn the_published_standard_webhooks_vector() {
    let prefixed = format!("whsec_{SECRET}");
    for secret in [SECRET, &prefixed] {
        let key = standard_key(secret).unwrap();
        assert_eq!(sign_standard(&key, ID, TIMESTAMP, BODY), SIGNATURE);
        let signer = Signer::new(secret).unwrap();
        assert_eq!(signer.sign_standard(ID, TIMESTAMP, BODY), SIGNATURE);
        assert!(verify_standard(secret, ID, TIMESTAMP, BODY, SIGNATURE));
    }
}

#[test]
fn standard_verification_takes_any_of_several_and_nothing_else() {
    let verify = |header: &str| verify_standard(SECRET, ID, TIMESTAMP, BODY, header);
    assert!(verify(&format!("v1,AAAA v1a,x  {SIGNATURE}")));
    for header in [
        "",
        "v1,",
        "v1,AAAA",
        &SIGNATURE[3..],
        &format!("{SIGNATURE}x"),
    ] {
        assert!(!verify(header), "{header}");
    }
    assert!(!verify(&SIGNATURE.replace("v1", "v2")));
    assert!(!verify_standard(
        SECRET, "msg_2", TIMESTAMP, BODY, SIGNATURE
    ));
    assert!(!verify_standard(SECRET, ID, TIMESTAMP + 1, BODY, SIGNATURE));
    assert!(!verify_standard(SECRET, ID, TIMESTAMP, b"{}", SIGNATURE));
    assert!(!verify_standard("whsec_!", ID, TIMESTAMP, BODY, SIGNATURE));
}

#[test]
fn secrets_become_keys() {
    assert_eq!(standard_key("whsec_AAEC").unwrap(), [0, 1, 2]);
    assert_eq!(standard_key("AAEC").unwrap(), [0, 1, 2]);
    // The last character's unused bits: Python and Go ignore them.
    assert_eq!(standard_key("AB==").unwrap(), [0]);
    for raw in ["not base64!", "AAE", "pass-word", "AAEC\n"] {
        assert_eq!(standard_key(raw).unwrap(), raw.as_bytes());
    }
    assert_eq!(standard_key(""), Err(SecretError::Empty));
    assert_eq!(standard_key("whsec_"), Err(SecretError::Empty));
    assert_eq!(standard_key("whsec_AAE"), Err(SecretError::NotBase64));
    assert_eq!(standard_key("whsec_a-_b"), Err(SecretError::NotBase64));
}

/// RFC 4231, test cases 2 and 6 (a key longer than a block).
#[test]
fn hmac_sha256_test_vectors() {
    assert_eq!(
        sign_body_hex("Jefe", b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    let mac =
        keyed(&[0xaa; 131]).chain_update("Test Using Larger Than Block-Size Key - Hash Key First");
    assert_eq!(
        hex::encode(&mac.finalize().into_bytes()),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}

#[test]
fn body_signatures_use_the_whole_secret_and_verify() {
    let secret = format!("whsec_{SECRET}");
    let signature = sign_body_hex(&secret, BODY);
    assert_eq!(Signer::new(&secret).unwrap().sign_body_hex(BODY), signature);
    assert_ne!(sign_body_hex(SECRET, BODY), signature);

    let verify = |given: &str| verify_body_hex(&secret, BODY, given);
    assert!(verify(&signature));
    assert!(verify(&format!("sha256={signature}")));
    assert!(verify(&format!("sha256={}", signature.to_uppercase())));
    for wrong in [
        "",
        "sha256=",
        "é",
        &signature[1..],
        &format!("{signature}0"),
    ] {
        assert!(!verify(wrong), "{wrong}");
    }
    assert!(!verify(&format!("sha1={signature}")));
    assert!(!verify_body_hex(SECRET, BODY, &signature));
    assert!(!verify_body_hex(&secret, b"", &signature));
}

#[test]
fn new_secrets_are_usable_and_differ() {
    let secret = generate_secret();
    assert_eq!(standard_key(&secret).unwrap().len(), 32);
    assert_eq!(secret.len(), 50);
    assert_ne!(secret, generate_secret());

    let key = generate_api_key();
    assert_eq!(key.len(), 43);
    let url_safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(key.chars().all(url_safe), "{key}");
    assert_ne!(key, generate_api_key());
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(
        format!("{:?}", Signer::new(SECRET).unwrap()),
        "Signer { .. }"
    );
}
