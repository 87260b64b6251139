//! The words and signs of a path.

use super::PathError;
use crate::json;
use serde_json::Value;

/// A word or sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A string without its quotation marks: a literal, a key, a pattern.
    Text(String),
    /// A number.
    Number(String),
    /// `strict`, `last`, `exists`, a method.
    Word(String),
    /// The longest of [`SIGNS`] that fits.
    Sign(&'static str),
}

const SIGNS: [&str; 30] = [
    "**", "&&", "||", "==", "!=", "<>", "<=", ">=", "?(", "$", "@", ".", "*", "(", ")", "[", "]",
    "{", "}", ",", "+", "-", "/", "%", "<", ">", "!", "?", ":", ";",
];

/// The path's words and signs, each with where it begins, in bytes.
pub fn tokens(path: &str) -> Result<Vec<(usize, Token)>, PathError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = path[at..].chars().next() {
        let rest = &path[at..];
        let length = match first {
            ' ' => {
                at += 1;
                continue;
            }
            '"' => string_length(rest).ok_or(PathError::Unreadable(at))?,
            '0'..='9' => rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len()),
            'a'..='z' | '_' => rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len()),
            _ => 0,
        };
        let (length, token) = match first {
            '"' => (
                length,
                Token::Text(text(&rest[..length]).ok_or(PathError::Unreadable(at))?),
            ),
            '0'..='9' => (length, Token::Number(rest[..length].to_owned())),
            'a'..='z' | '_' => (length, Token::Word(rest[..length].to_owned())),
            _ => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or(PathError::Unreadable(at))?;
                (sign.len(), Token::Sign(sign))
            }
        };
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

/// With both quotation marks.
fn string_length(rest: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// PostgreSQL writes strings as JSON has them.
fn text(quoted: &str) -> Option<String> {
    match json::parse(quoted) {
        Ok(Value::String(text)) => Some(text),
        _ => None,
    }
}
