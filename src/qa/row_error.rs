use std::fmt;

/// Why a row has no answer. The run goes on; the row comes out with this in its `error` column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RowError {
    pub kind: RowErrorKind,
    message: String,
}

/// The kinds of [`RowError`], for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowErrorKind {
    /// The row could not be read: malformed JSON or CSV, invalid UTF-8, over the size limit.
    Unreadable,
    /// The question or the context is missing, null, empty or not a string.
    Field,
    /// The row was read, but the model cannot be run on it.
    Encode,
    /// The row was answered, but one of its columns does not fit the output's schema.
    Schema,
    /// Nobody waits for the answer any more.
    Cancelled,
}

impl RowError {
    pub fn new(kind: RowErrorKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string() }
    }

    pub fn unreadable(message: impl fmt::Display) -> Self {
        Self::new(RowErrorKind::Unreadable, message)
    }

    pub fn field(message: impl fmt::Display) -> Self {
        Self::new(RowErrorKind::Field, message)
    }

    pub fn encode(message: impl fmt::Display) -> Self {
        Self::new(RowErrorKind::Encode, message)
    }

    pub fn schema(message: impl fmt::Display) -> Self {
        Self::new(RowErrorKind::Schema, message)
    }
}
