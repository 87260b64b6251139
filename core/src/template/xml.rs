//! Characters that an XML document can't have, not even escaped: a receiver's parser refuses the whole of it.

/// The text with U+FFFD for what is no `Char` of XML 1.0: control characters but tab and line ends, U+FFFE and U+FFFF.
pub fn allowed(text: String) -> String {
    if text.chars().all(is_allowed) {
        return text;
    }
    let replaced = |c| {
        if is_allowed(c) {
            c
        } else {
            char::REPLACEMENT_CHARACTER
        }
    };
    text.chars().map(replaced).collect()
}

fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_char_is_replaced() {
        let text =
            "a\u{1}\u{8}\t\n\r\u{b}\u{c}\u{1f} \u{7f}\u{85}\u{fffd}\u{fffe}\u{ffff}\u{1ffff}é✓";
        let expected = "a\u{fffd}\u{fffd}\t\n\r\u{fffd}\u{fffd}\u{fffd} \u{7f}\u{85}\u{fffd}\u{fffd}\u{fffd}\u{1ffff}é✓";
        assert_eq!(allowed(text.to_owned()), expected);
        assert_eq!(allowed("<a/>".to_owned()), "<a/>");
    }
}
