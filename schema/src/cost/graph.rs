//! A schema's sub-schemas, and which of them look at what.

use super::references::Index;
use super::union::Union;
use super::{MAX_HERE, UNEVALUATED};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A sub-schema.
#[derive(Debug, Default)]
pub struct Node {
    /// What its own words cost.
    pub own: u64,
    /// Sub-schemas that look at the same value.
    pub here: Vec<usize>,
    /// Those of `here` that are branches of a union, by where the first of them is.
    pub unions: Vec<(usize, Union)>,
    pub has_unevaluated: bool,
    pub properties: HashMap<String, usize>,
    /// For any property; which ones exactly is not asked.
    pub any_property: Vec<usize>,
    pub names: Vec<usize>,
    pub prefix: Vec<usize>,
    pub any_item: Vec<usize>,
}

impl Node {
    /// Whether data could fit the n-th sub-schema that looks at the same value: no, if that is for another kind.
    pub fn may_fit(&self, n: usize, data: &Value) -> bool {
        let Value::Object(fields) = data else {
            return true;
        };
        let is_in =
            |(first, union): &&(usize, Union)| (*first..first + union.branches.len()).contains(&n);
        self.unions
            .iter()
            .find(is_in)
            .is_none_or(|(first, union)| union.branch(fields) == Some(n - first))
    }

    fn children(&self) -> impl Iterator<Item = usize> {
        let lists = [
            &self.any_property,
            &self.names,
            &self.prefix,
            &self.any_item,
        ];
        lists
            .into_iter()
            .flatten()
            .chain(self.properties.values())
            .copied()
    }
}

/// A schema as a graph; the first node is the whole.
#[derive(Debug, Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    /// Of each node: the cost of all that looks at one value.
    pub here: Vec<u64>,
    /// The cost of everything, each as often as there are ways to it.
    pub whole: u64,
    pub is_recursive: bool,
}

/// Words whose value is a schema for the same value.
const HERE: [&str; 4] = ["not", "if", "then", "else"];
/// Words whose value is an array of schemas for the same value.
const HERE_EACH: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Words whose value is an object of schemas for the same value.
const HERE_NAMED: [&str; 2] = ["dependentSchemas", "dependencies"];
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
const ANY_PROPERTY: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
const ANY_ITEM: [&str; 4] = ["items", "additionalItems", "contains", "unevaluatedItems"];
/// Words whose values, one after the other, may be compared with the data's.
const LISTS: [&str; 2] = ["enum", "required"];

impl Graph {
    /// Reads a schema that the validator has taken.
    ///
    /// # Errors
    /// Too many sub-schemas look at one value, a schema refers to itself at once, or a reference can't be followed here.
    pub fn read(schema: &Value) -> Result<Self, String> {
        let mut reader = Reader {
            index: Index::of(schema),
            graph: Self::default(),
            known: HashMap::new(),
            waiting: Vec::new(),
        };
        reader.node(schema);
        while let Some((id, schema, words)) = reader.waiting.pop() {
            reader.read(id, schema, words)?;
        }
        let mut graph = reader.graph;
        graph.measure()?;
        Ok(graph)
    }

    /// Fills in what is known of the whole.
    fn measure(&mut self) -> Result<(), String> {
        let order = self.here_first()?;
        self.here = vec![0; self.nodes.len()];
        for id in order {
            let Some(node) = self.nodes.get(id) else {
                continue;
            };
            let below = node.here.iter().filter_map(|id| self.here.get(*id));
            let below = below.fold(0_u64, |sum, cost| sum.saturating_add(*cost));
            let weight = if node.has_unevaluated { UNEVALUATED } else { 1 };
            let cost = node.own.saturating_add(below.saturating_mul(weight));
            if cost > MAX_HERE {
                return Err(format!(
                    "more than {MAX_HERE} sub-schemas look at one value, counting each as often as it is referred to"
                ));
            }
            if let Some(here) = self.here.get_mut(id) {
                *here = cost;
            }
        }
        let (whole, is_recursive) = self.ways();
        self.whole = whole;
        self.is_recursive = is_recursive;
        Ok(())
    }

    /// All nodes, each after those that look at the same value for it.
    fn here_first(&self) -> Result<Vec<usize>, String> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let cycle = depth_first(
            self.nodes.len(),
            |id| self.nodes[id].here.clone(),
            |id| order.push(id),
        );
        if cycle {
            return Err("a schema refers to itself without a step into the data".to_owned());
        }
        Ok(order)
    }

    fn ways(&self) -> (u64, bool) {
        let mut costs = vec![0_u64; self.nodes.len()];
        let next = |id: usize| -> Vec<usize> {
            let node = &self.nodes[id];
            node.here.iter().copied().chain(node.children()).collect()
        };
        let mut order = Vec::with_capacity(self.nodes.len());
        let is_recursive = depth_first(self.nodes.len(), next, |id| order.push(id));
        for id in order {
            let below = next(id)
                .into_iter()
                .fold(0_u64, |sum, id| sum.saturating_add(costs[id]));
            let weight = if self.nodes[id].has_unevaluated {
                UNEVALUATED
            } else {
                1
            };
            costs[id] = self.nodes[id]
                .own
                .saturating_add(below.saturating_mul(weight));
        }
        (costs.first().copied().unwrap_or(0), is_recursive)
    }
}

/// Visits each node after those that it leads to, without recursion. Returns: whether there is a cycle.
fn depth_first(
    nodes: usize,
    next: impl Fn(usize) -> Vec<usize>,
    mut done: impl FnMut(usize),
) -> bool {
    const NEW: u8 = 0;
    const OPEN: u8 = 1;
    const DONE: u8 = 2;
    let mut states = vec![NEW; nodes];
    let mut has_cycle = false;
    for start in 0..nodes {
        let mut stack = vec![(start, None::<std::vec::IntoIter<usize>>)];
        if states[start] != NEW {
            continue;
        }
        while let Some((id, rest)) = stack.last_mut() {
            let id = *id;
            let rest = rest.get_or_insert_with(|| {
                states[id] = OPEN;
                next(id).into_iter()
            });
            match rest.next() {
                Some(next) if states[next] == NEW => stack.push((next, None)),
                Some(next) => has_cycle |= states[next] == OPEN,
                None => {
                    states[id] = DONE;
                    done(id);
                    stack.pop();
                }
            }
        }
    }
    has_cycle
}

struct Reader<'s> {
    index: Index<'s>,
    graph: Graph,
    /// Nodes by where their schemas are in memory.
    known: HashMap<*const Value, usize>,
    waiting: Vec<(usize, &'s Value, &'s Map<String, Value>)>,
}

impl<'s> Reader<'s> {
    /// The node of a schema; its words are read later.
    fn node(&mut self, schema: &'s Value) -> usize {
        if let Some(id) = self.known.get(&std::ptr::from_ref(schema)) {
            return *id;
        }
        let id = self.graph.nodes.len();
        self.known.insert(schema, id);
        self.graph.nodes.push(Node {
            own: 1,
            ..Node::default()
        });
        if let Value::Object(words) = schema {
            self.waiting.push((id, schema, words));
        }
        id
    }

    fn each(&mut self, schemas: impl IntoIterator<Item = &'s Value>) -> Vec<usize> {
        let schemas = schemas
            .into_iter()
            .filter(|value| value.is_object() || value.is_boolean());
        schemas.map(|schema| self.node(schema)).collect()
    }

    fn read(
        &mut self,
        id: usize,
        schema: &'s Value,
        words: &'s Map<String, Value>,
    ) -> Result<(), String> {
        let mut node = Node {
            own: 1,
            ..Node::default()
        };
        for word in LISTS {
            let entries = words
                .get(word)
                .and_then(Value::as_array)
                .map_or(0, Vec::len);
            node.own += entries as u64 / 8;
        }
        let listed = |word: &str| {
            words
                .get(word)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        };
        let named = |word: &str| {
            words
                .get(word)
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(Map::values)
        };
        let direct =
            |list: &'static [&'static str]| list.iter().filter_map(|word| words.get(*word));
        node.here.extend(self.each(direct(&HERE)));
        for word in HERE_EACH {
            let first = node.here.len();
            node.here.extend(self.each(listed(word)));
            let branches = words.get(word).and_then(Value::as_array);
            // All of allOf must fit.
            let branches = branches
                .filter(|branches| word != "allOf" && node.here.len() - first == branches.len());
            let union = branches.and_then(|branches| Union::of(&self.index, branches));
            node.unions.extend(union.map(|union| (first, union)));
        }
        for word in HERE_NAMED {
            node.here.extend(self.each(named(word)));
        }
        for word in REFERENCES {
            let Some(reference) = words.get(word).and_then(Value::as_str) else {
                continue;
            };
            for target in self.index.targets(schema, word, reference)? {
                node.here.push(self.node(target));
            }
        }
        node.has_unevaluated = ["unevaluatedProperties", "unevaluatedItems"]
            .iter()
            .any(|word| words.contains_key(*word));
        for (name, schema) in words
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            node.properties.insert(name.clone(), self.node(schema));
        }
        node.any_property
            .extend(self.each(named("patternProperties").chain(direct(&ANY_PROPERTY))));
        node.names.extend(self.each(direct(&["propertyNames"])));
        // Before 2020-12 "items" can be a list.
        node.prefix
            .extend(self.each(listed("prefixItems").chain(listed("items"))));
        node.any_item.extend(self.each(direct(&ANY_ITEM)));
        if let Some(empty) = self.graph.nodes.get_mut(id) {
            *empty = node;
        }
        Ok(())
    }
}
