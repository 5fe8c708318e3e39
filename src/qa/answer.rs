/// A span of the context that answers the question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text of the span; empty when "no answer" wins under `handle_impossible_answer`, by `no_answer_threshold`.
    pub text: String,
    /// Probability of the span: softmax of the start logits times softmax of the end logits, over the window's
    /// context. As in the reference, spans with the same text add up, so that a text found in several windows can
    /// score above 1.
    pub score: f32,
    /// First character of the span, in Unicode code points from the start of the context.
    pub start: usize,
    /// One past the last character of the span, in Unicode code points.
    pub end: usize,
}
