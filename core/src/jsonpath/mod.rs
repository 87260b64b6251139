//! Which SQL/JSON paths a subscription may filter by.
//!
//! Publishers evaluate the path in their transactions, for each event, so it may take time in proportion to the event's
//! size and no more. Refused is whatever compares each of many values with each of many others, multiplies values from step
//! to step, or gives PostgreSQL's regular expressions more than a plain automaton to do.
//!
//! A path is read as PostgreSQL writes it (`path::jsonpath::text`), which leaves no choice of spelling.
//!
//! # Layout
//! - `scan`: the path's words and signs
//! - `check`: its grammar, and how many values each part may have
//! - `regex`: how large an automaton a regular expression needs

mod check;
mod regex;
mod scan;
#[cfg(test)]
mod tests;

use thiserror::Error;

/// Longest path, in bytes.
pub const MAX_BYTES: usize = 1000;
/// Most steps that lead from one value to many.
pub const MAX_WILDCARDS: usize = 10;
/// Most subscripts in brackets, multiplied: `[0, 1][0, 1]` has four.
pub const MAX_SUBSCRIPTS: usize = 16;
/// Most `*`, `/` and `%`: they take the square of a number's digits.
pub const MAX_PRODUCTS: usize = 3;
/// Most atoms of all regular expressions of a path, each counted as often as it may be repeated.
pub const MAX_ATOMS: u64 = 256;

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// Longer than the limit.
    #[error("{0} characters are more than {MAX_BYTES}")]
    TooLong(usize),
    /// Something that is not known here.
    #[error("it can't be read at character {0}")]
    Unreadable(usize),
    /// `$name`: there is nothing to set it.
    #[error("there are no variables")]
    Variable,
    /// More than two filters in one another.
    #[error("filters are nested more than two deep")]
    Nested,
    /// More than one `**`.
    #[error("** is there more than once")]
    Descents,
    /// More than one `.keyvalue()`, or one with `**`.
    #[error(".keyvalue() is there more than once, or with **")]
    KeyValues,
    /// More wildcards than the limit.
    #[error("more than {MAX_WILDCARDS} of [*], .*, .** and subscripts with to")]
    Wildcards,
    /// More subscripts than the limit.
    #[error("lists of subscripts select more than {MAX_SUBSCRIPTS} times")]
    Subscripts,
    /// A subscript that is looked up.
    #[error("a subscript is something else than numbers and last")]
    ComputedSubscript,
    /// Both sides of a comparison can have many values.
    #[error("a comparison of two values that can each be many")]
    Product,
    /// `$` in a filter, for more than to compare one value.
    #[error("a filter's condition does more with $ than to compare a single value")]
    Root,
    /// More multiplications and divisions than the limit.
    #[error("more than {MAX_PRODUCTS} of * / %")]
    Products,
    /// A regular expression.
    #[error("like_regex {0}")]
    Regex(#[from] RegexError),
}

/// Why a regular expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegexError {
    /// `\1`.
    #[error("has a back-reference")]
    BackReference,
    /// `(?=`, `(?!`, `(?<=`, `(?<!`.
    #[error("looks ahead or behind")]
    Lookaround,
    /// `***:`, `(?e)`.
    #[error("has embedded options")]
    Options,
    /// An automaton larger than the limit.
    #[error("repeats too much: all repetitions multiplied out, more than {MAX_ATOMS} characters")]
    TooLarge,
    /// Parentheses or brackets without their ends.
    #[error("can't be read")]
    Unreadable,
}

/// Checks a path as PostgreSQL writes it.
///
/// # Errors
/// The first thing in it that could take long.
pub fn check(path: &str) -> Result<(), PathError> {
    if path.len() > MAX_BYTES {
        return Err(PathError::TooLong(path.chars().count()));
    }
    check::path(path)
}
