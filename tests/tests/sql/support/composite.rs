//! Values of composite types, as expressions in SQL.

use std::fmt::{self, Display, Formatter};

/// A value of a type in `webhooks_private`. Attributes that are not set are null.
#[derive(Clone)]
pub struct Composite {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
}

impl Composite {
    pub fn of(name: &'static str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
        }
    }

    /// Sets an attribute to an SQL expression.
    pub fn set(&mut self, attribute: &'static str, value: impl Display) {
        self.attributes.retain(|(name, _)| *name != attribute);
        self.attributes.push((attribute, value.to_string()));
    }

    /// The same with an attribute set.
    pub fn with(mut self, attribute: &'static str, value: impl Display) -> Self {
        self.set(attribute, value);
        self
    }
}

impl Display for Composite {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let attributes = self.attributes.iter();
        let attributes: Vec<_> = attributes
            .map(|(a, value)| format!("'{a}', {value}"))
            .collect();
        write!(
            f,
            "jsonb_populate_record(null::webhooks_private.{}, jsonb_build_object({}))",
            self.name,
            attributes.join(", ")
        )
    }
}
