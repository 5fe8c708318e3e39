//! The answers of an example.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::characters::Characters;
use super::{Span, WindowSpans};
use crate::qa::{Answer, Compat, Options, RowError};

/// The answers of an example from what its windows say, in the order of the windows: the `top_k` most probable texts.
/// Under `handle_impossible_answer`, "no answer" stands before the spans over which it wins by `no_answer_threshold`.
///
/// Spans have equal texts if they differ at most in case and in white space at their ends, which is no part of an
/// answer. Within a window their probabilities add up; of several windows the one where they are the most probable
/// counts, and there the most probable of them says where the answer stands. With [`Compat::Transformers`], white space
/// stays, probabilities add up over all windows, and the first span of a text says where it stands.
///
/// # Errors
/// If no window has a span of positive probability: the model's logits are not finite, or so far apart that only an
/// end before the start is probable.
pub fn merge(context: &str, windows: &[WindowSpans], options: &Options) -> Result<Vec<Answer>, RowError> {
    let text = Characters::new(context);
    let mut answers = match options.compat {
        Compat::None => best_of_windows(&text, windows, options.top_k),
        Compat::Transformers => {
            sum_of_equal_texts(windows.iter().flat_map(|window| &window.spans).map(|span| cut(&text, span)))
        }
    };
    if answers.is_empty() {
        return Err(RowError::NoProbableSpan);
    }
    sort(&mut answers);
    if options.handle_impossible_answer {
        let score = null_score(windows);
        // The more probable a span, the less can be won over it: at 0.5, this keeps the answers in order.
        let place = answers.partition_point(|answer| !options.no_answer_threshold.is_exceeded(score, answer.score));
        answers.insert(place, Answer { text: String::new(), score, start: 0, end: 0 });
    }
    answers.truncate(options.top_k);
    Ok(answers)
}

/// The most probable texts, each as probable as in the window where it is the most.
fn best_of_windows(text: &Characters, windows: &[WindowSpans], top_k: usize) -> Vec<Answer> {
    let mut best = Texts::default();
    for window in windows {
        let spans = window.spans.iter().map(|span| trimmed(cut(text, span))).filter(|answer| !answer.text.is_empty());
        let mut answers = sum_of_equal_texts(spans);
        sort(&mut answers);
        // What is not among the best of the window where it is the most probable is not among the best of all.
        for answer in answers.into_iter().take(top_k) {
            best.add(answer, |best, answer| {
                if answer.score > best.score {
                    *best = answer;
                }
            });
        }
    }
    // A sum of probabilities, which rounding can bring above 1.
    best.answers.iter_mut().for_each(|answer| answer.score = answer.score.min(1.0));
    best.answers
}

/// Answers of which the texts differ, in the order of the first of each text, whose place stays.
fn sum_of_equal_texts(answers: impl Iterator<Item = Answer>) -> Vec<Answer> {
    let mut texts = Texts::default();
    answers.for_each(|answer| texts.add(answer, |found, answer| found.score += answer.score));
    texts.answers
}

/// Answers that can be found by their text, in which case does not count.
#[derive(Default)]
struct Texts {
    answers: Vec<Answer>,
    places: HashMap<String, usize>,
}

impl Texts {
    /// Adds an answer, or brings it together with the one that has its text.
    fn add(&mut self, answer: Answer, bring_together: impl FnOnce(&mut Answer, Answer)) {
        match self.places.entry(answer.text.to_lowercase()) {
            Entry::Occupied(place) => bring_together(&mut self.answers[*place.get()], answer),
            Entry::Vacant(place) => {
                place.insert(self.answers.len());
                self.answers.push(answer);
            }
        }
    }
}

/// Most probable first; of equally probable ones the first stays before.
fn sort(answers: &mut [Answer]) {
    answers.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal));
}

fn cut(text: &Characters, span: &Span) -> Answer {
    let &Span { score, start, end } = span;
    Answer { text: text.slice(start, end).to_owned(), score, start, end }
}

/// The answer without white space at its ends.
fn trimmed(answer: Answer) -> Answer {
    let text = answer.text.trim_start();
    let before = answer.text[..answer.text.len() - text.len()].chars().count();
    let start = answer.start + before;
    let text = text.trim_end().to_owned();
    let end = start + text.chars().count();
    Answer { text, start, end, ..answer }
}

/// Probability that a context holds no answer, from what its windows say: the smallest of theirs, since one that is
/// sure of an answer is enough.
pub fn null_score(windows: &[WindowSpans]) -> f32 {
    windows.iter().map(|window| window.null_score).fold(f32::INFINITY, f32::min)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::qa::NoAnswerThreshold;

    fn span(score: f32, start: usize, end: usize) -> WindowSpans {
        WindowSpans { spans: vec![Span { score, start, end }], null_score: 0.5 }
    }

    fn spans(spans: &[(f32, usize, usize)]) -> WindowSpans {
        let spans = spans.iter().map(|&(score, start, end)| Span { score, start, end }).collect();
        WindowSpans { spans, null_score: 0.0 }
    }

    fn merged(context: &str, windows: &[WindowSpans], compat: Compat) -> Vec<(String, f32, usize, usize)> {
        let answers = merge(context, windows, &Options { top_k: 9, compat, ..Options::default() }).unwrap();
        // To what can be written down exactly.
        answers.into_iter().map(|a| (a.text, (a.score * 1000.0).round() / 1000.0, a.start, a.end)).collect()
    }

    const ADA: &str = "Ada met\u{3000}ada .";

    #[test]
    fn equal_texts_of_a_window_add_up_without_their_white_space() {
        // "\u{3000}ada ", "Ada", "met".
        let window = spans(&[(0.35, 7, 12), (0.25, 0, 3), (0.1, 4, 7)]);
        let plain = merged(ADA, std::slice::from_ref(&window), Compat::None);
        assert_eq!(plain, [("ada".to_owned(), 0.6, 8, 11), ("met".to_owned(), 0.1, 4, 7)]);
        let transformers = merged(ADA, &[window], Compat::Transformers);
        assert_eq!(transformers[0], ("\u{3000}ada ".to_owned(), 0.35, 7, 12));
        assert_eq!(transformers.len(), 3);
    }

    #[test]
    fn over_windows_the_most_probable_counts_but_for_transformers_the_sum() {
        let windows = [spans(&[(0.8, 0, 3)]), spans(&[(0.9, 8, 11), (0.05, 4, 7)])];
        let plain = merged(ADA, &windows, Compat::None);
        assert_eq!(plain, [("ada".to_owned(), 0.9, 8, 11), ("met".to_owned(), 0.05, 4, 7)]);
        // Case does not count there either, and the first place stays.
        let transformers = merged(ADA, &windows, Compat::Transformers);
        assert_eq!(transformers[0], ("Ada".to_owned(), 1.7, 0, 3));
    }

    #[test]
    fn white_space_is_no_answer() {
        let window = spans(&[(0.8, 3, 4), (0.1, 0, 3)]);
        assert_eq!(merged(ADA, std::slice::from_ref(&window), Compat::None)[0].0, "Ada");
        assert_eq!(merged(ADA, &[window], Compat::Transformers)[0].0, " ");
        let blank = merge(ADA, &[spans(&[(0.8, 3, 4)])], &Options::default());
        assert_eq!(blank, Err(RowError::NoProbableSpan));
    }

    /// A text with many equal words, and windows of spans in it whose probabilities sum up to at most 1.
    fn text_and_windows() -> impl Strategy<Value = (String, Vec<WindowSpans>)> {
        let span = (0.0f32..1.0, 0usize..12, 1usize..4);
        let windows = proptest::collection::vec(proptest::collection::vec(span, 1..9), 1..4);
        ("[aA \u{3000}]{12,15}b{4}", windows).prop_map(|(text, windows)| {
            let window = |parts: Vec<(f32, usize, usize)>| {
                let sum = parts.iter().map(|part| part.0).sum::<f32>().max(1.0);
                spans(&parts.iter().map(|&(p, start, length)| (p / sum, start, start + length)).collect::<Vec<_>>())
            };
            (text, windows.into_iter().map(window).collect())
        })
    }

    proptest! {
        #[test]
        fn answers_are_what_people_mean((text, windows) in text_and_windows(), top_k in 1usize..6) {
            let answers = |top_k| merge(&text, &windows, &Options { top_k, ..Options::default() });
            let Ok(found) = answers(top_k) else {
                let blank = windows.iter().flat_map(|window| &window.spans).all(|span| {
                    text.chars().skip(span.start).take(span.end - span.start).all(char::is_whitespace)
                });
                prop_assert!(blank);
                return Ok(());
            };
            let mut texts = std::collections::HashSet::new();
            for answer in &found {
                let there: String = text.chars().skip(answer.start).take(answer.end - answer.start).collect();
                prop_assert_eq!(&there, &answer.text);
                prop_assert_eq!(answer.text.trim(), &answer.text);
                prop_assert!(!answer.text.is_empty() && texts.insert(answer.text.to_lowercase()));
                prop_assert!((0.0..=1.0).contains(&answer.score));
                // By its definition: the highest of the windows' sums.
                let sums = windows.iter().map(|window| {
                    let equal = window.spans.iter().filter(|span| {
                        let cut: String = text.chars().skip(span.start).take(span.end - span.start).collect();
                        cut.trim().to_lowercase() == answer.text.to_lowercase()
                    });
                    equal.map(|span| span.score).sum::<f32>()
                });
                prop_assert!((sums.fold(0.0, f32::max) - answer.score).abs() < 1e-5);
            }
            prop_assert!(found.is_sorted_by(|a, b| a.score >= b.score));
            // Fewer answers are the first of more.
            let all = answers(99).unwrap();
            prop_assert_eq!(&all[..found.len()], &found[..]);
        }
    }

    #[test]
    fn no_answer_wins_where_every_window_says_so() {
        let options = Options { handle_impossible_answer: true, ..Options::default() };
        let answers = merge("Ada did.", &[span(0.4, 0, 3)], &options).unwrap();
        assert_eq!(answers, [Answer { text: String::new(), score: 0.5, start: 0, end: 0 }]);
        // One window that is sure of its answer is enough.
        let sure = WindowSpans { null_score: 0.01, ..span(0.4, 0, 3) };
        assert_eq!(merge("Ada did.", &[span(0.1, 4, 7), sure], &options).unwrap()[0].text, "Ada");
    }

    fn with_threshold(share: f64, top_k: usize) -> Options {
        let no_answer_threshold = NoAnswerThreshold::new(share).unwrap();
        Options { handle_impossible_answer: true, no_answer_threshold, top_k, ..Options::default() }
    }

    #[test]
    fn no_answer_stands_before_the_spans_that_it_wins_over() {
        let spans = [(0.6, 0, 3), (0.2, 4, 7)].map(|(score, start, end)| Span { score, start, end });
        let windows = [WindowSpans { spans: spans.to_vec(), null_score: 0.2 }];
        let texts = |share, top_k| -> Vec<String> {
            let answers = merge("Ada did.", &windows, &with_threshold(share, top_k)).unwrap();
            answers.into_iter().map(|answer| answer.text).collect()
        };
        // Its shares are 0.25 and 0.5.
        assert_eq!(texts(0.5, 3), ["Ada", "did", ""]);
        assert_eq!(texts(0.4, 3), ["Ada", "", "did"]);
        assert_eq!(texts(0.2, 3), ["", "Ada", "did"]);
        assert_eq!((texts(0.4, 1), texts(0.2, 1)), (vec!["Ada".to_owned()], vec![String::new()]));
    }

    /// Up to three windows, with one letter of "abcd" each.
    fn windows_of_a_letter() -> impl Strategy<Value = Vec<WindowSpans>> {
        proptest::collection::vec((0.001f32..1.0, 0.0f32..1.0), 1..4).prop_map(|scores| {
            let window = |(start, (score, null_score))| WindowSpans { null_score, ..span(score, start, start + 1) };
            (0..).zip(scores).map(window).collect()
        })
    }

    proptest! {
        #[test]
        fn a_higher_threshold_never_takes_an_answer_away(
            windows in windows_of_a_letter(),
            (low, high) in (0.0f64..=1.0, 0.0f64..=1.0),
            top_k in 1usize..4,
        ) {
            let first = |share| merge("abcd", &windows, &with_threshold(share, top_k)).unwrap().swap_remove(0);
            let best = merge("abcd", &windows, &Options::default()).unwrap().swap_remove(0);
            let (at_low, at_high) = (first(low.min(high)), first(low.max(high)));
            prop_assert!(at_low.text.is_empty() || at_high == at_low);
            // It is the best span or none.
            for answer in [at_low, at_high] {
                prop_assert!(answer.text.is_empty() || answer == best);
            }
            prop_assert_eq!(first(1.0), best);
        }

        #[test]
        fn at_one_half_answers_are_in_order(windows in windows_of_a_letter()) {
            let answers = merge("abcd", &windows, &with_threshold(0.5, 9)).unwrap();
            prop_assert!(answers.is_sorted_by(|a, b| a.score >= b.score));
        }
    }

    #[test]
    fn no_probable_span_is_an_error() {
        let error = merge("Ada.", &[WindowSpans::default()], &Options::default()).unwrap_err().to_string();
        assert!(error.contains("not finite") && error.contains("an end before the start"), "{error}");
    }
}
