//! The grammar of a path, and how many values each part of it may have.

use super::scan::{Token, tokens};
use super::{MAX_ATOMS, MAX_PRODUCTS, MAX_SUBSCRIPTS, MAX_WILDCARDS, PathError, RegexError, regex};

/// Bounds on the values of a part of a path.
#[derive(Debug, Clone, Copy)]
struct Values {
    /// One at the most.
    is_one: bool,
    /// None is an array, which a lax comparison would take apart.
    is_scalar: bool,
    /// Looked up from `$` in a filter, anew for each value: of any size, and so only to be compared.
    is_far: bool,
}

const MANY: Values = Values {
    is_one: false,
    is_scalar: false,
    is_far: false,
};
const ONE: Values = Values {
    is_one: true,
    is_scalar: false,
    is_far: false,
};
const ONE_SCALAR: Values = Values {
    is_one: true,
    is_scalar: true,
    is_far: false,
};

/// Refuses more than a comparison of what is looked up for each value.
fn near(values: Values) -> Result<(), PathError> {
    if values.is_far {
        Err(PathError::Root)
    } else {
        Ok(())
    }
}

struct Checker {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    is_strict: bool,
    /// In how many filters this is.
    filters: usize,
    descents: usize,
    key_values: usize,
    wildcards: usize,
    subscripts: usize,
    products: usize,
    atoms: u64,
}

/// See [`super::check`].
pub fn path(path: &str) -> Result<(), PathError> {
    let mut checker = Checker {
        tokens: tokens(path)?,
        at: 0,
        end: path.len(),
        is_strict: false,
        filters: 0,
        descents: 0,
        key_values: 0,
        wildcards: 0,
        subscripts: 1,
        products: 0,
        atoms: 0,
    };
    checker.is_strict = checker.takes_word("strict");
    checker.expression()?;
    match checker.tokens.get(checker.at) {
        Some(_) => Err(checker.unreadable()),
        None if checker.key_values > 1 || checker.key_values == 1 && checker.descents > 0 => {
            Err(PathError::KeyValues)
        }
        None => Ok(()),
    }
}

impl Checker {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn sign(&self) -> &'static str {
        match self.peek() {
            Some(Token::Sign(sign)) => sign,
            _ => "",
        }
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = self.sign() == sign;
        self.at += usize::from(found);
        found
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.at += usize::from(found);
        found
    }

    fn takes_text(&mut self) -> Result<String, PathError> {
        match self.peek() {
            Some(Token::Text(text)) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ if self.sign() == "$" => Err(PathError::Variable),
            _ => Err(self.unreadable()),
        }
    }

    fn expect(&mut self, sign: &str) -> Result<(), PathError> {
        if self.takes(sign) {
            Ok(())
        } else {
            Err(self.unreadable())
        }
    }

    fn unreadable(&self) -> PathError {
        PathError::Unreadable(self.tokens.get(self.at).map_or(self.end, |(at, _)| *at))
    }

    /// Conditions joined by `&&` and `||`, whose precedence does not matter here.
    fn expression(&mut self) -> Result<Values, PathError> {
        let mut values = self.condition()?;
        while self.takes("&&") || self.takes("||") {
            self.condition()?;
            values = ONE_SCALAR;
        }
        Ok(values)
    }

    fn condition(&mut self) -> Result<Values, PathError> {
        let left = self.sum()?;
        if self.takes_word("starts") {
            self.takes_word("with");
            self.takes_text()?;
        } else if self.takes_word("like_regex") {
            near(left)?;
            self.regex()?;
        } else if ["==", "!=", "<>", "<=", ">=", "<", ">"].contains(&self.sign()) {
            self.at += 1;
            let right = self.sum()?;
            if !self.is_single(left) && !self.is_single(right) {
                return Err(PathError::Product);
            }
        } else {
            return Ok(left);
        }
        Ok(ONE_SCALAR)
    }

    fn is_single(&self, values: Values) -> bool {
        values.is_one && (self.is_strict || values.is_scalar)
    }

    fn regex(&mut self) -> Result<(), PathError> {
        let pattern = self.takes_text()?;
        let is_literal = self.takes_word("flag") && self.takes_text()?.contains('q');
        if !is_literal {
            self.atoms += regex::atoms(&pattern)?;
        }
        if self.atoms > MAX_ATOMS {
            return Err(RegexError::TooLarge.into());
        }
        Ok(())
    }

    /// Calculations, whatever their precedence: they take single numbers, and fail otherwise.
    fn sum(&mut self) -> Result<Values, PathError> {
        let mut values = self.signed()?;
        loop {
            match self.sign() {
                "+" | "-" => {}
                "*" | "/" | "%" => {
                    self.products += 1;
                    if self.products > MAX_PRODUCTS {
                        return Err(PathError::Products);
                    }
                }
                _ => return Ok(values),
            }
            self.at += 1;
            near(values)?;
            near(self.signed()?)?;
            values = ONE_SCALAR;
        }
    }

    fn signed(&mut self) -> Result<Values, PathError> {
        let mut has_sign = false;
        while self.takes("+") || self.takes("-") {
            has_sign = true;
        }
        if self.takes("!") {
            self.expect("(")?;
            self.expression()?;
            self.expect(")")?;
            return Ok(ONE_SCALAR);
        }
        let values = self.path()?;
        if has_sign {
            near(values)?;
        }
        Ok(values)
    }

    /// A value and the steps from it.
    fn path(&mut self) -> Result<Values, PathError> {
        let is_root = self.sign() == "$";
        let mut values = self.start()?;
        let is_far = values.is_far || is_root && self.filters > 0;
        while let Some(next) = self.step(Values { is_far, ..values })? {
            values = next;
        }
        // In a filter it would be walked for each value.
        if is_far && !(self.is_strict && values.is_one) {
            return Err(PathError::Root);
        }
        Ok(Values { is_far, ..values })
    }

    fn start(&mut self) -> Result<Values, PathError> {
        let token = self.peek().cloned().ok_or_else(|| self.unreadable())?;
        self.at += 1;
        match token {
            Token::Sign("$") if matches!(self.peek(), Some(Token::Text(_))) => {
                Err(PathError::Variable)
            }
            Token::Sign("$" | "@") => Ok(ONE),
            Token::Sign("(") => {
                let values = self.expression()?;
                self.expect(")")?;
                Ok(if self.takes_word("is") {
                    self.takes_word("unknown");
                    ONE_SCALAR
                } else {
                    values
                })
            }
            Token::Text(_) | Token::Number(_) => Ok(ONE_SCALAR),
            Token::Word(word) => match word.as_str() {
                "null" | "true" | "false" | "last" => Ok(ONE_SCALAR),
                "exists" => {
                    self.expect("(")?;
                    self.expression()?;
                    self.expect(")")?;
                    Ok(ONE_SCALAR)
                }
                _ => {
                    self.at -= 1;
                    Err(self.unreadable())
                }
            },
            Token::Sign(_) => {
                self.at -= 1;
                Err(self.unreadable())
            }
        }
    }

    /// What one more step leads to; `None`: there is none.
    fn step(&mut self, from: Values) -> Result<Option<Values>, PathError> {
        match self.sign() {
            "?(" => {
                near(from)?;
                self.at += 1;
                self.filters += 1;
                if self.filters > 2 {
                    return Err(PathError::Nested);
                }
                self.expression()?;
                self.filters -= 1;
                self.expect(")")?;
                // In lax mode, of each element of an array.
                Ok(Some(Values {
                    is_one: from.is_one && (self.is_strict || from.is_scalar),
                    ..from
                }))
            }
            "[" => {
                self.at += 1;
                self.subscript(from).map(Some)
            }
            "." => {
                self.at += 1;
                self.member(from).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn member(&mut self, from: Values) -> Result<Values, PathError> {
        match self.peek().cloned() {
            // In lax mode, of each element of an array.
            Some(Token::Text(_)) => {
                self.at += 1;
                Ok(Values {
                    is_one: from.is_one && self.is_strict,
                    is_scalar: false,
                    ..from
                })
            }
            Some(Token::Sign("*")) => {
                self.at += 1;
                self.wildcard()
            }
            Some(Token::Sign("**")) => {
                self.at += 1;
                self.descents += 1;
                if self.descents > 1 {
                    return Err(PathError::Descents);
                }
                if self.takes("{") {
                    while !self.takes("}") {
                        self.at += 1;
                        self.peek().ok_or_else(|| self.unreadable())?;
                    }
                }
                self.wildcard()
            }
            Some(Token::Word(name)) => {
                self.at += 1;
                self.expect("(")?;
                while !self.takes(")") {
                    self.at += 1;
                    self.peek().ok_or_else(|| self.unreadable())?;
                }
                self.method(&name, from)
            }
            _ => Err(self.unreadable()),
        }
    }

    fn method(&mut self, name: &str, from: Values) -> Result<Values, PathError> {
        if !["size", "type"].contains(&name) {
            near(from)?;
        }
        Ok(match name {
            "size" | "type" => Values {
                is_scalar: true,
                ..from
            },
            "keyvalue" => {
                self.key_values += 1;
                MANY
            }
            // Others, too, take arrays apart in lax mode.
            _ if self.is_strict || from.is_scalar => Values {
                is_scalar: true,
                ..from
            },
            _ => Values {
                is_one: false,
                is_scalar: true,
                ..from
            },
        })
    }

    fn wildcard(&mut self) -> Result<Values, PathError> {
        self.wildcards += 1;
        if self.wildcards > MAX_WILDCARDS {
            return Err(PathError::Wildcards);
        }
        Ok(MANY)
    }

    fn subscript(&mut self, from: Values) -> Result<Values, PathError> {
        if self.takes("*") {
            self.expect("]")?;
            return self.wildcard();
        }
        let mut values = Values {
            is_scalar: false,
            ..from
        };
        let mut count = 1;
        loop {
            match self.peek() {
                Some(Token::Sign("]")) => break,
                Some(Token::Sign(",")) => {
                    values = MANY;
                    count += 1;
                }
                Some(Token::Word(word)) if word == "to" => values = self.wildcard()?,
                Some(Token::Word(word)) if word == "last" => {}
                Some(Token::Number(_) | Token::Sign("+" | "-" | "(" | ")")) => {}
                _ => return Err(PathError::ComputedSubscript),
            }
            self.at += 1;
        }
        self.at += 1;
        self.subscripts *= count;
        if self.subscripts > MAX_SUBSCRIPTS {
            return Err(PathError::Subscripts);
        }
        Ok(values)
    }
}
