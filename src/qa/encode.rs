use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper, Tokenizer, TruncationDirection};

use super::{Example, Options, RowError, Window};

/// Turns examples into windows, as the reference's fast tokenizers do.
pub struct Encoder {
    /// Without its post-processor: long contexts are cut after tokenizing and before special tokens are added.
    tokenizer: Tokenizer,
    post_processor: Option<PostProcessorWrapper>,
    cls_token_id: Option<u32>,
    token_types: bool,
}

impl Encoder {
    /// `cls_token` is the classifier token's text; `token_types` says whether the model is given token types (else
    /// they are all 0).
    pub fn new(mut tokenizer: Tokenizer, cls_token: &str, token_types: bool) -> Self {
        let post_processor = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        tokenizer.with_padding(None);
        let cls_token_id = tokenizer.token_to_id(cls_token);
        Self { tokenizer, post_processor, cls_token_id, token_types }
    }

    /// The windows of an example, in the order of the context; never empty.
    ///
    /// # Errors
    /// If the question leaves no room for the context, or the context has no tokens.
    pub fn encode(&self, example: &Example, options: &Options) -> Result<Vec<Window>, RowError> {
        let mut question = self.tokenize(example.question())?;
        if let Some(longest) = options.max_question_len {
            question.truncate(longest, 0, TruncationDirection::Right);
            question.take_overflowing();
        }
        let mut context = self.tokenize(example.context())?;
        if context.is_empty() {
            return Err(RowError::encode("the context has no tokens (only blanks or control characters?)"));
        }
        context.set_type_ids(vec![1; context.len()]);

        let special = self.post_processor.as_ref().map_or(0, |processor| processor.added_tokens(true));
        let room = options.max_seq_len.saturating_sub(question.len() + special);
        if context.len() > room {
            // The overlap has to be shorter than a window's share of the context, or windows would not advance.
            if room <= options.doc_stride {
                return Err(RowError::encode(format_args!(
                    "the question takes {} of a window's {} tokens and leaves {room} for the context, which must be \
                     more than the overlap of {}: shorten the question, raise --max-seq-len or lower --doc-stride",
                    question.len(),
                    options.max_seq_len,
                    options.doc_stride,
                )));
            }
            context.truncate(room, options.doc_stride, TruncationDirection::Right);
        }

        let mut first = self.join(question, context)?;
        let rest = first.take_overflowing();
        Ok(std::iter::once(first).chain(rest).map(|encoding| self.window(&encoding, options)).collect())
    }

    fn tokenize(&self, text: &str) -> Result<Encoding, RowError> {
        self.tokenizer.encode_char_offsets(text, false).map_err(RowError::encode)
    }

    /// Question and context with their special tokens; the context's further parts come as overflow.
    fn join(&self, question: Encoding, context: Encoding) -> Result<Encoding, RowError> {
        match &self.post_processor {
            Some(processor) => processor.process(question, Some(context), true),
            None => <dyn PostProcessor>::default_process(vec![question, context], true)
                .map(|mut joined| joined.pop().unwrap_or_default()),
        }
        .map_err(RowError::encode)
    }

    fn window(&self, encoding: &Encoding, options: &Options) -> Window {
        let tokens = encoding.len();
        let in_context = |&token: &usize| encoding.token_to_sequence(token) == Some(1);
        let start = (0..tokens).find(in_context).unwrap_or(tokens);
        let end = (start..tokens).find(|token| !in_context(token)).unwrap_or(tokens);
        let context = start..end;
        let cls = (0..tokens)
            .filter(|token| Some(encoding.get_ids()[*token]) == self.cls_token_id && !context.contains(token))
            .collect();
        Window {
            input_ids: encoding.get_ids().to_vec(),
            token_type_ids: if self.token_types { encoding.get_type_ids().to_vec() } else { vec![0; tokens] },
            offsets: encoding.get_offsets()[context.clone()]
                .iter()
                // A context is far shorter than 2^32 characters: a row's size is limited on reading.
                .map(|&(start, end)| (start as u32, end as u32))
                .collect(),
            words: options.align_to_words.then(|| encoding.get_word_ids()[context.clone()].to_vec()),
            context,
            cls,
        }
    }
}
