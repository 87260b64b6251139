//! Exact comparison of JSON numbers by their texts, in constant memory.
//!
//! No float holds 9007199254740993 and no integer 1e999999999, so neither is used: a number is its sign, its
//! significant digits (borrowed from the text) and the power of ten of the first one.

use serde_json::Number;
use std::cmp::Ordering;

/// Largest exponent in a filter, as written. Far beyond PostgreSQL's numeric (131,072 digits).
pub const MAX_EXPONENT: i64 = 1_000_000_000_000;

/// An event's exponent is clamped to this: it still compares rightly with every one that a filter may have.
const CLAMP: i64 = i64::MAX / 4;

/// How `a` compares with `b`; `None` only if one is no JSON number after all.
pub fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    Some(Decimal::parse(a.as_str())?.cmp(&Decimal::parse(b.as_str())?))
}

/// Whether a filter may hold this number.
pub fn is_sane(number: &Number) -> bool {
    split(number.as_str()).is_some_and(|parts| parts.exponent.abs() <= MAX_EXPONENT)
}

struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// `-12.5e-3` → sign, `12`, `5`, -3.
fn split(text: &str) -> Option<Parts<'_>> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    (is_digits(whole) && !whole.is_empty() && is_digits(fraction)).then_some(Parts {
        negative,
        whole: whole.as_bytes(),
        fraction: fraction.as_bytes(),
        exponent,
    })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !is_digits(digits) {
        return None;
    }
    // Digits that do not parse are too many.
    let magnitude = digits.parse().map_or(CLAMP, |n: i64| n.min(CLAMP));
    Some(if negative { -magnitude } else { magnitude })
}

#[derive(Debug)]
struct Decimal<'a> {
    /// -1, 0 or 1.
    sign: i8,
    /// 0.d₁d₂d₃… · 10^magnitude, d₁ ≠ 0.
    magnitude: i64,
    /// The significant digits are these two, one after the other; the last is not 0 either.
    head: &'a [u8],
    tail: &'a [u8],
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let parts = split(text)?;
        let mut head = strip_leading_zeros(parts.whole);
        let mut tail = parts.fraction;
        let shift = if head.is_empty() {
            tail = strip_leading_zeros(tail);
            -length(&parts.fraction[tail.len()..])
        } else {
            length(head)
        };
        tail = strip_trailing_zeros(tail);
        if tail.is_empty() {
            head = strip_trailing_zeros(head);
        }
        let sign = match (head.is_empty() && tail.is_empty(), parts.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        Some(Self {
            sign,
            magnitude: parts.exponent.saturating_add(shift),
            head,
            tail,
        })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let by_sign = self.sign.cmp(&other.sign);
        if by_sign.is_ne() || self.sign == 0 {
            return by_sign;
        }
        let by_size = self
            .magnitude
            .cmp(&other.magnitude)
            .then_with(|| self.digits().cmp(other.digits()));
        if self.sign < 0 {
            by_size.reverse()
        } else {
            by_size
        }
    }

    fn digits(&self) -> impl Iterator<Item = &u8> {
        self.head.iter().chain(self.tail)
    }
}

fn length(digits: &[u8]) -> i64 {
    i64::try_from(digits.len()).unwrap_or(CLAMP)
}

fn strip_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|d| **d == b'0').count();
    &digits[zeros..]
}

fn strip_trailing_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().rev().take_while(|d| **d == b'0').count();
    &digits[..digits.len() - zeros]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordering(a: &str, b: &str) -> Ordering {
        let parse = |text: &str| -> Number { serde_json::from_str(text).unwrap() };
        compare(&parse(a), &parse(b)).unwrap()
    }

    #[test]
    fn equal_numbers_in_different_clothes() {
        for group in [
            &["0", "-0", "0.00", "0e99999999999999999999", "-0.0E-5"][..],
            &["1", "1.0", "1e0", "1E+0", "10e-1", "0.001e3", "1000000e-6"],
            &["-12.5", "-1.25e1", "-125E-1", "-12.500"],
            &["1e999999999", "10e999999998", "0.1e1000000000"],
            &["123000", "1.23e5", "123e3"],
        ] {
            for a in group {
                for b in group {
                    assert_eq!(ordering(a, b), Ordering::Equal, "{a} = {b}");
                }
            }
        }
    }

    #[test]
    fn every_number_is_less_than_the_next() {
        let ascending = [
            "-1e99999999999999999999",
            "-1e999999999",
            "-9007199254740993",
            "-9007199254740992",
            "-1.5",
            "-1",
            "-0.1",
            "-1e-999999999",
            "0",
            "1e-99999999999999999999",
            "1e-999999999",
            "0.099",
            "0.1",
            "0.10000000000000000000000000000000000001",
            "1",
            "1.05",
            "9",
            "10",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "18446744073709551616.0000000000001",
            "1e999999998",
            "9e999999998",
            "1e999999999",
            "1e99999999999999999999",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(ordering(a, b), i.cmp(&j), "{a} against {b}");
            }
        }
    }

    #[test]
    fn what_is_no_number_does_not_compare() {
        for text in [
            "", "-", "1e", "1e+", "1e1.5", ".5", "x", "1x", "0x1", "1.2.3", "+1",
        ] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn exponents_in_filters_have_a_limit() {
        let sane = |text: &str| is_sane(&serde_json::from_str(text).unwrap());
        assert!(sane("1e1000000000000") && sane("-1e-1000000000000"));
        assert!(!sane("1e1000000000001") && !sane("1e-99999999999999999999"));
    }
}
