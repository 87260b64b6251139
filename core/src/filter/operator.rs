//! The operators of `event_data` entries.

use super::equality::same;
use super::number;
use crate::excerpt::{Excerpt, JsonExcerpt};
use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};

/// One condition on one value.
#[derive(Debug, Clone)]
pub enum Operator {
    /// A plain value, or `$eq`.
    Eq(Value),
    Ne(Value),
    Order(Order, Operand),
    In(Vec<Value>),
    Nin(Vec<Value>),
    Exists(bool),
    Prefix(String),
}

/// Which comparison.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    Gt,
    Gte,
    Lt,
    Lte,
}

/// What a comparison compares with.
#[derive(Debug, Clone)]
pub enum Operand {
    Number(Number),
    Text(String),
}

impl Operator {
    /// Whether it holds for an event's value, `None` being a missing one.
    pub fn holds(&self, found: Option<&Value>) -> bool {
        let or_null = found.unwrap_or(&Value::Null);
        match self {
            Self::Eq(wanted) => same(wanted, or_null),
            Self::Ne(unwanted) => !same(unwanted, or_null),
            Self::Order(order, operand) => {
                compare(or_null, operand).is_some_and(|o| order.accepts(o))
            }
            Self::In(wanted) => wanted.iter().any(|w| same(w, or_null)),
            Self::Nin(unwanted) => !unwanted.iter().any(|u| same(u, or_null)),
            Self::Exists(wanted) => *wanted == found.is_some(),
            Self::Prefix(prefix) => or_null
                .as_str()
                .is_some_and(|text| text.starts_with(prefix.as_str())),
        }
    }
}

/// Only like compares with like.
fn compare(found: &Value, operand: &Operand) -> Option<Ordering> {
    match (found, operand) {
        (Value::Number(found), Operand::Number(operand)) => number::compare(found, operand),
        (Value::String(found), Operand::Text(operand)) => Some(found.as_str().cmp(operand)),
        _ => None,
    }
}

impl Order {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Gt => ordering.is_gt(),
            Self::Gte => ordering.is_ge(),
            Self::Lt => ordering.is_lt(),
            Self::Lte => ordering.is_le(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gt => "$gt",
            Self::Gte => "$gte",
            Self::Lt => "$lt",
            Self::Lte => "$lte",
        }
    }
}

/// As written in the filter, long operands cut.
impl Display for Operator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let list = |f: &mut Formatter<'_>, name: &str, items: &[Value]| {
            write!(f, "{name} [")?;
            for (i, item) in items.iter().take(5).enumerate() {
                let comma = if i == 0 { "" } else { "," };
                write!(f, "{comma}{}", JsonExcerpt(item))?;
            }
            f.write_str(if items.len() > 5 { ",…]" } else { "]" })
        };
        match self {
            Self::Eq(wanted) => write!(f, "{}", JsonExcerpt(wanted)),
            Self::Ne(unwanted) => write!(f, "$ne {}", JsonExcerpt(unwanted)),
            Self::Order(order, Operand::Number(n)) => {
                write!(f, "{} {}", order.name(), JsonExcerpt(&n.clone().into()))
            }
            Self::Order(order, Operand::Text(t)) => write!(f, "{} {}", order.name(), Excerpt(t)),
            Self::In(wanted) => list(f, "$in", wanted),
            Self::Nin(unwanted) => list(f, "$nin", unwanted),
            Self::Exists(wanted) => write!(f, "$exists {wanted}"),
            Self::Prefix(prefix) => write!(f, "$prefix {}", Excerpt(prefix)),
        }
    }
}
