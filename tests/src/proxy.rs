//! A TCP proxy that can stall or break its connections: a network that fails without telling anyone.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result};
use tokio::net::TcpStream;
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    Up,
    /// Bytes are neither passed on nor refused; connections are accepted and get no answer.
    Stalled,
}

/// Passes connections on to a target. Dropping it closes them all.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    /// Connections live as long as the current value of this; a new one closes those of the old.
    generation: watch::Sender<u64>,
}

impl Proxy {
    /// Listens on 127.0.0.1 and passes connections on to `target`. Runs on a thread of its own.
    ///
    /// # Errors
    /// When no socket or thread can be had.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (network, network_seen) = watch::channel(Network::Up);
        let (generation, generation_seen) = watch::channel(0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let accept = accept(listener, target, network_seen, generation_seen);
        std::thread::Builder::new()
            .name("proxy".into())
            .spawn(move || runtime.block_on(accept))?;
        Ok(Self {
            address,
            network,
            generation,
        })
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes, in either direction; nobody is told.
    pub fn stall(&self) {
        self.network.send_replace(Network::Stalled);
    }

    /// Everything passes again, what waited included.
    pub fn resume(&self) {
        self.network.send_replace(Network::Up);
    }

    /// Closes all connections; new ones are accepted.
    pub fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    network: watch::Receiver<Network>,
    mut generation: watch::Receiver<u64>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                tokio::spawn(relay(client, target, network.clone(), generation.clone()));
            },
            changed = generation.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Relays both directions until one side closes, the proxy is cut, or it is dropped.
async fn relay(
    client: TcpStream,
    target: SocketAddr,
    mut network: watch::Receiver<Network>,
    mut generation: watch::Receiver<u64>,
) {
    generation.mark_unchanged();
    let relayed = async {
        network.wait_for(|state| *state == Network::Up).await.ok()?;
        let server = TcpStream::connect(target).await.ok()?;
        // Each side decides itself what to send at once. Held back here until the last part is acknowledged, what comes in
        // parts would take 40 ms.
        client.set_nodelay(true).ok()?;
        server.set_nodelay(true).ok()?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::select! {
            () = pump(&mut from_client, &mut to_server, network.clone()) => {}
            () = pump(&mut from_server, &mut to_client, network.clone()) => {}
        }
        Some(())
    };
    tokio::select! {
        _ = relayed => {}
        _ = generation.changed() => {}
    }
}

async fn pump(
    from: &mut tokio::net::tcp::OwnedReadHalf,
    to: &mut tokio::net::tcp::OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(read) = from.read(&mut buffer).await else {
            return;
        };
        // The end of a stream does not pass a stalled network either.
        if network
            .wait_for(|state| *state == Network::Up)
            .await
            .is_err()
            || read == 0
            || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
}
