//! Logits to answers: the spans of each window ([`window_spans`]), and the answers of all windows of an example
//! together ([`merge`]).
//!
//! Probabilities, ties and the sum over equal texts follow the reference,
//! transformers 5.2.0's `QuestionAnsweringPipeline.postprocess`.

use std::cmp::Ordering;

use super::{Answer, Options, RowError, Window};

/// A span of the context, in Unicode code points, with its probability within its window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Its probability.
    pub score: f32,
    /// Its first character.
    pub start: usize,
    /// One past its last character.
    pub end: usize,
}

/// What one window says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WindowSpans {
    /// The window's best spans, most probable first.
    pub spans: Vec<Span>,
    /// Probability that the window holds no answer: that of the classifier token as start and as end.
    pub null_score: f32,
}

/// The best spans of a window: `softmax(start)[s] * softmax(end)[e]` for all context tokens `s <= e` of at most
/// `max_answer_len` tokens, where both softmaxes run over the context and the [other tokens](Window::others) that take part.
///
/// `start` and `end` are the window's logits, `[tokens]`.
pub fn window_spans(window: &Window, start: &[f32], end: &[f32], options: &Options) -> WindowSpans {
    let start = Probabilities::new(window, start);
    let end = Probabilities::new(window, end);
    // Aligning to words can make spans equal, which then count as one.
    let wanted = if options.align_to_words { options.top_k * 2 + 10 } else { options.top_k };
    let spans = best_pairs(&start.context, &end.context, options.max_answer_len, wanted)
        .into_iter()
        .map(|(score, first, last)| {
            let (start, end) = characters(window, first, last);
            Span { score, start, end }
        })
        .collect();
    WindowSpans { spans, null_score: start.first * end.first }
}

struct Probabilities {
    /// Of each context token.
    context: Vec<f32>,
    /// Of the window's first token, the classifier token of the families that have one.
    first: f32,
}

impl Probabilities {
    fn new(window: &Window, logits: &[f32]) -> Self {
        let context = &logits[window.context.clone()];
        let others = window.others.iter().map(|&token| logits[token]);
        let max = context.iter().copied().chain(others.clone()).fold(f32::NEG_INFINITY, f32::max);
        let mut probabilities: Vec<f32> = context.iter().map(|logit| (logit - max).exp()).collect();
        let sum = probabilities.iter().sum::<f32>() + others.map(|logit| (logit - max).exp()).sum::<f32>();
        probabilities.iter_mut().for_each(|p| *p /= sum);
        let first = if window.others.contains(&0) { (logits[0] - max).exp() / sum } else { 0.0 };
        Self { context: probabilities, first }
    }
}

/// The `wanted` most probable pairs of start and end token, most probable first; of equally probable ones the first
/// in the text. Pairs of probability 0 are left out.
fn best_pairs(start: &[f32], end: &[f32], max_answer_len: usize, wanted: usize) -> Vec<(f32, usize, usize)> {
    // Sorted, best first, and never longer than `wanted`: nearly every pair is turned away by one comparison with
    // the last.
    let mut best: Vec<(f32, usize, usize)> = Vec::with_capacity(wanted.min(start.len() * max_answer_len) + 1);
    let mut threshold = 0.0;
    for (first, &p_start) in start.iter().enumerate() {
        for (last, &p_end) in end.iter().enumerate().skip(first).take(max_answer_len) {
            let score = p_start * p_end;
            if score > threshold {
                let place = best.partition_point(|other| other.0 >= score);
                best.insert(place, (score, first, last));
                best.truncate(wanted);
                if best.len() == wanted {
                    threshold = best[wanted - 1].0;
                }
            }
        }
    }
    best
}

/// The characters from the first to the last of two context tokens, widened to whole words where the window has
/// them.
fn characters(window: &Window, first: usize, last: usize) -> (usize, usize) {
    let (start, end) = match words_of(window, first, last) {
        Some((start_word, end_word)) => {
            let words = window.words.as_deref().unwrap_or_default();
            let of = |word| move |other: &Option<u32>| *other == Some(word);
            (
                words.iter().position(of(start_word)).unwrap_or(first),
                words.iter().rposition(of(end_word)).unwrap_or(last),
            )
        }
        None => (first, last),
    };
    (window.offsets[start].0 as usize, window.offsets[end].1 as usize)
}

/// The words of two context tokens; `None` unless both have one.
fn words_of(window: &Window, first: usize, last: usize) -> Option<(u32, u32)> {
    let words = window.words.as_ref()?;
    Some((words[first]?, words[last]?))
}

/// The answers of an example from what its windows say, in the order of the windows: the `top_k` most probable,
/// where spans with the same text (but for case) count as one and their probabilities add up. Under
/// `handle_impossible_answer`, "no answer" stands before the spans over which it wins by `no_answer_threshold`.
///
/// # Errors
/// If no window has a span of positive probability: the model's logits are not finite, or so far apart that only an
/// end before the start is probable.
pub fn merge(context: &str, windows: &[WindowSpans], options: &Options) -> Result<Vec<Answer>, RowError> {
    let text = Characters::new(context);
    let mut answers: Vec<(String, Answer)> = Vec::new();
    for span in windows.iter().flat_map(|window| &window.spans) {
        let answer = text.slice(span.start, span.end);
        let folded = answer.to_lowercase();
        match answers.iter_mut().find(|(other, _)| *other == folded) {
            Some((_, found)) => found.score += span.score,
            None => answers.push((
                folded,
                Answer { text: answer.to_owned(), score: span.score, start: span.start, end: span.end },
            )),
        }
    }
    let mut answers: Vec<Answer> = answers.into_iter().map(|(_, answer)| answer).collect();
    if answers.is_empty() {
        return Err(RowError::NoProbableSpan);
    }
    answers.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal));
    if options.handle_impossible_answer {
        let score = null_score(windows);
        // The more probable a span, the less can be won over it: at 0.5, this keeps the answers in order.
        let place = answers.partition_point(|answer| !options.no_answer_threshold.is_exceeded(score, answer.score));
        answers.insert(place, Answer { text: String::new(), score, start: 0, end: 0 });
    }
    answers.truncate(options.top_k);
    Ok(answers)
}

/// Probability that a context holds no answer, from what its windows say: the smallest of theirs, since one that is
/// sure of an answer is enough.
pub fn null_score(windows: &[WindowSpans]) -> f32 {
    windows.iter().map(|window| window.null_score).fold(f32::INFINITY, f32::min)
}

/// A text that can be cut at code points.
struct Characters<'a> {
    text: &'a str,
    /// Where each code point begins, in bytes; empty for ASCII, where they are the same.
    starts: Vec<usize>,
}

impl<'a> Characters<'a> {
    fn new(text: &'a str) -> Self {
        let starts = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(start, _)| start).collect() };
        Self { text, starts }
    }

    /// The code points from `start` to `end`; empty where that is backwards, as Python's slices are.
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(self.byte(start)..self.byte(end)).unwrap_or_default()
    }

    fn byte(&self, character: usize) -> usize {
        if self.starts.is_empty() {
            character.min(self.text.len())
        } else {
            self.starts.get(character).copied().unwrap_or(self.text.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::qa::NoAnswerThreshold;

    /// A window that is all context: one token a character, after a classifier token.
    fn window(tokens: usize) -> Window {
        Window {
            input_ids: vec![0; tokens + 1],
            token_type_ids: vec![0; tokens + 1],
            context: 1..tokens + 1,
            offsets: (0..tokens as u32).map(|token| (token, token + 1)).collect(),
            words: None,
            others: vec![0],
        }
    }

    fn softmax(logits: &[f32]) -> Vec<f64> {
        let exp: Vec<f64> = logits.iter().map(|logit| f64::from(*logit).exp()).collect();
        let sum: f64 = exp.iter().sum();
        exp.into_iter().map(|p| p / sum).collect()
    }

    /// All spans by their definition, most probable first.
    fn plain_spans(start: &[f32], end: &[f32], max_answer_len: usize) -> Vec<(f64, usize, usize)> {
        let (start, end) = (softmax(start), softmax(end));
        let mut spans = Vec::new();
        for (first, p_start) in start.iter().enumerate().skip(1) {
            for (last, p_end) in end.iter().enumerate().skip(first).take(max_answer_len) {
                spans.push((p_start * p_end, first - 1, last));
            }
        }
        spans.sort_by(|a, b| b.0.total_cmp(&a.0));
        spans
    }

    fn logits(tokens: std::ops::Range<usize>) -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
        tokens.prop_flat_map(|tokens| {
            let logits = proptest::collection::vec(-12.0f32..12.0, tokens + 1);
            (logits.clone(), logits)
        })
    }

    proptest! {
        #[test]
        fn spans_are_the_most_probable(
            (start, end) in logits(1..60),
            top_k in 1usize..8,
            max_answer_len in 1usize..20,
        ) {
            let options = Options { top_k, max_answer_len, ..Options::default() };
            let found = window_spans(&window(start.len() - 1), &start, &end, &options);
            let expected = plain_spans(&start, &end, max_answer_len);
            prop_assert_eq!(found.spans.len(), top_k.min(expected.len()));
            for (found, expected) in found.spans.iter().zip(&expected) {
                // Near-ties may change places, so it is the probabilities that are compared.
                prop_assert!((f64::from(found.score) - expected.0).abs() < 1e-6, "{found:?} {expected:?}");
                prop_assert!(found.start < found.end && found.end - found.start <= max_answer_len);
                let own = expected_score(&start, &end, found);
                prop_assert!((f64::from(found.score) - own).abs() < 1e-6);
            }
            let null = softmax(&start)[0] * softmax(&end)[0];
            prop_assert!((f64::from(found.null_score) - null).abs() < 1e-6);
        }

        #[test]
        fn texts_are_cut_at_code_points(text in "\\PC{1,30}", start in 0usize..32, length in 0usize..32) {
            let cut: String = text.chars().skip(start).take(length).collect();
            prop_assert_eq!(Characters::new(&text).slice(start, start + length), cut);
        }
    }

    fn expected_score(start: &[f32], end: &[f32], span: &Span) -> f64 {
        softmax(start)[span.start + 1] * softmax(end)[span.end]
    }

    #[test]
    fn of_equally_probable_spans_the_first_wins() {
        let found = window_spans(&window(4), &[0.0; 5], &[0.0; 5], &Options::default());
        assert_eq!((found.spans[0].start, found.spans[0].end), (0, 1));
    }

    fn span(score: f32, start: usize, end: usize) -> WindowSpans {
        WindowSpans { spans: vec![Span { score, start, end }], null_score: 0.5 }
    }

    #[test]
    fn equal_texts_add_up() {
        // The first place stays, and case does not count.
        let answers = merge("Ada met ada.", &[span(0.3, 0, 3), span(0.4, 8, 11)], &Options::default()).unwrap();
        assert_eq!(answers.len(), 1);
        assert_eq!((answers[0].start, answers[0].text.as_str()), (0, "Ada"));
        assert!((answers[0].score - 0.7).abs() < 1e-6);
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
    fn logits_that_are_not_finite_are_an_error() {
        let logits = [f32::NAN; 5];
        let spans = window_spans(&window(4), &logits, &logits, &Options::default());
        assert!(merge("Ada.", &[spans], &Options::default()).unwrap_err().to_string().contains("not finite"));
    }

    #[test]
    fn an_end_before_the_start_beyond_doubt_is_an_error() {
        let (mut start, mut end) = ([-200.0; 5], [-200.0; 5]);
        (start[3], end[2]) = (200.0, 200.0);
        let spans = window_spans(&window(4), &start, &end, &Options::default());
        let error = merge("Ada.", &[spans], &Options::default()).unwrap_err().to_string();
        assert!(error.contains("an end before the start"), "{error}");
    }
}
