//! The trace context of an event's publisher, as the header `traceparent` carries it: W3C Trace Context, version 00.

use std::fmt;

/// Which trace an event belongs to, and the span of its publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    pub trace_id: u128,
    pub parent_id: u64,
    /// The lowest bit: the publisher's span is recorded.
    pub flags: u8,
}

impl Traceparent {
    /// Reads a header's value. `None`: it is not valid, and to be ignored; the trace begins anew then.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let part = parts.next()?;
            (part.len() == length && part.bytes().all(is_digit)).then_some(part)
        };
        let (version, trace_id, parent_id, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let parsed = Self {
            trace_id: u128::from_str_radix(trace_id, 16).ok()?,
            parent_id: u64::from_str_radix(parent_id, 16).ok()?,
            flags: u8::from_str_radix(flags, 16).ok()?,
        };
        let is_valid = version == "00" && parsed.trace_id != 0 && parsed.parent_id != 0;
        (is_valid && parts.next().is_none()).then_some(parsed)
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            parent_id,
            flags,
        } = self;
        write!(f, "00-{trace_id:032x}-{parent_id:016x}-{flags:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_valid_is_ignored() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(Traceparent::parse(good).is_some());
        for bad in [
            "",
            "00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(Traceparent::parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_written_as_it_was_read(trace_id in 1_u128.., parent_id in 1_u64.., flags: u8) {
            let traceparent = Traceparent { trace_id, parent_id, flags };
            prop_assert_eq!(Traceparent::parse(&traceparent.to_string()), Some(traceparent));
        }

        #[test]
        fn whatever_is_read_is_written_alike(text in "00-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}|.{0,60}") {
            if let Some(traceparent) = Traceparent::parse(&text) {
                prop_assert_eq!(traceparent.to_string(), text);
            }
        }
    }
}
