//! Operands of calculations and comparisons as doubles: `{{ data.a * 2 }}` is compiled as `{{ data.a|number * 2|number }}`,
//! since the engine does not calculate with the numbers of [`super::numbers`]. No line begins elsewhere for it.

use super::numbers::FILTER;
use minijinja::machinery::{Span, Token, tokenize};
use std::collections::{BTreeMap, BTreeSet};

/// The template as it is compiled; what can't be read is left to the compiler.
pub fn as_doubles(source: &str) -> String {
    let Ok(tokens) = tokenize(source, false, Default::default()).collect::<Result<Vec<_>, _>>()
    else {
        return source.to_owned();
    };
    let mut out = String::with_capacity(source.len() + 64);
    let mut copied = 0;
    for (at, inserted) in insertions(&tokens) {
        out.push_str(&source[copied..at]);
        out.push_str(&inserted);
        copied = at;
    }
    out.push_str(&source[copied..]);
    out
}

/// What is inserted, by where, in bytes.
fn insertions(tokens: &[(Token<'_>, Span)]) -> BTreeMap<usize, String> {
    let (operands, negated) = operands(tokens);
    let mut insertions = BTreeMap::<usize, String>::new();
    let mut insert = |at, text: &str| insertions.entry(at).or_default().push_str(text);
    // A sign binds closer than a filter.
    for (start, end) in negated {
        insert(start, "(");
        insert(end, &format!("|{FILTER})"));
    }
    for end in operands {
        insert(end, &format!("|{FILTER}"));
    }
    insertions
}

/// Where the operands of operators end, and where those of signs begin and end.
fn operands(tokens: &[(Token<'_>, Span)]) -> (BTreeSet<usize>, BTreeMap<usize, usize>) {
    let (mut operands, mut negated) = (BTreeSet::new(), BTreeMap::new());
    // {% for x in … %}: the first "in" of such a tag is no operator.
    let mut in_for = false;
    for (n, (token, _)) in tokens.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|n| tokens.get(n));
        let before = before.map(|(token, _)| token);
        match token {
            Token::BlockStart | Token::VariableStart => in_for = false,
            Token::Ident("for") if matches!(before, Some(Token::BlockStart)) => in_for = true,
            Token::Ident("in") if in_for => in_for = false,
            Token::Minus if !before.is_some_and(ends_operand) => {
                let start = after_signs(tokens, n);
                let end = end_of_right(tokens, start, false);
                if let (Some((_, span)), Some(end)) = (tokens.get(start), end) {
                    negated.insert(span.start_offset as usize, end);
                }
            }
            token if is_operator(token) && !matches!(before, Some(Token::Dot)) => {
                let is_negated = matches!(
                    (token, before),
                    (Token::Ident("in"), Some(Token::Ident("not")))
                );
                operands.extend(end_of_left(tokens, n - usize::from(is_negated)));
                operands.extend(end_of_right(tokens, after_signs(tokens, n + 1), true));
            }
            _ => {}
        }
    }
    (operands, negated)
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

/// Where the operand begins that has its signs at `at`.
fn after_signs(tokens: &[(Token<'_>, Span)], mut at: usize) -> usize {
    let is_sign =
        |token: &Token<'_>| matches!(token, Token::Minus | Token::Plus | Token::Ident("not"));
    while tokens.get(at).is_some_and(|(token, _)| is_sign(token)) {
        at += 1;
    }
    at
}

/// Of the operand that begins at `at`, with the filters that follow it or without.
fn end_of_right(tokens: &[(Token<'_>, Span)], at: usize, with_filters: bool) -> Option<usize> {
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
            Token::Dot => continue,
            Token::Pipe if with_filters => continue,
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
                "{{ -(a|number) }}{{ 1|number - -(a.b|number)|number }}",
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
            ("{{ a * ", "{{ a|number * "),
            (
                "{{ 2**-a.b[-1]|abs }}{{ - -f(x)|abs }}",
                "{{ 2|number**-(a.b[-(1|number)]|number)|abs|number }}{{ - -(f(x)|number)|abs }}",
            ),
        ] {
            assert_eq!(as_doubles(source), expected, "{source}");
        }
    }
}
