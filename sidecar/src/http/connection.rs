//! A connection to a receiver, plain or TLS.

use rustix::net::{RecvFlags, recv, sockopt::set_tcp_user_timeout};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

/// How much later than an attempt's own timeout the kernel gives up on what is not acknowledged.
const USER_TIMEOUT_MARGIN: Duration = Duration::from_secs(1);

/// A connection that is older is not kept, however busy it is: the name may have moved (as long as the cache of names
/// holds), and the receiver may have another certificate.
const LONGEST_LIFE: Duration = Duration::from_secs(300);

/// A connection, while one exchange uses it or none does.
pub struct Connection {
    stream: Stream,
    opened: Instant,
    user_timeout: Duration,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    pub fn plain(stream: TcpStream) -> Self {
        Self::new(Stream::Plain(stream))
    }

    pub fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self::new(Stream::Tls(Box::new(stream)))
    }

    fn new(stream: Stream) -> Self {
        Self {
            stream,
            opened: Instant::now(),
            user_timeout: Duration::ZERO,
        }
    }

    /// Until when it may be used again.
    pub fn may_be_used_until(&self) -> Instant {
        self.opened + LONGEST_LIFE
    }

    /// Lets the kernel give up after an attempt's timeout and not before: also when the receiver acknowledges nothing
    /// or reads nothing. Without a limit, it would keep the rest of a request that timed out for a quarter of an hour.
    pub fn outlast(&mut self, timeout: Duration) {
        let user_timeout = timeout + USER_TIMEOUT_MARGIN;
        if self.user_timeout != user_timeout {
            let milliseconds = u32::try_from(user_timeout.as_millis()).unwrap_or(u32::MAX);
            // What can't be set is the kernel's default, which is longer.
            let _ = set_tcp_user_timeout(self.tcp(), milliseconds);
            self.user_timeout = user_timeout;
        }
    }

    /// Whether the receiver has neither closed this idle connection nor sent anything that nobody asked for.
    pub fn is_quiet(&mut self) -> bool {
        if let Stream::Tls(stream) = &mut self.stream {
            // What TLS sends of its own accord is no answer.
            let mut byte = [0];
            let mut context = Context::from_waker(Waker::noop());
            let read = Pin::new(stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte));
            if read.is_ready() {
                return false;
            }
        }
        // Not by the runtime, which may not have heard of it yet.
        let mut byte = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        recv(self.tcp(), &mut byte[..], flags) == Err(rustix::io::Errno::WOULDBLOCK)
    }

    #[cfg(test)]
    pub fn grow_old(&mut self) {
        self.opened -= LONGEST_LIFE;
    }

    /// Says goodbye, as TLS wants it, and closes.
    pub fn close(mut self) {
        let mut context = Context::from_waker(Waker::noop());
        // What can't be sent at once is not worth waiting for.
        let _ = Pin::new(&mut self).poll_shutdown(&mut context);
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
