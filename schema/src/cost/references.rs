//! What references in a schema refer to.

use serde_json::Value;
use std::collections::HashMap;

/// The resource that a sub-schema belongs to: the document, or the nearest schema around it with an id of its own.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'s>(&'s Value);

impl<'s> Scope<'s> {
    pub fn of(document: &'s Value) -> Self {
        Self(document)
    }

    /// That of a schema in this one.
    pub fn within(self, schema: &'s Value) -> Self {
        if id(schema).is_some_and(|id| !id.starts_with('#')) {
            Self(schema)
        } else {
            self
        }
    }
}

fn id(schema: &Value) -> Option<&str> {
    schema
        .get("$id")
        .or_else(|| schema.get("id"))
        .and_then(Value::as_str)
}

/// What in a document has a name.
pub struct Index<'s> {
    named: HashMap<&'s str, Vec<&'s Value>>,
    recursive: Vec<&'s Value>,
    resources: Vec<&'s Value>,
}

impl<'s> Index<'s> {
    pub fn of(document: &'s Value) -> Self {
        let mut index = Self {
            named: HashMap::new(),
            recursive: Vec::new(),
            resources: Vec::new(),
        };
        for value in all(document) {
            let name = |word: &str| value.get(word).and_then(Value::as_str);
            let names = [
                name("$anchor"),
                name("$dynamicAnchor"),
                id(value).and_then(|id| id.strip_prefix('#')),
            ];
            for name in names.into_iter().flatten() {
                index.named.entry(name).or_default().push(value);
            }
            if value.get("$recursiveAnchor") == Some(&Value::Bool(true)) {
                index.recursive.push(value);
            }
            if id(value).is_some() {
                index.resources.push(value);
            }
        }
        index
    }

    /// The schemas that a reference may lead to, each with its scope. Dynamic ones lead to all with their name.
    ///
    /// # Errors
    /// To none in this document.
    pub fn targets(
        &self,
        scope: Scope<'s>,
        word: &str,
        reference: &str,
    ) -> Result<Vec<(&'s Value, Scope<'s>)>, String> {
        let (resource, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let scopes = match resource {
            "" => vec![scope],
            resource => {
                let found = self
                    .resources
                    .iter()
                    .filter(|schema| has_id(schema, resource));
                found.map(|schema| Scope(schema)).collect()
            }
        };
        let fragment = percent_decoded(fragment);
        let is_path = fragment.is_empty() || fragment.starts_with('/');
        let target = |scope: Scope<'s>| Some((scope.0.pointer(&fragment)?, scope));
        let by_path = scopes.into_iter().filter(|_| is_path).filter_map(target);
        let named = self.named.get(fragment.as_str()).into_iter().flatten();
        let dynamic = self.recursive.iter().filter(|_| word == "$recursiveRef");
        let by_name = named
            .chain(dynamic)
            .map(|schema| (*schema, scope.within(schema)));
        let targets: Vec<_> = by_path.chain(by_name).collect();
        if targets.is_empty() {
            return Err(format!(
                "reference {:?} can't be followed: write #, #/…, #name for an $anchor, or an $id of this document",
                reference.chars().take(80).collect::<String>()
            ));
        }
        Ok(targets)
    }
}

/// `https://example.com/a.json`, or its last part, which is enough relative to that of the document.
fn has_id(schema: &Value, resource: &str) -> bool {
    let last = |uri: &str| {
        uri.trim_end_matches('#')
            .rsplit('/')
            .next()
            .map(str::to_owned)
    };
    id(schema).is_some_and(|id| id.trim_end_matches('#') == resource || last(id) == last(resource))
}

/// All that is in a document, be it a schema or not.
fn all(document: &Value) -> Vec<&Value> {
    let mut found = vec![document];
    let mut at = 0;
    while let Some(value) = found.get(at).copied() {
        match value {
            Value::Array(items) => found.extend(items),
            Value::Object(fields) => found.extend(fields.values()),
            _ => {}
        }
        at += 1;
    }
    found.retain(|value| value.is_object());
    found
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
