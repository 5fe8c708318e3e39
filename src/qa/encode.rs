use std::ops::Range;

use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper, Tokenizer, TruncationDirection};

use super::{ContextEnd, Example, Options, RowError, TextOrder, Tokenize, Window, WindowLayout};
use crate::panic;

/// Turns examples into windows, as the reference's fast tokenizers do.
pub struct Encoder {
    /// Without its post-processor: long contexts are cut after tokenizing and before special tokens are added.
    tokenizer: Box<dyn Tokenize>,
    post_processor: Option<PostProcessorWrapper>,
    cls_token_id: Option<u32>,
    token_types: bool,
    layout: WindowLayout,
    /// Ids from here on are none that the network has.
    network_vocab_size: Option<usize>,
}

impl Encoder {
    /// `cls_token` is the classifier token's text, if there is one; `token_types` says whether the model is given token types (else
    /// they are all 0).
    pub fn new<'a>(mut tokenizer: Tokenizer, cls_token: impl Into<Option<&'a str>>, token_types: bool) -> Self {
        let post_processor = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        // Trainers leave their own in tokenizer.json. Turning them off cannot fail.
        tokenizer.with_padding(None);
        let _ = tokenizer.with_truncation(None);
        Self::with(Box::new(tokenizer), post_processor, cls_token, token_types)
    }

    /// As [`Encoder::new`], with what splits texts and what joins question and context apart.
    pub fn with<'a>(
        tokenizer: Box<dyn Tokenize>,
        post_processor: Option<PostProcessorWrapper>,
        cls_token: impl Into<Option<&'a str>>,
        token_types: bool,
    ) -> Self {
        let cls_token_id = cls_token.into().and_then(|token| tokenizer.token_to_id(token));
        Self {
            tokenizer,
            post_processor,
            cls_token_id,
            token_types,
            layout: WindowLayout::default(),
            network_vocab_size: None,
        }
    }

    /// Makes windows of another layout.
    #[must_use]
    pub fn laid_out(self, layout: WindowLayout) -> Self {
        Self { layout, ..self }
    }

    /// Refuses tokens of which a network with so many has none.
    #[must_use]
    pub fn for_vocabulary(self, vocab_size: usize) -> Self {
        Self { network_vocab_size: Some(vocab_size), ..self }
    }

    /// How many token ids there are.
    pub fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }

    /// The windows of an example, in the order of the context; never empty.
    ///
    /// # Errors
    /// If the question leaves no room for the context, or the context has no tokens.
    pub fn encode(&self, example: &Example, options: &Options) -> Result<Vec<Window>, RowError> {
        self.plan(example, options)?.windows()
    }

    /// How an example is cut into windows, which are not made yet.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn plan<'a>(&'a self, example: &Example, options: &'a Options) -> Result<WindowPlan<'a>, RowError> {
        let mut question = self.tokenize(example.question())?;
        if let Some(longest) = options.max_question_len {
            question.truncate(longest, 0, TruncationDirection::Right);
            question.take_overflowing();
        }
        let context = self.tokenize(example.context())?;
        if context.is_empty() {
            return Err(RowError::NoTokens);
        }
        let special = self.post_processor.as_ref().map_or(0, |processor| processor.added_tokens(true));
        let room = options.max_seq_len.saturating_sub(question.len() + special);
        if context.len() <= room {
            return Ok(WindowPlan { encoder: self, options, question, context, room, advance: room, count: 1 });
        }
        // The overlap has to be shorter than a window's share of the context, or windows would not advance.
        if room <= options.doc_stride {
            let Options { max_seq_len, doc_stride, .. } = *options;
            return Err(RowError::NoRoom { question: question.len(), max_seq_len, room, doc_stride });
        }
        let advance = room - options.doc_stride;
        let count = 1 + (context.len() - room).div_ceil(advance);
        if count > options.max_windows {
            return Err(RowError::TooManyWindows { windows: count, limit: options.max_windows });
        }
        Ok(WindowPlan { encoder: self, options, question, context, room, advance, count })
    }

    fn tokenize(&self, text: &str) -> Result<Encoding, RowError> {
        guarded(|| self.tokenizer.tokenize(text))
    }

    /// Two texts with their special tokens.
    fn join(&self, first: Encoding, mut second: Encoding) -> Result<Encoding, RowError> {
        second.set_type_ids(vec![1; second.len()]);
        guarded(|| match &self.post_processor {
            Some(processor) => processor.process(first, Some(second), true),
            None => <dyn PostProcessor>::default_process(vec![first, second], true)
                .map(|mut joined| joined.pop().unwrap_or_default()),
        })
    }

    /// The window of a question and a part of the context.
    fn window(&self, question: Encoding, context: Encoding, options: &Options) -> Result<Window, RowError> {
        let encoding = match self.layout.order {
            TextOrder::QuestionFirst => self.join(question, context)?,
            TextOrder::ContextFirst => self.join(context, question)?,
        };
        if let Some(vocab_size) = self.network_vocab_size
            && let Some(&id) = encoding.get_ids().iter().find(|id| **id as usize >= vocab_size)
        {
            return Err(RowError::TokenId { id, vocab_size });
        }
        let tokens = encoding.len();
        if tokens == 0 {
            return Err(RowError::Tokenizer(
                "the tokenizer leaves no token of question and context together".to_owned(),
            ));
        }
        let sequence = match self.layout.order {
            TextOrder::QuestionFirst => 1,
            TextOrder::ContextFirst => 0,
        };
        let in_context = |&token: &usize| encoding.token_to_sequence(token) == Some(sequence);
        let start = (0..tokens).find(in_context).unwrap_or(tokens);
        let end = (start..tokens).find(|token| !in_context(token)).unwrap_or(tokens);
        let context = start..end;
        let takes_part = |token: &usize| match self.layout.order {
            TextOrder::QuestionFirst => Some(encoding.get_ids()[*token]) == self.cls_token_id,
            TextOrder::ContextFirst => true,
        };
        let others = (0..tokens).filter(|token| !context.contains(token) && takes_part(token)).collect();
        Ok(Window {
            input_ids: encoding.get_ids().to_vec(),
            token_type_ids: if self.token_types { encoding.get_type_ids().to_vec() } else { vec![0; tokens] },
            offsets: encoding.get_offsets()[context.clone()]
                .iter()
                // A context is far shorter than 2^32 characters: a row's size is limited on reading.
                .map(|&(start, end)| (start as u32, end as u32))
                .collect(),
            words: options.align_to_words.then(|| encoding.get_word_ids()[context.clone()].to_vec()),
            context,
            others,
        })
    }
}

/// A row's tokens, and how they are cut into windows; see [`Encoder::plan`].
pub struct WindowPlan<'a> {
    encoder: &'a Encoder,
    options: &'a Options,
    question: Encoding,
    context: Encoding,
    /// Most tokens of the context in a window.
    room: usize,
    /// Tokens from the beginning of a window to that of the next.
    advance: usize,
    /// Never 0.
    count: usize,
}

impl WindowPlan<'_> {
    /// About how much memory a row takes for its windows and what is found in them, until its answers are known.
    pub fn bytes(&self) -> usize {
        /// Ids and types of tokens, and offsets of those of the context.
        const TOKEN_BYTES: usize = 16;
        /// The spans that are found.
        const FOUND_BYTES: usize = 2048;
        let tokens = self.question.len() + self.room.min(self.context.len());
        self.count.saturating_mul(tokens * TOKEN_BYTES + FOUND_BYTES)
    }

    /// The windows, in the order of the context; never empty.
    ///
    /// # Errors
    /// If a token is none that the network has.
    pub fn windows(self) -> Result<Vec<Window>, RowError> {
        let Self { encoder, options, question, context, room, advance, count } = self;
        if count == 1 {
            return Ok(vec![encoder.window(question, context, options)?]);
        }
        // One by one: what the tokenizer keeps of a token is many times as large as what a window does.
        (0..count)
            .map(|number| {
                let tokens = context.len();
                let part = match encoder.layout.first_window {
                    ContextEnd::Beginning => number * advance..(number * advance + room).min(tokens),
                    ContextEnd::End => (tokens - number * advance).saturating_sub(room)..tokens - number * advance,
                };
                encoder.window(question.clone(), slice(&context, part), options)
            })
            .collect()
    }
}

/// What the crate tokenizers does. Some of its parts panic where they are made of what they do not expect, an added token
/// of which the normalizer leaves nothing, say: that is the row's error.
fn guarded<T>(run: impl FnOnce() -> Result<T, tokenizers::Error>) -> Result<T, RowError> {
    match panic::caught(run) {
        Ok(result) => result.map_err(|error| RowError::Tokenizer(error.to_string())),
        Err(message) => Err(RowError::Tokenizer(format!("the tokenizer panicked: {message}"))),
    }
}

/// Some tokens of an encoding.
fn slice(encoding: &Encoding, tokens: Range<usize>) -> Encoding {
    Encoding::new(
        encoding.get_ids()[tokens.clone()].to_vec(),
        encoding.get_type_ids()[tokens.clone()].to_vec(),
        encoding.get_tokens()[tokens.clone()].to_vec(),
        encoding.get_word_ids()[tokens.clone()].to_vec(),
        encoding.get_offsets()[tokens.clone()].to_vec(),
        encoding.get_special_tokens_mask()[tokens.clone()].to_vec(),
        encoding.get_attention_mask()[tokens].to_vec(),
        Vec::new(),
        Default::default(),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use tokenizers::{PaddingParams, PaddingStrategy, TruncationParams, TruncationStrategy};

    use super::*;

    fn tokenizer() -> Tokenizer {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families/bert");
        Tokenizer::from_file(fixtures.join("tokenizer.json")).unwrap()
    }

    fn encoder() -> Encoder {
        Encoder::new(tokenizer(), "[CLS]", true)
    }

    fn example(question: &str, context: &str) -> Example {
        Example::new(question.to_owned(), context.to_owned()).unwrap()
    }

    /// As a part of the crate tokenizers may.
    struct Panics;

    impl Tokenize for Panics {
        fn tokenize(&self, text: &str) -> Result<Encoding, tokenizers::Error> {
            panic!("{text}")
        }

        fn token_to_id(&self, _: &str) -> Option<u32> {
            None
        }

        fn vocab_size(&self) -> usize {
            0
        }
    }

    #[test]
    fn a_template_of_nothing_makes_no_window() {
        let template = r#"{"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}"#;
        let template: PostProcessorWrapper = serde_json::from_str(template).unwrap();
        let encoder = Encoder::with(Box::new(tokenizer()), Some(template), None, false);
        let error = encoder.encode(&example("q", "c"), &Options::default()).unwrap_err();
        assert_eq!(error.to_string(), "the tokenizer leaves no token of question and context together");
    }

    #[test]
    fn a_panic_of_the_tokenizer_is_the_rows_error() {
        let encoder = Encoder::with(Box::new(Panics), None, None, false);
        let error = encoder.encode(&example("q", "c"), &Options::default()).unwrap_err();
        assert_eq!(error.to_string(), "the tokenizer panicked: q");
    }

    proptest! {
        #[test]
        fn windows_cover_the_context(
            context in "[a-z]{1,9}( [a-zé.]{1,9}){0,60}",
            max_seq_len in 24usize..80,
            doc_stride in 0usize..12,
        ) {
            let (encoder, options) = (encoder(), Options { max_seq_len, doc_stride, ..Options::default() });
            let example = example("who?", &context);
            let whole = encoder.encode(&example, &Options { max_seq_len: usize::MAX, ..Options::default() }).unwrap();
            prop_assert_eq!(whole.len(), 1);
            let windows = encoder.encode(&example, &options).unwrap();

            let mut offsets: Vec<(u32, u32)> = Vec::new();
            for (number, window) in windows.iter().enumerate() {
                prop_assert!(window.tokens() <= max_seq_len);
                prop_assert_eq!(window.offsets.len(), window.context.len());
                prop_assert_eq!(window.tokens(), window.token_type_ids.len());
                let question = &window.input_ids[..window.context.start];
                prop_assert_eq!(question, &whole[0].input_ids[..whole[0].context.start]);
                // Neighbours share `doc_stride` tokens, and nothing is left out between them.
                let shared = if number == 0 { 0 } else { doc_stride };
                prop_assert_eq!(&offsets[offsets.len() - shared..], &window.offsets[..shared]);
                offsets.extend(&window.offsets[shared..]);
            }
            prop_assert_eq!(&offsets, &whole[0].offsets);
            let length = context.chars().count() as u32;
            prop_assert!(offsets.iter().all(|(start, end)| start <= end && *end <= length));
        }
    }

    #[test]
    fn truncation_and_padding_of_the_tokenizer_are_ignored() {
        let example = example("who?", &"Ada built the lighthouse on the island. ".repeat(9));
        let options = Options { max_seq_len: 48, doc_stride: 8, ..Options::default() };
        let expected = encoder().encode(&example, &options).unwrap();
        for strategy in [TruncationStrategy::LongestFirst, TruncationStrategy::OnlySecond] {
            let mut tokenizer = tokenizer();
            let params = TruncationParams { max_length: 12, strategy, ..TruncationParams::default() };
            tokenizer.with_truncation(Some(params)).unwrap();
            let strategy = PaddingStrategy::Fixed(64);
            tokenizer.with_padding(Some(PaddingParams { strategy, ..PaddingParams::default() }));
            let found = Encoder::new(tokenizer, "[CLS]", true).encode(&example, &options).unwrap();
            let ids = |windows: &[Window]| windows.iter().map(|window| window.input_ids.clone()).collect::<Vec<_>>();
            assert_eq!(ids(&found), ids(&expected));
        }
    }

    #[test]
    fn a_question_that_leaves_no_room_is_an_error() {
        let options = Options { max_seq_len: 16, doc_stride: 4, ..Options::default() };
        let long = "who built the lighthouse and when was it built and why was it built there?";
        let error = encoder().encode(&example(long, "Ada built the lighthouse on the island."), &options).unwrap_err();
        assert!(error.to_string().contains("leaves 0 for the context"), "{error}");
        // Cut, it leaves some.
        let options = Options { max_question_len: Some(4), ..options };
        assert!(encoder().encode(&example(long, "Ada built the lighthouse on the island."), &options).is_ok());
    }

    #[test]
    fn windows_are_counted_before_they_are_made() {
        let example = example("who?", &"Ada built the lighthouse on the island. ".repeat(9));
        for (max_seq_len, doc_stride) in [(24, 0), (24, 7), (31, 12)] {
            let options = Options { max_seq_len, doc_stride, ..Options::default() };
            let windows = encoder().encode(&example, &options).unwrap().len();
            assert!(windows > 3);
            assert!(encoder().encode(&example, &Options { max_windows: windows, ..options.clone() }).is_ok());
            let error = encoder().encode(&example, &Options { max_windows: windows - 1, ..options }).unwrap_err();
            assert!(error.to_string().contains(&format!("takes {windows} windows")), "{error}");
        }
    }

    #[test]
    fn the_memory_of_windows_is_known_before_they_are_made() {
        let example = example("who?", &"Ada built the lighthouse on the island. ".repeat(99));
        for (max_seq_len, doc_stride) in [(32, 0), (256, 128), (500, 490)] {
            let options = Options { max_seq_len, doc_stride, ..Options::default() };
            let (encoder, found) = (encoder(), size_of::<crate::qa::decode::Span>() * 64);
            let plan = encoder.plan(&example, &options).unwrap();
            let planned = plan.bytes();
            let of = |window: &Window| {
                let ids = window.input_ids.capacity() + window.token_type_ids.capacity();
                4 * ids + 8 * window.offsets.capacity() + size_of::<Window>() + found
            };
            let taken = plan.windows().unwrap().iter().map(of).sum::<usize>();
            assert!(taken < planned && planned < 3 * taken, "{planned} for {taken}");
        }
    }

    #[test]
    fn a_context_without_tokens_is_an_error() {
        let error = encoder().encode(&example("who?", "\u{1}\u{2}"), &Options::default()).unwrap_err();
        assert!(error.to_string().contains("no tokens"), "{error}");
    }
}
