//! The system's configuration: /etc/resolv.conf and /etc/hosts, read again when they change.

use super::answer::Answer;
use super::hosts::Hosts;
use super::question::{Families, SearchList, ask};
use super::servers::Servers;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often the files are looked at, while names are looked up.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// As many servers and suffixes as libc takes.
pub const MOST_SERVERS: usize = 3;
const MOST_SUFFIXES: usize = 6;
/// The longest time that one server is waited for, and the most attempts, whatever resolv.conf says; as in libc.
const LONGEST_TIMEOUT: u32 = 30;
const MOST_ATTEMPTS: u32 = 5;

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub struct Sources {
    pub resolv_conf: PathBuf,
    pub hosts: PathBuf,
    /// These are asked instead of those in resolv.conf, unless there are none.
    pub servers: Vec<SocketAddr>,
}

impl Sources {
    pub fn of_this_system(servers: Vec<SocketAddr>) -> Self {
        Self {
            resolv_conf: "/etc/resolv.conf".into(),
            hosts: "/etc/hosts".into(),
            servers,
        }
    }

    fn stamps(&self) -> [Option<(u64, SystemTime)>; 2] {
        [&self.resolv_conf, &self.hosts].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.len(), metadata.modified().ok()?))
        })
    }
}

/// What was read: names of this system, and whom to ask for others.
pub struct System {
    hosts: Hosts,
    servers: Servers,
    list: SearchList,
    families: Families,
}

impl System {
    /// Files that can't be read count as empty, as in libc.
    fn read(sources: &Sources) -> Result<Self, NetError> {
        let text = std::fs::read(&sources.resolv_conf).unwrap_or_default();
        let (mut read, errors) = resolv_conf::Config::parse_with_errors(&text);
        for error in errors {
            tracing::debug!("{}: {error}", sources.resolv_conf.display());
        }
        read.glibc_normalize();
        let hosts = std::fs::read(&sources.hosts).unwrap_or_default();
        Ok(Self {
            hosts: Hosts::parse(&String::from_utf8_lossy(&hosts)),
            servers: servers(&read, &sources.servers)?,
            list: SearchList {
                suffixes: suffixes(&read),
                ndots: read.ndots as usize,
            },
            families: if read.no_aaaa {
                Families::Ipv4Only
            } else {
                Families::Both
            },
        })
    }

    /// The addresses of a name that need not be asked for.
    pub fn known(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.hosts.addresses(name)
    }

    pub async fn ask(&self, name: &str) -> Answer {
        ask(&self.servers, &self.list, self.families, name).await
    }
}

fn suffixes(read: &resolv_conf::Config) -> Vec<Name> {
    let mut suffixes: Vec<String> = read.get_last_search_or_domain().cloned().collect();
    if suffixes.is_empty() {
        suffixes.extend(read.get_system_domain());
    }
    suffixes
        .iter()
        // What is no name is passed over ("--", for example).
        .filter_map(|suffix| Name::from_str_relaxed(suffix).ok())
        .filter(|suffix| !suffix.is_root())
        .take(MOST_SUFFIXES)
        .collect()
}

fn servers(read: &resolv_conf::Config, given: &[SocketAddr]) -> Result<Servers, NetError> {
    let addresses: Vec<SocketAddr> = if given.is_empty() {
        let read = read.get_nameservers_or_local();
        let addresses = read.into_iter().map(IpAddr::from);
        addresses
            .map(|address| SocketAddr::new(address, 53))
            .collect()
    } else {
        given.to_vec()
    };
    let mut options = ResolverOpts::default();
    options.timeout = Duration::from_secs(read.timeout.clamp(1, LONGEST_TIMEOUT).into());
    // The library counts those after the first.
    options.attempts = read.attempts.clamp(1, MOST_ATTEMPTS) as usize - 1;
    options.edns0 = read.edns0;
    // Both are this program's own: one cache, and names of the hosts file for both families.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    let resolver = |address: SocketAddr| {
        let server = name_server(address, read.use_vc);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options.clone())
            .build()
    };
    let resolvers = addresses.into_iter().take(MOST_SERVERS).map(resolver);
    Ok(Servers::new(
        resolvers.collect::<Result<_, _>>()?,
        read.rotate,
    ))
}

fn name_server(server: SocketAddr, only_tcp: bool) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    let mut connections = vec![on_port(ConnectionConfig::tcp())];
    if !only_tcp {
        connections.insert(0, on_port(ConnectionConfig::udp()));
    }
    NameServerConfig::new(server.ip(), true, connections)
}

/// The configuration as it is now.
pub struct Watched {
    sources: Sources,
    state: Mutex<State>,
}

struct State {
    system: Arc<System>,
    stamps: [Option<(u64, SystemTime)>; 2],
    looked: Instant,
}

/// The configuration, and whether it is another than before.
pub struct Current {
    pub system: Arc<System>,
    pub has_changed: bool,
}

impl Watched {
    /// # Errors
    /// Those of the resolver.
    pub fn new(sources: Sources) -> Result<Self, NetError> {
        let stamps = sources.stamps();
        let system = Arc::new(System::read(&sources)?);
        let state = Mutex::new(State {
            system,
            stamps,
            looked: Instant::now(),
        });
        Ok(Self { sources, state })
    }

    /// The configuration; at times it is read again before, by one of those who ask, while the others go on with the
    /// old one.
    pub async fn current(&self) -> Current {
        let (old, stamps) = {
            let mut state = self.lock();
            if state.looked.elapsed() < LOOK_INTERVAL {
                return Current {
                    system: Arc::clone(&state.system),
                    has_changed: false,
                };
            }
            state.looked = Instant::now();
            (Arc::clone(&state.system), state.stamps)
        };
        let sources = self.sources.clone();
        let read = move || {
            let now = sources.stamps();
            (now != stamps).then(|| (now, System::read(&sources)))
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(Some((stamps, Ok(system)))) => {
                tracing::info!(
                    "the system's resolver configuration has changed and was read again"
                );
                let system = Arc::new(system);
                let mut state = self.lock();
                state.system = Arc::clone(&system);
                state.stamps = stamps;
                Current {
                    system,
                    has_changed: true,
                }
            }
            Ok(Some((_, Err(error)))) => {
                tracing::warn!(%error, "the system's resolver configuration can't be used: the old one stays");
                Current {
                    system: old,
                    has_changed: false,
                }
            }
            Ok(None) | Err(_) => Current {
                system: old,
                has_changed: false,
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changed_files_are_read_again() {
        let hosts = std::env::temp_dir().join(format!("webhooks-changing-{}", std::process::id()));
        std::fs::write(&hosts, "10.0.0.1 hooks\n").unwrap();
        let watched = Watched::new(Sources {
            resolv_conf: "/nonexistent".into(),
            hosts: hosts.clone(),
            servers: vec![],
        })
        .unwrap();
        std::fs::write(&hosts, "10.0.0.22 hooks\n").unwrap();
        // Not looked at again so soon.
        let current = watched.current().await;
        assert!(!current.has_changed);
        assert_eq!(
            current.system.known("hooks"),
            Some(vec!["10.0.0.1".parse().unwrap()])
        );
        watched.lock().looked -= LOOK_INTERVAL;
        let current = watched.current().await;
        assert!(current.has_changed);
        assert_eq!(
            current.system.known("hooks"),
            Some(vec!["10.0.0.22".parse().unwrap()])
        );
        watched.lock().looked -= LOOK_INTERVAL;
        assert!(!watched.current().await.has_changed);
        std::fs::remove_file(&hosts).unwrap();
        watched.lock().looked -= LOOK_INTERVAL;
        assert_eq!(watched.current().await.system.known("hooks"), None);
    }

    #[test]
    fn suffixes_are_those_of_the_last_line_that_has_some() {
        let of = |text: &str| {
            let read = resolv_conf::Config::parse(text).unwrap();
            suffixes(&read)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of("search a.example -- b.example .\n"),
            ["a.example", "b.example"]
        );
        assert_eq!(of("search a.example\ndomain c.example\n"), ["c.example"]);
    }
}
