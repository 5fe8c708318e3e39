use std::fmt;

/// Why a row has no answer. The run goes on; the row comes out with this in its `error` column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The row could not be read: malformed JSON or CSV, invalid UTF-8, over the size limit.
    #[error("{0}")]
    Unreadable(String),
    /// The column of the question or of the context holds no text.
    #[error("{0}")]
    Field(String),
    /// The text has no characters.
    #[error("the {0} is empty")]
    Empty(TextField),
    /// The text has white space only.
    #[error("the {0} is blank: it has nothing but white space")]
    Blank(TextField),
    /// The text is longer than is allowed.
    #[error("the {field} is longer than the limit of {limit} characters")]
    TooManyCharacters {
        /// Which text.
        field: TextField,
        /// In characters.
        limit: usize,
    },
    /// The tokenizer makes no token of the context.
    #[error("the context has no tokens (only blanks or control characters?)")]
    NoTokens,
    /// Beside the question there is too little room for the context. All counts are tokens.
    #[error(
        "the question takes {question} of a window's {max_seq_len} tokens and leaves {room} for the context, which \
         must be more than the overlap of {doc_stride}: shorten the question, raise max_seq_len or lower doc_stride"
    )]
    NoRoom {
        /// Of the question.
        question: usize,
        /// Of the longest window.
        max_seq_len: usize,
        /// Left for the context.
        room: usize,
        /// That windows have to share.
        doc_stride: usize,
    },
    /// The context needs more windows than are allowed.
    #[error(
        "the context takes {windows} windows, more than max_windows, {limit}: shorten it or the question, raise \
         max_seq_len or lower doc_stride"
    )]
    TooManyWindows {
        /// How many it needs.
        windows: usize,
        /// How many it may take.
        limit: usize,
    },
    /// The tokenizer makes a token that the network does not have: its files and the model's do not belong together.
    #[error("the text has a token (id {id}) that the network does not have: its vocabulary has {vocab_size}")]
    TokenId {
        /// The token's.
        id: u32,
        /// Of the network.
        vocab_size: usize,
    },
    /// The tokenizer failed.
    #[error("{0}")]
    Tokenizer(String),
    /// No span has a positive probability.
    #[error(
        "the model gives no span a positive probability (its logits are not finite, or it is sure of an end before \
         the start), or only white space"
    )]
    NoProbableSpan,
    /// The row was answered, but one of its columns does not fit the output's schema.
    #[error("{0}")]
    Schema(String),
    /// The row was given up, because nobody waits for its answer.
    #[error("nobody waits for the answer any more")]
    Cancelled,
}

/// A text of an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextField {
    /// What is asked.
    Question,
    /// Where the answer is looked for.
    Context,
}

impl fmt::Display for TextField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Question => "question",
            Self::Context => "context",
        })
    }
}

/// The kinds of [`RowError`], for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowErrorKind {
    /// The row could not be read: malformed JSON or CSV, invalid UTF-8, over the size limit.
    Unreadable,
    /// The question or the context is missing, null, empty, not a string or too long.
    Field,
    /// The row was read, but the model cannot be run on it.
    Encode,
    /// The row was answered, but one of its columns does not fit the output's schema.
    Schema,
    /// Nobody waits for the answer any more.
    Cancelled,
}

impl RowError {
    /// A row that could not be read.
    pub fn unreadable(message: impl fmt::Display) -> Self {
        Self::Unreadable(message.to_string())
    }

    /// A question or context that is no text.
    pub fn field(message: impl fmt::Display) -> Self {
        Self::Field(message.to_string())
    }

    /// A column that does not fit the output's schema.
    pub fn schema(message: impl fmt::Display) -> Self {
        Self::Schema(message.to_string())
    }

    /// What kind of error it is.
    pub fn kind(&self) -> RowErrorKind {
        match self {
            Self::Unreadable(_) => RowErrorKind::Unreadable,
            Self::Field(_) | Self::Empty(_) | Self::Blank(_) | Self::TooManyCharacters { .. } => RowErrorKind::Field,
            Self::NoTokens
            | Self::NoRoom { .. }
            | Self::TooManyWindows { .. }
            | Self::TokenId { .. }
            | Self::Tokenizer(_)
            | Self::NoProbableSpan => RowErrorKind::Encode,
            Self::Schema(_) => RowErrorKind::Schema,
            Self::Cancelled => RowErrorKind::Cancelled,
        }
    }
}
