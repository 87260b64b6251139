//! One request and its answer over one connection. What comes is read while the request is being sent: an early answer
//! counts, also if the receiver resets the connection after it.

use super::error::{Broke, SendError};
use super::head::Framing;
use super::reply::Reply;
use super::wire::Outgoing;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const READ_AT_ONCE: usize = 8 * 1024;

/// How an exchange ended that had an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The connection may be used again.
    Reusable,
    Used,
}

/// Sends a request and reads its answer into `reply`, which holds what came also after an error or a deadline.
///
/// # Errors
/// The connection ended early, or there is no answer in what came.
pub async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    outgoing: &Outgoing,
    reply: &mut Reply,
) -> Result<Ended, SendError> {
    let mut exchange = Exchange {
        stream,
        outgoing,
        sent: 0,
        sending: Sending::Under,
        reply,
    };
    std::future::poll_fn(|context| exchange.poll(context)).await
}

struct Exchange<'e, S> {
    stream: &'e mut S,
    outgoing: &'e Outgoing,
    sent: usize,
    sending: Sending,
    reply: &'e mut Reply,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Received {
    Some,
    End,
    SuddenEnd,
}

enum Sending {
    Under,
    Done,
    /// It can't be sent: what lies in the socket may still be an answer.
    Failed(io::Error),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Exchange<'_, S> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Ended, SendError>> {
        loop {
            let reading = match self.reply.is_over() {
                true => Poll::Pending,
                false => self.poll_receive(context),
            };
            match reading {
                Poll::Ready(Ok(Received::Some)) => continue,
                Poll::Ready(Ok(end)) => return Poll::Ready(self.connection_ended(end)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.connection_failed(error))),
                Poll::Pending => {}
            }
            if self.is_over() {
                return Poll::Ready(Ok(self.ended()));
            }
            ready!(self.poll_send(context));
        }
    }

    /// Whether there is nothing left to do. Who answers early with a success wants the rest of the request.
    fn is_over(&self) -> bool {
        let wants_rest = matches!(self.sending, Sending::Under) && self.reply.is_success();
        self.reply.is_over() && !wants_rest
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Received, SendError>> {
        let mut space = [0; READ_AT_ONCE];
        let mut buffer = ReadBuf::new(&mut space);
        let read = ready!(Pin::new(&mut *self.stream).poll_read(context, &mut buffer));
        Poll::Ready(match read {
            Ok(()) if buffer.filled().is_empty() => Ok(Received::End),
            Ok(()) => self
                .reply
                .feed(buffer.filled())
                .map(|()| Received::Some)
                .map_err(SendError::from),
            // TLS without its goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Received::SuddenEnd),
            Err(error) => Err(error.into()),
        })
    }

    /// Ready when something was sent, or nothing more can be.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Sending::Under = self.sending else {
            return Poll::Pending;
        };
        let rest = self.outgoing.rest(self.sent);
        let stream = Pin::new(&mut *self.stream);
        let sent = match self.sent < self.outgoing.len() {
            true => ready!(stream.poll_write_vectored(context, &rest)),
            false => ready!(stream.poll_flush(context)).map(|()| 0),
        };
        match sent {
            Ok(0) if self.sent < self.outgoing.len() => {
                self.sending = Sending::Failed(io::ErrorKind::WriteZero.into());
            }
            Ok(0) => self.sending = Sending::Done,
            Ok(sent) => self.sent += sent,
            Err(error) => self.sending = Sending::Failed(error),
        }
        Poll::Ready(())
    }

    fn connection_ended(&mut self, end: Received) -> Result<Ended, SendError> {
        self.reply.end(end == Received::End);
        let head = self.reply.head();
        if head.is_some_and(|head| head.framing == Framing::UntilClose) || self.reply.is_complete()
        {
            return Ok(Ended::Used);
        }
        let broke = match self.reply.has_begun() {
            true => Broke::InTheMiddle,
            false => Broke::WithoutAnswer,
        };
        Err(self.connection_failed(broke.into()))
    }

    /// Of two errors that of sending was the first, and says more.
    fn connection_failed(&mut self, error: SendError) -> SendError {
        self.reply.end(false);
        match (error, std::mem::replace(&mut self.sending, Sending::Done)) {
            (SendError::Broke(_), Sending::Failed(first)) if !self.reply.has_begun() => {
                first.into()
            }
            (error, _) => error,
        }
    }

    fn ended(&self) -> Ended {
        match matches!(self.sending, Sending::Done) && self.reply.keeps_alive() {
            true => Ended::Reusable,
            false => Ended::Used,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Headers;
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use url::Url;

    const BODY: usize = 1 << 20;

    fn request(body: usize) -> Outgoing {
        let url = Url::parse("http://example.com/").unwrap();
        let body = Bytes::from(vec![b'x'; body]);
        Outgoing::new("POST", &url, "/", &Headers::default(), body)
    }

    /// Both ends of a connection that holds much less than a large request.
    fn connection() -> (DuplexStream, DuplexStream) {
        duplex(4096)
    }

    #[tokio::test]
    async fn an_early_refusal_ends_it_and_an_early_success_does_not() {
        for (status, is_sent) in [("413 Too Large", false), ("202 Accepted", true)] {
            let (mut ours, mut theirs) = connection();
            let receiver = tokio::spawn(async move {
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                theirs.write_all(answer.as_bytes()).await.unwrap();
                let mut read = Vec::new();
                theirs.read_to_end(&mut read).await.unwrap();
                read.len()
            });
            let (outgoing, mut reply) = (request(BODY), Reply::new(10));
            let ended = exchange(&mut ours, &outgoing, &mut reply).await.unwrap();
            let expected = if is_sent {
                Ended::Reusable
            } else {
                Ended::Used
            };
            assert_eq!(ended, expected, "{status}");
            drop(ours);
            assert_eq!(receiver.await.unwrap() == outgoing.len(), is_sent);
        }
    }

    #[tokio::test]
    async fn an_answer_counts_although_the_rest_can_t_be_sent() {
        let (mut ours, mut theirs) = connection();
        let answer = b"HTTP/1.1 401 Unauthorized\r\n\r\nno";
        theirs.write_all(answer).await.unwrap();
        drop(theirs);
        let mut reply = Reply::new(10);
        let ended = exchange(&mut ours, &request(BODY), &mut reply).await;
        assert_eq!(ended.unwrap(), Ended::Used);
        assert_eq!(reply.head().unwrap().status, 401);
        assert_eq!(reply.body(), Some((&b"no"[..], false)));
    }

    #[tokio::test]
    async fn an_end_without_an_answer_is_told_from_one_in_the_middle() {
        for (answer, has_begun) in [("", false), ("HTTP/1.1 200 OK\r\n", true)] {
            let (mut ours, mut theirs) = connection();
            theirs.write_all(answer.as_bytes()).await.unwrap();
            theirs.shutdown().await.unwrap();
            let mut reply = Reply::new(10);
            let ended = exchange(&mut ours, &request(2), &mut reply).await;
            let error = ended.unwrap_err();
            assert!(matches!(error, SendError::Broke(_)), "{error}");
            assert_eq!(reply.has_begun(), has_begun);
        }
    }
}
