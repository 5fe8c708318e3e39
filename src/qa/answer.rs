/// A span of the context that answers the question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text of the span; empty when "no answer" wins under `handle_impossible_answer`, by `no_answer_threshold`.
    pub text: String,
    /// Probability of the text within a window: softmax of the start logits times softmax of the end logits, over the
    /// window's context, summed over the spans with this text; of several windows, the highest. As the reference
    /// counts ([`Compat::Transformers`](super::Compat)), windows add up too, so that a text found in several can score above 1.
    pub score: f32,
    /// First character of the span, in Unicode code points from the start of the context.
    pub start: usize,
    /// One past the last character of the span, in Unicode code points.
    pub end: usize,
}
