//! A connection pooler, as far as its clients notice: one that keeps a server session for a client as long as it is there, or
//! only for a transaction.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SSL_REQUEST: u32 = 80_877_103;
const PROTOCOL: u32 = 196_608;

/// When a server session is given to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When the client has gone.
    Session,
    /// After each transaction.
    Transaction,
}

/// The treatment of `options` in a client's startup packet, which an existing server session can't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartupOptions {
    /// As `PgBouncer` does by default.
    Refused,
    /// As `PgBouncer` does with `ignore_startup_parameters = options`.
    Ignored,
}

/// A pooler before a server that trusts everybody. It ends with the runtime that it was started on.
#[derive(Debug)]
pub struct Pooler {
    address: SocketAddr,
}

struct Pool {
    target: SocketAddr,
    mode: Mode,
    options: StartupOptions,
    /// Server sessions that nobody uses, with whom they are for; the one used last is used first.
    idle: Mutex<Vec<(String, TcpStream)>>,
}

/// One message of the protocol, as it is sent.
struct Message {
    kind: u8,
    bytes: Vec<u8>,
}

impl Pooler {
    /// Listens on 127.0.0.1. Runs on the current runtime.
    ///
    /// # Errors
    /// When no socket can be had.
    pub fn start(target: SocketAddr, mode: Mode, options: StartupOptions) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let pool = Arc::new(Pool {
            target,
            mode,
            options,
            idle: Mutex::default(),
        });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let pool = pool.clone();
                // Whoever breaks off has broken off.
                tokio::spawn(async move { pool.serve(client).await });
            }
        });
        Ok(Self { address })
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Pool {
    async fn serve(&self, mut client: TcpStream) -> Result<()> {
        client.set_nodelay(true)?;
        let parameters = startup(&mut client).await?;
        let is_options = |(name, _): &&(String, String)| name == "options";
        if self.options == StartupOptions::Refused && parameters.iter().any(|p| is_options(&p)) {
            let refusal = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
            return Ok(client.write_all(&message(b'E', refusal)).await?);
        }
        let kept = parameters.iter().filter(|p| !is_options(p));
        let kept: Vec<u8> = kept
            .flat_map(|(name, value)| format!("{name}\0{value}\0").into_bytes())
            .collect();
        let (mut server, greeting) = self.open(&kept).await?;
        client.write_all(&greeting).await?;
        match self.mode {
            Mode::Session => {
                tokio::io::copy_bidirectional(&mut client, &mut server).await?;
                Ok(())
            }
            Mode::Transaction => {
                self.release(&parameters, server);
                self.transactions(&mut client, &parameters, &kept).await
            }
        }
    }

    async fn transactions(
        &self,
        client: &mut TcpStream,
        parameters: &[(String, String)],
        kept: &[u8],
    ) -> Result<()> {
        loop {
            let first = read_message(client).await?;
            let mut server = match self.take(parameters) {
                Some(server) => server,
                None => self.open(kept).await?.0,
            };
            let mut next = first;
            loop {
                server.write_all(&next.bytes).await?;
                // Only after these there is an answer to its end.
                if matches!(next.kind, b'Q' | b'S') && answer(&mut server, client).await? {
                    break;
                }
                next = read_message(client).await?;
            }
            self.release(parameters, server);
        }
    }

    /// A new server session, and what it says at first.
    async fn open(&self, parameters: &[u8]) -> Result<(TcpStream, Vec<u8>)> {
        let mut server = TcpStream::connect(self.target).await?;
        server.set_nodelay(true)?;
        let mut body = PROTOCOL.to_be_bytes().to_vec();
        body.extend_from_slice(parameters);
        body.push(0);
        let length = u32::try_from(body.len() + 4)?;
        server.write_all(&length.to_be_bytes()).await?;
        server.write_all(&body).await?;
        let mut greeting = Vec::new();
        loop {
            let message = read_message(&mut server).await?;
            greeting.extend_from_slice(&message.bytes);
            if matches!(message.kind, b'Z' | b'E') {
                return Ok((server, greeting));
            }
        }
    }

    fn take(&self, parameters: &[(String, String)]) -> Option<TcpStream> {
        let whose = whose(parameters);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let at = idle.iter().rposition(|(user, _)| *user == whose)?;
        Some(idle.remove(at).1)
    }

    fn release(&self, parameters: &[(String, String)], server: TcpStream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((whose(parameters), server));
    }
}

/// User and database.
fn whose(parameters: &[(String, String)]) -> String {
    let value = |wanted: &str| {
        let found = parameters.iter().find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.as_str())
    };
    format!("{}@{}", value("user"), value("database"))
}

/// Passes an answer on. Returns: whether no transaction is open after it.
async fn answer(server: &mut TcpStream, client: &mut TcpStream) -> Result<bool> {
    loop {
        let message = read_message(server).await?;
        client.write_all(&message.bytes).await?;
        if message.kind == b'Z' {
            return Ok(message.bytes.last() == Some(&b'I'));
        }
    }
}

/// The parameters that the client asks for, by name.
async fn startup(client: &mut TcpStream) -> Result<Vec<(String, String)>> {
    loop {
        let length = client.read_u32().await?;
        let mut body = vec![0; usize::try_from(length)?.saturating_sub(4).min(65_536)];
        client.read_exact(&mut body).await?;
        let code = body.first_chunk().map(|code| u32::from_be_bytes(*code));
        match code {
            Some(SSL_REQUEST) => client.write_all(b"N").await?,
            Some(PROTOCOL) => {
                let text = String::from_utf8(body.split_off(4))?;
                let words: Vec<&str> = text.split('\0').collect();
                let pairs = words.chunks_exact(2).filter(|pair| !pair[0].is_empty());
                return Ok(pairs
                    .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
                    .collect());
            }
            // To cancel a statement, say.
            _ => bail!("startup code {code:?}"),
        }
    }
}

async fn read_message(stream: &mut TcpStream) -> Result<Message> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await?;
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.resize(usize::try_from(length)? + 1, 0);
    stream.read_exact(&mut bytes[5..]).await?;
    Ok(Message { kind, bytes })
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}
