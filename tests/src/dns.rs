//! A DNS server on 127.0.0.1, over UDP and TCP, that answers as told, however badly.

mod message;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use message::{Question, Record};

const ATTEMPTS_TO_FIND_A_PORT: usize = 20;
/// The longest chain of aliases that is followed.
const MOST_ALIASES: usize = 8;

/// The answer for a name.
#[derive(Debug, Clone)]
pub struct Answer {
    content: Content,
    ttl: u32,
    delay: Duration,
    only_over_tcp: bool,
}

#[derive(Debug, Clone)]
enum Content {
    Addresses(Vec<IpAddr>),
    Alias(String),
    Code(u8),
    Silence,
}

impl Answer {
    /// These addresses, for 60 seconds.
    #[must_use]
    pub fn addresses(addresses: &[IpAddr]) -> Self {
        Self::of(Content::Addresses(addresses.to_vec()))
    }

    /// Another name (CNAME), and what is told for that one.
    #[must_use]
    pub fn alias(name: &str) -> Self {
        Self::of(Content::Alias(normal(name)))
    }

    /// A response code without records: 2 is SERVFAIL, 3 is NXDOMAIN, 5 is REFUSED.
    #[must_use]
    pub fn code(code: u8) -> Self {
        Self::of(Content::Code(code))
    }

    /// Nothing, ever.
    #[must_use]
    pub fn silence() -> Self {
        Self::of(Content::Silence)
    }

    /// Holds so many seconds.
    #[must_use]
    pub fn ttl(mut self, seconds: u32) -> Self {
        self.ttl = seconds;
        self
    }

    /// Comes after a while.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Over UDP comes an empty answer that says it is truncated.
    #[must_use]
    pub fn only_over_tcp(mut self) -> Self {
        self.only_over_tcp = true;
        self
    }

    fn of(content: Content) -> Self {
        Self {
            content,
            ttl: 60,
            delay: Duration::ZERO,
            only_over_tcp: false,
        }
    }
}

#[derive(Debug, Default)]
struct Zone {
    answers: HashMap<String, Answer>,
    questions: Vec<String>,
}

/// The server; dropping it ends it. A name of which nothing was told does not exist.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    /// Its end tells the server's thread to end.
    _running: watch::Sender<()>,
}

impl DnsServer {
    /// Starts it, on a thread of its own.
    ///
    /// # Errors
    /// When no sockets or thread can be had.
    pub fn start() -> Result<Self> {
        let (udp, tcp) = sockets()?;
        let address = udp.local_addr()?;
        let zone = Arc::<Mutex<Zone>>::default();
        let (running, ended) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let server = serve(udp, tcp, Arc::clone(&zone), ended);
        std::thread::Builder::new()
            .name("dns".into())
            .spawn(move || runtime.block_on(server))?;
        Ok(Self {
            address,
            zone,
            _running: running,
        })
    }

    /// Where it listens, as the sidecar's `--dns-server` takes it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on answers so for a name.
    pub fn on(&self, name: &str, answer: Answer) {
        lock(&self.zone).answers.insert(normal(name), answer);
    }

    /// How many questions came about a name, of all types.
    #[must_use]
    pub fn questions(&self, name: &str) -> usize {
        let name = normal(name);
        let zone = lock(&self.zone);
        zone.questions
            .iter()
            .filter(|asked| **asked == name)
            .count()
    }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn lock(zone: &Mutex<Zone>) -> MutexGuard<'_, Zone> {
    zone.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two sockets with one port.
fn sockets() -> Result<(UdpSocket, TcpListener)> {
    for _ in 0..ATTEMPTS_TO_FIND_A_PORT {
        let udp = UdpSocket::bind("127.0.0.1:0").context("listening on 127.0.0.1")?;
        if let Ok(tcp) = TcpListener::bind(udp.local_addr()?) {
            udp.set_nonblocking(true)?;
            tcp.set_nonblocking(true)?;
            return Ok((udp, tcp));
        }
    }
    anyhow::bail!("no port that is free for UDP and TCP")
}

async fn serve(
    udp: UdpSocket,
    tcp: TcpListener,
    zone: Arc<Mutex<Zone>>,
    mut ended: watch::Receiver<()>,
) {
    let (Ok(udp), Ok(tcp)) = (
        tokio::net::UdpSocket::from_std(udp),
        tokio::net::TcpListener::from_std(tcp),
    ) else {
        return;
    };
    let udp = Arc::new(udp);
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            received = udp.recv_from(&mut buffer) => if let Ok((length, from)) = received {
                let (query, udp, zone) = (buffer[..length].to_vec(), Arc::clone(&udp), Arc::clone(&zone));
                tokio::spawn(async move {
                    if let Some(reply) = reply(&query, &zone, false).await {
                        let _ = udp.send_to(&reply, from).await;
                    }
                });
            },
            accepted = tcp.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(converse(stream, Arc::clone(&zone)));
            },
            changed = ended.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Messages over TCP follow their length.
async fn converse(mut stream: TcpStream, zone: Arc<Mutex<Zone>>) {
    while let Ok(length) = stream.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        if stream.read_exact(&mut query).await.is_err() {
            return;
        }
        let Some(reply) = reply(&query, &zone, true).await else {
            continue;
        };
        let length = u16::try_from(reply.len()).unwrap_or(u16::MAX);
        let sent = async {
            stream.write_u16(length).await?;
            stream.write_all(&reply).await
        };
        if sent.await.is_err() {
            return;
        }
    }
}

async fn reply(query: &[u8], zone: &Mutex<Zone>, is_tcp: bool) -> Option<Vec<u8>> {
    let question = Question::read(query)?;
    let name = normal(question.name());
    let answer = {
        let mut zone = lock(zone);
        zone.questions.push(name.clone());
        zone.answers.get(&name).cloned()
    };
    let answer = answer.unwrap_or_else(|| Answer::code(3));
    tokio::time::sleep(answer.delay).await;
    if answer.only_over_tcp && !is_tcp {
        return Some(question.truncated());
    }
    let (records, code) = resolve(&lock(zone), name, answer)?;
    Some(question.answered(code, &records))
}

/// The records of a name, through its aliases; `None` where nothing is to be said.
fn resolve(zone: &Zone, mut name: String, mut answer: Answer) -> Option<(Vec<Record>, u8)> {
    let mut records = Vec::new();
    for _ in 0..MOST_ALIASES {
        let ttl = answer.ttl;
        match answer.content {
            Content::Silence => return None,
            Content::Code(code) => return Some((records, code)),
            Content::Addresses(addresses) => {
                let own = addresses
                    .into_iter()
                    .map(|address| Record::address(&name, ttl, address));
                records.extend(own);
                return Some((records, 0));
            }
            Content::Alias(target) => {
                records.push(Record::alias(&name, ttl, &target));
                let next = zone.answers.get(&target).cloned();
                (name, answer) = (target, next.unwrap_or_else(|| Answer::code(3)));
            }
        }
    }
    Some((records, 0))
}
