use serde::Serialize;

use super::totals::percent;

/// Bins of the calibration; the histogram has twice as many.
const BINS: usize = 10;

/// Gathers scores of right and wrong answers.
#[derive(Debug, Default)]
pub(super) struct Scores {
    bins: [Bin; 2 * BINS],
}

#[derive(Debug, Default, Clone, Copy)]
struct Bin {
    right: u64,
    wrong: u64,
    /// Sum of the scores.
    scores: f64,
}

/// How well scores predict the share of right answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Calibration {
    pub rows: u64,
    /// Mean distance between score and exact match over the bins, weighted by their rows, in percent: the expected
    /// calibration error (Naeini et al. 2015, Guo et al. 2017).
    pub expected_error: f64,
    /// Mean score, in percent.
    pub mean_score: f64,
    pub exact_match: f64,
    /// Of equal width, from 0 to 1.
    pub bins: Vec<CalibrationBin>,
    pub histogram: Vec<HistogramBin>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct CalibrationBin {
    pub from: f64,
    pub to: f64,
    pub rows: u64,
    /// In percent.
    pub mean_score: f64,
    pub exact_match: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct HistogramBin {
    pub from: f64,
    pub to: f64,
    pub right: u64,
    pub wrong: u64,
}

impl Scores {
    /// A score above 1, which sums over equal texts can be, counts as 1.
    pub(super) fn add(&mut self, score: f32, right: bool) {
        let score = f64::from(score).clamp(0.0, 1.0);
        // A bin has its upper end, and the first also 0.
        let index = ((score * self.bins.len() as f64).ceil() as usize).clamp(1, self.bins.len()) - 1;
        let bin = &mut self.bins[index];
        bin.scores += score;
        *(if right { &mut bin.right } else { &mut bin.wrong }) += 1;
    }

    /// `None` where no score is known.
    pub(super) fn finish(self) -> Option<Calibration> {
        let rows: u64 = self.bins.iter().map(Bin::rows).sum();
        if rows == 0 {
            return None;
        }
        let bounds = |index: usize, bins: usize| (index as f64 / bins as f64, (index + 1) as f64 / bins as f64);
        let pairs = self.bins.as_chunks::<2>().0;
        let bins: Vec<CalibrationBin> = pairs
            .iter()
            .enumerate()
            .map(|(index, [a, b])| {
                let (from, to) = bounds(index, BINS);
                let rows = a.rows() + b.rows();
                let (mean_score, exact) =
                    (percent(a.scores + b.scores, rows), percent((a.right + b.right) as f64, rows));
                CalibrationBin { from, to, rows, mean_score, exact_match: exact }
            })
            .collect();
        let error = |bin: &CalibrationBin| bin.rows as f64 * (bin.mean_score - bin.exact_match).abs();
        let histogram = self.bins.iter().enumerate().map(|(index, bin)| {
            let (from, to) = bounds(index, 2 * BINS);
            HistogramBin { from, to, right: bin.right, wrong: bin.wrong }
        });
        Some(Calibration {
            rows,
            expected_error: bins.iter().map(error).sum::<f64>() / rows as f64,
            mean_score: percent(self.bins.iter().map(|bin| bin.scores).sum(), rows),
            exact_match: percent(self.bins.iter().map(|bin| bin.right).sum::<u64>() as f64, rows),
            histogram: histogram.collect(),
            bins,
        })
    }
}

impl Bin {
    fn rows(&self) -> u64 {
        self.right + self.wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_error_by_hand() {
        let mut scores = Scores::default();
        for (score, right) in [(0.0, false), (0.09, true), (0.95, true), (0.85, false), (1.5, true), (0.97, false)] {
            scores.add(score, right);
        }
        let found = scores.finish().unwrap();
        let rows: Vec<u64> = found.bins.iter().map(|bin| bin.rows).collect();
        assert_eq!(rows, [2, 0, 0, 0, 0, 0, 0, 0, 1, 3]);
        // 2 |0.045 - 0.5| + 1 |0.85 - 0| + 3 |(0.95 + 1 + 0.97) / 3 - 2 / 3| = 0.91 + 0.85 + 0.92
        assert!((found.expected_error - 100.0 * 2.68 / 6.0).abs() < 1e-4, "{found:?}");
        assert_eq!((found.histogram[0].wrong, found.histogram[1].right), (1, 1));
        assert_eq!((found.histogram[18].right, found.histogram[19].right, found.histogram[19].wrong), (1, 1, 1));
    }

    #[test]
    fn without_scores_there_is_no_calibration() {
        assert_eq!(Scores::default().finish(), None);
    }
}
