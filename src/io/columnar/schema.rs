//! The column types that JSON values need, inferred from the first rows.

use indexmap::IndexMap;
use polars::prelude::{AnyValue, DataType, Field, PlSmallStr, PolarsResult, Series};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::io::json::Kind;

/// The type of a column, or of what is nested in it, as far as it has been seen.
///
/// A lattice: [`join`](Self::join) gives the least type that holds both. Only null has been seen of `Null`, and
/// `Mixed` holds anything: a string as it is, all else as its JSON text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FieldType {
    Null,
    Bool,
    /// i64; whether all values are also exact as f64.
    Int {
        exact: bool,
    },
    /// f64
    Float,
    String,
    List(Box<FieldType>),
    Struct(IndexMap<String, FieldType>),
    Mixed,
}

impl FieldType {
    pub(crate) fn of(value: &RawValue) -> Self {
        // What can be JSON but no value: nested too deeply, lone surrogates.
        serde_json::from_str(value.get()).map_or(Self::Mixed, |value| Self::of_value(&value))
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if is_integer(number) => match number.as_i64() {
                Some(number) => Self::Int { exact: exact_f64(number).is_some() },
                None => Self::Mixed,
            },
            Value::Number(number) => finite_f64(number).map_or(Self::Mixed, |_| Self::Float),
            Value::String(_) => Self::String,
            Value::Array(values) => {
                Self::List(Box::new(values.iter().map(Self::of_value).fold(Self::Null, Self::join)))
            }
            Value::Object(fields) => {
                Self::Struct(fields.iter().map(|(name, value)| (name.clone(), Self::of_value(value))).collect())
            }
        }
    }

    pub(crate) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, other) | (other, Self::Null) => other,
            (Self::Int { exact: a }, Self::Int { exact: b }) => Self::Int { exact: a && b },
            (Self::Int { exact: true }, Self::Float) | (Self::Float, Self::Int { exact: true }) => Self::Float,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.join(*b))),
            (Self::Struct(mut a), Self::Struct(b)) => {
                for (name, b) in b {
                    let joined = a.get(&name).cloned().unwrap_or(Self::Null).join(b);
                    a.insert(name, joined);
                }
                Self::Struct(a)
            }
            (a, b) if a == b => a,
            _ => Self::Mixed,
        }
    }

    /// The type to use when no more values are looked at: what is still unknown may become anything.
    pub(crate) fn settle(self) -> Self {
        match self {
            Self::Null => Self::Mixed,
            Self::List(inner) => Self::List(Box::new(inner.settle())),
            Self::Struct(fields) if fields.is_empty() => Self::Mixed,
            Self::Struct(fields) => {
                Self::Struct(fields.into_iter().map(|(name, inner)| (name, inner.settle())).collect())
            }
            other => other,
        }
    }

    pub(crate) fn dtype(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int { .. } => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Null | Self::String | Self::Mixed => DataType::String,
            Self::List(inner) => DataType::List(Box::new(inner.dtype())),
            Self::Struct(fields) => DataType::Struct(polars_fields(fields)),
        }
    }

    /// A value of this type, or what the value is that does not fit, as in "a string".
    pub(crate) fn value(&self, value: &RawValue) -> Result<AnyValue<'static>, &'static str> {
        let misfit = || Kind::of(value).name();
        match serde_json::from_str(value.get()) {
            Ok(Value::Null) => Ok(AnyValue::Null),
            Ok(Value::String(text)) if *self == Self::Mixed => Ok(AnyValue::StringOwned(text.into())),
            // It may also be JSON, but no value.
            _ if *self == Self::Mixed => Ok(AnyValue::StringOwned(value.get().into())),
            Ok(Value::Number(number)) if is_integer(&number) => self.convert(Value::Number(number)).ok_or("an integer"),
            Ok(value) => self.convert(value).ok_or_else(misfit),
            Err(_) => Err("nested too deeply or not valid text"),
        }
    }

    fn convert(&self, value: Value) -> Option<AnyValue<'static>> {
        match (self, value) {
            (_, Value::Null) => Some(AnyValue::Null),
            (Self::Mixed, value) => Some(mixed(value)),
            (Self::Bool, Value::Bool(value)) => Some(AnyValue::Boolean(value)),
            (Self::Int { .. }, Value::Number(number)) if is_integer(&number) => number.as_i64().map(AnyValue::Int64),
            (Self::Float, Value::Number(number)) if is_integer(&number) => {
                number.as_i64().and_then(exact_f64).map(AnyValue::Float64)
            }
            (Self::Float, Value::Number(number)) => finite_f64(&number).map(AnyValue::Float64),
            (Self::String, Value::String(text)) => Some(AnyValue::StringOwned(text.into())),
            (Self::List(inner), Value::Array(values)) => {
                let values = values.into_iter().map(|value| inner.convert(value)).collect::<Option<Vec<_>>>()?;
                list(&values, &inner.dtype()).ok()
            }
            (Self::Struct(fields), Value::Object(mut object)) => {
                let mut values = Vec::with_capacity(fields.len());
                for (name, inner) in fields {
                    values.push(inner.convert(object.remove(name).unwrap_or(Value::Null))?);
                }
                // A field that is left has no place.
                object.is_empty().then(|| AnyValue::StructOwned(Box::new((values, polars_fields(fields)))))
            }
            _ => None,
        }
    }
}

/// As CSV has it: `1` and `1x` stay so where both are ids.
fn mixed(value: Value) -> AnyValue<'static> {
    AnyValue::StringOwned(match value {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    })
}

fn polars_fields(fields: &IndexMap<String, FieldType>) -> Vec<Field> {
    fields.iter().map(|(name, inner)| Field::new(name.as_str().into(), inner.dtype())).collect()
}

/// A list value of elements that are all of one type or null.
pub(crate) fn list(values: &[AnyValue], dtype: &DataType) -> PolarsResult<AnyValue<'static>> {
    let series = Series::from_any_values_and_dtype(PlSmallStr::EMPTY, values, dtype, true)?;
    Ok(AnyValue::List(series))
}

/// Whether a number is written as one: `1`, not `1.0` or `1e0`.
fn is_integer(number: &serde_json::Number) -> bool {
    !number.as_str().contains(['.', 'e', 'E'])
}

fn exact_f64(number: i64) -> Option<f64> {
    let float = number as f64;
    (float as i128 == i128::from(number)).then_some(float)
}

fn finite_f64(number: &serde_json::Number) -> Option<f64> {
    number.as_str().parse().ok().filter(|float: &f64| float.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn inferred(values: &[&str]) -> FieldType {
        values.iter().map(|value| FieldType::of(&raw(value))).fold(FieldType::Null, FieldType::join).settle()
    }

    #[test]
    fn least_type_that_holds_all() {
        let dtype = |values: &[&str]| inferred(values).dtype().to_string();
        assert_eq!(dtype(&["null", "true"]), "bool");
        assert_eq!(dtype(&["1", "null", "-2"]), "i64");
        assert_eq!(dtype(&["1", "2.5"]), "f64");
        assert_eq!(dtype(&["1", "1e3"]), "f64");
        assert_eq!(dtype(&["null"]), "str");
        assert_eq!(dtype(&["[]", "[1]", "null"]), "list[i64]");
        assert_eq!(dtype(&["[[1], null]", "[[2.5]]"]), "list[list[f64]]");
        assert_eq!(inferred(&["1", "\"a\""]), FieldType::Mixed);
        assert_eq!(inferred(&["{}"]), FieldType::Mixed);
        assert_eq!(inferred(&["9223372036854775808"]), FieldType::Mixed);
        assert_eq!(inferred(&["9007199254740993", "0.5"]), FieldType::Mixed);
        assert_eq!(inferred(&["1e999"]), FieldType::Mixed);
        assert_eq!(inferred(&["[1, \"a\"]"]), FieldType::List(Box::new(FieldType::Mixed)));
        let FieldType::Struct(fields) = inferred(&["{\"a\": 1}", "{\"b\": null, \"a\": 2.5}"]) else { panic!() };
        assert_eq!(
            fields.into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), FieldType::Float), ("b".to_owned(), FieldType::Mixed)]
        );
    }

    #[test]
    fn values_that_do_not_fit_are_named() {
        let value = |inferred_from: &str, text: &str| inferred(&[inferred_from]).value(&raw(text)).map(|_| ());
        assert_eq!(value("1", "\"a\""), Err("a string"));
        assert_eq!(value("1", "9223372036854775808"), Err("an integer"));
        assert_eq!(value("1", "1.5"), Err("a number"));
        assert_eq!(value("1.5", "9007199254740993"), Err("an integer"));
        assert_eq!(value("1.5", "2"), Ok(()));
        assert_eq!(value("{\"a\": 1}", "{\"a\": 1, \"b\": 2}"), Err("an object"));
        assert_eq!(value("{\"a\": 1}", "{}"), Ok(()));
        assert_eq!(value("[1]", "[null]"), Ok(()));
        assert_eq!(value("[1]", "[\"a\"]"), Err("a list"));
        assert_eq!(value("\"a\"", "\"\\ud800\""), Err("nested too deeply or not valid text"));
        assert_eq!(value("{}", "17"), Ok(()));
    }
}
