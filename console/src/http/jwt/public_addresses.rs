//! To which addresses requests for keys may go: public ones, and those that the operator allows. A name can mean another
//! address from one moment to the next, so exactly those addresses are connected to that were looked at.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use url::Url;
use webhooks_core::url_policy::{AddressError, AddressPolicy, host_address};

const ADVICE: &str = "allow the network of the identity provider with --jwt-allow-network";

/// The system's resolver behind the policy.
#[derive(Clone)]
pub struct PublicAddresses(Arc<AddressPolicy>);

impl PublicAddresses {
    pub fn new(policy: AddressPolicy) -> Self {
        Self(Arc::new(policy))
    }

    /// Checks a URL whose host is an address: no resolver sees it.
    ///
    /// # Errors
    /// It is refused.
    pub fn check(&self, url: &Url) -> anyhow::Result<()> {
        let Some(address) = host_address(url) else {
            return Ok(());
        };
        let checked = self.0.check(address);
        checked.map_err(|refused| anyhow::Error::msg(words(&refused)))
    }

    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        let mut refusal = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.0.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(refused) => refusal = Some(refused),
            }
        }
        match (allowed.is_empty(), refusal) {
            (true, Some(refused)) => Err(io::Error::other(words(&refused))),
            _ => Ok(allowed),
        }
    }
}

fn words(refused: &AddressError) -> String {
    format!("{refused}: {ADVICE}")
}

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let addresses = this.look_up(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_public_must_be_allowed() {
        let local = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
        let allowed = AddressPolicy {
            allowed: local.to_vec(),
            denied: Vec::new(),
        };
        let (allowed, public) = (
            PublicAddresses::new(allowed),
            PublicAddresses::new(AddressPolicy::default()),
        );
        let refused = public.look_up("localhost").await.unwrap_err().to_string();
        assert!(refused.ends_with(ADVICE), "{refused}");
        assert!(!allowed.look_up("localhost").await.unwrap().is_empty());
        for (url, is_allowed, is_public) in [
            ("http://127.0.0.1/jwks", true, false),
            ("https://10.0.0.1/jwks", false, false),
            ("https://169.254.169.254/jwks", false, false),
            ("https://[::ffff:10.0.0.1]/jwks", false, false),
            ("https://9.9.9.9/jwks", true, true),
            ("https://idp.example.com/jwks", true, true),
        ] {
            let url = url.parse().unwrap();
            assert_eq!(allowed.check(&url).is_ok(), is_allowed, "{url}");
            assert_eq!(public.check(&url).is_ok(), is_public, "{url}");
        }
    }
}
