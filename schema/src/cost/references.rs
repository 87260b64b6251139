//! What references in a schema refer to. Which of a schema's words are ids depends on the draft, and on what stands beside
//! them; here both `$id` and `id` are, everywhere, and a reference leads to whatever it might lead to.

use serde_json::Value;
use std::collections::HashMap;

/// A schema with an id of its own, which references in it may start from; and the document.
struct Resource<'s> {
    schema: &'s Value,
    /// The one around it, if it is none after all.
    outer: Option<usize>,
}

/// What in a document has a name.
pub struct Index<'s> {
    named: HashMap<&'s str, Vec<&'s Value>>,
    recursive: Vec<&'s Value>,
    /// The first is the document.
    resources: Vec<Resource<'s>>,
    /// To which resource an object belongs, by where it is in memory.
    resource_of: HashMap<*const Value, usize>,
    /// How many objects say of which draft they are.
    dialects: usize,
}

impl<'s> Index<'s> {
    /// Of all that is in a document, be it a schema or not.
    pub fn of(document: &'s Value) -> Self {
        let mut index = Self {
            named: HashMap::new(),
            recursive: Vec::new(),
            resources: vec![Resource {
                schema: document,
                outer: None,
            }],
            resource_of: HashMap::new(),
            dialects: 0,
        };
        let mut waiting = vec![(document, 0)];
        while let Some((value, around)) = waiting.pop() {
            match value {
                Value::Array(items) => waiting.extend(items.iter().map(|item| (item, around))),
                Value::Object(fields) => {
                    let resource = index.add(value, around);
                    waiting.extend(fields.values().map(|field| (field, resource)));
                }
                _ => {}
            }
        }
        index
    }

    /// Notes the names of an object. Returns: the resource that it belongs to.
    fn add(&mut self, value: &'s Value, around: usize) -> usize {
        let name = |word: &str| value.get(word).and_then(Value::as_str);
        let anchors = ids(value).filter_map(|id| id.strip_prefix('#'));
        let names = [name("$anchor"), name("$dynamicAnchor")];
        for name in names.into_iter().flatten().chain(anchors) {
            self.named.entry(name).or_default().push(value);
        }
        self.dialects += usize::from(value.get("$schema").is_some());
        if value.get("$recursiveAnchor") == Some(&Value::Bool(true)) {
            self.recursive.push(value);
        }
        let is_document = self.resource_of.is_empty();
        let resource = if !is_document && ids(value).any(|id| !id.starts_with('#')) {
            self.resources.push(Resource {
                schema: value,
                outer: Some(around),
            });
            self.resources.len() - 1
        } else {
            around
        };
        self.resource_of.insert(value, resource);
        resource
    }

    /// Whether all of it is of one draft, and one that knows `const`.
    pub fn has_one_dialect(&self) -> bool {
        let document = self.resources.first().map(|resource| resource.schema);
        match document.and_then(|document| document.get("$schema")) {
            None => self.dialects == 0,
            Some(Value::String(draft)) => self.dialects == 1 && !draft.contains("draft-04"),
            Some(_) => false,
        }
    }

    /// The schemas that a reference in a schema may lead to. Dynamic ones lead to all with their name.
    ///
    /// # Errors
    /// To none in this document.
    pub fn targets(
        &self,
        schema: &'s Value,
        word: &str,
        reference: &str,
    ) -> Result<Vec<&'s Value>, String> {
        let (resource, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let fragment = percent_decoded(fragment);
        let is_path = fragment.is_empty() || fragment.starts_with('/');
        let starts = match resource {
            _ if !is_path => Vec::new(),
            "" => self.around(schema),
            resource => self.with_id(resource),
        };
        let by_path = starts.into_iter().filter_map(|s| s.pointer(&fragment));
        let named = self.named.get(fragment.as_str()).into_iter().flatten();
        let dynamic = self.recursive.iter().filter(|_| word == "$recursiveRef");
        let targets: Vec<_> = by_path.chain(named.chain(dynamic).copied()).collect();
        if targets.is_empty() {
            return Err(format!(
                "reference {:?} can't be followed: write #, #/…, #name for an $anchor, or an $id of this document",
                reference.chars().take(80).collect::<String>()
            ));
        }
        Ok(targets)
    }

    /// The resources that a schema is in.
    fn around(&self, schema: &'s Value) -> Vec<&'s Value> {
        let mut next = self.resource_of.get(&std::ptr::from_ref(schema)).copied();
        let mut found = Vec::new();
        while let Some(resource) = next.and_then(|n| self.resources.get(n)) {
            found.push(resource.schema);
            next = resource.outer;
        }
        found
    }

    /// The resources that `https://example.com/a.json` may be. Its last part is enough, relative to that of the document.
    fn with_id(&self, reference: &str) -> Vec<&'s Value> {
        let wanted = last_part(reference);
        let has_it = |resource: &&Resource<'s>| {
            ids(resource.schema).any(|id| last_part(id) == wanted)
                // What has no id is "json-schema:///".
                || resource.outer.is_none() && wanted.is_empty()
        };
        let found = self.resources.iter().filter(has_it);
        found.map(|resource| resource.schema).collect()
    }
}

fn ids(schema: &Value) -> impl Iterator<Item = &str> {
    let words = ["$id", "id"].into_iter();
    words.filter_map(|word| schema.get(word).and_then(Value::as_str))
}

/// `a.json` of `https://example.com/%61.json#`. Nothing of what ends in dots, which lead elsewhere.
fn last_part(uri: &str) -> String {
    let last = uri.trim_end_matches('#').rsplit('/').next();
    match percent_decoded(last.unwrap_or_default()) {
        dots if dots == "." || dots == ".." => String::new(),
        last => last,
    }
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
