//! How deep a template may be: the engine's parser and compiler follow chains (`- - - x`, `a + b + c`, `elif`) by recursion
//! without a limit of their own, and a stack that overflows ends the server's process.

use super::TemplateError;
use minijinja::machinery::{Token, tokenize};

/// Most words and signs between two braces.
const MAX_TOKENS: usize = 250;
/// Most `elif` of a template.
const MAX_ELIF: usize = 100;

/// Refuses what is too deep; what can't be read is left to the compiler.
pub fn check(source: &str) -> Result<(), TemplateError> {
    let (mut tokens, mut elifs) = (0, 0);
    for token in tokenize(source, false, Default::default()) {
        let Ok((token, span)) = token else {
            return Ok(());
        };
        tokens += 1;
        match token {
            Token::VariableStart | Token::BlockStart | Token::TemplateData(_) => tokens = 0,
            Token::Ident("elif") => elifs += 1,
            _ => {}
        }
        let line = span.start_line as usize;
        if tokens > MAX_TOKENS {
            return Err(TemplateError::Syntax {
                line,
                reason: format!("more than {MAX_TOKENS} words and signs in one tag"),
            });
        }
        if elifs > MAX_ELIF {
            return Err(TemplateError::Syntax {
                line,
                reason: format!("more than {MAX_ELIF} times elif"),
            });
        }
    }
    Ok(())
}
