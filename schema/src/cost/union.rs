//! Unions of kinds: `anyOf` or `oneOf`, of whose branches each requires a property that is one text of its own,
//! `{"type": {"const": "image"}}`. The validator asks only the branch with the data's text, as long as it need not say what is
//! wrong; else a tree of blocks would take the number of kinds to the power of its depth.
//!
//! Here only the plain form is told, where no doubt is left that the validator sees the same.

use super::references::Index;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// With fewer branches the validator asks all of them.
const MIN_BRANCHES: usize = 3;
/// How many references the validator follows.
const MAX_REFERENCES: usize = 8;

/// Which branch can fit, by a property's text.
#[derive(Debug)]
pub struct Union {
    pub key: String,
    pub branches: HashMap<String, usize>,
}

impl Union {
    /// `None`: any branch may fit.
    pub fn of(index: &Index<'_>, branches: &[Value]) -> Option<Self> {
        if branches.len() < MIN_BRANCHES || !index.has_one_dialect() {
            return None;
        }
        let kinds: Option<Vec<_>> = branches.iter().map(|branch| kinds(index, branch)).collect();
        let kinds = kinds?;
        let mut keys: Vec<_> = kinds.first()?.keys().copied().collect();
        // The validator takes the first of several, too.
        keys.sort_unstable();
        keys.into_iter().find_map(|key| {
            let mut by_text = HashMap::new();
            for (n, kinds) in kinds.iter().enumerate() {
                if by_text.insert((*kinds.get(key)?).to_owned(), n).is_some() {
                    return None;
                }
            }
            Some(Self {
                key: key.to_owned(),
                branches: by_text,
            })
        })
    }

    /// The branch that can fit an object.
    pub fn branch(&self, fields: &Map<String, Value>) -> Option<usize> {
        let text = fields.get(&self.key)?.as_str()?;
        self.branches.get(text).copied()
    }
}

/// The texts of the properties that a branch requires and has only one of. `None`: it is not in the plain form.
fn kinds<'s>(index: &Index<'s>, mut branch: &'s Value) -> Option<HashMap<&'s str, &'s str>> {
    for _ in 0..MAX_REFERENCES {
        let words = branch.as_object()?;
        let Some(reference) = words.get("$ref") else {
            return kinds_of_words(words);
        };
        let targets = index.targets(branch, "$ref", reference.as_str()?).ok()?;
        match targets[..] {
            [target] if words.len() == 1 => branch = target,
            _ => return None,
        }
    }
    None
}

fn kinds_of_words(words: &Map<String, Value>) -> Option<HashMap<&str, &str>> {
    if words.contains_key("allOf") {
        return None;
    }
    let required = words.get("required")?.as_array()?.iter();
    let properties = words.get("properties")?.as_object()?;
    let mut kinds = HashMap::new();
    for name in required.filter_map(Value::as_str) {
        let Some(Value::Object(property)) = properties.get(name) else {
            continue;
        };
        if property.contains_key("$ref") {
            return None;
        }
        let listed = property.get("enum").and_then(Value::as_array);
        let text = match (property.get("const"), listed.map(Vec::as_slice)) {
            (Some(Value::String(text)), _) | (_, Some([Value::String(text)])) => text,
            _ => continue,
        };
        kinds.insert(name, text.as_str());
    }
    Some(kinds)
}
