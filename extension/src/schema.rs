//! JSON Schemas of event types. JSON comes as text: see `filter`.

use crate::refuse::refuse;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use webhooks_schema::{Schema, example, read};

/// How many compiled schemas a session keeps. More than that is no system but a list of all that there ever was.
const KEPT: usize = 256;

thread_local! {
    /// By their text: compiling one takes as long as checking data by it a hundred times.
    static COMPILED: RefCell<HashMap<String, Rc<Schema>>> = RefCell::new(HashMap::new());
}

fn compiled(schema: &str) -> Rc<Schema> {
    if let Some(kept) = COMPILED.with_borrow(|kept| kept.get(schema).cloned()) {
        return kept;
    }
    let new = match Schema::parse(schema) {
        Ok(new) => Rc::new(new),
        Err(error) => refuse(
            format!("invalid JSON Schema: {error}"),
            "Register the event type with a valid one; webhooks_private.schema_problem(schema) says what is wrong.",
        ),
    };
    COMPILED.with_borrow_mut(|kept| {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(schema.to_owned(), Rc::clone(&new));
    });
    new
}

/// Where data does not fit a schema, and why, without the data; null if it does.
#[pg_extern(sql = false, immutable, strict, parallel_safe)]
fn schema_errors(schema: &str, data: &str) -> Option<Vec<String>> {
    Some(compiled(schema).errors(data)).filter(|errors| !errors.is_empty())
}

/// Why a text is no schema; null if it is one.
#[pg_extern(sql = false, immutable, strict, parallel_safe)]
fn schema_problem(schema: &str) -> Option<String> {
    Schema::parse(schema).err()
}

/// Data that is as a schema says; null if it can't be read.
#[pg_extern(sql = false, immutable, strict, parallel_safe)]
fn schema_example(schema: &str) -> Option<String> {
    read(schema).ok().map(|schema| example(&schema).to_string())
}
