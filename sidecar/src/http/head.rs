//! The head of a response: its status line and headers, read as leniently as curl, Python and Node together do.
//!
//! A valid status line and the empty line that ends the head make an answer. A header line that is none is left out.
//! Nothing can be smuggled by that: a connection belongs to one subscription, and it is not used again unless the
//! response is certainly over.

use super::error::NotHttp;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// A complete head.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the connection may be used again after the body.
    pub keeps_alive: bool,
    /// After how long the receiver says that it closes an idle connection (`Keep-Alive: timeout=…`).
    pub idle_timeout: Option<Duration>,
    /// The header lines, unfolded.
    lines: Vec<u8>,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    Chunked,
    /// With the connection.
    UntilClose,
    /// The headers contradict each other: only what came with the head is certain.
    Unknown,
}

impl Head {
    /// Reads a head, from its status line to its empty line.
    ///
    /// # Errors
    /// There is no status line of HTTP/1.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotHttp> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, lines) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        let (minor_version, status) = status_line(line).ok_or(NotHttp::StatusLine)?;
        let mut head = Self {
            status,
            framing: Framing::UntilClose,
            keeps_alive: minor_version > 0,
            idle_timeout: None,
            lines: unfold(lines),
        };
        head.read_framing();
        Ok(head)
    }

    /// An interim response: others follow.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// Names, as they came, and values. A line that is no header has neither.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines
            .split(|byte| *byte == b'\n')
            .map(trim)
            .filter(|line| !line.is_empty())
            .map(|line| header(line).unwrap_or_default())
    }

    /// The first value of a header, if it is ASCII.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers();
        let (_, value) = headers.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value)
            .ok()
            .filter(|value| value.is_ascii())
    }

    /// The headers that HTTP allows.
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.headers() {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                map.append(name, value);
            }
        }
        map
    }

    /// RFC 9112, 6.3, but that what contradicts itself is no error.
    fn read_framing(&mut self) {
        let (mut lengths, mut codings) = (Vec::new(), None);
        let (mut closes, mut keeps, mut idle_timeout, mut has_other_lines) =
            (false, false, None, false);
        for (name, value) in self.headers() {
            match name.len() {
                0 => has_other_lines = true,
                10 if name.eq_ignore_ascii_case("connection") => {
                    closes |= has_token(value, b"close");
                    keeps |= has_token(value, b"keep-alive");
                }
                10 if name.eq_ignore_ascii_case("keep-alive") => idle_timeout = timeout(value),
                14 if name.eq_ignore_ascii_case("content-length") => {
                    lengths.extend(value.split(|byte| *byte == b',').map(length));
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    codings = value.rsplit(|byte| *byte == b',').next().map(is_chunked);
                }
                _ => {}
            }
        }
        self.framing = match (self.status, codings, &lengths[..]) {
            (101 | 204 | 304, ..) => Framing::Length(0),
            (_, Some(true), _) => Framing::Chunked,
            (_, _, []) => Framing::UntilClose,
            // Beside a coding that does not say where the body ends (`identity`), too: as curl and Python read it.
            (_, _, [first, others @ ..]) => match first {
                Some(length) if others.iter().all(|other| other == first) => {
                    Framing::Length(*length)
                }
                _ => Framing::Unknown,
            },
        };
        let is_certain = matches!(self.framing, Framing::Length(_) | Framing::Chunked)
            && (codings.is_none() || lengths.is_empty())
            && !has_other_lines
            && self.status != 101;
        self.keeps_alive = is_certain && !closes && (self.keeps_alive || keeps);
        self.idle_timeout = idle_timeout;
    }
}

/// The minor version and the status. A reason may follow.
fn status_line(line: &[u8]) -> Option<(u8, u16)> {
    let rest = trim(line).strip_prefix(b"HTTP/1.")?;
    let (minor, rest) = rest.split_first()?;
    let status = rest.strip_prefix(b" ")?.trim_ascii_start();
    let (digits, reason) = status.split_at_checked(3)?;
    let ends = reason.first().is_none_or(|next| *next == b' ');
    let number = digits.iter().try_fold(0, |number: u16, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u16::from(digit - b'0'))
    })?;
    (minor.is_ascii_digit() && ends && number >= 100).then(|| (minor - b'0', number))
}

/// Joins a line that begins with space to the one before (RFC 9112, 5.2).
fn unfold(lines: &[u8]) -> Vec<u8> {
    let mut unfolded = lines.to_vec();
    for at in 1..unfolded.len() {
        if matches!(unfolded[at], b' ' | b'\t') && unfolded[at - 1] == b'\n' {
            unfolded[at - 1] = b' ';
            if at > 1 && unfolded[at - 2] == b'\r' {
                unfolded[at - 2] = b' ';
            }
        }
    }
    unfolded
}

fn header(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = trim(&line[..colon]);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if !name.iter().all(is_token) {
        return None;
    }
    Some((std::str::from_utf8(name).ok()?, trim(&line[colon + 1..])))
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

fn has_token(value: &[u8], token: &[u8]) -> bool {
    let mut tokens = value.split(|byte| *byte == b',');
    tokens.any(|found| trim(found).eq_ignore_ascii_case(token))
}

fn is_chunked(coding: &[u8]) -> bool {
    trim(coding).eq_ignore_ascii_case(b"chunked")
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = trim(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `timeout=5, max=100`.
fn timeout(value: &[u8]) -> Option<Duration> {
    value.split(|byte| *byte == b',').find_map(|parameter| {
        let (name, value) = trim(parameter).split_at_checked(8)?;
        let seconds = name
            .eq_ignore_ascii_case(b"timeout=")
            .then(|| length(value))??;
        Some(Duration::from_secs(seconds))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn status_lines() {
        for (line, status) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Some(200)),
            ("HTTP/1.1 200\r\n\r\n", Some(200)),
            ("HTTP/1.1 204 \n\n", Some(204)),
            ("HTTP/1.0  599 x\r\n\r\n", Some(599)),
            ("HTTP/1.1 999 Request denied\r\n\r\n", Some(999)),
            ("HTTP/1.1 200 \u{1}\u{e9}\r\n\r\n", Some(200)),
            ("HTTP/1.1 2000 OK\r\n\r\n", None),
            ("HTTP/1.1 20 OK\r\n\r\n", None),
            ("HTTP/1.1 099 OK\r\n\r\n", None),
            ("HTTP/1.1 banana\r\n\r\n", None),
            ("HTTP/1.1200 OK\r\n\r\n", None),
            ("HTTP/2 200\r\n\r\n", None),
            ("HTTP/1.x 200\r\n\r\n", None),
            ("SSH-2.0-OpenSSH_9.6\r\n\r\n", None),
            ("\r\n", None),
        ] {
            let found = Head::parse(line.as_bytes()).ok().map(|head| head.status);
            assert_eq!(found, status, "{line:?}");
        }
    }

    #[test]
    fn headers_are_taken_as_they_come() {
        let head = head(
            "HTTP/1.1 200 OK\r\nA: 1\r\nB : 2\r\nC:\r\n folded\r\n\there \r\nno colon\r\nD\0: x\r\nE: a\0b\u{1}\nF: a\rb\r\n:\r\n\r\n",
        );
        let headers: Vec<_> = head.headers().collect();
        assert_eq!(
            headers,
            [
                ("A", &b"1"[..]),
                ("B", b"2"),
                ("C", b"folded  \there"),
                ("", b""),
                ("", b""),
                ("E", b"a\0b\x01"),
                ("F", b"a\rb"),
                ("", b""),
            ]
        );
        assert_eq!(head.value("b"), Some("2"));
        assert_eq!(head.to_map().len(), 3);
    }

    #[test]
    fn the_framing_and_whether_the_connection_is_kept() {
        use Framing::{Chunked, Length, Unknown, UntilClose};
        for (start, headers, framing, kept) in [
            ("1.1 200", "", UntilClose, false),
            ("1.1 204", "", Length(0), true),
            ("1.1 304", "Content-Length: 9", Length(0), true),
            ("1.1 101", "", Length(0), false),
            ("1.1 200", "Content-Length: 9", Length(9), true),
            ("1.1 200", "content-length:9,  9", Length(9), true),
            (
                "1.1 200",
                "Content-Length: 9\r\nContent-Length: 9",
                Length(9),
                true,
            ),
            (
                "1.1 200",
                "Content-Length: 9\r\nContent-Length: 8",
                Unknown,
                false,
            ),
            ("1.1 200", "Content-Length: -1", Unknown, false),
            ("1.1 200", "Content-Length: +1", Unknown, false),
            ("1.1 200", "Content-Length:", Unknown, false),
            (
                "1.1 200",
                "Content-Length: 99999999999999999999",
                Unknown,
                false,
            ),
            ("1.1 200", "Transfer-Encoding: gzip, Chunked", Chunked, true),
            (
                "1.1 200",
                "Transfer-Encoding: chunked, gzip",
                UntilClose,
                false,
            ),
            (
                "1.1 200",
                "Transfer-Encoding: identity\r\nContent-Length: 9",
                Length(9),
                false,
            ),
            (
                "1.1 200",
                "Transfer-Encoding:\r\nContent-Length: x",
                Unknown,
                false,
            ),
            (
                "1.1 200",
                "Transfer-Encoding: chunked\r\nContent-Length: 9",
                Chunked,
                false,
            ),
            (
                "1.1 200",
                "Content-Length: 0\r\nConnection: x, Close",
                Length(0),
                false,
            ),
            (
                "1.1 200",
                "Content-Length: 0\r\nConnection: close\r\nConnection: keep-alive",
                Length(0),
                false,
            ),
            ("1.1 200", "Content-Length: 0\r\nno colon", Length(0), false),
            ("1.0 200", "Content-Length: 0", Length(0), false),
            (
                "1.0 200",
                "Content-Length: 0\r\nConnection: Keep-Alive",
                Length(0),
                true,
            ),
        ] {
            let head = head(&format!("HTTP/{start} x\r\n{headers}\r\n\r\n"));
            assert_eq!(
                (head.framing, head.keeps_alive),
                (framing, kept),
                "{headers}"
            );
        }
        let limited = |value: &str| {
            head(&format!("HTTP/1.1 200\r\nKeep-Alive: {value}\r\n\r\n")).idle_timeout
        };
        assert_eq!(limited("timeout=5, max=3"), Some(Duration::from_secs(5)));
        assert_eq!(limited("max=3,Timeout=1"), Some(Duration::from_secs(1)));
        assert_eq!(limited("timeout=soon"), None);
    }
}
