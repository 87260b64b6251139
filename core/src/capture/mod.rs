//! From a response to what the delivery log stores: text and JSON that PostgreSQL takes, of bounded size.
//!
//! A receiver may answer anything: invalid UTF-8, NUL bytes (which neither `text` nor `jsonb` can hold), a
//! thousand headers, cookies that are nobody's business. U+FFFD (�) stands for what cannot be stored.

mod headers;
#[cfg(test)]
mod properties;

pub use headers::headers_json;

/// Longest error text, in bytes.
pub const MAX_ERROR_BYTES: usize = 2000;

/// What ends a text that was cut.
const CUT: &str = "…[truncated]";

/// A response body as text. `truncated` says that reading stopped at a limit: then a character cut in two at the end
/// is dropped rather than replaced, and the text ends with `…[truncated]`.
pub fn body_text(bytes: &[u8], truncated: bool) -> String {
    let end = if truncated {
        bytes.len() - incomplete_tail(bytes)
    } else {
        bytes.len()
    };
    let mut text = storable(&bytes[..end]);
    if truncated {
        text.push_str(CUT);
    }
    text
}

/// An error message for the log: control characters become spaces, cut after [`MAX_ERROR_BYTES`].
pub fn error_text(message: &str) -> String {
    let kept = &message[..message.floor_char_boundary(MAX_ERROR_BYTES)];
    let mut text: String = kept
        .trim()
        .chars()
        .map(|c| match c {
            '\0' => char::REPLACEMENT_CHARACTER,
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    if kept.len() < message.len() {
        text.push_str(CUT);
    }
    text
}

/// Valid UTF-8 without NUL.
fn storable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text.into_owned()
    }
}

/// How many bytes at the end are the start of a character whose rest is missing.
fn incomplete_tail(bytes: &[u8]) -> usize {
    // A character has at most 4 bytes, so an incomplete one at most 3. Lossy decoding makes exactly one U+FFFD of
    // it, which the standard library reports as an error without a length.
    let last = &bytes[bytes.len().saturating_sub(3)..];
    (1..=last.len())
        .rev()
        .find(|n| {
            let tail = &last[last.len() - n..];
            std::str::from_utf8(tail)
                .is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_become_text() {
        let cases: [(&[u8], bool, &str); 12] = [
            (b"", false, ""),
            (b"ok\r\n\t", false, "ok\r\n\t"),
            ("äß🦀".as_bytes(), false, "äß🦀"),
            (b"a\0b\0", false, "a\u{fffd}b\u{fffd}"),
            (b"a\xffb", false, "a\u{fffd}b"),
            (b"\xed\xa0\x80", false, "\u{fffd}\u{fffd}\u{fffd}"),
            (b"a\xf0\x9f\xa6", false, "a\u{fffd}"),
            (b"a\xf0\x9f\xa6", true, "a…[truncated]"),
            (b"a\xc3", true, "a…[truncated]"),
            (b"a\xff", true, "a\u{fffd}…[truncated]"),
            ("a🦀".as_bytes(), true, "a🦀…[truncated]"),
            (b"", true, "…[truncated]"),
        ];
        for (bytes, truncated, expected) in cases {
            assert_eq!(
                body_text(bytes, truncated),
                expected,
                "{bytes:?} {truncated}"
            );
        }
    }

    #[test]
    fn errors_become_one_short_line() {
        assert_eq!(
            error_text(" connection\r\nreset\0\u{1b}[0m "),
            "connection  reset\u{fffd} [0m"
        );
        let long = error_text(&"é".repeat(5000));
        assert_eq!(long, format!("{}…[truncated]", "é".repeat(1000)));
    }
}
