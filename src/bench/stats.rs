use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::HumanCount;
use serde::Serialize;

use crate::plural::plural;

/// How many differing answers are shown; all are counted.
const MISMATCHES_SHOWN: usize = 5;

/// What came of one request.
#[derive(Debug)]
pub(super) enum Outcome {
    Answered {
        rows: usize,
        rows_failed: u64,
        checked: u64,
        mismatches: Vec<String>,
    },
    /// A status other than 200.
    Refused(u16),
    /// No answer, or none that could be read; the text is a kind for counting.
    Failed(String),
}

/// Counts of requests while they are sent; each client has one.
#[derive(Debug)]
pub(crate) struct LoadStats {
    /// Of answered requests, in microseconds.
    latency: Histogram<u64>,
    statuses: BTreeMap<u16, u64>,
    errors: BTreeMap<String, u64>,
    rows: u64,
    rows_failed: u64,
    checked: u64,
    mismatches: u64,
    mismatches_shown: Vec<String>,
    /// Requests that were due in an open loop, but found all connections busy until its end.
    pub(super) unsent: u64,
}

impl LoadStats {
    /// # Errors
    /// None in practice: the precision is one that histograms have.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            latency: Histogram::new(3)?,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            rows: 0,
            rows_failed: 0,
            checked: 0,
            mismatches: 0,
            mismatches_shown: Vec::new(),
            unsent: 0,
        })
    }

    /// # Errors
    /// A latency that a histogram can't hold, of thousands of years.
    pub(super) fn add(&mut self, outcome: Outcome, latency: Duration) -> anyhow::Result<()> {
        match outcome {
            Outcome::Answered { rows, rows_failed, checked, mismatches } => {
                *self.statuses.entry(200).or_default() += 1;
                self.latency.record(latency.as_micros().try_into()?)?;
                self.rows += rows as u64;
                self.rows_failed += rows_failed;
                self.checked += checked;
                self.mismatches += mismatches.len() as u64;
                self.show(mismatches);
            }
            Outcome::Refused(status) => *self.statuses.entry(status).or_default() += 1,
            Outcome::Failed(kind) => *self.errors.entry(kind).or_default() += 1,
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: Self) -> anyhow::Result<()> {
        self.latency.add(other.latency)?;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
        self.rows += other.rows;
        self.rows_failed += other.rows_failed;
        self.checked += other.checked;
        self.mismatches += other.mismatches;
        self.show(other.mismatches_shown);
        self.unsent += other.unsent;
        Ok(())
    }

    fn show(&mut self, mismatches: Vec<String>) {
        self.mismatches_shown.extend(mismatches);
        self.mismatches_shown.truncate(MISMATCHES_SHOWN);
    }

    /// The figures of a run that took so long.
    pub(super) fn report(&self, elapsed: Duration) -> Report {
        let seconds = elapsed.as_secs_f64();
        let milliseconds = |microseconds: u64| microseconds as f64 / 1e3;
        let at = |quantile| milliseconds(self.latency.value_at_quantile(quantile));
        let answered = self.statuses.get(&200).copied().unwrap_or(0);
        let rejected = self.statuses.get(&429).copied().unwrap_or(0);
        let refused: u64 = self.statuses.values().sum::<u64>() - answered - rejected;
        Report {
            seconds,
            requests: answered,
            requests_per_second: answered as f64 / seconds,
            rows: self.rows,
            rows_per_second: self.rows as f64 / seconds,
            latency_ms: (answered > 0).then(|| Latency {
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p99_9: at(0.999),
                max: milliseconds(self.latency.max()),
                mean: self.latency.mean() / 1e3,
            }),
            statuses: self.statuses.clone(),
            errors: self.errors.clone(),
            rejected,
            failed: refused + self.errors.values().sum::<u64>(),
            rows_failed: self.rows_failed,
            checked: self.checked,
            mismatches: self.mismatches,
            mismatches_shown: self.mismatches_shown.clone(),
            unsent: self.unsent,
        }
    }
}

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Answered ones, with status 200.
    pub requests: u64,
    pub requests_per_second: f64,
    pub rows: u64,
    pub rows_per_second: f64,
    /// Of answered requests, in milliseconds; `None` if there was none.
    pub latency_ms: Option<Latency>,
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a readable answer, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Answered 429: the server had enough to do, and said so.
    pub rejected: u64,
    /// Statuses other than 200 and 429, and requests without a readable answer.
    pub failed: u64,
    /// Rows of answered requests that have no answer themselves.
    pub rows_failed: u64,
    pub checked: u64,
    /// Of the checked answers, those that are not what was expected.
    pub mismatches: u64,
    pub mismatches_shown: Vec<String>,
    pub unsent: u64,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
    pub mean: f64,
}

impl Report {
    /// Whether every request was answered rightly or, by an overloaded server, turned away.
    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0 && self.rows_failed == 0 && self.mismatches == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "answered   {} {} in {:.1} s: {:.1} requests/s, {:.1} rows/s",
            HumanCount(self.requests),
            plural(self.requests, "request"),
            self.seconds,
            self.requests_per_second,
            self.rows_per_second
        )?;
        if let Some(Latency { p50, p90, p99, p99_9, max, mean }) = self.latency_ms {
            writeln!(
                f,
                "latency    p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  p99.9 {p99_9:.1}  max {max:.1}  mean {mean:.1} ms"
            )?;
        }
        write!(f, "statuses  ")?;
        for (status, count) in &self.statuses {
            write!(f, " {status}: {}", HumanCount(*count))?;
        }
        writeln!(f)?;
        for (kind, count) in &self.errors {
            writeln!(f, "failed     {}: {kind}", HumanCount(*count))?;
        }
        if self.rows_failed > 0 {
            writeln!(
                f,
                "failed     {} {} without an answer",
                HumanCount(self.rows_failed),
                plural(self.rows_failed, "row")
            )?;
        }
        if self.checked > 0 {
            writeln!(f, "checked    {} answers, {} differ", HumanCount(self.checked), HumanCount(self.mismatches))?;
        }
        for mismatch in &self.mismatches_shown {
            writeln!(f, "           {mismatch}")?;
        }
        if self.unsent > 0 {
            let unsent = HumanCount(self.unsent);
            writeln!(f, "not sent   {unsent} that were due: every connection was busy; use more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_clients_and_of_answers_only() -> anyhow::Result<()> {
        let answered = || Outcome::Answered { rows: 2, rows_failed: 0, checked: 0, mismatches: Vec::new() };
        let mut total = LoadStats::new()?;
        for client in 0..2 {
            let mut stats = LoadStats::new()?;
            for milliseconds in (1 + client..=100).step_by(2) {
                stats.add(answered(), Duration::from_millis(milliseconds))?;
            }
            stats.add(Outcome::Refused(429), Duration::from_secs(9))?;
            total.merge(stats)?;
        }
        let report = total.report(Duration::from_secs(2));
        let latency = report.latency_ms.unwrap();
        for (found, expected) in [(latency.p50, 50.0), (latency.p90, 90.0), (latency.p99, 99.0), (latency.max, 100.0)] {
            assert!((found / expected - 1.0).abs() < 2e-3, "{latency:?}");
        }
        assert_eq!((report.requests, report.rows, report.rejected, report.failed), (100, 200, 2, 0));
        assert_eq!((report.requests_per_second, report.rows_per_second), (50.0, 100.0));
        assert!(report.is_good());

        total.add(Outcome::Refused(500), Duration::ZERO)?;
        total.add(Outcome::Failed("gone".to_owned()), Duration::ZERO)?;
        let report = total.report(Duration::from_secs(2));
        assert_eq!(report.failed, 2);
        assert!(!report.is_good());
        Ok(())
    }
}
