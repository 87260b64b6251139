//! Values printed into JSON: quoted and escaped by where they go, so that no text can end the string that it stands in.
//!
//! `{"text": "New: {{ data.title }}", "pages": {{ data.pages }}}`: the title goes into a string and is escaped, the number
//! is written as JSON. A text outside of strings becomes a string. What a block captures (`{% set x %}…{% endset %}`) is
//! text, and escaped when it is printed.

use super::numbers::Exact;
use super::secrets::{Secret, captured};
use crate::json::MAX_DEPTH;
use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, Output, State, Value, escape_formatter};
use std::fmt::{self, Write as _};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// The variable that holds [`Position`]: no name that a template can write.
pub const STATE: &str = "{{ }}";
/// As how many more bytes a value counts.
const VALUE_BYTES: usize = 16;

/// JSON text that a template prints as it is: what `tojson` made.
#[derive(Debug)]
pub struct JsonText(pub String);

impl Object for JsonText {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonText {
    /// `{{ data | tojson }}`.
    pub fn filter(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
        let remaining = state.fuel_levels().map_or(0, |(_, remaining)| remaining);
        let text = to_json(
            &value,
            usize::try_from(remaining)
                .unwrap_or(usize::MAX)
                .saturating_mul(64),
        )?;
        // As much as the engine takes for its own.
        state.consume_fuel(text.len() as u64 / 4)?;
        Ok(Value::from_object(Self(text)))
    }
}

/// Where in the body the next value goes.
#[derive(Debug, Default)]
pub struct Position {
    in_string: AtomicBool,
    after_backslash: AtomicBool,
    /// Something was written to the body, be it nothing: see [`format`].
    reached: AtomicBool,
    is_full: AtomicBool,
}

impl Object for Position {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// The body, up to its limit.
pub struct Writer {
    body: Mutex<Vec<u8>>,
    max_bytes: usize,
    position: Arc<Position>,
}

impl Writer {
    pub fn new(max_bytes: usize) -> Self {
        Self {
            body: Mutex::default(),
            max_bytes,
            position: Arc::default(),
        }
    }

    /// For the variables.
    pub fn state(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.position))
    }

    pub fn by_ref(&self) -> impl io::Write + '_ {
        self
    }

    /// It was to hold more than it may.
    pub fn is_full(&self) -> bool {
        self.position.is_full.load(Relaxed)
    }

    pub fn into_text(self) -> String {
        let body = self
            .body
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        // Only whole texts were written.
        String::from_utf8(body).unwrap_or_default()
    }
}

impl io::Write for &Writer {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let position = &self.position;
        position.reached.store(true, Relaxed);
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        if body.len() + text.len() > self.max_bytes {
            position.is_full.store(true, Relaxed);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut in_string = position.in_string.load(Relaxed);
        let mut after_backslash = position.after_backslash.load(Relaxed);
        for byte in text {
            match byte {
                _ if after_backslash => after_backslash = false,
                b'\\' if in_string => after_backslash = true,
                b'"' => in_string = !in_string,
                _ => {}
            }
        }
        position.in_string.store(in_string, Relaxed);
        position.after_backslash.store(after_backslash, Relaxed);
        body.extend_from_slice(text);
        Ok(text.len())
    }

    /// Also of an empty text, unlike the trait's own.
    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        self.write(text).map(drop)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a value where the template prints it.
pub fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let limit = state.fuel_levels().map_or(0, |(_, remaining)| remaining);
    let limit = usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .saturating_mul(64);
    let place = place(out, state)?;
    let secret = secret(value, place)?;
    let value = secret.as_ref().unwrap_or(value);
    let text = match place {
        // Captured: escaped when that is printed.
        Place::Captured => plain(value, limit)?,
        // {{ x if y }} without an else; what is not there was refused before.
        _ if value.is_undefined() => String::new(),
        Place::String => {
            let mut escaped = String::new();
            push_escaped(&mut escaped, &plain(value, limit)?);
            escaped
        }
        Place::Bare => to_json(value, limit)?,
    };
    out.write_str(&text).map_err(Error::from)
}

/// The same in a body that is no JSON: as the engine does, but for secrets.
pub fn format_text(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    if value.downcast_object_ref::<Secret>().is_none() {
        return escape_formatter(out, state, value);
    }
    let place = place(out, state)?;
    let secret = secret(value, place)?;
    escape_formatter(out, state, secret.as_ref().unwrap_or(value))
}

/// Where a value is printed to.
#[derive(Clone, Copy)]
enum Place {
    /// To a block that captures it.
    Captured,
    /// Into a JSON string of the body.
    String,
    /// Elsewhere in the body.
    Bare,
}

fn place(out: &mut Output<'_>, state: &State<'_, '_>) -> Result<Place, Error> {
    let position = state.lookup(STATE);
    let position = position
        .as_ref()
        .and_then(|p| p.downcast_object_ref::<Position>());
    let Some(position) = position else {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "there is no body to print to",
        ));
    };
    position.reached.store(false, Relaxed);
    out.write_str("").map_err(Error::from)?;
    Ok(if !position.reached.load(Relaxed) {
        Place::Captured
    } else if position.in_string.load(Relaxed) {
        Place::String
    } else {
        Place::Bare
    })
}

/// The text of a secret, which goes into the body and nowhere else; `None`: the value is none.
fn secret(value: &Value, place: Place) -> Result<Option<Value>, Error> {
    match (value.downcast_object_ref::<Secret>(), place) {
        (None, _) => Ok(None),
        (Some(_), Place::Captured) => Err(captured()),
        (Some(Secret(text)), _) => Ok(Some(Value::from(text.as_str()))),
    }
}

/// As text: nothing for null, JSON for what is no text.
fn plain(value: &Value, limit: usize) -> Result<String, Error> {
    match (value.as_str(), value.kind()) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, ValueKind::None | ValueKind::Undefined) => Ok(String::new()),
        (None, _) => to_json(value, limit),
    }
}

/// As compact JSON, of so many bytes at the most.
fn to_json(value: &Value, limit: usize) -> Result<String, Error> {
    let mut out = String::new();
    push_json(&mut out, value, limit, &mut 0, 0)?;
    Ok(out)
}

fn push_json(
    out: &mut String,
    value: &Value,
    limit: usize,
    values: &mut usize,
    depth: usize,
) -> Result<(), Error> {
    *values += 1;
    // The smallest ones take their time, too.
    if depth > MAX_DEPTH || out.len() + *values * VALUE_BYTES > limit {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "the value is too large to print",
        ));
    }
    if let Some(text) = value.downcast_object_ref::<JsonText>() {
        out.push_str(&text.0);
        return Ok(());
    }
    if let Some(number) = value.downcast_object_ref::<Exact>() {
        out.push_str(number.text());
        return Ok(());
    }
    match value.kind() {
        ValueKind::Undefined => return Err(ErrorKind::UndefinedError.into()),
        ValueKind::None => out.push_str("null"),
        // The engine writes True.
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => {
            // Writing to a String does not fail.
            let _ = write!(out, "{value}");
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (n, item) in value.try_iter()?.enumerate() {
                if n > 0 {
                    out.push(',');
                }
                push_json(out, &item, limit, values, depth + 1)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (n, key) in value.try_iter()?.enumerate() {
                if n > 0 {
                    out.push(',');
                }
                push_string(out, &key.to_string());
                out.push(':');
                push_json(out, &value.get_item(&key)?, limit, values, depth + 1)?;
            }
            out.push('}');
        }
        _ => match value.as_str() {
            Some(text) => push_string(out, text),
            None => {
                let message = format!("a value of kind {} can't be printed", value.kind());
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        },
    }
    Ok(())
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    push_escaped(out, text);
    out.push('"');
}

/// As it stands in a JSON string.
fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}
