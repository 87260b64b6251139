//! Key exchange over P-521, which the library lacks: without it, servers that offer no other curve, and with TLS 1.2
//! those whose certificate is of this curve, end the handshake.

use aws_lc_rs::agreement::{
    ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey, agree_ephemeral,
};
use aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// How an uncompressed point begins; TLS 1.3 has no others.
const UNCOMPRESSED: u8 = 4;

#[derive(Debug)]
pub struct P521;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let own = EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new())
            .map_err(|_| GetRandomFailed)?;
        let public = own.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Exchange { own, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct Exchange {
    own: EphemeralPrivateKey,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        if peer.first() != Some(&UNCOMPRESSED) {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        let peer = UnparsedPublicKey::new(&ECDH_P521, peer);
        let invalid = Error::from(PeerMisbehaved::InvalidKeyShare);
        agree_ephemeral(self.own, peer, invalid, |secret| {
            Ok(SharedSecret::from(secret))
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_come_to_the_same_secret() {
        let (one, other) = (P521.start().unwrap(), P521.start().unwrap());
        let (of_one, of_other) = (one.pub_key().to_vec(), other.pub_key().to_vec());
        let secret = one.complete(&of_other).unwrap();
        assert_eq!(
            secret.secret_bytes(),
            other.complete(&of_one).unwrap().secret_bytes()
        );
        assert_eq!(secret.secret_bytes().len(), 66);
        // Points that are none, or are shortened.
        for bad in [&[][..], &[4; 133], &[2; 67]] {
            assert!(P521.start().unwrap().complete(bad).is_err());
        }
    }
}
