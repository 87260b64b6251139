//! Names to addresses: resolved here, checked against the policy, and exactly the checked addresses are connected
//! to. A name that resolves to something else at connect time (DNS rebinding) gains nothing.

use futures_util::TryFutureExt;
use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use thiserror::Error;
use tower_service::Service;
use url::Url;
use webhooks_core::url_policy::{AddressPolicy, host_address};

/// Why a name can't be connected to.
#[derive(Debug, Error)]
pub enum ResolveError {
    #[error("can't resolve {name}: {source}")]
    Lookup {
        name: String,
        source: std::io::Error,
    },
    #[error("{0} has no address")]
    Empty(String),
    #[error(
        "{name}: {reason}; a receiver on a private network must be allowed with --allow-network"
    )]
    Refused { name: String, reason: String },
}

/// The system's resolver behind the address policy.
#[derive(Clone)]
pub struct PolicyResolver {
    policy: Arc<AddressPolicy>,
}

impl PolicyResolver {
    pub fn new(policy: AddressPolicy) -> Self {
        Self {
            policy: Arc::new(policy),
        }
    }

    /// Checks a URL whose host is an address: those are connected to without being resolved.
    ///
    /// # Errors
    /// [`ResolveError::Refused`].
    pub fn check_literal(&self, url: &Url) -> Result<(), ResolveError> {
        let Some(address) = host_address(url) else {
            return Ok(());
        };
        self.policy
            .check(address)
            .map_err(|error| ResolveError::Refused {
                name: address.to_string(),
                reason: error.to_string(),
            })
    }

    async fn lookup(&self, name: String) -> Result<Vec<SocketAddr>, ResolveError> {
        let found = tokio::net::lookup_host((name.as_str(), 0))
            .await
            .map(Iterator::collect::<Vec<_>>);
        let found = found.map_err(|source| ResolveError::Lookup {
            name: name.clone(),
            source,
        })?;
        let mut refusal = None;
        let mut allowed = Vec::with_capacity(found.len());
        for address in found {
            match self.policy.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(error) => refusal = Some(error.to_string()),
            }
        }
        match (allowed.is_empty(), refusal) {
            (false, _) => Ok(allowed),
            (true, Some(reason)) => Err(ResolveError::Refused { name, reason }),
            (true, None) => Err(ResolveError::Empty(name)),
        }
    }
}

impl Service<Name> for PolicyResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        let lookup = async move { resolver.lookup(name.as_str().to_owned()).await };
        Box::pin(lookup.map_ok(Vec::into_iter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_for_a_private_address_is_refused_unless_allowed() {
        let refusing = PolicyResolver::new(AddressPolicy { allowed: vec![] });
        let error = refusing.lookup("localhost".to_owned()).await.unwrap_err();
        assert!(matches!(error, ResolveError::Refused { .. }), "{error}");
        let allowing = PolicyResolver::new(AddressPolicy {
            allowed: vec!["127.0.0.0/8".parse().unwrap()],
        });
        let addresses = allowing.lookup("localhost".to_owned()).await.unwrap();
        assert!(
            addresses.iter().all(|address| address.is_ipv4()),
            "only what was allowed: {addresses:?}"
        );
    }

    #[test]
    fn literal_addresses_are_checked() {
        let resolver = PolicyResolver::new(AddressPolicy { allowed: vec![] });
        for refused in [
            "http://127.0.0.1/",
            "http://[::1]/",
            "http://2130706433/",
            "http://169.254.169.254/",
        ] {
            assert!(
                resolver.check_literal(&refused.parse().unwrap()).is_err(),
                "{refused}"
            );
        }
        assert!(
            resolver
                .check_literal(&"http://example.com/".parse().unwrap())
                .is_ok()
        );
    }
}
