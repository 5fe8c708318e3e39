//! Rows that have no answer: how well they are detected, and at which threshold they would be detected best.

use serde::Serialize;

use super::prediction::Rivals;
use super::totals::{Match, MatchTotals, Quality, percent};

/// Gathers what the figures of a set with unanswerable rows take.
#[derive(Debug, Default)]
pub(super) struct NoAnswerRows {
    has_answer: MatchTotals,
    no_answer: MatchTotals,
    rows: Vec<Row>,
    /// Rows of which it is not known how probable "no answer" is, nor how probable their answer.
    unsure: u64,
}

/// Small, since there is one for every row.
#[derive(Debug, Clone, Copy)]
struct Row {
    span_score: Option<f32>,
    null_score: Option<f32>,
    /// How well the best span matched.
    span: Option<Match>,
    has_answer: bool,
}

/// How well questions without an answer are distinguished from those with one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NoAnswer {
    /// The rows that have an answer.
    pub has_answer: Quality,
    /// The rows that have none: both figures are the share that got an empty answer.
    pub no_answer: Quality,
    /// What could be reached; `None` if the predictions have no probabilities.
    pub best: Option<Best>,
}

/// The best figures over all thresholds on how probable "no answer" is, as SQuAD 2.0 defines them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Best {
    pub by: ThresholdBy,
    pub best_exact: f64,
    /// "No answer" is given above it.
    pub best_exact_thresh: f64,
    pub best_f1: f64,
    pub best_f1_thresh: f64,
    /// Rows whose list of answers does not have "no answer" in it: they count as sure to have one.
    pub unlisted: u64,
}

/// What a threshold is set on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ThresholdBy {
    /// `null_score / (null_score + score)`, of "no answer" and the best span. At 0.5 it is what
    /// [`handle_impossible_answer`](crate::qa::Options::handle_impossible_answer) does; its logit is the difference that
    /// SQuAD models are usually tuned by.
    NullScore,
    /// `1 - score` of the answer, where nothing is known of "no answer".
    Score,
}

impl NoAnswerRows {
    /// Notes a row: how well its prediction matched, and how well the best span did.
    pub(super) fn add(&mut self, has_answer: bool, found: Match, rivals: Option<&Rivals>, span: Option<Match>) {
        if has_answer {
            self.has_answer.add(found);
        } else {
            self.no_answer.add(found);
        }
        let best = rivals.and_then(|rivals| rivals.span.as_ref());
        let span_score = best.and_then(|span| span.score);
        let null_score = rivals.and_then(|rivals| rivals.null_score);
        if best.is_some() && span_score.is_none() {
            self.unsure += 1;
        }
        self.rows.push(Row { span_score, null_score, span, has_answer });
    }

    /// `None` where every row has an answer.
    pub(super) fn finish(self) -> Option<NoAnswer> {
        let (has_answer, no_answer) = (self.has_answer.quality(), self.no_answer.quality());
        if no_answer.rows == 0 {
            return None;
        }
        let best = (self.unsure == 0).then(|| best(&self.rows));
        Some(NoAnswer { has_answer, no_answer, best })
    }
}

fn best(rows: &[Row]) -> Best {
    let listed = rows.iter().filter(|row| row.null_score.is_some()).count();
    let by = if listed > 0 { ThresholdBy::NullScore } else { ThresholdBy::Score };
    let mut order: Vec<(f64, usize)> = rows.iter().map(|row| row.null_odds(by)).zip(0..).collect();
    // Equal ones stay in the order of the rows, as in SQuAD's own definition.
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let gain = |value: fn(Match) -> f64| {
        best_over(&order, |index| {
            let row = rows[index];
            match (row.has_answer, row.span) {
                (true, span) => span.map_or(0.0, value),
                (false, Some(_)) => -1.0,
                (false, None) => 0.0,
            }
        })
    };
    let none = rows.iter().filter(|row| !row.has_answer).count() as f64;
    let (exact, best_exact_thresh) = gain(|span| f64::from(u8::from(span.exact)));
    let (f1, best_f1_thresh) = gain(|span| span.f1);
    let count = rows.len() as u64;
    Best {
        by,
        best_exact: percent(none + exact, count),
        best_exact_thresh,
        best_f1: percent(none + f1, count),
        best_f1_thresh,
        unlisted: if listed > 0 { (rows.len() - listed) as u64 } else { 0 },
    }
}

/// Begins with "no answer" to every row and answers one after the other, the surest first: the largest gain on the
/// way, and how probable "no answer" was where it was reached.
fn best_over(order: &[(f64, usize)], gain: impl Fn(usize) -> f64) -> (f64, f64) {
    let (mut sum, mut best, mut threshold) = (0.0, 0.0, 0.0);
    for &(null_odds, index) in order {
        sum += gain(index);
        if sum > best {
            (best, threshold) = (sum, null_odds);
        }
    }
    (best, threshold)
}

impl Row {
    /// From 0, sure to have an answer, to 1, sure to have none.
    fn null_odds(&self, by: ThresholdBy) -> f64 {
        let span = f64::from(self.span_score.unwrap_or(0.0));
        match by {
            ThresholdBy::Score => 1.0 - span,
            ThresholdBy::NullScore => match f64::from(self.null_score.unwrap_or(0.0)) {
                0.0 => 0.0,
                null => null / (null + span),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::prediction::Rival;
    use super::*;

    fn rivals(score: f32, null_score: Option<f32>) -> Rivals {
        Rivals { span: Some(Rival { text: "x".to_owned(), score: Some(score) }), null_score }
    }

    const RIGHT: Match = Match { exact: true, f1: 1.0 };
    const HALF: Match = Match { exact: false, f1: 0.5 };
    const WRONG: Match = Match { exact: false, f1: 0.0 };

    #[test]
    fn the_best_threshold_by_hand() {
        let mut rows = NoAnswerRows::default();
        // null odds 0.1, 0.2, 0.4, 0.8
        rows.add(true, RIGHT, Some(&rivals(0.9, Some(0.1))), Some(RIGHT));
        rows.add(true, HALF, Some(&rivals(0.8, Some(0.2))), Some(HALF));
        rows.add(false, WRONG, Some(&rivals(0.6, Some(0.4))), Some(WRONG));
        rows.add(true, RIGHT, Some(&rivals(0.2, Some(0.8))), Some(RIGHT));
        let figures = rows.finish().unwrap();
        assert_eq!(figures.has_answer, Quality { rows: 3, exact_match: 200.0 / 3.0, f1: 250.0 / 3.0 });
        assert_eq!(figures.no_answer, Quality { rows: 1, exact_match: 0.0, f1: 0.0 });
        let best = figures.best.unwrap();
        // 1 for the row without an answer, and 1 for the first; then none gets better, but F1 by a half.
        assert_eq!((best.by, best.best_exact, best.best_f1), (ThresholdBy::NullScore, 50.0, 62.5));
        assert!((best.best_exact_thresh - 0.1).abs() < 1e-6, "{best:?}");
        assert!((best.best_f1_thresh - 0.2).abs() < 1e-6, "{best:?}");
    }

    #[test]
    fn without_null_scores_the_score_is_the_measure() {
        let mut rows = NoAnswerRows::default();
        rows.add(false, WRONG, Some(&rivals(0.25, None)), Some(WRONG));
        rows.add(true, RIGHT, Some(&rivals(0.75, None)), Some(RIGHT));
        let best = rows.finish().unwrap().best.unwrap();
        assert_eq!((best.by, best.best_exact, best.best_exact_thresh), (ThresholdBy::Score, 100.0, 0.25));
    }

    #[test]
    fn figures_only_where_there_is_something_to_tell() {
        let mut rows = NoAnswerRows::default();
        rows.add(true, RIGHT, Some(&rivals(0.9, Some(0.1))), Some(RIGHT));
        assert_eq!(rows.finish(), None);
        let mut rows = NoAnswerRows::default();
        let unsure = Rivals { span: Some(Rival { text: "x".to_owned(), score: None }), null_score: None };
        rows.add(false, WRONG, Some(&unsure), Some(WRONG));
        assert_eq!(rows.finish().unwrap().best, None);
    }
}
