use std::collections::BTreeMap;

use serde::Serialize;

/// How well one prediction matches the gold.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Match {
    pub exact: bool,
    /// 0 to 1.
    pub f1: f64,
}

/// The sum of many matches.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct MatchTotals {
    rows: u64,
    exact: u64,
    f1: f64,
}

impl MatchTotals {
    pub(super) fn add(&mut self, found: Match) {
        self.rows += 1;
        self.exact += u64::from(found.exact);
        self.f1 += found.f1;
    }

    pub(super) fn quality(&self) -> Quality {
        Quality { rows: self.rows, exact_match: percent(self.exact as f64, self.rows), f1: percent(self.f1, self.rows) }
    }
}

/// Exact match and F1 over rows, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// How many.
    pub rows: u64,
    /// The share that is equal to a right answer.
    pub exact_match: f64,
    /// How much of a right answer there is in them, on average.
    pub f1: f64,
}

pub(super) fn percent(sum: f64, rows: u64) -> f64 {
    if rows == 0 { 0.0 } else { 100.0 * sum / rows as f64 }
}

/// The quality of the rows that have something in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Group<K> {
    pub group: K,
    #[serde(flatten)]
    pub quality: Quality,
}

/// Totals by what rows have in common.
#[derive(Debug, Clone)]
pub(super) struct Groups<K>(BTreeMap<K, MatchTotals>);

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Groups<K> {
    pub(super) fn add(&mut self, group: K, found: Match) {
        self.0.entry(group).or_default().add(found);
    }

    /// In the order of the groups, those without rows left out.
    pub(super) fn finish(self) -> Vec<Group<K>> {
        self.0.into_iter().map(|(group, totals)| Group { group, quality: totals.quality() }).collect()
    }
}

/// A range of lengths or counts, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Bucket {
    pub from: usize,
    /// `None` for no limit.
    pub to: Option<usize>,
}

impl Bucket {
    /// The bucket that a value is in, of those that end at `ends` and the open one after them.
    pub(crate) fn of(value: usize, ends: &[usize]) -> Self {
        let index = ends.partition_point(|&end| end < value);
        let from = if index == 0 { 0 } else { ends[index - 1] + 1 };
        Self { from, to: ends.get(index).copied() }
    }
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self.to {
            Some(to) if to == self.from => to.to_string(),
            Some(to) => format!("{}–{to}", self.from),
            None => format!("{}+", self.from),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_include_their_ends() {
        let of = |value| Bucket::of(value, &[0, 1, 3, 6]).to_string();
        let names: Vec<_> = (0..9).map(of).collect();
        assert_eq!(names, ["0", "1", "2–3", "2–3", "4–6", "4–6", "4–6", "7+", "7+"]);
    }

    #[test]
    fn quality_is_the_mean_in_percent() {
        let mut totals = MatchTotals::default();
        assert_eq!(totals.quality(), Quality { rows: 0, exact_match: 0.0, f1: 0.0 });
        totals.add(Match { exact: true, f1: 1.0 });
        totals.add(Match { exact: false, f1: 0.5 });
        assert_eq!(totals.quality(), Quality { rows: 2, exact_match: 50.0, f1: 75.0 });
    }
}
