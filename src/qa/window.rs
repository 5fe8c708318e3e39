use std::ops::Range;

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
    /// probability of "no answer".
    pub cls: Vec<usize>,
}

impl Window {
    /// Length in tokens.
    pub fn tokens(&self) -> usize {
        self.input_ids.len()
    }
}
