/// How rows become windows and logits become answers, under the names and with the meaning of the reference
/// (transformers 5.2.0's `QuestionAnsweringPipeline`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many answers to give for a row, most probable first.
    pub top_k: usize,
    /// Longest window in tokens: question, part of the context and special tokens.
    pub max_seq_len: usize,
    /// Tokens that neighbouring windows of a long context share.
    pub doc_stride: usize,
    /// Longest answer in tokens.
    pub max_answer_len: usize,
    /// Question tokens after this many are left out; `None` leaves questions whole, as the reference does with
    /// fast tokenizers.
    pub max_question_len: Option<usize>,
    /// Let "no answer" (an empty span) compete with the spans.
    pub handle_impossible_answer: bool,
    /// Widen an answer to whole words, as the tokenizer splits them.
    pub align_to_words: bool,
    /// Most windows that an example may take; one that takes more is an error. The reference has no such limit.
    pub max_windows: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            top_k: 1,
            max_seq_len: 512,
            doc_stride: 128,
            max_answer_len: 15,
            max_question_len: None,
            handle_impossible_answer: false,
            align_to_words: false,
            max_windows: usize::MAX,
        }
    }
}
