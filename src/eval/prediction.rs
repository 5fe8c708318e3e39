use crate::pipeline::RowDetails;
use crate::qa::{Answer, NoAnswerThreshold};

/// What was answered to a question, and how sure of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Prediction {
    /// Empty for "no answer".
    pub text: String,
    /// Probability of the answer.
    pub score: Option<f32>,
    /// First character of the answer, in Unicode code points from the start of the context.
    pub start: Option<usize>,
    /// What "no answer" competes with.
    pub rivals: Rivals,
}

/// What is known of the race between "no answer" and the best span.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Rivals {
    /// The most probable span that is not empty; `None` if only "no answer" is known.
    pub span: Option<Rival>,
    /// Probability of "no answer".
    pub null_score: Option<f32>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rival {
    pub text: String,
    pub score: Option<f32>,
}

impl Prediction {
    /// What the pipeline says of a row when it was run without `handle_impossible_answer`; with
    /// a threshold, the prediction is what that option would have made of it at this `no_answer_threshold`.
    pub(crate) fn new(best: Answer, details: Option<RowDetails>, threshold: Option<NoAnswerThreshold>) -> Self {
        let null_score = details.map(|details| details.null_score);
        let rivals = Rivals { span: Some(Rival { text: best.text.clone(), score: Some(best.score) }), null_score };
        let wins = |null: &f32| threshold.is_some_and(|threshold| threshold.is_exceeded(*null, best.score));
        match null_score.filter(wins) {
            Some(null) => Self { text: String::new(), score: Some(null), start: None, rivals },
            None => Self { text: best.text, score: Some(best.score), start: Some(best.start), rivals },
        }
    }

    /// A prediction of which nothing but the answer is known, and perhaps its score.
    pub(crate) fn only(text: String, score: Option<f32>, start: Option<usize>) -> Self {
        let span = (!text.is_empty()).then(|| Rival { text: text.clone(), score });
        Self { text, score, start, rivals: Rivals { span, null_score: None } }
    }

    /// The first of several, most probable first. An empty one is "no answer".
    pub(crate) fn first_of(answers: Vec<Self>) -> Option<Self> {
        let span = answers.iter().find(|answer| !answer.text.is_empty());
        let span = span.map(|answer| Rival { text: answer.text.clone(), score: answer.score });
        let null_score = answers.iter().find(|answer| answer.text.is_empty()).and_then(|answer| answer.score);
        let first = answers.into_iter().next()?;
        Some(Self { rivals: Rivals { span, null_score }, ..first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_wins_only_where_it_may_and_is_more_probable() {
        let best = Answer { text: "Bell".to_owned(), score: 0.4, start: 3, end: 7 };
        let prediction = |null_score, threshold: Option<NoAnswerThreshold>| {
            Prediction::new(best.clone(), Some(RowDetails { windows: 1, null_score }), threshold)
        };
        let half = Some(NoAnswerThreshold::default());
        assert_eq!(prediction(0.5, None).text, "Bell");
        assert_eq!(prediction(0.4, half).text, "Bell");
        assert_eq!(prediction(0.5, NoAnswerThreshold::new(0.6).ok()).text, "Bell");
        let null = prediction(0.5, half);
        assert_eq!((null.text.as_str(), null.score, null.start), ("", Some(0.5), None));
        assert_eq!(null.rivals.span.unwrap().text, "Bell");
    }

    #[test]
    fn a_list_holds_both_rivals() {
        let list = |texts: &[(&str, f32)]| {
            Prediction::first_of(
                texts.iter().map(|(text, score)| Prediction::only((*text).to_owned(), Some(*score), None)).collect(),
            )
        };
        let prediction = list(&[("", 0.6), ("Bell", 0.3), ("Gray", 0.1)]).unwrap();
        assert_eq!(prediction.text, "");
        assert_eq!(
            prediction.rivals,
            Rivals { span: Some(Rival { text: "Bell".to_owned(), score: Some(0.3) }), null_score: Some(0.6) }
        );
        assert_eq!(list(&[("Bell", 0.3), ("Gray", 0.1)]).unwrap().rivals.null_score, None);
        assert_eq!(list(&[]), None);
    }
}
