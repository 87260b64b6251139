//! Operands of calculations and comparisons as doubles: `{{ data.a * 2 }}` is compiled as `{{ data.a|number * 2|number }}`,
//! since the engine does not calculate with the numbers of [`super::numbers`]. No line begins elsewhere for it.

use super::numbers::FILTER;
use minijinja::machinery::{Span, Token, tokenize};
use std::collections::BTreeSet;

/// The template as it is compiled; what can't be read is left to the compiler.
pub fn as_doubles(source: &str) -> String {
    let Ok(tokens) = tokenize(source, false, Default::default()).collect::<Result<Vec<_>, _>>()
    else {
        return source.to_owned();
    };
    let mut out = String::with_capacity(source.len() + 64);
    let mut copied = 0;
    for end in ends_of_operands(&tokens) {
        out.push_str(&source[copied..end]);
        out.push('|');
        out.push_str(FILTER);
        copied = end;
    }
    out.push_str(&source[copied..]);
    out
}

/// Where the operands of operators end, in bytes.
fn ends_of_operands(tokens: &[(Token<'_>, Span)]) -> BTreeSet<usize> {
    let mut ends = BTreeSet::new();
    // {% for x in … %}: the first "in" of such a tag is no operator.
    let mut in_for = false;
    for (n, (token, _)) in tokens.iter().enumerate() {
        let before = n
            .checked_sub(1)
            .and_then(|n| tokens.get(n))
            .map(|(token, _)| token);
        match token {
            Token::BlockStart | Token::VariableStart => in_for = false,
            Token::Ident("for") if matches!(before, Some(Token::BlockStart)) => in_for = true,
            Token::Ident("in") if in_for => in_for = false,
            token if is_operator(token) && !matches!(before, Some(Token::Dot)) => {
                let negated = matches!(
                    (token, before),
                    (Token::Ident("in"), Some(Token::Ident("not")))
                );
                ends.extend(end_of_left(tokens, n - usize::from(negated)));
                ends.extend(end_of_right(tokens, n + 1));
            }
            _ => {}
        }
    }
    ends
}

fn is_operator(token: &Token<'_>) -> bool {
    use Token::{Div, Eq, FloorDiv, Gt, Gte, Ident, Lt, Lte, Minus, Mod, Mul, Ne, Plus, Pow};
    matches!(
        token,
        Plus | Minus
            | Mul
            | Div
            | FloorDiv
            | Pow
            | Mod
            | Eq
            | Ne
            | Gt
            | Gte
            | Lt
            | Lte
            | Ident("in")
    )
}

/// Of the operand before the operator at `operator`; none before a sign.
fn end_of_left(tokens: &[(Token<'_>, Span)], operator: usize) -> Option<usize> {
    let (token, span) = tokens.get(operator.checked_sub(1)?)?;
    ends_operand(token).then_some(span.end_offset as usize)
}

fn ends_operand(token: &Token<'_>) -> bool {
    match token {
        Token::Ident(word) => !is_keyword(word),
        Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_) => {
            true
        }
        Token::ParenClose | Token::BracketClose | Token::BraceClose => true,
        _ => false,
    }
}

fn is_keyword(word: &str) -> bool {
    [
        "and",
        "else",
        "elif",
        "if",
        "in",
        "is",
        "not",
        "or",
        "recursive",
    ]
    .contains(&word)
}

/// Of the operand that begins at `at`, perhaps with signs.
fn end_of_right(tokens: &[(Token<'_>, Span)], mut at: usize) -> Option<usize> {
    let sign =
        |token: &Token<'_>| matches!(token, Token::Minus | Token::Plus | Token::Ident("not"));
    while tokens.get(at).is_some_and(|(token, _)| sign(token)) {
        at += 1;
    }
    let mut nested = 0_usize;
    let mut end = None;
    for (n, (token, span)) in tokens.iter().enumerate().skip(at) {
        let is_name = n > at && matches!(tokens[n - 1].0, Token::Dot | Token::Pipe);
        match token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                nested += 1;
                continue;
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                match nested.checked_sub(1) {
                    Some(outer) => nested = outer,
                    None => break,
                }
            }
            Token::VariableEnd | Token::BlockEnd => break,
            _ if nested > 0 => continue,
            Token::Dot | Token::Pipe => continue,
            token if ends_operand(token) || is_name => {}
            _ => break,
        }
        if nested == 0 {
            end = Some(span.end_offset as usize);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_and_nothing_else_become_doubles() {
        for (source, expected) in [
            ("{{ data.a }}", "{{ data.a }}"),
            (
                "a * b {# a * b #}{% raw %}{{ a * b }}{% endraw %}",
                "a * b {# a * b #}{% raw %}{{ a * b }}{% endraw %}",
            ),
            ("{{ a*b }}", "{{ a|number*b|number }}"),
            (
                "{{ a.b[0] - f(x, y).z }}",
                "{{ a.b[0]|number - f(x, y).z|number }}",
            ),
            (
                "{{ -a }}{{ 1 - -a.b }}",
                "{{ -a|number }}{{ 1|number - -a.b|number }}",
            ),
            (
                "{{ (a + b) * c|round(2) }}",
                "{{ (a|number + b|number)|number * c|round(2)|number }}",
            ),
            ("{{ a + b * c }}", "{{ a|number + b|number * c|number }}"),
            (
                "{{ a > 1 and b ~ c }}",
                "{{ a|number > 1|number and b ~ c }}",
            ),
            (
                "{%- if a >= b -%}{% elif not a == 'x' %}{% endif %}",
                "{%- if a|number >= b|number -%}{% elif not a|number == 'x'|number %}{% endif %}",
            ),
            (
                "{% for x in a if x > 1 %}{% endfor %}",
                "{% for x in a if x|number > 1|number %}{% endfor %}",
            ),
            (
                "{% if a in b and a not in c.d %}{% endif %}",
                "{% if a|number in b|number and a|number not in c.d|number %}{% endif %}",
            ),
            (
                "{{ a.in }}{{ a if b else c / 2 }}",
                "{{ a.in }}{{ a if b else c|number / 2|number }}",
            ),
            (
                "{{ {'k': a % 2, 'l': [a // 2]}[x + 1:2] }}",
                "{{ {'k': a|number % 2|number, 'l': [a|number // 2|number]}[x|number + 1|number:2] }}",
            ),
            ("{{ a ** b is odd }}", "{{ a|number ** b|number is odd }}"),
            ("é{{ a - 'é' }}é", "é{{ a|number - 'é'|number }}é"),
            (
                "{{ a | default(0) * 2 }}",
                "{{ a | default(0)|number * 2|number }}",
            ),
            ("{{ a * ", "{{ a * "),
        ] {
            assert_eq!(as_doubles(source), expected, "{source}");
        }
    }
}
