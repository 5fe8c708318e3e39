//! The most probable spans of a window.

use crate::qa::{Compat, Options, Window};

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
    let wanted = candidates(options);
    let spans = best_pairs(&start.context, &end.context, options.max_answer_len, wanted)
        .into_iter()
        .map(|(score, first, last)| {
            let (start, end) = characters(window, first, last);
            Span { score, start, end }
        })
        .collect();
    WindowSpans { spans, null_score: start.first * end.first }
}

/// How many spans of a window are looked at.
fn candidates(options: &Options) -> usize {
    // Spans can have equal texts, above all when they are aligned to words, and then count as one.
    let more = options.top_k.saturating_mul(2).saturating_add(10);
    match options.compat {
        // As many as the reference, since it decides what adds up.
        Compat::Transformers if options.align_to_words => more,
        Compat::Transformers => options.top_k,
        // So many that what adds up does not hang on `top_k`, nor on what is improbable.
        Compat::None => more.max(CANDIDATES),
    }
}

const CANDIDATES: usize = 64;

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
        let mut probabilities: Vec<f32> = context.iter().map(|logit| libm::expf(logit - max)).collect();
        let sum = probabilities.iter().sum::<f32>() + others.map(|logit| libm::expf(logit - max)).sum::<f32>();
        probabilities.iter_mut().for_each(|p| *p /= sum);
        let first = if window.others.contains(&0) { libm::expf(logits[0] - max) / sum } else { 0.0 };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        let exp: Vec<f64> = logits.iter().map(|logit| libm::exp(f64::from(*logit))).collect();
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
            let options = Options { top_k, max_answer_len, compat: Compat::Transformers, ..Options::default() };
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
    }

    proptest! {
        #[test]
        fn what_adds_up_does_not_hang_on_top_k((start, end) in logits(1..60), top_k in 1usize..8) {
            let spans = |top_k| {
                let options = Options { top_k, ..Options::default() };
                window_spans(&window(start.len() - 1), &start, &end, &options).spans
            };
            prop_assert_eq!(spans(top_k), spans(1));
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

    #[test]
    fn logits_that_are_not_finite_have_no_spans() {
        let logits = [f32::NAN; 5];
        assert_eq!(window_spans(&window(4), &logits, &logits, &Options::default()).spans, []);
    }

    #[test]
    fn an_end_before_the_start_beyond_doubt_has_no_spans() {
        let (mut start, mut end) = ([-200.0; 5], [-200.0; 5]);
        (start[3], end[2]) = (200.0, 200.0);
        assert_eq!(window_spans(&window(4), &start, &end, &Options::default()).spans, []);
    }
}
