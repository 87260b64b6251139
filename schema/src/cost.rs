//! How much work it is to check data by a schema. The validator can't be interrupted, and a schema of a few lines can ask for
//! billions of steps: `anyOf` of two references to the next definition, thirty times. So steps are counted before.
//!
//! - When a schema is written: how many sub-schemas look at one and the same value ([`MAX_HERE`]).
//! - When data is checked: all steps ([`Graph::steps`]), unless the schema is so small that there can't be many.

mod graph;
mod references;
mod union;

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
    /// Steps to check data, counting all sub-schemas, also those that need not be asked in the end; but not the branches of
    /// a union that are for other kinds.
    ///
    /// # Errors
    /// There are more than [`MAX_STEPS`], or sub-schemas apply in one another too deep.
    pub fn steps(&self, data: &Value) -> Result<u64, TooMuch> {
        self.count(data, false)
    }

    /// Steps to find what is wrong with data, for which each branch of a union is asked.
    ///
    /// # Errors
    /// As [`steps`](Self::steps).
    pub fn steps_for_errors(&self, data: &Value) -> Result<u64, TooMuch> {
        self.count(data, true)
    }

    fn count(&self, data: &Value, every_branch: bool) -> Result<u64, TooMuch> {
        let mut walk = Walk {
            graph: self,
            every_branch,
            left: MAX_STEPS,
        };
        walk.node(0, data, 1, 0)?;
        Ok(MAX_STEPS - walk.left)
    }

    /// Whether any data of so many values needs at most [`MAX_STEPS`]: then it need not be walked through.
    pub fn is_light(&self, values: usize) -> bool {
        let values = u64::try_from(values).unwrap_or(u64::MAX);
        !self.is_recursive && self.whole.saturating_mul(values) <= MAX_STEPS
    }

    fn names_cost(&self, node: &Node) -> u64 {
        let cost = |name: &usize| self.here.get(*name).copied().unwrap_or(0);
        node.names.iter().map(cost).sum()
    }
}

/// The way of the validator through data.
struct Walk<'g> {
    graph: &'g Graph,
    every_branch: bool,
    /// Steps.
    left: u64,
}

impl Walk<'_> {
    fn take(&mut self, steps: u64, weight: u64) -> Result<(), TooMuch> {
        let left = self.left.checked_sub(steps.saturating_mul(weight));
        self.left = left.ok_or(TooMuch)?;
        Ok(())
    }

    fn node(
        &mut self,
        node: usize,
        data: &Value,
        weight: u64,
        nested: usize,
    ) -> Result<(), TooMuch> {
        let Some(node) = self.graph.nodes.get(node) else {
            return Ok(());
        };
        if nested > MAX_NESTED {
            return Err(TooMuch);
        }
        self.take(node.own, weight)?;
        let below = if node.has_unevaluated {
            weight.saturating_mul(UNEVALUATED)
        } else {
            weight
        };
        // What is unevaluated is found with every branch.
        let every_branch = self.every_branch || below > 1;
        for (n, here) in node.here.iter().enumerate() {
            if every_branch || node.may_fit(n, data) {
                self.node(*here, data, below, nested + 1)?;
            }
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
                        self.node(*child, value, weight, nested + 1)?;
                    }
                    // Names are strings: no more than the sub-schemas of the schema for them.
                    self.take(self.graph.names_cost(node), weight)?;
                }
            }
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    for child in node.prefix.get(n).into_iter().chain(&node.any_item) {
                        self.node(*child, item, weight, nested + 1)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
