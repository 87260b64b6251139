//! A subscription's `event_filters`: conditions on an event beyond its type.
//!
//! ```json
//! {"resource_type": "document", "event_data": {"status": "final", "totals.net": {"$gte": 100}}}
//! ```
//!
//! | key | value | passes if |
//! | --- | --- | --- |
//! | `resource_type` | string or null | the event's is the same (null: it has none) |
//! | `resource_id` | UUID as string, or null | the event's is the same (null: it has none) |
//! | `event_data` | object | every entry holds, see below |
//! | `jsonpath` | string | left to SQL, which has the jsonpath engine |
//!
//! All must hold; no filter at all (`{}` or null) passes everything. In `event_data` a key is looked up literally
//! first, then as a dotted path through objects and, for segments of digits, arrays. Its value is either wanted as is,
//! where a missing key counts as null, or an object of operators that must all hold:
//!
//! | operator | operand | holds if the value |
//! | --- | --- | --- |
//! | `$eq`, `$ne` | anything | is, is not equal; missing counts as null |
//! | `$gt` `$gte` `$lt` `$lte` | number or string | is of the same kind and compares so; strings by code point |
//! | `$in`, `$nin` | array | equals one, none of the elements; missing counts as null |
//! | `$exists` | boolean | is there (if only as null), is missing |
//! | `$prefix` | string | is a string that starts so |
//!
//! Numbers compare by value and exactly, whatever their size: 1, 1.0 and 1e0 are equal, also inside arrays and
//! objects. Values of different kinds are never equal (unlike Python's, true is not 1).

mod equality;
mod lookup;
pub(crate) mod number;
mod operator;
mod parse;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use parse::FilterError;

use crate::excerpt::{Excerpt, JsonExcerpt};
use operator::Operator;
use serde_json::Value;
use uuid::Uuid;

/// Filters that are known to be well-formed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    // The inner None is the filter null: events without one.
    resource_type: Option<Option<String>>,
    resource_id: Option<Option<Uuid>>,
    event_data: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    key: String,
    operators: Vec<Operator>,
}

impl Filter {
    /// Reads `event_filters`; null counts as `{}`.
    ///
    /// # Errors
    /// For unknown keys and operators, operands of the wrong kind, and filters beyond the limits
    /// (64 KiB, 16 levels, exponents of 10¹²), naming what is wrong.
    pub fn parse(filters: &Value) -> Result<Self, FilterError> {
        parse::filter(filters)
    }

    /// Whether an event passes; cheaper than [`Filter::mismatch`] as it says nothing more.
    pub fn matches(
        &self,
        resource_type: Option<&str>,
        resource_id: Option<Uuid>,
        data: &Value,
    ) -> bool {
        self.first_mismatch(resource_type, resource_id, data)
            .is_none()
    }

    /// Why an event does not pass, naming the first key that fails; `None` if it passes.
    pub fn mismatch(
        &self,
        resource_type: Option<&str>,
        resource_id: Option<Uuid>,
        data: &Value,
    ) -> Option<String> {
        self.first_mismatch(resource_type, resource_id, data)
            .map(|mismatch| mismatch.reason())
    }

    fn first_mismatch<'a>(
        &'a self,
        resource_type: Option<&'a str>,
        resource_id: Option<Uuid>,
        data: &'a Value,
    ) -> Option<Mismatch<'a>> {
        if let Some(wanted) = &self.resource_type
            && wanted.as_deref() != resource_type
        {
            return Some(Mismatch::ResourceType {
                found: resource_type,
                wanted: wanted.as_deref(),
            });
        }
        if let Some(wanted) = self.resource_id
            && wanted != resource_id
        {
            return Some(Mismatch::ResourceId {
                found: resource_id,
                wanted,
            });
        }
        self.event_data.iter().find_map(|entry| {
            let found = lookup::lookup(data, &entry.key);
            let wanted = entry.operators.iter().find(|o| !o.holds(found))?;
            Some(Mismatch::EventData {
                key: &entry.key,
                found,
                wanted,
            })
        })
    }
}

enum Mismatch<'a> {
    ResourceType {
        found: Option<&'a str>,
        wanted: Option<&'a str>,
    },
    ResourceId {
        found: Option<Uuid>,
        wanted: Option<Uuid>,
    },
    EventData {
        key: &'a str,
        found: Option<&'a Value>,
        wanted: &'a Operator,
    },
}

impl Mismatch<'_> {
    fn reason(&self) -> String {
        match self {
            Self::ResourceType { found, wanted } => {
                let show = |t: &Option<&str>| t.map_or("null".into(), |t| Excerpt(t).to_string());
                format!(
                    "resource_type is {}; the filter wants {}",
                    show(found),
                    show(wanted)
                )
            }
            Self::ResourceId { found, wanted } => {
                let show = |id: &Option<Uuid>| id.map_or("null".into(), |id| id.to_string());
                format!(
                    "resource_id is {}; the filter wants {}",
                    show(found),
                    show(wanted)
                )
            }
            Self::EventData { key, found, wanted } => {
                let found = found.map_or("missing".into(), |v| JsonExcerpt(v).to_string());
                format!(
                    "event_data key {} is {found}; the filter wants {wanted}",
                    Excerpt(key)
                )
            }
        }
    }
}
