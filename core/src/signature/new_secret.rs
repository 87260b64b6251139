//! What a signing secret looks like that somebody writes. Those that were stored before are used as they are.

use super::standard::{PREFIX, SecretError, standard_key};

/// Fewest bytes of a key that Standard Webhooks advises.
pub const ADVISED_KEY_BYTES: usize = 24;

/// Looks at a secret for what is certainly a mistake.
///
/// Returns: how many bytes its key has, see [`ADVISED_KEY_BYTES`].
///
/// # Errors
/// What is wrong with it; never shows it.
pub fn check_new_secret(secret: &str) -> Result<usize, SecretError> {
    let trimmed = secret.trim_matches(is_stray);
    if trimmed != secret || secret.contains(|c: char| c.is_control()) {
        return Err(SecretError::StrayCharacter);
    }
    let lower = secret.to_ascii_lowercase();
    if lower.starts_with("whsk_") || lower.starts_with("whpk_") {
        return Err(SecretError::Asymmetric);
    }
    if lower.contains(PREFIX) && !secret.starts_with(PREFIX) {
        return Err(SecretError::BadPrefix);
    }
    Ok(standard_key(secret)?.len())
}

/// What comes with copying a secret, and is none of it: whitespace, invisible characters, quotation marks.
fn is_stray(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '"' | '\''
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::generate_secret;

    #[test]
    fn mistakes_are_refused() {
        use SecretError::{Asymmetric, BadPrefix, Empty, NotBase64, StrayCharacter};
        let good = generate_secret();
        assert_eq!(check_new_secret(&good), Ok(32));
        assert_eq!(check_new_secret("correct horse battery staple"), Ok(28));
        assert_eq!(check_new_secret("short"), Ok(5));
        assert_eq!(check_new_secret("c2hvcnQ="), Ok(5));
        let cases = [
            (format!(" {good}"), StrayCharacter),
            (format!("{good}\n"), StrayCharacter),
            (format!("{good}\u{200b}"), StrayCharacter),
            (format!("\u{feff}{good}"), StrayCharacter),
            (format!("\"{good}\""), StrayCharacter),
            ("abc\ndef".into(), StrayCharacter),
            ("abc\u{0}def".into(), StrayCharacter),
            ("\t".into(), StrayCharacter),
            ("whsk_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz".into(), Asymmetric),
            ("whpk_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz".into(), Asymmetric),
            ("WHSK_x".into(), Asymmetric),
            (good.replacen("whsec_", "WHSEC_", 1), BadPrefix),
            (good.replacen("whsec_", "Whsec_", 1), BadPrefix),
            (format!("v1,{good}"), BadPrefix),
            (format!("secret={good}"), BadPrefix),
            ("whsec_a b".into(), NotBase64),
            ("whsec_".into(), Empty),
            (String::new(), Empty),
        ];
        for (secret, expected) in cases {
            assert_eq!(check_new_secret(&secret), Err(expected), "{secret:?}");
        }
    }
}
