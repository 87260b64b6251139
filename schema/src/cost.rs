//! How much work it is to check data by a schema. The validator can't be interrupted, and a schema of a few lines can ask for
//! billions of steps: `anyOf` of two references to the next definition, thirty times. So steps are counted before.
//!
//! - When a schema is written: how many sub-schemas look at one and the same value ([`MAX_HERE`]).
//! - When data is checked: all steps ([`Graph::steps`]), unless the schema is so small that there can't be many.

mod graph;
mod references;

pub use graph::Graph;
use graph::Node;
use serde_json::Value;

/// Most sub-schemas that look at one value.
pub const MAX_HERE: u64 = 10_000;
/// Most steps for one event's data: a second, or a few.
pub const MAX_STEPS: u64 = 5_000_000;
/// Most sub-schemas that are under way at a time: each takes 250 bytes of the stack, which nobody checks.
const MAX_NESTED: usize = 4_096;
/// What one more level of `unevaluatedProperties` or `unevaluatedItems` costs: it asks the sub-schemas beside it again.
const UNEVALUATED: u64 = 4;

/// Checking would take more than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch;

impl Graph {
    /// Steps to check data, counting all sub-schemas, also those that need not be asked in the end.
    ///
    /// # Errors
    /// There are more than [`MAX_STEPS`], or sub-schemas apply in one another too deep.
    pub fn steps(&self, data: &Value) -> Result<u64, TooMuch> {
        let mut left = MAX_STEPS;
        self.walk(0, data, 1, 0, &mut left)?;
        Ok(MAX_STEPS - left)
    }

    /// Whether any data of so many values needs at most [`MAX_STEPS`]: then it need not be walked through.
    pub fn is_light(&self, values: usize) -> bool {
        let values = u64::try_from(values).unwrap_or(u64::MAX);
        !self.is_recursive && self.whole.saturating_mul(values) <= MAX_STEPS
    }

    fn walk(
        &self,
        node: usize,
        data: &Value,
        weight: u64,
        nested: usize,
        left: &mut u64,
    ) -> Result<(), TooMuch> {
        let Some(node) = self.nodes.get(node) else {
            return Ok(());
        };
        if nested > MAX_NESTED {
            return Err(TooMuch);
        }
        *left = left
            .checked_sub(node.own.saturating_mul(weight))
            .ok_or(TooMuch)?;
        let below = if node.has_unevaluated {
            weight.saturating_mul(UNEVALUATED)
        } else {
            weight
        };
        for here in &node.here {
            self.walk(*here, data, below, nested + 1, left)?;
        }
        match data {
            Value::Object(fields) => {
                for (name, value) in fields {
                    for child in node
                        .properties
                        .get(name)
                        .into_iter()
                        .chain(&node.any_property)
                    {
                        self.walk(*child, value, weight, nested + 1, left)?;
                    }
                    // Names are strings: no more than the sub-schemas of the schema for them.
                    *left = left
                        .checked_sub(self.names_cost(node).saturating_mul(weight))
                        .ok_or(TooMuch)?;
                }
            }
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    for child in node.prefix.get(n).into_iter().chain(&node.any_item) {
                        self.walk(*child, item, weight, nested + 1, left)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn names_cost(&self, node: &Node) -> u64 {
        let cost = |name: &usize| self.here.get(*name).copied().unwrap_or(0);
        node.names.iter().map(cost).sum()
    }
}

#[cfg(test)]
mod tests;
