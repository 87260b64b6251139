//! How large a `jsonb` value is as text, from its stored form and without making the text: a number of 12 bytes may be
//! printed in 131,072 digits.
//!
//! The stored form is that of PostgreSQL 9.4 and later (`utils/jsonb.h`, `utils/numeric.c`). Sizes are exact: what
//! `octet_length(value::text)` says.

/// What [`text_size`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextSize {
    /// Bytes of the text.
    Bytes(usize),
    /// More than the limit.
    TooLarge,
    /// Nested deeper than the limit.
    TooDeep,
    /// Not the stored form of a `jsonb` value.
    Malformed,
}

const COUNT: u32 = 0x0FFF_FFFF;
const IS_SCALAR: u32 = 0x1000_0000;
const IS_OBJECT: u32 = 0x2000_0000;

const LENGTH: u32 = 0x0FFF_FFFF;
const HAS_OFFSET: u32 = 0x8000_0000;
const KIND: u32 = 0x7000_0000;
const STRING: u32 = 0;
const NUMBER: u32 = 0x1000_0000;
const FALSE: u32 = 0x2000_0000;
const TRUE: u32 = 0x3000_0000;
const NULL: u32 = 0x4000_0000;
const CONTAINER: u32 = 0x5000_0000;

/// How many entries are looked at between two calls of `pause`.
const ENTRIES_PER_PAUSE: usize = 1 << 16;
/// A value takes at most five times as many bytes as its text, in either of PostgreSQL's layouts, and a header.
const BYTES_PER_TEXT_BYTE: usize = 5;

/// Whether no text of so many bytes is stored in so many: then nothing need be read.
pub fn is_surely_larger(stored_bytes: usize, max_bytes: usize) -> bool {
    stored_bytes
        > max_bytes
            .saturating_mul(BYTES_PER_TEXT_BYTE)
            .saturating_add(64)
}

/// Measures a value, without the header of its varlena, up to a limit of bytes and of nested arrays and objects.
///
/// `pause` is called now and then, as long as it takes.
pub fn text_size(
    value: &[u8],
    max_bytes: usize,
    max_depth: usize,
    pause: impl FnMut(),
) -> TextSize {
    measure(value, max_bytes, max_depth, string, pause)
}

/// Whether a value is surely within both limits: it doesn't read strings, which escapes could make six times as long. If
/// not, [`text_size`] tells.
pub fn surely_fits(value: &[u8], max_bytes: usize, max_depth: usize, pause: impl FnMut()) -> bool {
    let longest = |text: &[u8]| 2 + 6 * text.len();
    let size = measure(value, max_bytes, max_depth, longest, pause);
    matches!(size, TextSize::Bytes(_))
}

fn measure(
    value: &[u8],
    max_bytes: usize,
    max_depth: usize,
    string: impl Fn(&[u8]) -> usize,
    mut pause: impl FnMut(),
) -> TextSize {
    let mut walk = Walk {
        value,
        bytes: 0,
        open: Vec::new(),
    };
    match walk.measure(max_bytes, max_depth, string, &mut pause) {
        Ok(bytes) => TextSize::Bytes(bytes),
        Err(reason) => reason,
    }
}

/// An array or an object.
struct Container {
    /// Where its next entry stands.
    entry: usize,
    /// Where its entries end, and its content begins.
    content: usize,
    /// Where its content ends.
    end: usize,
    /// Where the content of its next entry begins.
    next: usize,
}

struct Walk<'a> {
    value: &'a [u8],
    bytes: usize,
    /// Those around the current one.
    open: Vec<Container>,
}

impl Walk<'_> {
    fn measure(
        &mut self,
        max_bytes: usize,
        max_depth: usize,
        string: impl Fn(&[u8]) -> usize,
        pause: &mut impl FnMut(),
    ) -> Result<usize, TextSize> {
        let mut current = self.enter(0, self.value.len())?;
        let mut until_pause = ENTRIES_PER_PAUSE;
        loop {
            if self.bytes > max_bytes {
                return Err(TextSize::TooLarge);
            }
            if current.entry == current.content {
                match self.open.pop() {
                    Some(outer) => current = outer,
                    None => return Ok(self.bytes),
                }
                continue;
            }
            until_pause -= 1;
            if until_pause == 0 {
                pause();
                until_pause = ENTRIES_PER_PAUSE;
            }
            let entry = self.word(current.entry)?;
            current.entry += 4;
            let start = current.next;
            let length = (entry & LENGTH) as usize;
            let end = match entry & HAS_OFFSET {
                0 => start.checked_add(length),
                _ => current.content.checked_add(length),
            };
            let end = end
                .filter(|end| *end >= start && *end <= current.end)
                .ok_or(TextSize::Malformed)?;
            current.next = end;
            match entry & KIND {
                STRING => self.bytes += string(self.slice(start, end)?),
                NUMBER => self.bytes += number(self.slice(aligned(start), end)?)?,
                FALSE => self.bytes += "false".len(),
                TRUE | NULL => self.bytes += "true".len(),
                CONTAINER => {
                    if self.open.len() + 1 >= max_depth {
                        return Err(TextSize::TooDeep);
                    }
                    let inner = self.enter(aligned(start), end)?;
                    self.open.push(std::mem::replace(&mut current, inner));
                }
                _ => return Err(TextSize::Malformed),
            }
        }
    }

    /// Counts the brackets, commas and colons of a container.
    fn enter(&mut self, start: usize, end: usize) -> Result<Container, TextSize> {
        let header = self.word(start)?;
        let count = (header & COUNT) as usize;
        let (entries, signs) = match (header & IS_SCALAR, header & IS_OBJECT) {
            // A scalar alone is the one element of an array that is not printed.
            (IS_SCALAR, _) => (count, 0),
            // "{}", "k": v and ", " between.
            (_, IS_OBJECT) => (count * 2, 2 + count * 2 + count.saturating_sub(1) * 2),
            _ => (count, 2 + count.saturating_sub(1) * 2),
        };
        self.bytes += signs;
        let entry = start + 4;
        let content = entry + entries * 4;
        if content > end {
            return Err(TextSize::Malformed);
        }
        Ok(Container {
            entry,
            content,
            end,
            next: content,
        })
    }

    fn word(&self, at: usize) -> Result<u32, TextSize> {
        let bytes = self.value.get(at..).and_then(|rest| rest.first_chunk());
        bytes
            .map(|bytes| u32::from_ne_bytes(*bytes))
            .ok_or(TextSize::Malformed)
    }

    fn slice(&self, start: usize, end: usize) -> Result<&[u8], TextSize> {
        self.value.get(start..end).ok_or(TextSize::Malformed)
    }
}

/// Numbers and containers begin at multiples of four.
fn aligned(offset: usize) -> usize {
    offset.next_multiple_of(4)
}

/// Bytes of a string in quotation marks.
fn string(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    // Most text has nothing to escape: eight bytes at a time.
    let of_words: usize = words
        .iter()
        .filter(|word| has_escapes(u64::from_ne_bytes(**word)))
        .map(|word| escapes(word))
        .sum();
    2 + text.len() + of_words + escapes(rest)
}

/// Whether any of eight bytes is a control character, a quotation mark or a backslash.
fn has_escapes(bytes: u64) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |limit: u8, bytes: u64| bytes.wrapping_sub(ONES * u64::from(limit)) & !bytes;
    let quotes = bytes ^ (ONES * u64::from(b'"'));
    let backslashes = bytes ^ (ONES * u64::from(b'\\'));
    (below(32, bytes) | below(1, quotes) | below(1, backslashes)) & HIGH != 0
}

fn escapes(text: &[u8]) -> usize {
    text.iter()
        .map(|byte| usize::from(ESCAPES[usize::from(*byte)]))
        .sum()
}

/// How many bytes more than one a byte of a string is printed as.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut byte = 0;
    while byte < 32 {
        escapes[byte] = match byte as u8 {
            8 | 9 | 10 | 12 | 13 => 1,
            _ => 5,
        };
        byte += 1;
    }
    escapes[b'"' as usize] = 1;
    escapes[b'\\' as usize] = 1;
    escapes
};

/// Bytes of a number: a sign, digits, a point and digits after it.
fn number(numeric: &[u8]) -> Result<usize, TextSize> {
    let word = |at: usize| {
        let bytes = numeric.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| u16::from_ne_bytes(*bytes))
    };
    // After the header of its varlena.
    let header = word(4).ok_or(TextSize::Malformed)?;
    let (is_negative, scale, weight, digits) = match header & 0xC000 {
        // No JSON number, but numeric has them: NaN and both infinities.
        0xC000 => return Ok("-Infinity".len()),
        0x8000 => {
            // Seven bits with their sign.
            let weight = ((header & 0x7F) << 9).cast_signed() >> 9;
            let scale = (header & 0x1F80) >> 7;
            (header & 0x2000 != 0, scale, weight, 6)
        }
        sign => {
            let weight = word(6).ok_or(TextSize::Malformed)?.cast_signed();
            (sign == 0x4000, header & 0x3FFF, weight, 8)
        }
    };
    // Each digit of the stored form is four; of the first one the zeros in front are left out.
    let whole = match (usize::try_from(weight), word(digits)) {
        (Ok(weight), Some(first)) => weight * 4 + 1 + first.checked_ilog10().unwrap_or(0) as usize,
        (Ok(weight), None) => weight * 4 + 1,
        (Err(_), _) => 1,
    };
    let fraction = match scale {
        0 => 0,
        scale => usize::from(scale) + 1,
    };
    Ok(usize::from(is_negative) + whole + fraction)
}

#[cfg(test)]
mod tests;
