//! A connection, as a habit uses it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Seen;

/// An answer that keeps the connection.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A connection that a client made.
#[derive(Debug)]
pub struct Conversation {
    stream: TcpStream,
    seen: Arc<Seen>,
}

impl Conversation {
    pub(super) fn new(stream: TcpStream, seen: Arc<Seen>) -> Self {
        let _ = stream.set_nodelay(true);
        Self { stream, seen }
    }

    /// Reads a request to the end of its body.
    ///
    /// # Errors
    /// When the connection ends before.
    pub async fn request(&mut self) -> io::Result<()> {
        let (length, mut read) = self.head().await?;
        let mut space = vec![0; 64 * 1024];
        while read < length {
            read += self.read(&mut space).await?;
        }
        Ok(())
    }

    /// Reads the head of a request. Returns the length of its body, and how much of that is read already.
    ///
    /// # Errors
    /// When the connection ends before.
    pub async fn head(&mut self) -> io::Result<(usize, usize)> {
        let mut read = Vec::new();
        let mut space = vec![0; 16 * 1024];
        loop {
            let count = self.read(&mut space).await?;
            read.extend_from_slice(&space[..count]);
            if let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&read[..end]).into_owned();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("Content-Length: "));
                let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
                self.seen.heads().push(head);
                return Ok((length, read.len() - end - 4));
            }
        }
    }

    /// # Errors
    /// When the connection ends.
    pub async fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(space).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }

    /// # Errors
    /// When the connection ends.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Waits for the client to send anything, so long. Returns whether it did.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn is_spoken_to(&mut self, within: Duration) -> io::Result<bool> {
        let mut byte = [0];
        match tokio::time::timeout(within, self.stream.peek(&mut byte)).await {
            Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(peeked) => peeked.map(|_| true),
            Err(_) => Ok(false),
        }
    }

    /// Makes the close a reset.
    ///
    /// # Errors
    /// The kernel's.
    pub fn reset_on_close(&self) -> io::Result<()> {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    /// Leaves room for so few bytes that the client sends.
    ///
    /// # Errors
    /// The kernel's.
    pub fn keep_little(&self, bytes: usize) -> io::Result<()> {
        SockRef::from(&self.stream).set_recv_buffer_size(bytes)
    }

    /// Waits until the client ends the connection.
    ///
    /// # Errors
    /// When it does not end it well.
    pub async fn wait_for_end(&mut self) -> io::Result<()> {
        let mut space = vec![0; 64 * 1024];
        while self.stream.read(&mut space).await? > 0 {}
        Ok(())
    }
}
