//! JSON text as a [`Value`], for whatever comes from outside.
//!
//! `serde_json` takes objects whose first key is one of its private names for numbers or raw text, and no more than 127
//! levels. Here a key is a key, and everything that can be published is read: numbers as they are written, up to [`MAX_DEPTH`] levels.

use hifijson::str::LexAlloc as _;
use hifijson::token::{Expect, Lex as _};
use hifijson::{Error, SliceLexer, num::LexWrite as _};
use serde_json::{Map, Number, Value};
use thiserror::Error as ThisError;

/// Deepest JSON that is read: the 512 levels of an event's data, and those that an envelope puts around them.
pub const MAX_DEPTH: usize = 520;

/// Why a text is no JSON. Shows nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum JsonError {
    /// Arrays and objects in one another.
    #[error("it is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// Anything else.
    #[error("{0}")]
    Syntax(String),
}

impl From<Error> for JsonError {
    fn from(error: Error) -> Self {
        match error {
            Error::Depth => Self::TooDeep,
            other => Self::Syntax(other.to_string()),
        }
    }
}

/// Reads a text that is one JSON value. Of equal keys the last counts.
///
/// # Errors
/// It is none, or nested too deep.
pub fn parse(text: &str) -> Result<Value, JsonError> {
    let mut lexer = SliceLexer::new(text.as_bytes());
    let value = lexer.exactly_one(SliceLexer::ws_peek, |next, lexer| {
        value(MAX_DEPTH, next, lexer)
    })?;
    Ok(value)
}

fn value(levels: usize, next: u8, lexer: &mut SliceLexer<'_>) -> Result<Value, Error> {
    match next {
        b'"' => Ok(Value::String(lexer.discarded().str_string()?.into_owned())),
        b'0'..=b'9' | b'-' => number(lexer),
        b'[' => array(levels.checked_sub(1).ok_or(Error::Depth)?, lexer),
        b'{' => object(levels.checked_sub(1).ok_or(Error::Depth)?, lexer),
        b'a'..=b'z' => {
            let word = lexer.null_or_bool().ok_or(Expect::Value)?;
            Ok(word.map_or(Value::Null, Value::Bool))
        }
        _ => Err(Expect::Value.into()),
    }
}

fn number(lexer: &mut SliceLexer<'_>) -> Result<Value, Error> {
    let (text, _) = lexer.num_string().validated()?;
    let number: Number = text.parse().map_err(|_| Expect::Value)?;
    Ok(Value::Number(number))
}

fn array(levels: usize, lexer: &mut SliceLexer<'_>) -> Result<Value, Error> {
    let mut items = Vec::new();
    lexer
        .discarded()
        .seq(b']', SliceLexer::ws_peek, |next, lexer| {
            items.push(value(levels, next, lexer)?);
            Ok::<_, Error>(())
        })?;
    Ok(Value::Array(items))
}

fn object(levels: usize, lexer: &mut SliceLexer<'_>) -> Result<Value, Error> {
    let mut fields = Map::new();
    lexer
        .discarded()
        .seq(b'}', SliceLexer::ws_peek, |next, lexer| {
            lexer.expect(|_| Some(next), b'"').ok_or(Expect::String)?;
            let key = lexer.str_string().map_err(Error::Str)?.into_owned();
            lexer
                .expect(SliceLexer::ws_peek, b':')
                .ok_or(Expect::Colon)?;
            let next = lexer.ws_peek().ok_or(Expect::Value)?;
            fields.insert(key, value(levels, next, lexer)?);
            Ok::<_, Error>(())
        })?;
    Ok(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn private_names_of_serde_json_are_keys() {
        for key in [
            "$serde_json::private::Number",
            "$serde_json::private::RawValue",
            "\\u0024serde_json::private::Number",
        ] {
            for inner in ["\"12\"", "\"x\"", "\"{}\"", "1", "null", "{}"] {
                let text = format!("{{\"{key}\": {inner}}}");
                let Ok(Value::Object(fields)) = parse(&text) else {
                    panic!("{text}");
                };
                let (found, value) = fields.iter().next().unwrap();
                assert!(found.starts_with("$serde_json::private::"), "{text}");
                assert_eq!(value, &parse(inner).unwrap(), "{text}");
            }
        }
    }

    #[test]
    fn depth_has_a_limit_that_is_told() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |levels| open.repeat(levels) + "1" + &close.repeat(levels);
            assert!(parse(&nested(MAX_DEPTH)).is_ok());
            for levels in [MAX_DEPTH + 1, 100_000] {
                assert_eq!(parse(&nested(levels)), Err(JsonError::TooDeep));
            }
        }
    }

    #[test]
    fn what_is_no_json_is_refused_without_showing_it() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "01",
            "1.",
            "-",
            "+1",
            ".5",
            "1e",
            "\"\\ud800\"",
            "\"a\u{1}\"",
            "\"\\x\"",
            "1 2",
            "[1 2]",
            "{\"a\" 1}",
            "{1:2}",
            "{,}",
            "[}",
            "nul",
            "truer",
            "\u{feff}1",
            "\u{b}1",
            "1//x",
            "'a'",
            "NaN",
            "\"secret",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for text in [
            "19.90",
            "12345678901234567.89",
            "-0.0",
            "0",
            "1000000000000000000000000000000000000000",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        let tiny = format!("0.{}1", "0".repeat(399));
        assert_eq!(parse(&tiny).unwrap().to_string(), tiny);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// The same as serde_json, wherever that has no names of its own.
        #[test]
        fn reads_what_serde_json_reads(text in "([\\[\\]{},: ]|\"[a-c\\\\u0-9/\"]{0,4}\"|-?[0-9]{1,3}(\\.[0-9]{1,2})?([eE][+-]?[0-9]{1,2})?|true|false|null|\\PC){0,12}") {
            let theirs = serde_json::from_str::<Value>(&text).ok();
            prop_assert_eq!(parse(&text).ok(), theirs);
        }

        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
