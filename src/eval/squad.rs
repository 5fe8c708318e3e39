//! How good answers are that are in memory, by id: the figures of the metrics `squad` and `squad_v2` of the library
//! evaluate, as `bertqa eval` has them.

use indexmap::IndexMap;

use super::no_answer::{Peak, Ties, best_over};
use super::right::RightAnswers;
use super::totals::{Match, MatchTotals, percent};

pub use super::normalize::Normalization;
pub use super::totals::Quality;

/// A question's right answers: any of them is right, and without one the question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The id that its prediction has too.
    pub id: String,
    /// Texts.
    pub answers: Vec<String>,
}

/// What was answered to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Empty for "no answer".
    pub text: String,
    /// How probable it is that the question has no answer.
    pub no_answer_probability: f32,
}

/// The figures of predictions. Shares are in percent.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Over all questions.
    pub all: Quality,
    /// Over those that have an answer.
    pub has_answer: Quality,
    /// Over those that have none.
    pub no_answer: Quality,
    /// The highest exact match that a threshold on the probability of "no answer" can give, as SQuAD 2.0 defines it.
    pub best_exact: Best,
    /// And the highest F1.
    pub best_f1: Best,
    /// The ids without a prediction, which count as wrong.
    pub missing: Vec<String>,
}

/// What a threshold gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// The figure.
    pub value: f64,
    /// "No answer" is given above it.
    pub threshold: f64,
}

/// What is known of a prediction that has a reference.
#[derive(Debug, Clone, Copy)]
struct Row {
    has_answer: bool,
    is_empty: bool,
    found: Match,
}

/// The figures of predictions by id. One that is surer than `threshold` that there is no answer counts as that. Of
/// several with one id the last counts, and those that have no reference do not.
pub fn score(
    references: &[Reference],
    predictions: impl IntoIterator<Item = (String, Prediction)>,
    threshold: f64,
    normalization: Normalization,
) -> Figures {
    let predictions: IndexMap<String, Prediction> = predictions.into_iter().collect();
    let mut rows: Vec<Option<Row>> = vec![None; predictions.len()];
    let (mut with_answer, mut without, mut all) =
        (MatchTotals::default(), MatchTotals::default(), MatchTotals::default());
    let mut missing = Vec::new();
    let mut impossible = 0;
    for Reference { id, answers } in references {
        let has_answer = !answers.is_empty();
        let counted = if let Some((index, _, prediction)) = predictions.get_full(id) {
            let right = RightAnswers::new(normalization, answers.iter().map(String::as_str));
            let found = right.best_match(&prediction.text);
            rows[index] = Some(Row { has_answer, is_empty: prediction.text.is_empty(), found });
            impossible += u32::from(!has_answer);
            match f64::from(prediction.no_answer_probability) > threshold {
                true => Match { exact: !has_answer, f1: f64::from(u8::from(!has_answer)) },
                false => found,
            }
        } else {
            missing.push(id.clone());
            Match::default()
        };
        all.add(counted);
        if has_answer { with_answer.add(counted) } else { without.add(counted) }
    }

    let probabilities = predictions.values().map(|prediction| f64::from(prediction.no_answer_probability));
    let mut order: Vec<(f64, usize)> = probabilities.zip(0..).filter(|(_, index)| rows[*index].is_some()).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let best = |value: fn(Match) -> f64| {
        let Peak { gain, threshold, .. } = best_over(&order, Ties::InOrder, |index| match rows[index] {
            Some(Row { has_answer: true, found, .. }) => value(found),
            Some(Row { is_empty: false, .. }) => -1.0,
            _ => 0.0,
        });
        Best { value: percent(f64::from(impossible) + gain, references.len() as u64), threshold }
    };
    Figures {
        all: all.quality(),
        has_answer: with_answer.quality(),
        no_answer: without.quality(),
        best_exact: best(|found| f64::from(u8::from(found.exact))),
        best_f1: best(|found| found.f1),
        missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(id: &str, answers: &[&str]) -> Reference {
        Reference { id: id.to_owned(), answers: answers.iter().map(|answer| (*answer).to_owned()).collect() }
    }

    fn prediction(id: &str, text: &str, no_answer_probability: f32) -> (String, Prediction) {
        (id.to_owned(), Prediction { text: text.to_owned(), no_answer_probability })
    }

    #[test]
    fn missing_ones_are_wrong_and_others_do_not_count() {
        let references = [reference("a", &["Ada"]), reference("b", &["Bell"]), reference("c", &[])];
        let predictions = [
            prediction("z", "x", 0.0),
            prediction("a", "x", 0.0),
            prediction("c", "", 0.9),
            prediction("a", "ada", 0.0),
        ];
        let figures = score(&references, predictions, 1.0, Normalization::En);
        assert_eq!(figures.missing, ["b"]);
        assert_eq!((figures.all.rows, figures.has_answer.exact_match, figures.no_answer.f1), (3, 50.0, 100.0));
        assert!((figures.best_exact.value - 200.0 / 3.0).abs() < 1e-9, "{figures:?}");
    }

    #[test]
    fn above_the_threshold_there_is_no_answer() {
        let references = [reference("a", &["Ada"]), reference("b", &[])];
        let predictions = [prediction("a", "Ada", 0.75), prediction("b", "Bell", 0.75)];
        let at = |threshold| {
            let figures = score(&references, predictions.clone(), threshold, Normalization::En);
            (figures.has_answer.exact_match, figures.no_answer.exact_match)
        };
        assert_eq!((at(0.75), at(0.5)), ((100.0, 0.0), (0.0, 100.0)));
    }
}
