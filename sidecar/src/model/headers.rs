//! Request headers, each name in the case in which the documentation or the subscription has it. Receivers should not
//! care (RFC 9110, 5.1), but many that look into a plain dictionary do.

use hyper::header::HeaderValue;
use std::borrow::Cow;

/// Request headers, in the order in which they are sent; no name twice.
#[derive(Clone, Default)]
pub struct Headers(Vec<(Cow<'static, str>, HeaderValue)>);

impl Headers {
    /// Sets a header, whose name must be a token, in place of one that differs in case at most.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: HeaderValue) {
        let name = name.into();
        match self
            .0
            .iter_mut()
            .find(|(set, _)| set.eq_ignore_ascii_case(&name))
        {
            Some(found) => *found = (name, value),
            None => self.0.push((name, value)),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(set, _)| set.eq_ignore_ascii_case(name))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }
}
