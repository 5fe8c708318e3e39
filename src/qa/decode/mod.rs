//! Logits to answers: the spans of each window ([`window_spans`]), and the answers of all windows of an example
//! together ([`merge`]).
//!
//! Probabilities and ties follow the reference, transformers 5.2.0's `QuestionAnsweringPipeline.postprocess`. What
//! becomes of white space and of equal texts is a choice: [`Compat`](super::Compat).

mod characters;
mod merge;
mod spans;

pub use merge::{merge, null_score};
pub use spans::{Span, WindowSpans, window_spans};
