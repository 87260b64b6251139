//! The body of a response: where it ends, and as much of it as the log keeps. It is never decompressed.

use super::head::Framing;

/// A longer body is not read to its end: the status counts, and the connection is closed instead of kept alive.
/// What stands around chunks counts, too.
const MAX_READ: usize = 256 * 1024;

/// A body as far as it was read.
#[derive(Debug)]
pub struct Body {
    state: State,
    /// Bytes, with what stands around chunks.
    read: usize,
    /// Bytes of content.
    content: usize,
    kept: Vec<u8>,
    max_kept: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    UntilClose,
    Unknown,
    Chunk(Chunk),
    /// Read to its end.
    Complete,
    /// There is more, or what came makes no sense.
    Cut,
}

/// A place in a chunked body (RFC 9112, 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// The hexadecimal size: its value, and whether it has a digit yet.
    Size(u64, bool),
    /// The rest of the size's line.
    Extension(u64),
    Content(u64),
    /// The end of the content's line.
    ContentEnd,
    /// Lines after the last chunk; whether the line under way is empty.
    Trailer(bool),
}

impl Body {
    pub fn new(framing: Framing, max_kept: usize) -> Self {
        Self {
            state: match framing {
                Framing::Length(0) => State::Complete,
                Framing::Length(length) => State::Length(length),
                Framing::Chunked => State::Chunk(Chunk::Size(0, false)),
                Framing::UntilClose => State::UntilClose,
                Framing::Unknown => State::Unknown,
            },
            read: 0,
            content: 0,
            kept: Vec::new(),
            max_kept,
        }
    }

    /// Takes the next bytes of the connection. Returns those that lie behind the body's end.
    pub fn feed<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        while !bytes.is_empty() && !self.is_over() {
            let (taken, next) = self.step(bytes);
            bytes = &bytes[taken..];
            self.read += taken;
            self.state = match next {
                State::Length(0) => State::Complete,
                next if next != State::Complete && self.read > MAX_READ => State::Cut,
                next => next,
            };
        }
        if self.state == State::Unknown {
            self.state = State::Cut;
        }
        bytes
    }

    /// The connection has ended.
    pub fn end(&mut self, is_clean: bool) {
        self.state = match self.state {
            State::Complete => State::Complete,
            State::UntilClose if is_clean => State::Complete,
            _ => State::Cut,
        };
    }

    /// Whether nothing more is read.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Complete | State::Cut)
    }

    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// What is kept, and whether there is more; `None`: there was no body.
    pub fn kept(&self) -> Option<(&[u8], bool)> {
        let is_truncated = self.content > self.kept.len() || !self.is_complete();
        (self.content > 0 || is_truncated).then_some((&self.kept, is_truncated))
    }

    /// How many bytes belong together, and what comes after them.
    fn step(&mut self, bytes: &[u8]) -> (usize, State) {
        match self.state {
            State::Length(left) => {
                let taken = self.keep(bytes, left);
                (taken, State::Length(left - taken as u64))
            }
            State::UntilClose | State::Unknown => (self.keep(bytes, u64::MAX), self.state),
            State::Chunk(Chunk::Content(left)) => {
                let taken = self.keep(bytes, left);
                let next = match left - taken as u64 {
                    0 => Chunk::ContentEnd,
                    left => Chunk::Content(left),
                };
                (taken, State::Chunk(next))
            }
            State::Chunk(chunk) => (1, chunk.next(bytes[0])),
            State::Complete | State::Cut => (0, self.state),
        }
    }

    fn keep(&mut self, bytes: &[u8], most: u64) -> usize {
        let taken = bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let room = self.max_kept - self.kept.len();
        self.kept.extend_from_slice(&bytes[..taken.min(room)]);
        self.content += taken;
        taken
    }
}

impl Chunk {
    /// What comes after this byte.
    fn next(self, byte: u8) -> State {
        let next = match (self, byte) {
            (Self::Size(size, true) | Self::Extension(size), b'\n') => match size {
                0 => Self::Trailer(true),
                size => Self::Content(size),
            },
            (Self::Size(size, true), b'\r' | b';' | b' ' | b'\t') => Self::Extension(size),
            (Self::Size(size, _), digit) => {
                let digit = char::from(digit).to_digit(16).map(u64::from);
                let grown = size.checked_mul(16).zip(digit);
                match grown {
                    Some((size, digit)) => Self::Size(size + digit, true),
                    None => return State::Cut,
                }
            }
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::ContentEnd, b'\r') => Self::ContentEnd,
            (Self::ContentEnd, b'\n') => Self::Size(0, false),
            (Self::ContentEnd | Self::Content(_), _) => return State::Cut,
            (Self::Trailer(true), b'\n') => return State::Complete,
            (Self::Trailer(false), b'\n') => Self::Trailer(true),
            (Self::Trailer(is_empty), byte) => Self::Trailer(is_empty && byte == b'\r'),
        };
        State::Chunk(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of a body that comes at once, and byte by byte; and what lies behind it.
    fn read(framing: Framing, bytes: &[u8]) -> (Option<(Vec<u8>, bool)>, Vec<u8>) {
        let owned = |body: &Body| {
            body.kept()
                .map(|(kept, is_truncated)| (kept.to_vec(), is_truncated))
        };
        let mut whole = Body::new(framing, 16);
        let behind = whole.feed(bytes).to_vec();
        whole.end(true);
        let mut single = Body::new(framing, 16);
        let behind_single: Vec<u8> = bytes
            .iter()
            .flat_map(|byte| single.feed(std::slice::from_ref(byte)).to_vec())
            .collect();
        single.end(true);
        if framing != Framing::Unknown {
            assert_eq!((owned(&whole), &behind), (owned(&single), &behind_single));
        }
        (owned(&whole), behind)
    }

    fn text(kept: &str, is_truncated: bool) -> Option<(Vec<u8>, bool)> {
        Some((kept.as_bytes().to_vec(), is_truncated))
    }

    #[test]
    fn a_length_says_where_it_ends() {
        assert_eq!(read(Framing::Length(0), b"x"), (None, b"x".to_vec()));
        let three = Framing::Length(3);
        assert_eq!(read(three, b"abcd"), (text("abc", false), b"d".to_vec()));
        assert_eq!(read(three, b"ab"), (text("ab", true), Vec::new()));
        assert_eq!(read(three, b""), (text("", true), Vec::new()));
        let long = read(Framing::Length(20), &[b'x'; 20]).0;
        assert_eq!(long, text("xxxxxxxxxxxxxxxx", true));
    }

    #[test]
    fn the_connection_s_end_is_the_body_s() {
        let until_close = Framing::UntilClose;
        assert_eq!(read(until_close, b"abc").0, text("abc", false));
        assert_eq!(read(until_close, b"").0, None);
        let mut reset = Body::new(until_close, 16);
        reset.feed(b"abc");
        assert!(!reset.is_over());
        reset.end(false);
        assert_eq!(reset.kept(), Some((&b"abc"[..], true)));
        assert_eq!(read(Framing::Unknown, b"abc").0, text("abc", true));
        let mut unknown = Body::new(Framing::Unknown, 16);
        unknown.feed(b"");
        assert!(unknown.is_over(), "nothing more is waited for");
    }

    #[test]
    fn chunks() {
        for (bytes, kept, is_truncated, behind) in [
            ("0\r\n\r\n", "", false, ""),
            ("3\r\nabc\r\n0\r\n\r\nX", "abc", false, "X"),
            ("3\nabc\n0\n\n", "abc", false, ""),
            (
                "a \r\n0123456789\r\n3;x=\"y\r\nabc\r\n000\r\n\r\n",
                "0123456789abc",
                false,
                "",
            ),
            ("1\r\nA\r\n0\r\nTrailer: x\r\nB: y\r\n\r\n", "A", false, ""),
            ("zz\r\n", "", true, "z\r\n"),
            ("1\r\nA\r\nzz\r\n", "A", true, "z\r\n"),
            ("1\r\nAB\r\n", "A", true, "\r\n"),
            ("\r\n", "", true, "\n"),
            ("-1\r\nAB", "", true, "1\r\nAB"),
            ("10000000000000000\r\nAB", "", true, "\r\nAB"),
            ("5\r\nABC", "ABC", true, ""),
            ("3\r\nABC\r\n", "ABC", true, ""),
            ("3\r\nABC\r\n0\r\n", "ABC", true, ""),
        ] {
            let found = read(Framing::Chunked, bytes.as_bytes());
            let nothing = kept.is_empty() && !is_truncated;
            let expected = if nothing {
                None
            } else {
                text(kept, is_truncated)
            };
            assert_eq!(found, (expected, behind.as_bytes().to_vec()), "{bytes:?}");
        }
    }

    #[test]
    fn no_body_is_read_without_end() {
        let extension = format!("1;{}", "x".repeat(MAX_READ));
        let trailer = format!("0\r\n{}", "a: b\r\n".repeat(MAX_READ / 6 + 1));
        let tiny = "1\r\nx\r\n".repeat(MAX_READ / 6 + 1);
        for endless in [extension, trailer, tiny] {
            let mut body = Body::new(Framing::Chunked, 16);
            body.feed(endless.as_bytes());
            assert!(body.is_over() && !body.is_complete());
        }
        for framing in [Framing::UntilClose, Framing::Length(u64::MAX)] {
            let mut body = Body::new(framing, 16);
            body.feed(&vec![b'x'; MAX_READ + 1]);
            assert!(body.is_over() && !body.is_complete());
            assert_eq!(body.kept.len(), 16);
        }
    }
}
