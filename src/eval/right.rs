use super::normalize::{Normalization, Normalized};
use super::totals::Match;

/// The right answers to a question, made comparable.
#[derive(Debug)]
pub(super) struct RightAnswers {
    normalization: Normalization,
    /// At least one: "no answer" if there is no other.
    answers: Vec<Normalized>,
}

impl RightAnswers {
    pub(super) fn new<'a>(normalization: Normalization, answers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut answers: Vec<Normalized> = answers.into_iter().map(|answer| normalization.apply(answer)).collect();
        // As SQuAD's definition has it: an answer of nothing but articles and punctuation is none.
        if normalization == Normalization::En {
            answers.retain(|answer| !answer.is_empty());
        }
        if answers.is_empty() {
            answers.push(normalization.apply(""));
        }
        Self { normalization, answers }
    }

    /// How well a text matches the answer that is most like it.
    pub(super) fn best_match(&self, text: &str) -> Match {
        let text = self.normalization.apply(text);
        let best = |best: Match, right: &Normalized| Match {
            exact: best.exact || text == *right,
            f1: best.f1.max(text.f1(right)),
        };
        self.answers.iter().fold(Match::default(), best)
    }
}
