//! Columnar values as JSON.
//!
//! Dates and times are ISO 8601 strings (an instant with a time zone is given in UTC), durations ISO 8601 seconds,
//! decimals exact numbers, NaN and infinities null. Binary has no JSON form and is refused up front.

use std::fmt::Write;

use chrono::{DateTime, NaiveTime, SecondsFormat};
use polars::prelude::{AnyValue, Column, DataType, PolarsError, Schema, TimeUnit};
use serde_json::value::RawValue;

/// Why a columnar value has no JSON form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// A date or time that the calendar does not have.
    #[error("{0} out of range")]
    OutOfRange(&'static str),
    /// A type that JSON cannot express.
    #[error("values of type {0} have no JSON form")]
    Type(String),
    /// A value that cannot be read.
    #[error(transparent)]
    Columnar(#[from] PolarsError),
    /// A text that cannot be serialized.
    #[error(transparent)]
    Serialize(#[from] serde_json::Error),
    /// A text that cannot be formatted.
    #[error(transparent)]
    Format(#[from] std::fmt::Error),
}

/// The first column whose values have no JSON form.
pub(crate) fn binary_column(schema: &Schema) -> Option<&str> {
    fn is_binary(dtype: &DataType) -> bool {
        match dtype {
            DataType::Binary | DataType::BinaryOffset => true,
            DataType::List(inner) | DataType::Array(inner, _) => is_binary(inner),
            DataType::Struct(fields) => fields.iter().any(|field| is_binary(field.dtype())),
            _ => false,
        }
    }
    schema.iter().find(|(_, dtype)| is_binary(dtype)).map(|(name, _)| name.as_str())
}

/// One value of a column as JSON.
pub(crate) fn value(column: &Column, index: usize) -> Result<Box<RawValue>, JsonError> {
    let mut json = String::new();
    push(&mut json, &column.get(index)?)?;
    Ok(RawValue::from_string(json)?)
}

fn push(out: &mut String, value: &AnyValue) -> Result<(), JsonError> {
    match value {
        AnyValue::Null => out.push_str("null"),
        AnyValue::Boolean(value) => write!(out, "{value}")?,
        AnyValue::Int8(value) => write!(out, "{value}")?,
        AnyValue::Int16(value) => write!(out, "{value}")?,
        AnyValue::Int32(value) => write!(out, "{value}")?,
        AnyValue::Int64(value) => write!(out, "{value}")?,
        AnyValue::UInt8(value) => write!(out, "{value}")?,
        AnyValue::UInt16(value) => write!(out, "{value}")?,
        AnyValue::UInt32(value) => write!(out, "{value}")?,
        AnyValue::UInt64(value) => write!(out, "{value}")?,
        // Shortest text that reads back as the same number, and null for what JSON has no number for.
        AnyValue::Float32(value) => out.push_str(&serde_json::to_string(value)?),
        AnyValue::Float64(value) => out.push_str(&serde_json::to_string(value)?),
        AnyValue::Decimal(value, _, scale) => push_decimal(out, *value, *scale)?,
        AnyValue::Date(days) => {
            let midnight =
                DateTime::from_timestamp(i64::from(*days) * 86_400, 0).ok_or(JsonError::OutOfRange("date"))?;
            write!(out, "\"{}\"", midnight.date_naive())?;
        }
        AnyValue::Time(nanoseconds) => {
            let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
            let time = u32::try_from(seconds).ok().zip(u32::try_from(rest).ok());
            let time = time.and_then(|(seconds, rest)| NaiveTime::from_num_seconds_from_midnight_opt(seconds, rest));
            write!(out, "\"{}\"", time.ok_or(JsonError::OutOfRange("time"))?)?;
        }
        AnyValue::Datetime(value, unit, zone) => push_datetime(out, *value, *unit, zone.is_some())?,
        AnyValue::DatetimeOwned(value, unit, zone) => push_datetime(out, *value, *unit, zone.is_some())?,
        AnyValue::Duration(value, unit) => {
            let mut seconds = String::new();
            push_decimal(&mut seconds, i128::from(*value), digits(*unit))?;
            match seconds.strip_prefix('-') {
                Some(seconds) => write!(out, "\"-PT{seconds}S\"")?,
                None => write!(out, "\"PT{seconds}S\"")?,
            }
        }
        AnyValue::List(values) | AnyValue::Array(values, _) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push(out, &value)?;
            }
            out.push(']');
        }
        AnyValue::Struct(_, _, fields) => {
            push_object(out, fields.iter().map(|field| field.name().as_str()), value._iter_struct_av())?;
        }
        AnyValue::StructOwned(value) => {
            push_object(out, value.1.iter().map(|field| field.name().as_str()), value.0.iter().cloned())?;
        }
        other => match other.get_str() {
            Some(text) => out.push_str(&serde_json::to_string(text)?),
            None => return Err(JsonError::Type(other.dtype().to_string())),
        },
    }
    Ok(())
}

fn push_object<'a, 'b>(
    out: &mut String,
    names: impl Iterator<Item = &'a str>,
    values: impl Iterator<Item = AnyValue<'b>>,
) -> Result<(), JsonError> {
    out.push('{');
    for (index, (name, value)) in names.zip(values).enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(name)?);
        out.push(':');
        push(out, &value)?;
    }
    out.push('}');
    Ok(())
}

/// `value / 10^scale`, exactly.
fn push_decimal(out: &mut String, value: i128, scale: usize) -> Result<(), JsonError> {
    if value < 0 {
        out.push('-');
    }
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    out.push_str(whole);
    if !fraction.is_empty() {
        write!(out, ".{fraction}")?;
    }
    Ok(())
}

fn push_datetime(out: &mut String, value: i64, unit: TimeUnit, is_instant: bool) -> Result<(), JsonError> {
    let time = match unit {
        TimeUnit::Milliseconds => DateTime::from_timestamp_millis(value),
        TimeUnit::Microseconds => DateTime::from_timestamp_micros(value),
        TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(value)),
    };
    let text = time.ok_or(JsonError::OutOfRange("date and time"))?.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    write!(out, "\"{}\"", if is_instant { &text } else { text.trim_end_matches('Z') })?;
    Ok(())
}

/// Decimal digits of a unit below the second.
fn digits(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Milliseconds => 3,
        TimeUnit::Microseconds => 6,
        TimeUnit::Nanoseconds => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: AnyValue) -> String {
        let mut out = String::new();
        push(&mut out, &value).unwrap();
        out
    }

    #[test]
    fn columnar_values() {
        assert_eq!(json(AnyValue::Decimal(-5, 10, 2)), "-0.05");
        assert_eq!(json(AnyValue::Decimal(12345, 10, 2)), "123.45");
        assert_eq!(json(AnyValue::Decimal(7, 10, 0)), "7");
        assert_eq!(json(AnyValue::Date(-1)), "\"1969-12-31\"");
        assert_eq!(json(AnyValue::Time(3_723_500_000_000)), "\"01:02:03.500\"");
        assert_eq!(json(AnyValue::Datetime(-1, TimeUnit::Milliseconds, None)), "\"1969-12-31T23:59:59.999\"");
        assert_eq!(json(AnyValue::Duration(-1_500, TimeUnit::Milliseconds)), "\"-PT1.500S\"");
        assert_eq!(json(AnyValue::Float32(0.1)), "0.1");
        assert_eq!(json(AnyValue::Float64(f64::NAN)), "null");
        assert_eq!(json(AnyValue::String("a\"\n")), "\"a\\\"\\n\"");
        assert_eq!(json(AnyValue::UInt64(u64::MAX)), "18446744073709551615");
    }
}
