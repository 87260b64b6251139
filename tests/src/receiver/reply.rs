use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;

/// An answer: well-formed and prompt, unless told otherwise. The default is 200 with an empty body.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) delay: Duration,
    pub(super) answer: Answer,
    pub(super) answered: Option<Note>,
}

/// Whom to tell that an answer was given.
#[derive(Clone)]
pub(super) struct Note(Arc<dyn Fn() + Send + Sync>);

impl Note {
    pub(super) fn take(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Note")
    }
}

#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Written by hyper.
    Http {
        status: StatusCode,
        headers: Vec<(String, Vec<u8>)>,
        body: Body,
    },
    /// Written past hyper.
    Raw(Raw),
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Whole(Bytes),
    /// Chunks at intervals; `None`: without end.
    Chunks {
        chunk: Bytes,
        every: Duration,
        times: Option<u64>,
    },
}

/// Bytes written straight to the socket, and how the connection ends after them.
#[derive(Debug, Clone)]
pub struct Raw {
    pub(super) bytes: Bytes,
    /// Bytes, and how long to wait between them.
    pub(super) endless: Option<(Bytes, Duration)>,
    pub(super) end: End,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Close,
    Reset,
    Hang,
}

impl Default for Reply {
    fn default() -> Self {
        Self::ok()
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self {
            delay: Duration::ZERO,
            answer,
            answered: None,
        }
    }
}

impl From<Raw> for Reply {
    fn from(raw: Raw) -> Self {
        Answer::Raw(raw).into()
    }
}

impl Reply {
    /// 200, empty.
    #[must_use]
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// A status, empty body. A number that is no status becomes 500.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Answer::Http {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: Vec::new(),
            body: Body::Whole(Bytes::new()),
        }
        .into()
    }

    /// 410: the receiver is gone for good.
    #[must_use]
    pub fn gone() -> Self {
        Self::status(410)
    }

    /// 302 to somewhere else.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header("location", location)
    }

    /// 429 or 503 with `Retry-After`: seconds or an HTTP date.
    #[must_use]
    pub fn retry_after(status: u16, value: &str) -> Self {
        Self::status(status).header("retry-after", value)
    }

    /// Reads the request and never answers; the connection stays open.
    #[must_use]
    pub fn hang() -> Self {
        Self::raw("").then_hang()
    }

    /// Closes the connection without an answer.
    #[must_use]
    pub fn close() -> Self {
        Self::raw("").into()
    }

    /// Resets the connection (RST) without an answer.
    #[must_use]
    pub fn reset() -> Self {
        Self::raw("").then_reset()
    }

    /// Announces a body of 1,000 bytes, sends 10 and resets the connection.
    #[must_use]
    pub fn reset_mid_body() -> Self {
        Self::raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789").then_reset()
    }

    /// Response headers that never end.
    #[must_use]
    pub fn endless_headers() -> Self {
        let line = format!("X-Endless: {}\r\n", "x".repeat(1000));
        Self::raw("HTTP/1.1 200 OK\r\n").then_repeat(line)
    }

    /// Response headers of this many bytes at once, then one more at an interval, without end.
    #[must_use]
    pub fn dripping_headers(bytes: usize, every: Duration) -> Self {
        let line = format!("X-Endless: {}\r\n", "x".repeat(10_000));
        let start = "HTTP/1.1 200 OK\r\n".len();
        let mut head = format!(
            "HTTP/1.1 200 OK\r\n{}",
            line.repeat(bytes.div_ceil(line.len()))
        );
        head.truncate(bytes.max(start));
        Self::raw(head).then_drip("x", every)
    }

    /// 200 with this many headers of this many bytes each.
    #[must_use]
    pub fn huge_headers(count: usize, size: usize) -> Self {
        let value = "x".repeat(size);
        (0..count).fold(Self::ok(), |reply, n| {
            reply.header(&format!("x-huge-{n}"), &value)
        })
    }

    /// 200 with a body without end, as fast as it is read.
    #[must_use]
    pub fn endless_body() -> Self {
        Self::ok().chunks("x".repeat(16 * 1024), Duration::ZERO, None)
    }

    /// 200 with a body of single bytes at an interval, without end.
    #[must_use]
    pub fn drip(every: Duration) -> Self {
        Self::ok().chunks("x", every, None)
    }

    /// 200 with a body of a few KiB that says it is gzip and unpacks to this many MiB of zeros.
    #[must_use]
    pub fn gzip_bomb(mebibytes: usize) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let zeros = vec![0; 1 << 20];
        // Writing to memory does not fail.
        let packed = (0..mebibytes)
            .try_for_each(|_| gzip.write_all(&zeros))
            .and_then(|()| gzip.finish());
        Self::ok()
            .header("content-encoding", "gzip")
            .body(packed.unwrap_or_default())
    }

    /// Bytes as they are, then the connection closes; see [`Raw`] for other ends.
    #[must_use]
    pub fn raw(bytes: impl Into<Bytes>) -> Raw {
        Raw {
            bytes: bytes.into(),
            endless: None,
            end: End::Close,
        }
    }

    /// Adds a header (left out if HTTP does not allow it; bytes from 0x80 are allowed, NUL is not).
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Answer::Http { headers, .. } = &mut self.answer {
            headers.push((name.to_owned(), value.as_ref().to_owned()));
        }
        self
    }

    /// Sets the body, any bytes.
    #[must_use]
    pub fn body(self, bytes: impl Into<Bytes>) -> Self {
        self.with_body(Body::Whole(bytes.into()))
    }

    /// Sets a body that comes in chunks at an interval; `times` none: without end.
    #[must_use]
    pub fn chunks(self, chunk: impl Into<Bytes>, every: Duration, times: Option<u64>) -> Self {
        let chunk = chunk.into();
        self.with_body(Body::Chunks {
            chunk,
            every,
            times,
        })
    }

    /// Waits before answering.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Calls this when the answer is handed to the connection: a well-formed one not if the client has hung up before.
    #[must_use]
    pub fn when_answered(mut self, note: impl Fn() + Send + Sync + 'static) -> Self {
        self.answered = Some(Note(Arc::new(note)));
        self
    }

    fn with_body(mut self, new: Body) -> Self {
        if let Answer::Http { body, .. } = &mut self.answer {
            *body = new;
        }
        self
    }
}

impl Raw {
    /// Resets the connection (RST) afterwards.
    #[must_use]
    pub fn then_reset(mut self) -> Reply {
        self.end = End::Reset;
        self.into()
    }

    /// Leaves the connection open afterwards, and silent.
    #[must_use]
    pub fn then_hang(mut self) -> Reply {
        self.end = End::Hang;
        self.into()
    }

    /// Repeats other bytes afterwards, without end.
    #[must_use]
    pub fn then_repeat(self, bytes: impl Into<Bytes>) -> Reply {
        self.then_drip(bytes, Duration::ZERO)
    }

    /// Repeats other bytes afterwards, at an interval, without end.
    #[must_use]
    pub fn then_drip(mut self, bytes: impl Into<Bytes>, every: Duration) -> Reply {
        self.endless = Some((bytes.into(), every));
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gzip_bomb_is_small_and_unpacks() {
        let Answer::Http {
            body: Body::Whole(packed),
            ..
        } = Reply::gzip_bomb(4).answer
        else {
            panic!("no whole body");
        };
        assert!(packed.len() < 8 << 10, "{} bytes", packed.len());
        let mut unpacked = flate2::read::GzDecoder::new(&*packed);
        let size = std::io::copy(&mut unpacked, &mut std::io::sink());
        assert_eq!(size.unwrap(), 4 << 20);
    }

    #[test]
    fn dripping_headers_begin_with_as_many_bytes_as_told() {
        for bytes in [17, 60_000] {
            let Answer::Raw(raw) = Reply::dripping_headers(bytes, Duration::ZERO).answer else {
                panic!("not raw");
            };
            assert_eq!(raw.bytes.len(), bytes);
            assert!(!raw.bytes.windows(4).any(|end| end == b"\r\n\r\n"));
        }
    }
}
