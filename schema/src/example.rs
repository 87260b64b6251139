//! Data made from a schema: the schema's own words where it has some, else the simplest that fits.

use serde_json::{Map, Value, json};
use std::cell::Cell;

/// How deep an example goes: schemas may be recursive.
const DEPTH: usize = 12;

/// How many parts it has: a schema of a few lines can have billions.
const PARTS: usize = 2_000;

/// How many bytes of the schema's own words are another part.
const PART_BYTES: usize = 512;

/// How many items an array gets at the most, whatever `minItems` says.
const ITEMS: u64 = 10;

/// An example of data for a schema. It fits nearly always: what only a `pattern` or a combination of conditions could
/// tell is left to the author, who can put an example into the schema.
#[must_use]
pub fn example(schema: &Value) -> Value {
    let parts_left = Cell::new(PARTS);
    Maker {
        root: schema,
        parts_left,
    }
    .make(schema, Path::default())
    .unwrap_or(Value::Null)
}

struct Maker<'a> {
    root: &'a Value,
    parts_left: Cell<usize>,
}

/// The way to a part of the schema.
#[derive(Clone, Copy, Default)]
struct Path<'a> {
    depth: usize,
    /// The last reference that was followed, and the way to it.
    reference: Option<(&'a str, &'a Path<'a>)>,
}

impl Path<'_> {
    fn further(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }

    fn leads_through(&self, reference: &str) -> bool {
        self.reference
            .is_some_and(|(last, before)| last == reference || before.leads_through(reference))
    }
}

impl Maker<'_> {
    /// `None`: there is no end to it.
    fn make(&self, schema: &Value, path: Path<'_>) -> Option<Value> {
        self.parts_left.set(self.parts_left.get().checked_sub(1)?);
        let Value::Object(words) = schema else {
            // true: anything.
            return Some(json!({}));
        };
        if path.depth > DEPTH {
            return None;
        }
        let own = words.get("const").or_else(|| words.get("default"));
        let own = own.or_else(|| first(words, "examples"));
        if let Some(own) = own.or_else(|| first(words, "enum")) {
            let parts = own.to_string().len() / PART_BYTES;
            self.parts_left
                .set(self.parts_left.get().checked_sub(parts)?);
            return Some(own.clone());
        }
        if let Some(reference) = words.get("$ref").and_then(Value::as_str) {
            if path.leads_through(reference) {
                return None;
            }
            let through = Path {
                depth: path.depth + 1,
                reference: Some((reference, &path)),
            };
            return self.make(self.target(reference)?, through);
        }
        let parts = words.get("allOf").and_then(Value::as_array);
        let choice = first(words, "oneOf").or_else(|| first(words, "anyOf"));
        let made = self.of_type(words, path)?;
        let mut parts = parts.into_iter().flatten().chain(choice);
        parts.try_fold(made, |made, part| {
            Some(merge(made, self.make(part, path.further())?, words))
        })
    }

    /// What `#/$defs/name` and the like refer to. Other documents are not looked for.
    fn target(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn of_type(&self, words: &Map<String, Value>, path: Path<'_>) -> Option<Value> {
        Some(match type_of(words) {
            Some("object") => return self.object(words, path),
            Some("array") => return self.array(words, path),
            Some("string") => Value::from(string(words)),
            Some("integer" | "number") => number(words),
            Some("boolean") => Value::from(true),
            Some("null") => Value::Null,
            _ => json!({}),
        })
    }

    /// With all properties that have an end, and all that must be there.
    fn object(&self, words: &Map<String, Value>, path: Path<'_>) -> Option<Value> {
        let properties = words.get("properties").and_then(Value::as_object);
        let mut object = Map::new();
        for (name, schema) in properties.into_iter().flatten() {
            if *schema != Value::Bool(false)
                && let Some(value) = self.make(schema, path.further())
            {
                object.insert(name.clone(), value);
            }
        }
        let required = words.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if object.contains_key(name) {
                continue;
            }
            if properties.is_some_and(|properties| properties.contains_key(name)) {
                return None;
            }
            let others = words.get("additionalProperties");
            let value = self.make(others.unwrap_or(&Value::Bool(true)), path.further())?;
            object.insert(name.to_owned(), value);
        }
        Some(Value::Object(object))
    }

    fn array(&self, words: &Map<String, Value>, path: Path<'_>) -> Option<Value> {
        let number = |word| words.get(word).and_then(Value::as_u64);
        let least = number("minItems").unwrap_or(0).min(ITEMS);
        // One shows what they are like.
        let n = least.max(number("maxItems").unwrap_or(1).min(1));
        let leading = words.get("prefixItems").and_then(Value::as_array);
        let mut items = Vec::new();
        for schema in leading.into_iter().flatten() {
            items.push(self.make(schema, path.further())?);
        }
        let others = words.get("items");
        let n = if others.is_some_and(Value::is_object) {
            n
        } else {
            least
        };
        while (items.len() as u64) < n {
            match self.make(others.unwrap_or(&Value::Bool(true)), path.further()) {
                Some(item) => items.push(item),
                None if items.len() as u64 >= least => break,
                None => return None,
            }
        }
        Some(Value::Array(items))
    }
}

fn first<'a>(words: &'a Map<String, Value>, word: &str) -> Option<&'a Value> {
    words.get(word)?.as_array()?.first()
}

/// The type that a schema names, or what its other words are about.
fn type_of(words: &Map<String, Value>) -> Option<&str> {
    match words.get("type") {
        Some(Value::String(name)) => return Some(name),
        Some(Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str);
            return names.find(|name| *name != "null").or(Some("null"));
        }
        _ => {}
    }
    let about = |words_of: &[&str]| words_of.iter().any(|word| words.contains_key(*word));
    if about(&["properties", "required", "additionalProperties"]) {
        Some("object")
    } else if about(&["items", "prefixItems", "minItems"]) {
        Some("array")
    } else if about(&["minLength", "maxLength", "pattern", "format"]) {
        Some("string")
    } else if about(&[
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    ]) {
        Some("number")
    } else {
        None
    }
}

fn string(words: &Map<String, Value>) -> String {
    let format = words.get("format").and_then(Value::as_str);
    let text = match format {
        Some("uuid") => "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f",
        Some("date-time") => "2026-01-02T03:04:05Z",
        Some("date") => "2026-01-02",
        Some("time") => "03:04:05Z",
        Some("duration") => "P1DT2H",
        Some("email" | "idn-email") => "someone@example.com",
        Some("hostname" | "idn-hostname") => "www.example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uri" | "iri" | "uri-reference" | "iri-reference") => "https://www.example.com/",
        Some("json-pointer") => "/a",
        Some("regex") => "^a",
        _ => "text",
    };
    let length = |word| {
        let length = words.get(word).and_then(Value::as_u64)?;
        usize::try_from(length).ok()
    };
    let mut text = text.to_owned();
    if format.is_none() {
        // A megabyte of x is no example.
        let least = length("minLength").unwrap_or(0).min(1000);
        while text.len() < least {
            text.push('x');
        }
        if let Some(most) = length("maxLength") {
            text.truncate(most);
        }
    }
    text
}

fn number(words: &Map<String, Value>) -> Value {
    let bound = |word: &str| words.get(word).and_then(Value::as_f64);
    let whole = words.get("type").is_some_and(|t| t != "number")
        || bound("multipleOf").is_some_and(|n| n.fract() == 0.0);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|n| n + 1.0));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|n| n - 1.0));
    let mut n = match (least, most) {
        (Some(least), _) => least,
        (None, Some(most)) => most.min(1.0),
        (None, None) => 1.0,
    };
    if let Some(step) = bound("multipleOf").filter(|step| *step > 0.0) {
        n = (n / step).ceil() * step;
    }
    if whole {
        n = n.ceil();
    }
    if n.fract() == 0.0 && n.abs() < 9e15 {
        // Exact up to 2^53.
        Value::from(n as i64)
    } else {
        Value::from(n)
    }
}

/// What a part adds: properties of objects; or the whole, if the schema itself says no type.
fn merge(made: Value, part: Value, words: &Map<String, Value>) -> Value {
    match (made, part) {
        (Value::Object(mut made), Value::Object(part)) => {
            made.extend(part);
            Value::Object(made)
        }
        (made, part) if type_of(words).is_none() => {
            if part.is_null() {
                made
            } else {
                part
            }
        }
        (made, _) => made,
    }
}
