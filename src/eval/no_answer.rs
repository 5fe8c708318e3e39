//! Rows that have no answer: how well they are detected, and at which threshold they would be detected best.

use serde::Serialize;

use super::prediction::Rivals;
use super::totals::{Match, MatchTotals, Quality, percent};
use crate::qa::{NoAnswerThreshold, null_share};

/// Gathers what the figures of a set with unanswerable rows take.
#[derive(Debug, Default)]
pub(super) struct NoAnswerRows {
    has_answer: MatchTotals,
    no_answer: MatchTotals,
    rows: Vec<Row>,
    /// Rows without a prediction. They are wrong at every threshold.
    failed: u64,
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
    /// What the option `no_answer_threshold` takes to give the best exact match, and the best F1: between the least sure
    /// row that is to have its answer and the next, so that a last digit decides nothing. `None` where the option is
    /// about something else: where the threshold is on the score, or rows do not tell their null score.
    pub best_exact_option: Option<NoAnswerThreshold>,
    pub best_f1_option: Option<NoAnswerThreshold>,
    /// Rows whose list of answers does not have "no answer" in it: they count as sure to have one.
    pub unlisted: u64,
}

/// Where the gain is largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Peak {
    pub(super) gain: f64,
    /// How probable "no answer" is for the last row that is answered; 0 if none is.
    pub(super) threshold: f64,
    /// And for the next; `None` if all are answered.
    next: Option<f64>,
}

/// What a threshold is set on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ThresholdBy {
    /// The [share](null_share) of "no answer" beside the best span, as the option
    /// [`no_answer_threshold`](crate::qa::Options::no_answer_threshold) takes it.
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
        let Some(Rivals { span: best, null_score }) = rivals else {
            self.failed += 1;
            return;
        };
        let span_score = best.as_ref().and_then(|span| span.score);
        if best.is_some() && span_score.is_none() {
            self.unsure += 1;
        }
        let null_score = *null_score;
        self.rows.push(Row { span_score, null_score, span, has_answer });
    }

    /// `None` where every row has an answer.
    pub(super) fn finish(self) -> Option<NoAnswer> {
        let (has_answer, no_answer) = (self.has_answer.quality(), self.no_answer.quality());
        if no_answer.rows == 0 {
            return None;
        }
        let best = (self.unsure == 0).then(|| best(&self.rows, self.failed));
        Some(NoAnswer { has_answer, no_answer, best })
    }
}

fn best(rows: &[Row], failed: u64) -> Best {
    let listed = rows.iter().filter(|row| row.null_score.is_some()).count();
    let by = if listed > 0 { ThresholdBy::NullScore } else { ThresholdBy::Score };
    let mut order: Vec<(f64, usize)> = rows.iter().map(|row| row.null_odds(by)).zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let gain = |value: fn(Match) -> f64| {
        best_over(&order, Ties::Together, |index| {
            let row = rows[index];
            match (row.has_answer, row.span) {
                (true, span) => span.map_or(0.0, value),
                (false, Some(_)) => -1.0,
                (false, None) => 0.0,
            }
        })
    };
    let none = rows.iter().filter(|row| !row.has_answer).count() as f64;
    let exact = gain(|span| f64::from(u8::from(span.exact)));
    let f1 = gain(|span| span.f1);
    let count = rows.len() as u64 + failed;
    let unlisted = if listed > 0 { (rows.len() - listed) as u64 } else { 0 };
    let option = |peak: Peak| (by == ThresholdBy::NullScore && unlisted == 0).then(|| peak.option());
    Best {
        by,
        best_exact: percent(none + exact.gain, count),
        best_exact_thresh: exact.threshold,
        best_f1: percent(none + f1.gain, count),
        best_f1_thresh: f1.threshold,
        best_exact_option: option(exact),
        best_f1_option: option(f1),
        unlisted,
    }
}

/// Rows that are equally sure to have an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ties {
    /// Are answered all or none, since no threshold comes to lie between them.
    Together,
    /// Are answered one after the other, as in SQuAD's own definition.
    InOrder,
}

/// Begins with "no answer" to every row and answers one after the other, the surest first: the largest gain on the way.
/// Rows are how probable "no answer" is and what `gain` takes, in order of the former.
pub(super) fn best_over(order: &[(f64, usize)], ties: Ties, gain: impl Fn(usize) -> f64) -> Peak {
    let next = |later: &[(f64, usize)]| later.first().map(|(null_odds, _)| *null_odds);
    // At 0, rows that are quite sure are answered already.
    let is_none_possible = ties == Ties::InOrder || next(order) != Some(0.0);
    let gain_of_none = if is_none_possible { 0.0 } else { f64::NEG_INFINITY };
    let mut best = Peak { gain: gain_of_none, threshold: 0.0, next: next(order) };
    let mut sum = 0.0;
    let mut rest = order;
    while let Some(&(threshold, _)) = rest.first() {
        let (equal, later) = rest.split_at(match ties {
            Ties::Together => rest.partition_point(|(null_odds, _)| *null_odds <= threshold),
            Ties::InOrder => 1,
        });
        sum += equal.iter().map(|(_, index)| gain(*index)).sum::<f64>();
        rest = later;
        if sum > best.gain {
            best = Peak { gain: sum, threshold, next: next(later) };
        }
    }
    best
}

impl Peak {
    /// A threshold well between the last row that is answered and the next, with few digits.
    fn option(self) -> NoAnswerThreshold {
        let next = self.next.unwrap_or(1.0);
        let quarter = (next - self.threshold) / 4.0;
        let middle = self.threshold + 2.0 * quarter;
        let between = (0..=16).find_map(|digits| {
            let short: f64 = format!("{middle:.digits$e}").parse().ok()?;
            (self.threshold + quarter < short && short < next - quarter).then_some(short)
        });
        NoAnswerThreshold::new(between.unwrap_or(self.threshold)).unwrap_or_default()
    }
}

impl Row {
    /// From 0, sure to have an answer, to 1, sure to have none.
    fn null_odds(&self, by: ThresholdBy) -> f64 {
        let span = self.span_score.unwrap_or(0.0);
        match by {
            ThresholdBy::Score => 1.0 - f64::from(span),
            ThresholdBy::NullScore => null_share(self.null_score.unwrap_or(0.0), span),
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
        // Between 0.1 and 0.2, and between 0.2 and 0.4.
        let option = |option: Option<NoAnswerThreshold>| option.unwrap().to_string();
        assert_eq!(
            (option(best.best_exact_option), option(best.best_f1_option)),
            ("0.15".to_owned(), "0.3".to_owned())
        );
    }

    #[test]
    fn no_threshold_lies_between_equal_rows() {
        let mut rows = NoAnswerRows::default();
        rows.add(true, RIGHT, Some(&rivals(0.5, Some(0.5))), Some(RIGHT));
        rows.add(false, WRONG, Some(&rivals(0.25, Some(0.25))), Some(WRONG));
        let best = rows.finish().unwrap().best.unwrap();
        assert_eq!((best.best_exact, best.best_exact_thresh), (50.0, 0.0));
        // At 0 a row that is quite sure has its answer, wrong or not.
        let mut rows = NoAnswerRows::default();
        rows.add(false, WRONG, Some(&rivals(0.5, Some(0.0))), Some(WRONG));
        let best = rows.finish().unwrap().best.unwrap();
        assert_eq!((best.best_exact, best.best_exact_thresh), (0.0, 0.0));
    }

    #[test]
    fn a_failed_row_is_wrong_at_every_threshold() {
        let mut rows = NoAnswerRows::default();
        rows.add(false, WRONG, None, None);
        rows.add(false, RIGHT, Some(&rivals(0.2, Some(0.8))), Some(WRONG));
        assert_eq!(rows.finish().unwrap().best.unwrap().best_exact, 50.0);
    }

    #[test]
    fn an_option_only_where_it_does_what_was_measured() {
        let mut rows = NoAnswerRows::default();
        rows.add(false, WRONG, Some(&rivals(0.6, Some(0.4))), Some(WRONG));
        rows.add(true, RIGHT, Some(&rivals(0.9, None)), Some(RIGHT));
        let best = rows.finish().unwrap().best.unwrap();
        assert_eq!((best.unlisted, best.best_exact_option, best.best_f1_option), (1, None, None));
    }

    #[test]
    fn an_option_tells_the_closest_rows_apart() {
        for (threshold, next) in
            [(0.0, 1e-9), (3e-31, 4e-31), (0.123_456_78, 0.123_456_79), (0.999_999_9, 1.0), (0.3, 0.6)]
        {
            let option = Peak { gain: 1.0, threshold, next: Some(next) }.option().share();
            assert!(threshold < option && option < next, "{option}");
        }
        let next = 0.25f64.next_up();
        assert_eq!(Peak { gain: 1.0, threshold: 0.25, next: Some(next) }.option().share(), 0.25);
        assert_eq!(Peak { gain: 1.0, threshold: 1.0, next: None }.option().share(), 1.0);
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
