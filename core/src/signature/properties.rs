use super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever comes as a signature, only the right one passes, alone or among others.
    #[test]
    fn verification_takes_the_right_signature_only(
        secret in "(whsec_)?[ -~é]{0,12}|whsec_[A-Za-z0-9+/]{4,20}={0,2}",
        body in prop::collection::vec(any::<u8>(), 0..40),
        noise in "(v1a?,[A-Za-z0-9+/=]{0,44} ?){0,3}|sha256=[0-9a-f]{0,64}|.{0,20}",
        timestamp in any::<i64>(),
    ) {
        prop_assert!(!verify_standard(&secret, "msg", timestamp, &body, &noise));
        prop_assert!(!verify_body_hex(&secret, &body, &noise));
        let Ok(signer) = Signer::new(&secret) else {
            return Ok(());
        };
        let right = signer.sign_standard("msg", timestamp, &body);
        prop_assert!(verify_standard(&secret, "msg", timestamp, &body, &right));
        let rotated = format!("v1,AAAA {right}");
        prop_assert!(verify_standard(&secret, "msg", timestamp, &body, &rotated));
        let longer = [body.as_slice(), b" "].concat();
        prop_assert!(!verify_standard(&secret, "msg", timestamp, &longer, &right));
        prop_assert!(!verify_standard(&secret, "msg", timestamp.wrapping_add(1), &body, &right));
        let hex = signer.sign_body_hex(&body);
        prop_assert!(verify_body_hex(&secret, &body, &hex) && !verify_body_hex(&secret, &longer, &hex));
    }
}
