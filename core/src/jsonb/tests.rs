//! The stored form is PostgreSQL's: that sizes are right is tested in a server. Here: that nothing makes it panic, and that
//! the limits hold.

use super::*;
use proptest::prelude::*;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

const ARRAY: u32 = 0x4000_0000;

/// An array of an array … of nothing.
fn nested(depth: usize) -> Vec<u8> {
    let mut value = words(&[ARRAY]);
    for _ in 1..depth {
        let mut outer = words(&[ARRAY | 1, CONTAINER | value.len() as u32]);
        outer.append(&mut value);
        value = outer;
    }
    value
}

fn size(value: &[u8], max_bytes: usize, max_depth: usize) -> TextSize {
    text_size(value, max_bytes, max_depth, || {})
}

#[test]
fn limits_are_the_last_that_is_taken() {
    let value = nested(512);
    assert_eq!(size(&value, 1024, 512), TextSize::Bytes(1024));
    assert_eq!(size(&value, 1023, 512), TextSize::TooLarge);
    assert_eq!(size(&value, 1024, 511), TextSize::TooDeep);
}

#[test]
fn a_long_walk_pauses() {
    let count = 3 * ENTRIES_PER_PAUSE as u32;
    let mut value = words(&[ARRAY | count]);
    value.extend(words(&vec![NULL; count as usize]));
    let mut pauses = 0;
    let size = text_size(&value, usize::MAX, 512, || pauses += 1);
    assert_eq!(size, TextSize::Bytes(6 * count as usize));
    assert_eq!(pauses, 3);
}

#[test]
fn escapes_are_counted_as_they_are_printed() {
    for byte in 0..=127_u8 {
        let printed = serde_json::to_string(&char::from(byte).to_string()).unwrap();
        for (before, after) in [(0, 0), (3, 2), (7, 0), (8, 8), (13, 30)] {
            let text = [
                "x".repeat(before),
                char::from(byte).into(),
                "é".repeat(after),
            ]
            .concat();
            let expected = before + printed.len() + 2 * after;
            assert_eq!(
                string(text.as_bytes()),
                expected,
                "byte {byte} after {before}"
            );
        }
    }
    assert_eq!(string("é".as_bytes()), 4);
}

proptest! {
    #[test]
    fn any_bytes_are_measured(value in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = size(&value, 1000, 10);
    }

    #[test]
    fn any_containers_are_measured(
        entries in prop::collection::vec((0..6_u32, any::<bool>(), 0..40_u32), 0..20),
        header in 0..4_u32,
    ) {
        let kind = [ARRAY, IS_OBJECT, IS_SCALAR | ARRAY, IS_OBJECT | ARRAY][header as usize];
        let mut value = words(&[kind | entries.len() as u32]);
        for (kind, has_offset, length) in entries {
            let offset = if has_offset { HAS_OFFSET } else { 0 };
            value.extend(words(&[kind << 28 | offset | length]));
        }
        let _ = size(&value, 1000, 10);
        value.extend(words(&[ARRAY; 20]));
        let _ = size(&value, 1000, 10);
    }
}

#[test]
fn what_surely_fits_does() {
    let text = |length: usize| {
        let mut value = words(&[ARRAY | 1, STRING | length as u32]);
        value.extend(vec![1; length]);
        value
    };
    // Control characters are printed as six: the bound is the size.
    let value = text(10);
    assert_eq!(size(&value, 1000, 512), TextSize::Bytes(64));
    assert!(surely_fits(&value, 64, 512, || {}));
    assert!(!surely_fits(&value, 63, 512, || {}));
    assert!(!surely_fits(&nested(3), 64, 2, || {}));
    assert!(!surely_fits(&words(&[ARRAY | 9]), 64, 512, || {}));
}
