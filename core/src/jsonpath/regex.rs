//! How large an automaton PostgreSQL makes of a regular expression, in atoms: each character, class or escape as often as it may
//! be repeated. Compiling takes little more than that, but its third power where what may be empty is repeated, as in
//! `(a?){100}`: there an atom counts for [`EMPTY`]. Matching is linear in the text, but for back-references and look-around,
//! which are refused.

use super::{MAX_ATOMS, RegexError};
use std::iter::Peekable;
use std::str::Chars;

/// Weight of an atom in a repeated part that may be empty.
const EMPTY: u64 = 8;
/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 50;

/// A part of an expression.
#[derive(Clone, Copy)]
struct Part {
    atoms: u64,
    /// It matches the empty text.
    may_be_empty: bool,
}

/// The atoms of an advanced regular expression.
pub fn atoms(pattern: &str) -> Result<u64, RegexError> {
    if pattern.starts_with("***") {
        return Err(RegexError::Options);
    }
    let mut rest = pattern.chars().peekable();
    let whole = alternatives(&mut rest, 0)?;
    // A parenthesis too many.
    if rest.next().is_some() {
        return Err(RegexError::Unreadable);
    }
    Ok(whole.atoms)
}

/// Up to the end, or to a closing parenthesis.
fn alternatives(rest: &mut Peekable<Chars<'_>>, depth: usize) -> Result<Part, RegexError> {
    if depth > MAX_DEPTH {
        return Err(RegexError::TooLarge);
    }
    let mut atoms = 0_u64;
    // Of the alternatives before, and of the one that is being read.
    let (mut any_empty, mut is_empty) = (false, true);
    while let Some(next) = rest.next_if(|c| *c != ')') {
        if next == '|' {
            any_empty |= is_empty;
            is_empty = true;
            continue;
        }
        let part = repeated(atom(next, rest, depth)?, rest)?;
        is_empty &= part.may_be_empty;
        atoms = atoms.saturating_add(part.atoms);
        if atoms > MAX_ATOMS {
            return Err(RegexError::TooLarge);
        }
    }
    Ok(Part {
        atoms,
        may_be_empty: any_empty || is_empty,
    })
}

fn atom(first: char, rest: &mut Peekable<Chars<'_>>, depth: usize) -> Result<Part, RegexError> {
    let may_be_empty = match first {
        '(' => return group(rest, depth),
        '[' => {
            bracket(rest)?;
            false
        }
        '\\' => escape(rest)?,
        _ => matches!(first, '^' | '$'),
    };
    Ok(Part {
        atoms: 1,
        may_be_empty,
    })
}

/// The part with the quantifiers that follow it.
fn repeated(mut part: Part, rest: &mut Peekable<Chars<'_>>) -> Result<Part, RegexError> {
    while let Some((least, most)) = quantifier(rest)? {
        let weight = if part.may_be_empty && most > 1 {
            EMPTY
        } else {
            1
        };
        part.atoms = part
            .atoms
            .saturating_mul(most.max(1))
            .saturating_mul(weight);
        part.may_be_empty |= least == 0;
    }
    Ok(part)
}

fn group(rest: &mut Peekable<Chars<'_>>, depth: usize) -> Result<Part, RegexError> {
    if rest.next_if_eq(&'?').is_some() {
        match rest.next() {
            Some(':') => {}
            Some('=' | '!' | '<') => return Err(RegexError::Lookaround),
            _ => return Err(RegexError::Options),
        }
    }
    let inner = alternatives(rest, depth + 1)?;
    rest.next_if_eq(&')').ok_or(RegexError::Unreadable)?;
    Ok(Part {
        atoms: inner.atoms + 1,
        ..inner
    })
}

/// Skips `[…]`, after its first character.
fn bracket(rest: &mut Peekable<Chars<'_>>) -> Result<(), RegexError> {
    rest.next_if_eq(&'^');
    rest.next_if_eq(&']');
    loop {
        match rest.next().ok_or(RegexError::Unreadable)? {
            ']' => return Ok(()),
            '\\' => {
                escape(rest)?;
            }
            '[' => {
                // [:alpha:], [.-.], [=a=]
                let Some(kind) = rest.next_if(|c| [':', '.', '='].contains(c)) else {
                    continue;
                };
                let mut last = ' ';
                loop {
                    let next = rest.next().ok_or(RegexError::Unreadable)?;
                    if last == kind && next == ']' {
                        break;
                    }
                    last = next;
                }
            }
            _ => {}
        }
    }
}

/// Skips what follows a backslash. Returns: whether it is a place, such as a word's end, and no character.
fn escape(rest: &mut Peekable<Chars<'_>>) -> Result<bool, RegexError> {
    match rest.next().ok_or(RegexError::Unreadable)? {
        '1'..='9' => Err(RegexError::BackReference),
        // A control character: any other follows.
        'c' => rest.next().map(|_| false).ok_or(RegexError::Unreadable),
        next => Ok(matches!(next, 'A' | 'm' | 'M' | 'y' | 'Y' | 'Z')),
    }
}

/// How often the part before must be there, and how often it is multiplied out.
fn quantifier(rest: &mut Peekable<Chars<'_>>) -> Result<Option<(u64, u64)>, RegexError> {
    match rest.peek() {
        Some('*' | '?') => {
            rest.next();
            Ok(Some((0, 1)))
        }
        Some('+') => {
            rest.next();
            Ok(Some((1, 1)))
        }
        Some('{') => {
            let mut ahead = rest.clone();
            ahead.next();
            // Or else the brace stands for itself.
            if ahead.peek().is_some_and(char::is_ascii_digit) {
                rest.next();
                bounds(rest).map(Some)
            } else {
                Ok(None)
            }
        }
        _ => Ok(None),
    }
}

/// `3}`, `3,}` or `3,5}`.
fn bounds(rest: &mut Peekable<Chars<'_>>) -> Result<(u64, u64), RegexError> {
    let mut least = None;
    let mut number = 0_u64;
    loop {
        match rest.next().ok_or(RegexError::Unreadable)? {
            '}' => {
                let least = least.unwrap_or(number);
                return Ok((least, number.max(least)));
            }
            ',' if least.is_none() => {
                least = Some(number);
                number = 0;
            }
            digit => {
                let digit = digit.to_digit(10).ok_or(RegexError::Unreadable)?;
                number = number.saturating_mul(10).saturating_add(digit.into());
            }
        }
    }
}
