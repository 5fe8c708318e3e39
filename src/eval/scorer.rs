use serde::Serialize;

use super::calibration::{Calibration, Scores};
use super::gold::Gold;
use super::misses::{Miss, Misses};
use super::no_answer::{NoAnswer, NoAnswerRows};
use super::normalize::Normalization;
use super::prediction::Prediction;
use super::question::QuestionType;
use super::right::RightAnswers;
use super::totals::{Bucket, Group, Groups, Match, MatchTotals, Quality};

/// Scores predictions against gold, one row at a time. Of a row it keeps a few numbers, and of the worst misses the text.
#[derive(Debug)]
pub(crate) struct Scorer {
    normalization: Normalization,
    all: MatchTotals,
    failed: u64,
    by_question_type: Groups<QuestionType>,
    by_answer_length: Groups<Bucket>,
    by_context_length: Groups<Bucket>,
    by_windows: Groups<Bucket>,
    no_answer: NoAnswerRows,
    scores: Scores,
    misses: Misses,
}

/// The figures of an evaluation. Shares are in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub normalization: Normalization,
    #[serde(flatten)]
    pub all: Quality,
    /// Rows without an answer, which count as wrong.
    pub failed: u64,
    pub by_question_type: Vec<Group<QuestionType>>,
    /// Of the first gold answer; 0 for rows that have none.
    pub by_answer_length: Vec<Group<Bucket>>,
    pub by_context_length: Vec<Group<Bucket>>,
    /// Empty where only predictions were scored.
    pub by_windows: Vec<Group<Bucket>>,
    pub no_answer: Option<NoAnswer>,
    pub calibration: Option<Calibration>,
    pub worst_misses: Vec<Miss>,
}

const WINDOWS: &[usize] = &[0, 1, 2, 3, 4, 8, 16];

impl Normalization {
    fn answer_lengths(self) -> &'static [usize] {
        match self {
            Self::Ja => &[0, 2, 4, 6, 10, 20, 40],
            Self::En => &[0, 1, 2, 3, 5, 10, 20],
        }
    }

    fn context_lengths(self) -> &'static [usize] {
        match self {
            Self::Ja => &[100, 200, 300, 400, 600, 800, 1600],
            Self::En => &[50, 100, 150, 200, 300, 400, 800],
        }
    }
}

impl Scorer {
    /// Keeps so many of the worst misses.
    pub(crate) fn new(normalization: Normalization, misses: usize) -> Self {
        Self {
            normalization,
            all: MatchTotals::default(),
            failed: 0,
            by_question_type: Groups::default(),
            by_answer_length: Groups::default(),
            by_context_length: Groups::default(),
            by_windows: Groups::default(),
            no_answer: NoAnswerRows::default(),
            scores: Scores::default(),
            misses: Misses::new(misses),
        }
    }

    /// Scores a row; a prediction of `None` is one that failed, and is wrong. `windows` is how many the context took,
    /// where that is known.
    pub(crate) fn add(&mut self, gold: &Gold, prediction: Option<&Prediction>, windows: Option<usize>) {
        let right = RightAnswers::new(self.normalization, gold.answers.iter().map(|answer| answer.text.as_str()));
        let found = prediction.map_or_else(Match::default, |prediction| right.best_match(&prediction.text));
        let has_answer = !gold.answers.is_empty();

        self.all.add(found);
        self.by_question_type.add(QuestionType::of(gold.example.question()), found);
        let answer_length = gold.answers.first().map_or(0, |answer| self.normalization.length(&answer.text).max(1));
        self.by_answer_length.add(Bucket::of(answer_length, self.normalization.answer_lengths()), found);
        let context_length = self.normalization.length(gold.example.context());
        self.by_context_length.add(Bucket::of(context_length, self.normalization.context_lengths()), found);
        if let Some(windows) = windows {
            self.by_windows.add(Bucket::of(windows, WINDOWS), found);
        }

        let rivals = prediction.map(|prediction| &prediction.rivals);
        let span = rivals.and_then(|rivals| rivals.span.as_ref());
        let span = span.map(|span| match prediction {
            Some(prediction) if prediction.text == span.text => found,
            _ => right.best_match(&span.text),
        });
        self.no_answer.add(has_answer, found, rivals, span);

        let Some(prediction) = prediction else {
            self.failed += 1;
            return;
        };
        if let Some(score) = prediction.score {
            self.scores.add(score, found.exact);
        }
        if !found.exact {
            self.misses.add(gold, prediction, found.f1);
        }
    }

    pub(crate) fn finish(self) -> Figures {
        Figures {
            normalization: self.normalization,
            all: self.all.quality(),
            failed: self.failed,
            by_question_type: self.by_question_type.finish(),
            by_answer_length: self.by_answer_length.finish(),
            by_context_length: self.by_context_length.finish(),
            by_windows: self.by_windows.finish(),
            no_answer: self.no_answer.finish(),
            calibration: self.scores.finish(),
            worst_misses: self.misses.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::gold::GoldAnswer;
    use super::*;
    use crate::io::Position;
    use crate::qa::Example;

    fn score(normalization: Normalization, gold: &[&str], prediction: &str) -> Quality {
        let example = Example::new("Who?".to_owned(), "Some context.".to_owned()).unwrap();
        let answers = gold.iter().map(|text| GoldAnswer { text: (*text).to_owned(), start: None }).collect();
        let gold = Gold { position: Position { source: "gold".into(), number: 1 }, id: None, example, answers };
        let mut scorer = Scorer::new(normalization, 0);
        scorer.add(&gold, Some(&Prediction::only(prediction.to_owned(), None, None)), None);
        scorer.finish().all
    }

    #[test]
    fn the_best_of_several_right_answers_counts() {
        let quality = score(Normalization::En, &["Ada Lovelace", "Lovelace"], "Countess Lovelace");
        assert_eq!(quality.exact_match, 0.0);
        assert!((quality.f1 - 200.0 / 3.0).abs() < 1e-9, "{quality:?}");
        assert_eq!(score(Normalization::En, &["Ada", "the Countess"], "Countess!").exact_match, 100.0);
    }

    #[test]
    fn nothing_is_right_where_there_is_no_answer() {
        for normalization in [Normalization::Ja, Normalization::En] {
            assert_eq!(score(normalization, &[], "").f1, 100.0);
            assert_eq!(score(normalization, &[], "x").f1, 0.0);
            assert_eq!(score(normalization, &["x"], "").f1, 0.0);
        }
        // An article is no answer in English.
        assert_eq!(score(Normalization::En, &["the", "x"], "").exact_match, 0.0);
        assert_eq!(score(Normalization::En, &["the"], "").exact_match, 100.0);
    }

    #[test]
    fn a_failed_row_is_wrong_even_where_there_is_no_answer() {
        let example = Example::new("Who?".to_owned(), "Some context.".to_owned()).unwrap();
        let gold =
            Gold { position: Position { source: "gold".into(), number: 1 }, id: None, example, answers: Vec::new() };
        let mut scorer = Scorer::new(Normalization::En, 5);
        scorer.add(&gold, None, None);
        let figures = scorer.finish();
        assert_eq!((figures.failed, figures.all.f1, figures.worst_misses.len()), (1, 0.0, 0));
    }
}
