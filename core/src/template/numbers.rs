//! Numbers of an event: printed digit for digit, calculated with and compared as doubles.
//!
//! A double that prints as the event has it is one for the engine, too, and so is a whole number. Others (`19.90`,
//! `12345678901234567.89`) are [`Exact`]. The engine can't calculate with those, so whatever takes numbers gets them as
//! doubles: [`to_doubles`] is the filter `number` that [`super::operands`] puts behind operands, and the engine's own filters and
//! tests are wrapped.

use crate::filter::number as exact;
use minijinja::value::{DynObject, Kwargs, Object, ObjectRepr, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters, tests};
use serde_json::Number;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The filter of [`to_doubles`].
pub const FILTER: &str = "number";

/// A number that the engine's own would print otherwise.
#[derive(Debug)]
pub struct Exact(Number);

impl Exact {
    /// As the event has it.
    pub fn text(&self) -> &str {
        self.0.as_str()
    }

    /// The nearest double, if there is one.
    fn double(&self) -> Option<f64> {
        self.text().parse().ok().filter(|n: &f64| n.is_finite())
    }
}

impl Object for Exact {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.text()
            .bytes()
            .take_while(|b| !matches!(b, b'e' | b'E'))
            .any(|b| (b'1'..=b'9').contains(&b))
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        exact::compare(&self.0, &other.downcast_ref::<Self>()?.0)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A number of an event.
pub fn value(number: Number) -> Value {
    let text = number.as_str();
    let whole = text.parse::<i64>().map(Value::from);
    let native = whole
        .or_else(|_| text.parse::<i128>().map(Value::from))
        .ok()
        .or_else(|| {
            Some(Value::from(
                text.parse::<f64>().ok().filter(|n| n.is_finite())?,
            ))
        });
    match native {
        Some(native) if native.to_string() == text => native,
        _ => Value::from_object(Exact(number)),
    }
}

/// Teaches an environment to take [`Exact`] numbers wherever its own filters and tests take numbers.
pub fn install(environment: &mut Environment<'_>) {
    environment.add_filter(FILTER, |state: &State<'_, '_>, value: Value| {
        to_doubles(state, value)
    });
    for (name, builtin) in [
        ("abs", Value::from_function(filters::abs)),
        ("float", Value::from_function(filters::float)),
        ("format", Value::from_function(filters::format)),
        ("int", Value::from_function(filters::int)),
        ("round", Value::from_function(filters::round)),
        ("sum", Value::from_function(filters::sum)),
    ] {
        environment.add_filter(
            name,
            move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
                let args = args
                    .into_values()
                    .into_iter()
                    .map(|arg| to_doubles(state, arg));
                let args = args.collect::<Result<Vec<_>, _>>()?;
                builtin.call(state, &args)
            },
        );
    }
    for (name, builtin) in [
        ("max", Value::from_function(filters::max)),
        ("min", Value::from_function(filters::min)),
        ("sort", Value::from_function(filters::sort)),
    ] {
        environment.add_filter(
            name,
            move |state: &mut State<'_, '_>, items: Value, options: Kwargs| {
                ordered(state, &builtin, items, options)
            },
        );
    }
    for (names, builtin) in [
        (
            &["divisibleby"][..],
            Value::from_function(tests::is_divisibleby),
        ),
        (&["eq", "equalto", "=="], Value::from_function(tests::is_eq)),
        (&["ne", "!="], Value::from_function(tests::is_ne)),
        (&["lt", "lessthan", "<"], Value::from_function(tests::is_lt)),
        (&["le", "<="], Value::from_function(tests::is_le)),
        (
            &["gt", "greaterthan", ">"],
            Value::from_function(tests::is_gt),
        ),
        (&["ge", ">="], Value::from_function(tests::is_ge)),
        (&["in"], Value::from_function(tests::is_in)),
        (&["number"], Value::from_function(tests::is_number)),
        (&["float"], Value::from_function(tests::is_float)),
    ] {
        for name in names {
            let builtin = builtin.clone();
            environment.add_test(
                *name,
                move |state: &mut State<'_, '_>, args: Rest<Value>| {
                    let args = args.iter().map(|arg| to_doubles(state, arg.clone()));
                    let args = args.collect::<Result<Vec<_>, _>>()?;
                    builtin.call(state, &args).map(|answer| answer.is_true())
                },
            );
        }
    }
}

/// The value with doubles for the exact numbers in it; what no double holds stays.
fn to_doubles(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if let Some(number) = value.downcast_object_ref::<Exact>() {
        return Ok(number.double().map_or_else(|| value.clone(), Value::from));
    }
    if !has_exact(state, &value)? {
        return Ok(value);
    }
    if value.kind() == ValueKind::Map {
        let fields = value.try_iter()?.map(|key| {
            let field = to_doubles(state, value.get_item(&key)?)?;
            Ok((key, field))
        });
        return Ok(Value::from(
            fields.collect::<Result<BTreeMap<_, _>, Error>>()?,
        ));
    }
    let items = value.try_iter()?.map(|item| to_doubles(state, item));
    Ok(Value::from(items.collect::<Result<Vec<_>, _>>()?))
}

/// Whether there is an exact number in a value.
fn has_exact(state: &State<'_, '_>, value: &Value) -> Result<bool, Error> {
    match value.kind() {
        ValueKind::Map if !value.is_kwargs() => {}
        ValueKind::Seq | ValueKind::Iterable => {}
        _ => return Ok(value.downcast_object_ref::<Exact>().is_some()),
    }
    for item in value.try_iter()? {
        state.consume_fuel(1)?;
        let item = match value.kind() {
            ValueKind::Map => value.get_item(&item)?,
            _ => item,
        };
        if has_exact(state, &item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `min`, `max` and `sort`, which compare: by doubles, while what they return is as it was.
fn ordered(
    state: &mut State<'_, '_>,
    builtin: &Value,
    items: Value,
    options: Kwargs,
) -> Result<Value, Error> {
    let is_list = matches!(items.kind(), ValueKind::Seq | ValueKind::Iterable);
    if !is_list || !has_exact(state, &items)? {
        return builtin.call(state, &[items, options.into()]);
    }
    let keyed = items.try_iter()?.map(|item| {
        let key = to_doubles(state, item.clone())?;
        Ok(Value::from(BTreeMap::from([("key", key), ("item", item)])))
    });
    let keyed = Value::from(keyed.collect::<Result<Vec<_>, Error>>()?);
    let attribute: Option<String> = options.get("attribute")?;
    let attribute = attribute.map_or("key".to_owned(), |attributes| {
        let keys = attributes
            .split(',')
            .map(|name| format!("key.{}", name.trim()));
        keys.collect::<Vec<_>>().join(",")
    });
    let mut by_key = vec![("attribute".to_owned(), Value::from(attribute))];
    for name in ["case_sensitive", "reverse"] {
        if options.has(name) {
            by_key.push((name.to_owned(), options.get(name)?));
        }
    }
    options.assert_all_used()?;
    let found = builtin.call(state, &[keyed, Kwargs::from_iter(by_key).into()])?;
    match found.kind() {
        ValueKind::Map => found.get_attr("item"),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = found.try_iter()?.map(|keyed| keyed.get_attr("item"));
            Ok(Value::from(items.collect::<Result<Vec<_>, _>>()?))
        }
        _ => Err(Error::new(
            ErrorKind::InvalidOperation,
            "these can't be ordered",
        )),
    }
}
