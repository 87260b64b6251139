//! A receiver's answer, as far as it came: it outlives the exchange, which a deadline or a reset may end at any point.

use super::body::Body;
use super::error::{MAX_HEAD, MAX_INTERIM, NotHttp};
use super::head::Head;

/// An answer that is being read.
#[derive(Debug)]
pub struct Reply {
    /// `None`: nothing is read for the sake of the body.
    max_body: Option<usize>,
    /// How often the request was sent again on a new connection.
    resent_count: u16,
    /// Bytes that came.
    received: u64,
    /// Bytes of heads so far, without those in `pending`.
    read: usize,
    interim: usize,
    /// A head that is not complete yet.
    pending: Vec<u8>,
    /// Where its last line begins.
    line: usize,
    /// How far that line was looked through for its end: it may come byte by byte.
    searched: usize,
    answer: Option<(Head, Body)>,
    /// Something lies behind it.
    has_surplus: bool,
}

impl Reply {
    /// Keeps so many bytes of the body.
    pub fn new(max_body: usize) -> Self {
        Self::keeping(Some(max_body))
    }

    /// Is over with the head, whether the body comes or not.
    pub fn head_only() -> Self {
        Self::keeping(None)
    }

    fn keeping(max_body: Option<usize>) -> Self {
        Self {
            max_body,
            resent_count: 0,
            received: 0,
            read: 0,
            interim: 0,
            pending: Vec::new(),
            line: 0,
            searched: 0,
            answer: None,
            has_surplus: false,
        }
    }

    /// Forgets what came: the request is sent again.
    pub fn restart(&mut self) {
        *self = Self {
            resent_count: self.resent_count + 1,
            ..Self::keeping(self.max_body)
        };
    }

    /// Takes what came.
    ///
    /// # Errors
    /// It is no answer.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), NotHttp> {
        self.received += bytes.len() as u64;
        if let Some((_, body)) = &mut self.answer {
            self.has_surplus |= !body.feed(bytes).is_empty();
            return Ok(());
        }
        self.grow(bytes);
        while let Some(length) = self.complete_head()? {
            let rest = self.pending.split_off(length);
            let bytes = std::mem::replace(&mut self.pending, rest);
            (self.line, self.searched) = (0, 0);
            self.read += length;
            let head = Head::parse(&bytes)?;
            if !head.is_interim() {
                let mut body = Body::new(head.framing, self.max_body.unwrap_or(0));
                let rest = std::mem::take(&mut self.pending);
                self.has_surplus = !body.feed(&rest).is_empty();
                if self.max_body.is_none() {
                    body.end(false);
                }
                self.answer = Some((head, body));
                return Ok(());
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(NotHttp::TooManyInterim);
            }
        }
        Ok(())
    }

    /// The connection has ended.
    pub fn end(&mut self, is_clean: bool) {
        if let Some((_, body)) = &mut self.answer {
            body.end(is_clean);
        }
    }

    pub fn head(&self) -> Option<&Head> {
        self.answer.as_ref().map(|(head, _)| head)
    }

    /// What is kept of the body, and whether there is more; `None`: there was none.
    pub fn body(&self) -> Option<(&[u8], bool)> {
        self.answer.as_ref()?.1.kept()
    }

    pub fn resent_count(&self) -> u16 {
        self.resent_count
    }

    /// Whether the body was read to its end.
    pub fn is_complete(&self) -> bool {
        self.answer
            .as_ref()
            .is_some_and(|(_, body)| body.is_complete())
    }

    /// Whether this may be no answer to a request, but what a receiver says when it closes an idle connection
    /// (RFC 9110, 15.5.9).
    pub fn is_end_of_idle_connection(&self) -> bool {
        self.head()
            .is_some_and(|head| head.status == 408 && !head.keeps_alive)
    }

    /// Whether anything came.
    pub fn has_begun(&self) -> bool {
        self.received > 0
    }

    /// Whether nothing more is to be read.
    pub fn is_over(&self) -> bool {
        self.answer.as_ref().is_some_and(|(_, body)| body.is_over())
    }

    /// Whether the receiver took the request.
    pub fn is_success(&self) -> bool {
        self.head()
            .is_some_and(|head| (200..300).contains(&head.status))
    }

    /// Whether the connection is at the end of this answer, and the receiver keeps it.
    pub fn keeps_alive(&self) -> bool {
        let answer = self.answer.as_ref();
        !self.has_surplus
            && answer.is_some_and(|(head, body)| head.keeps_alive && body.is_complete())
    }

    /// In small steps: thousands may hold almost as much as they may.
    fn grow(&mut self, bytes: &[u8]) {
        const STEP: usize = 4096;
        if self.pending.capacity() - self.pending.len() < bytes.len() {
            self.pending.reserve_exact(bytes.len().max(STEP));
        }
        self.pending.extend_from_slice(bytes);
    }

    /// The length of the head in `pending`, once it is complete.
    fn complete_head(&mut self) -> Result<Option<usize>, NotHttp> {
        self.skip_empty_lines();
        while let Some(found) = self.pending[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n')
        {
            let (start, end) = (self.line, self.searched + found);
            self.line = end + 1;
            self.searched = self.line;
            if self.read + self.line > MAX_HEAD {
                return Err(NotHttp::HeadTooLarge);
            }
            if start > 0 && matches!(&self.pending[start..end], b"" | b"\r") {
                return Ok(Some(self.line));
            }
        }
        self.searched = self.pending.len();
        self.check_start()?;
        match self.read + self.pending.len() > MAX_HEAD {
            true => Err(NotHttp::HeadTooLarge),
            false => Ok(None),
        }
    }

    /// Some servers end a response with an empty line too many.
    fn skip_empty_lines(&mut self) {
        if self.line == 0 {
            let empty = |byte: &&u8| matches!(**byte, b'\r' | b'\n');
            let skipped = self.pending.iter().take_while(empty).count();
            self.pending.drain(..skipped);
            self.read += skipped;
        }
    }

    /// What does not begin like HTTP/1 is not waited for.
    fn check_start(&self) -> Result<(), NotHttp> {
        const START: &[u8] = b"HTTP/1.";
        let length = self.pending.len().min(START.len());
        if self.pending[..length] == START[..length] {
            return Ok(());
        }
        match self.pending.get(..9) {
            None if self.pending.iter().take(2).all(|byte| *byte == 0) => Ok(()),
            // A frame of type SETTINGS or GOAWAY of stream 0 (RFC 9113, 4.1).
            Some([0, _, _, 4 | 7, _, 0, 0, 0, 0]) => Err(NotHttp::Http2),
            _ => Err(NotHttp::StatusLine),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Reply, NotHttp> {
        let mut whole = Reply::new(1000);
        let mut single = Reply::new(1000);
        let ended = whole.feed(bytes);
        let ended_single = bytes
            .iter()
            .try_for_each(|byte| single.feed(std::slice::from_ref(byte)));
        assert_eq!(ended, ended_single, "at once, and byte by byte");
        ended?;
        assert_eq!(whole.body(), single.body());
        assert_eq!(whole.keeps_alive(), single.keeps_alive());
        Ok(whole)
    }

    #[test]
    fn an_answer_is_read_to_its_end_and_no_further() {
        let reply = read(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok").unwrap();
        assert_eq!(reply.head().unwrap().status, 201);
        assert_eq!(reply.body(), Some((&b"ok"[..], false)));
        assert!(reply.is_over() && reply.is_success() && reply.keeps_alive());
        let surplus = read(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 500 x\r\n\r\n").unwrap();
        assert_eq!(surplus.head().unwrap().status, 204);
        assert!(surplus.is_over() && !surplus.keeps_alive());
        let bare = read(b"\r\n\nHTTP/1.1 200\n\n").unwrap();
        assert!(bare.is_success() && !bare.is_over());
    }

    #[test]
    fn what_came_counts_when_the_connection_breaks() {
        let mut reply = read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123").unwrap();
        reply.end(true);
        assert!(reply.is_success() && reply.is_over() && !reply.keeps_alive());
        assert_eq!(reply.body(), Some((&b"123"[..], true)));
        let mut partial = read(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap();
        partial.end(true);
        assert!(partial.head().is_none() && partial.has_begun());
    }

    #[test]
    fn the_body_is_not_waited_for_where_only_the_head_counts() {
        for (rest, is_kept) in [("123456789", true), ("123", false)] {
            let mut reply = Reply::head_only();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{rest}");
            reply.feed(answer.as_bytes()).unwrap();
            assert!(reply.is_over());
            assert_eq!(reply.keeps_alive(), is_kept);
        }
    }

    #[test]
    fn a_request_that_is_sent_again_is_counted() {
        let mut reply = read(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n").unwrap();
        assert!(reply.is_end_of_idle_connection());
        reply.restart();
        assert_eq!(reply.resent_count(), 1);
        assert!(reply.head().is_none() && !reply.has_begun());
        let answer = read(b"HTTP/1.1 408 x\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert!(
            !answer.is_end_of_idle_connection(),
            "the receiver goes on with the connection"
        );
    }

    #[test]
    fn interim_responses_are_few() {
        let early = "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n";
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let few = format!("{}{answer}", early.repeat(MAX_INTERIM));
        assert!(read(few.as_bytes()).unwrap().keeps_alive());
        let many = early.repeat(MAX_INTERIM + 1);
        assert_eq!(read(many.as_bytes()).unwrap_err(), NotHttp::TooManyInterim);
        let large = format!(
            "HTTP/1.1 103 x\r\nLink: {}\r\n\r\n",
            "x".repeat(MAX_HEAD / 2)
        );
        assert_eq!(
            read(large.repeat(2).as_bytes()).unwrap_err(),
            NotHttp::HeadTooLarge
        );
        let switched = read(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
        assert!(switched.is_over() && !switched.is_success() && !switched.keeps_alive());
    }

    #[test]
    fn a_head_is_bounded_in_bytes_and_not_in_lines() {
        let many = format!(
            "HTTP/1.1 200 OK\r\n{}\r\n",
            "Set-Cookie: a=b\r\n".repeat(3000)
        );
        assert!(read(many.as_bytes()).unwrap().is_success());
        for endless in [
            format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(MAX_HEAD / 6)),
            format!("HTTP/1.1 200 {}", "x".repeat(MAX_HEAD)),
            "\r\n".repeat(MAX_HEAD / 2 + 1),
        ] {
            assert_eq!(read(endless.as_bytes()).unwrap_err(), NotHttp::HeadTooLarge);
        }
    }

    #[test]
    fn what_is_no_http_is_not_waited_for() {
        for bytes in [
            &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
            b"\0\xff\0\xff",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 banana\r\n\r\n",
            b"<html>",
            b"\0\0\0\x09\0\0\0\0\0",
        ] {
            let found = read(bytes).unwrap_err();
            assert_eq!(found, NotHttp::StatusLine, "{}", bytes.escape_ascii());
        }
        // SETTINGS, as a server sends it that speaks nothing else.
        let settings = [0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
        assert_eq!(read(&settings).unwrap_err(), NotHttp::Http2);
    }
}
