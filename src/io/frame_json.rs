//! Typed values as JSON.
//!
//! Dates and times are ISO 8601 strings (an instant with a time zone is given in UTC), durations ISO 8601 seconds,
//! decimals exact numbers, NaN and infinities null. Binary has no JSON form and is refused up front.

use std::fmt::Write;

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveTime, SecondsFormat};
use polars::prelude::{AnyValue, Column, DataType, Schema, TimeUnit};
use serde_json::value::RawValue;

use super::row::{Fields, Record};
use super::target::polars_error;

/// Refuses columns whose values have no JSON form.
pub(super) fn check(schema: &Schema) -> anyhow::Result<()> {
    fn is_binary(dtype: &DataType) -> bool {
        match dtype {
            DataType::Binary | DataType::BinaryOffset => true,
            DataType::List(inner) | DataType::Array(inner, _) => is_binary(inner),
            DataType::Struct(fields) => fields.iter().any(|field| is_binary(field.dtype())),
            _ => false,
        }
    }
    match schema.iter().find(|(_, dtype)| is_binary(dtype)) {
        Some((name, _)) => bail!(
            "column `{name}` is binary, which text formats cannot hold; write Parquet or Arrow, \
             or leave it out with --columns"
        ),
        None => Ok(()),
    }
}

/// A record's columns as JSON.
pub(super) fn fields(record: Record) -> anyhow::Result<Fields> {
    let (frame, index) = match record {
        Record::Fields(fields) => return Ok(fields),
        Record::Frame { frame, index } => (frame, index),
    };
    let mut fields = Fields::with_capacity(frame.width());
    for column in frame.columns() {
        fields.insert(column.name().to_string(), value(column, index)?);
    }
    Ok(fields)
}

/// One value of a column as JSON.
pub(super) fn value(column: &Column, index: usize) -> anyhow::Result<Box<RawValue>> {
    let value = column.get(index).map_err(polars_error)?;
    let mut json = String::new();
    push(&mut json, &value).with_context(|| format!("column `{}` cannot be written as JSON", column.name()))?;
    Ok(RawValue::from_string(json)?)
}

fn push(out: &mut String, value: &AnyValue) -> anyhow::Result<()> {
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
            let midnight = DateTime::from_timestamp(i64::from(*days) * 86_400, 0).context("date out of range")?;
            write!(out, "\"{}\"", midnight.date_naive())?;
        }
        AnyValue::Time(nanoseconds) => {
            let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
            let time = NaiveTime::from_num_seconds_from_midnight_opt(u32::try_from(seconds)?, u32::try_from(rest)?);
            write!(out, "\"{}\"", time.context("time out of range")?)?;
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
            None => bail!("values of type {} have no JSON form", other.dtype()),
        },
    }
    Ok(())
}

fn push_object<'a, 'b>(
    out: &mut String,
    names: impl Iterator<Item = &'a str>,
    values: impl Iterator<Item = AnyValue<'b>>,
) -> anyhow::Result<()> {
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
fn push_decimal(out: &mut String, value: i128, scale: usize) -> anyhow::Result<()> {
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

fn push_datetime(out: &mut String, value: i64, unit: TimeUnit, is_instant: bool) -> anyhow::Result<()> {
    let time = match unit {
        TimeUnit::Milliseconds => DateTime::from_timestamp_millis(value),
        TimeUnit::Microseconds => DateTime::from_timestamp_micros(value),
        TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(value)),
    };
    let text = time.context("date and time out of range")?.to_rfc3339_opts(SecondsFormat::AutoSi, true);
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
    fn typed_values() {
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
