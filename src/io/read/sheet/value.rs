//! Values of cells as JSON.

use calamine::{Data, DataRef, ExcelDateTime};
use serde_json::value::{RawValue, to_raw_value};

/// From here on not every whole number is an f64.
const EXACT: f64 = 9_007_199_254_740_992.0;
const SECONDS_A_DAY: f64 = 86_400.0;

/// The value of a cell; `None` if it is empty or stands for an error, such as `#N/A`.
pub(super) fn json(cell: &DataRef) -> Option<Box<RawValue>> {
    let value = match cell {
        DataRef::Empty | DataRef::Error(_) => return None,
        DataRef::Int(value) => to_raw_value(value),
        // Spreadsheets have no integers.
        DataRef::Float(value) if value.fract() == 0.0 && value.abs() < EXACT => to_raw_value(&(*value as i64)),
        DataRef::Float(value) => to_raw_value(value),
        DataRef::Bool(value) => to_raw_value(value),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => to_raw_value(text),
        DataRef::SharedString(text) => to_raw_value(text),
        DataRef::DateTime(time) => to_raw_value(&iso(time)),
    };
    value.ok()
}

pub(super) fn borrowed(cell: &Data) -> DataRef<'_> {
    match cell {
        Data::Int(value) => DataRef::Int(*value),
        Data::Float(value) => DataRef::Float(*value),
        Data::String(text) => DataRef::SharedString(text),
        Data::Bool(value) => DataRef::Bool(*value),
        Data::DateTime(time) => DataRef::DateTime(*time),
        // As text, which they are.
        Data::DateTimeIso(text) | Data::DurationIso(text) => DataRef::SharedString(text),
        Data::Error(error) => DataRef::Error(error.clone()),
        Data::Empty => DataRef::Empty,
    }
}

/// A date, a time, or both, in ISO 8601.
fn iso(time: &ExcelDateTime) -> String {
    let days = time.as_f64();
    if time.is_duration() {
        let milliseconds = (days * SECONDS_A_DAY * 1000.0).round() as i64;
        let sign = if milliseconds < 0 { "-" } else { "" };
        let (seconds, rest) = (milliseconds.unsigned_abs() / 1000, milliseconds.unsigned_abs() % 1000);
        return format!("{sign}PT{seconds}{}S", fraction(rest));
    }
    let (year, month, day, hour, minute, second, milliseconds) = time.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    let clock = format!("{hour:02}:{minute:02}:{second:02}{}", fraction(milliseconds.into()));
    if (0.0..1.0).contains(&days) {
        return clock;
    }
    if (hour, minute, second, milliseconds) == (0, 0, 0, 0) { date } else { format!("{date}T{clock}") }
}

fn fraction(milliseconds: u64) -> String {
    if milliseconds == 0 { String::new() } else { format!(".{milliseconds:03}") }
}

#[cfg(test)]
mod tests {
    use calamine::{CellErrorType, ExcelDateTimeType};

    use super::*;

    #[test]
    fn cells_as_json() {
        let time = |days, kind| DataRef::DateTime(ExcelDateTime::new(days, kind, false));
        for (cell, expected) in [
            (DataRef::Float(3.0), "3"),
            (DataRef::Float(-0.5), "-0.5"),
            (DataRef::Float(1e300), "1e+300"),
            (DataRef::Float(f64::NAN), "null"),
            (DataRef::Bool(true), "true"),
            (DataRef::String("a\"\n".to_owned()), "\"a\\\"\\n\""),
            (DataRef::SharedString("007"), "\"007\""),
            (time(45943.0, ExcelDateTimeType::DateTime), "\"2025-10-13\""),
            (time(45943.541, ExcelDateTimeType::DateTime), "\"2025-10-13T12:59:02.400\""),
            (time(0.5, ExcelDateTimeType::DateTime), "\"12:00:00\""),
            (time(1.25, ExcelDateTimeType::TimeDelta), "\"PT108000S\""),
        ] {
            assert_eq!(json(&cell).unwrap().get(), expected);
        }
        assert!(json(&DataRef::Empty).is_none() && json(&DataRef::Error(CellErrorType::NA)).is_none());
    }
}
