use std::ops::Range;

/// How question and context stand in a window, which is as the model was trained: transformers' `padding_side` and
/// `truncation_side` of a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WindowLayout {
    /// Which of the two comes first.
    pub order: TextOrder,
    /// Where the first window of a long context is.
    pub first_window: ContextEnd,
}

/// Which of question and context comes first in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextOrder {
    /// The question, as for models that are padded on the right: nearly all.
    #[default]
    QuestionFirst,
    /// The context, as for models that are padded on the left. Probabilities are then shares of the whole window, in
    /// the reference and here.
    ContextFirst,
}

/// An end of the context. Windows are counted from there, so that the last one may be the shortest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContextEnd {
    /// Its beginning, where tokens are cut off on the right: nearly always.
    #[default]
    Beginning,
    /// Its end, where they are cut off on the left.
    End,
}

/// One pass of the model over an example (Hugging Face's "feature"): the question, special tokens, and as much of
/// the context as fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Vocabulary ids, `[tokens]`.
    pub input_ids: Vec<u32>,
    /// Segment of each token, `[tokens]`; all 0 for models that take none.
    pub token_type_ids: Vec<u32>,
    /// The tokens that belong to the context.
    pub context: Range<usize>,
    /// Characters of the context that each context token stands for: start and end in Unicode code points,
    /// `[context.len()]`.
    pub offsets: Vec<(u32, u32)>,
    /// The word of the context that each context token belongs to, `[context.len()]`; only under `align_to_words`.
    pub words: Option<Vec<Option<u32>>>,
    /// Tokens outside the context that take part in the softmax: the classifier token, on which models put the
    /// probability of "no answer"; all of them where the context comes first.
    pub others: Vec<usize>,
}

impl Window {
    /// Length in tokens.
    pub fn tokens(&self) -> usize {
        self.input_ids.len()
    }
}
