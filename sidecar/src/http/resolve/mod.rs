//! Names to addresses: resolved here, checked against the policy, and exactly the checked addresses are connected
//! to. A name that resolves to something else at connect time (DNS rebinding) gains nothing.
//!
//! Without threads that block, so that names that nobody answers for hold up no others: [`system`] says whom to ask,
//! [`question`] asks [`servers`], [`cache`] remembers and has one look-up per name, [`order`] says what to try first.

mod answer;
mod cache;
pub mod failure;
mod hosts;
mod order;
mod question;
mod servers;
mod system;

use crate::config::RunArgs;
use cache::Cache;
use failure::LookupFailure;
use futures_util::TryFutureExt;
use futures_util::future::BoxFuture;
use hickory_resolver::net::NetError;
use hyper_util::client::legacy::connect::dns::Name;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use system::{Sources, Watched};
use thiserror::Error;
use tower_service::Service;
use url::Url;
use webhooks_core::url_policy::{AddressError, AddressPolicy, Refusal, host_address};

/// Look-ups at once, at the most and at the least. Each takes up to [`FILES`] sockets.
const AT_ONCE: std::ops::RangeInclusive<u64> = 16..=256;
/// Two questions to each server, each asked up to four times until its timeout.
const FILES: u64 = 8 * system::MOST_SERVERS as u64;

/// Why a name can't be connected to.
#[derive(Debug, Error)]
pub enum ResolveError {
    #[error("can't resolve {name}: {reason}")]
    Lookup { name: String, reason: LookupFailure },
    #[error("{0} has no address")]
    Empty(String),
    #[error("{name}: {reason}; {}", advice(.reason.reason))]
    Refused { name: String, reason: AddressError },
}

/// What to do about a refused address. It ends with the option, by which monitors are told of the kind of failure.
fn advice(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Special(_) => {
            "a receiver on a private network must be allowed with --allow-network"
        }
        Refusal::Denied(_) => "the sidecar was started with --deny-network",
        Refusal::Always(_) => "it can't be allowed with --allow-network",
    }
}

/// The system's resolver behind the address policy.
#[derive(Clone)]
pub struct PolicyResolver {
    policy: Arc<AddressPolicy>,
    system: Arc<Watched>,
    cache: Arc<Cache>,
}

impl PolicyResolver {
    /// # Errors
    /// Those of the resolver.
    pub fn new(args: &RunArgs) -> Result<Self, NetError> {
        let policy = AddressPolicy {
            allowed: args.allow_networks.clone(),
            denied: args.deny_networks.clone(),
        };
        let sources = Sources::of_this_system(args.dns_servers.clone());
        Self::with(policy, sources, args.files_for_lookups() / FILES)
    }

    fn with(policy: AddressPolicy, sources: Sources, at_once: u64) -> Result<Self, NetError> {
        let at_once = at_once.clamp(*AT_ONCE.start(), *AT_ONCE.end());
        Ok(Self {
            policy: Arc::new(policy),
            system: Arc::new(Watched::new(sources)?),
            cache: Arc::new(Cache::new(usize::try_from(at_once).unwrap_or(usize::MAX))),
        })
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
            .map_err(|reason| ResolveError::Refused {
                name: address.to_string(),
                reason,
            })
    }

    async fn lookup(&self, name: String) -> Result<Vec<SocketAddr>, ResolveError> {
        let found = match self.addresses(&name).await {
            Ok(found) => found,
            Err(LookupFailure::NoAddress) => return Err(ResolveError::Empty(name)),
            Err(reason) => return Err(ResolveError::Lookup { name, reason }),
        };
        let mut refusal = None;
        let mut allowed = Vec::with_capacity(found.len());
        for address in found.iter().copied() {
            match self.policy.check(address) {
                Ok(()) => allowed.push(address),
                Err(error) => refusal = Some(error),
            }
        }
        match (allowed.is_empty(), refusal) {
            (false, _) => Ok(order::in_order(&allowed, rand::random_range(0..64))),
            (true, Some(reason)) => Err(ResolveError::Refused { name, reason }),
            (true, None) => Err(ResolveError::Empty(name)),
        }
    }

    async fn addresses(&self, name: &str) -> Result<Arc<[IpAddr]>, LookupFailure> {
        let current = self.system.current().await;
        if current.has_changed {
            self.cache.forget();
        }
        let system = current.system;
        if let Some(addresses) = system.known(name) {
            return Ok(addresses.into());
        }
        let asked: Arc<str> = name.into();
        let ask = move || {
            let (system, name) = (Arc::clone(&system), Arc::clone(&asked));
            async move { system.ask(&name).await }
        };
        self.cache.find(name, ask).await
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
mod tests;
