//! Where keys come from: a file, which is read once, or an address.
//!
//! An address is asked when a token names a key that is unknown, but once a minute at most, whatever tokens name; and each
//! hour, so that keys that the issuer has withdrawn are no longer valid here. Keys that are known stay so while the issuer
//! does not answer, for a day.

use super::key_set::{Key, KeySet, Secrecy};
use super::public_addresses::PublicAddresses;
use anyhow::{Context, bail};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use url::{Host, Url};
use webhooks_core::url_policy::AddressPolicy;

/// Between two requests to the issuer, as long as there are keys of it, and as long as there are none.
const PAUSE: Duration = Duration::from_secs(60);
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(5);
/// After which keys are asked for again.
const FRESH: Duration = Duration::from_secs(3600);
/// After which keys are no longer valid without an answer of the issuer.
const VALID: Duration = Duration::from_secs(86_400);
/// How long the issuer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Of an answer.
const MOST_BYTES: usize = 1 << 20;

pub enum Source {
    File(KeySet),
    Address(Box<Remote>),
}

/// Keys at an address.
pub struct Remote {
    client: reqwest::Client,
    url: Url,
    known: RwLock<Option<Known>>,
    /// When the issuer was asked last. Who has it locked is asking.
    asked: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Known {
    keys: KeySet,
    since: Instant,
}

/// There is no key.
#[derive(Debug)]
pub enum Unavailable {
    /// The issuer does not have it.
    Unknown,
    /// The issuer does not answer, and nothing is known of its keys.
    Away,
}

impl Source {
    /// # Errors
    /// A file that has no keys, an address that is not safe.
    pub fn new(text: &str, allowed: &[IpNet]) -> anyhow::Result<Self> {
        let source = match text.contains("://") {
            true => Remote::new(text, allowed).map(|remote| Self::Address(Box::new(remote))),
            false => std::fs::read(text)
                .map_err(anyhow::Error::from)
                .and_then(|content| KeySet::from_file(&content))
                .map(Self::File),
        };
        source.with_context(|| format!("--jwt-keys={text}"))
    }

    /// The key that a token names.
    ///
    /// # Errors
    /// There is none.
    pub async fn key(&self, id: Option<&str>) -> Result<Key, Unavailable> {
        match self {
            Self::File(keys) => keys.find(id).cloned().ok_or(Unavailable::Unknown),
            Self::Address(remote) => remote.key(id).await,
        }
    }
}

impl Remote {
    fn new(text: &str, allowed: &[IpNet]) -> anyhow::Result<Self> {
        let url = Url::parse(text)?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            bail!("who is between could give keys of their own: use https");
        }
        let addresses = PublicAddresses::new(AddressPolicy {
            allowed: allowed.to_vec(),
            denied: Vec::new(),
        });
        addresses.check(&url)?;
        let client = reqwest::Client::builder()
            .dns_resolver(addresses)
            // A proxy would look names up by itself.
            .no_proxy()
            .tls_backend_preconfigured(tls()?)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self {
            client,
            url,
            known: RwLock::new(None),
            asked: Mutex::new(None),
        })
    }

    async fn key(&self, id: Option<&str>) -> Result<Key, Unavailable> {
        let now = Instant::now();
        let (found, is_fresh) = self.look_up(id, now);
        match found {
            Some(key) if is_fresh => return Ok(key),
            // One request asks again; others go on with what is known.
            Some(key) => {
                let Ok(mut asked) = self.asked.try_lock() else {
                    return Ok(key);
                };
                self.ask(&mut asked, now).await;
            }
            None => {
                let mut asked = self.asked.lock().await;
                // Somebody else may have asked in the meantime.
                if self.look_up(id, now).0.is_none() {
                    self.ask(&mut asked, now).await;
                }
            }
        }
        self.look_up(id, now).0.ok_or(match self.is_known(now) {
            true => Unavailable::Unknown,
            false => Unavailable::Away,
        })
    }

    fn known(&self) -> Option<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// The key, and whether it need not be asked for again.
    fn look_up(&self, id: Option<&str>, now: Instant) -> (Option<Key>, bool) {
        let Some(known) = self.known() else {
            return (None, false);
        };
        let age = now.saturating_duration_since(known.since);
        let valid = (age < VALID).then(|| known.keys.find(id).cloned());
        (valid.flatten(), age < FRESH)
    }

    fn is_known(&self, now: Instant) -> bool {
        self.known()
            .is_some_and(|known| now.saturating_duration_since(known.since) < VALID)
    }

    async fn ask(&self, asked: &mut Option<Instant>, now: Instant) {
        let pause = match self.is_known(now) {
            true => PAUSE,
            false => PAUSE_WITHOUT_KEYS,
        };
        if asked.is_some_and(|at| now.saturating_duration_since(at) < pause) {
            return;
        }
        *asked = Some(now);
        match self.fetch().await {
            Ok(keys) => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                *known = Some(Known { keys, since: now });
            }
            Err(error) => tracing::warn!("the keys at --jwt-keys are not available: {error:#}"),
        }
    }

    async fn fetch(&self) -> anyhow::Result<KeySet> {
        let request = self.client.get(self.url.clone()).send();
        let mut response = request.await.map_err(reqwest::Error::without_url)?;
        if !response.status().is_success() {
            bail!("HTTP status {}", response.status().as_u16());
        }
        let mut content = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(reqwest::Error::without_url)?
        {
            if content.len() + chunk.len() > MOST_BYTES {
                bail!("the answer has more than {MOST_BYTES} bytes");
            }
            content.extend_from_slice(&chunk);
        }
        KeySet::from_json(&content, Secrecy::Public)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// Whom requests to others trust: the authorities of the system.
///
/// # Errors
/// TLS can't be set up.
pub fn tls() -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    // Old ones that can't be read are in many systems.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_tls_unless_they_are_of_this_machine() {
        let local = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
        for (url, is_safe) in [
            ("https://idp.example.com/jwks", true),
            ("http://localhost:8080/jwks", true),
            ("http://127.0.0.1/jwks", true),
            ("http://[::1]/jwks", true),
            ("http://idp.example.com/jwks", false),
            ("http://localhost.example.com/jwks", false),
            ("file:///etc/jwks", false),
        ] {
            assert_eq!(Remote::new(url, &local).is_ok(), is_safe, "{url}");
        }
    }
}
