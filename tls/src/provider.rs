//! The cryptography of TLS: all of aws-lc-rs, signatures by RSA-PSS keys, and key exchange over P-521.

use super::key_exchange::P521;
use rustls::SignatureScheme;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use std::sync::LazyLock;

pub fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.signature_verification_algorithms = *ALGORITHMS;
    // The last in preference: it takes the most time.
    provider.kx_groups.push(&P521);
    provider
}

/// Made once: the library wants them to live for ever.
pub static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    let usual = aws_lc_rs::default_provider().signature_verification_algorithms;
    let mut all = usual.all.to_vec();
    let mut mapping = usual.mapping.to_vec();
    for (scheme, parameters) in PSS_SCHEMES {
        let is_hash = |algorithm: &&&'static dyn SignatureVerificationAlgorithm| {
            algorithm.signature_alg_id() == parameters
        };
        let Some(inner) = usual.all.iter().find(is_hash) else {
            continue;
        };
        // Keys for PSS say so, with or without which hash they are for.
        let of_scheme: Vec<_> = [PSS_KEY, parameters]
            .map(|key| -> &'static dyn SignatureVerificationAlgorithm {
                Box::leak(Box::new(PssKey { key, inner: *inner }))
            })
            .to_vec();
        all.extend(&of_scheme);
        mapping.push((scheme, of_scheme.leak()));
    }
    WebPkiSupportedAlgorithms {
        all: all.leak(),
        mapping: mapping.leak(),
    }
});

/// `rsa_pss_pss_sha256` and so on of RFC 8446, 4.2.3, and the parameters of signatures by them.
const PSS_SCHEMES: [(SignatureScheme, AlgorithmIdentifier); 3] = [
    (SignatureScheme::Unknown(0x0809), alg_id::RSA_PSS_SHA256),
    (SignatureScheme::Unknown(0x080a), alg_id::RSA_PSS_SHA384),
    (SignatureScheme::Unknown(0x080b), alg_id::RSA_PSS_SHA512),
];

/// `id-RSASSA-PSS` without parameters.
const PSS_KEY: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a,
]);

/// The same signatures by keys that are called `id-RSASSA-PSS` instead of `rsaEncryption`.
#[derive(Debug)]
struct PssKey {
    key: AlgorithmIdentifier,
    inner: &'static dyn SignatureVerificationAlgorithm,
}

impl SignatureVerificationAlgorithm for PssKey {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.inner.verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }
}
