use std::str::FromStr;

use crate::io::journal::RowCounts;

/// How many rows may fail without the exit status saying so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MaxFailed {
    Rows(u64),
    /// Of all rows, from 0 to 100.
    Percent(f64),
}

impl MaxFailed {
    /// Not one.
    pub(super) const NONE: Self = Self::Rows(0);

    pub(super) fn allows(self, counts: RowCounts) -> bool {
        let RowCounts { rows, failed } = counts;
        match self {
            Self::Rows(most) => failed <= most,
            Self::Percent(most) => failed as f64 * 100.0 <= most * rows as f64,
        }
    }
}

impl FromStr for MaxFailed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "neither a number of rows nor a percentage such as 0.5%".to_owned();
        let Some(percent) = text.strip_suffix('%') else { return text.parse().map(Self::Rows).map_err(|_| wrong()) };
        let percent: f64 = percent.trim_end().parse().map_err(|_| wrong())?;
        if (0.0..=100.0).contains(&percent) { Ok(Self::Percent(percent)) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_percentages() {
        let allows = |text: &str, rows, failed| text.parse::<MaxFailed>().unwrap().allows(RowCounts { rows, failed });
        assert!(allows("0", 10, 0) && !allows("0", 10, 1));
        assert!(allows("3", 3, 3) && !allows("3", 1000, 4));
        assert!(allows("1%", 100, 1) && !allows("1%", 99, 1));
        assert!(allows("0.5 %", 1000, 5) && !allows("0.5%", 1000, 6));
        assert!(allows("100%", 7, 7) && allows("0%", 0, 0) && !allows("0%", 7, 1));
        for text in ["", "%", "-1", "-1%", "101%", "NaN%", "inf%", "1.5", "1 row"] {
            assert!(text.parse::<MaxFailed>().is_err(), "{text}");
        }
    }
}
