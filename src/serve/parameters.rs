//! The options of an answer as requests give them.

use std::num::NonZeroUsize;

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::error::ApiError;
use super::limits::Limits;
use crate::qa::Options;

/// Declares a struct with fields of its own and the options of an answer beside them. serde's `flatten` would do, but
/// reads no numbers where serde_json keeps them as they are written.
macro_rules! with_parameters {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, serde::Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($own)*
            /// How many answers to give, most probable first; with more than 1 they come as a list
            #[serde(default)]
            top_k: Option<$crate::serve::parameters::Count>,
            /// How many tokens neighbouring windows of a long context share; less than `max_seq_len`
            #[serde(default)]
            doc_stride: Option<usize>,
            /// Longest answer in tokens
            #[serde(default)]
            max_answer_len: Option<$crate::serve::parameters::Count>,
            /// Longest window in tokens, question and special tokens included; at most what the model can take
            #[serde(default)]
            max_seq_len: Option<$crate::serve::parameters::Count>,
            /// Cut the question after this many tokens
            #[serde(default)]
            max_question_len: Option<$crate::serve::parameters::Count>,
            /// Let "no answer" (an empty answer) compete with the spans
            #[serde(default)]
            handle_impossible_answer: Option<bool>,
            /// Widen answers to whole words
            #[serde(default)]
            align_to_words: Option<bool>,
        }

        impl $name {
            /// The options that are given.
            pub fn parameters(&self) -> $crate::serve::parameters::Given {
                $crate::serve::parameters::Given {
                    top_k: self.top_k,
                    doc_stride: self.doc_stride,
                    max_answer_len: self.max_answer_len,
                    max_seq_len: self.max_seq_len,
                    max_question_len: self.max_question_len,
                    handle_impossible_answer: self.handle_impossible_answer,
                    align_to_words: self.align_to_words,
                }
            }
        }
    };
}

with_parameters! {
    /// Options of an answer; what is not given is as the server was started
    #[derive(Default, utoipa::IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct Parameters {}
}

with_parameters! {
    /// A question, the context in which its answer is looked for, and options of the answer
    pub struct Question {
        #[schema(example = "Who invented the telephone?")]
        pub question: String,
        #[schema(example = "The telephone was invented by Alexander Graham Bell.")]
        pub context: String,
        /// Whatever the answer is to be told by: it comes back beside it
        #[serde(default)]
        pub id: Option<serde_json::Value>,
    }
}

/// A number that is not 0.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub struct Count(NonZeroUsize);

impl PartialSchema for Count {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).into()
    }
}

impl ToSchema for Count {}

/// The options that a request gives.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    pub top_k: Option<Count>,
    pub doc_stride: Option<usize>,
    pub max_answer_len: Option<Count>,
    pub max_seq_len: Option<Count>,
    pub max_question_len: Option<Count>,
    pub handle_impossible_answer: Option<bool>,
    pub align_to_words: Option<bool>,
}

impl Given {
    /// The options for a model of at most `longest` tokens a window; `defaults` for what is not given.
    pub fn resolve(&self, defaults: &Options, longest: usize, limits: &Limits) -> Result<Options, ApiError> {
        let or = |given: Option<Count>, default| given.map_or(default, |Count(count)| count.get());
        let top_k = or(self.top_k, defaults.top_k);
        let max_seq_len = or(self.max_seq_len, defaults.max_seq_len);
        let max_answer_len = or(self.max_answer_len, defaults.max_answer_len.min(longest));
        for (name, value, most) in [
            ("top_k", top_k, limits.max_top_k.get().max(defaults.top_k)),
            ("max_seq_len", max_seq_len, longest),
            ("max_answer_len", max_answer_len, longest),
        ] {
            if value > most {
                return Err(ApiError::invalid(format_args!(
                    "{name}: {value} is more than {most}, the most there can be"
                )));
            }
        }
        let doc_stride = self.doc_stride.unwrap_or_else(|| defaults.doc_stride.min(max_seq_len / 2));
        if doc_stride >= max_seq_len {
            return Err(ApiError::invalid(format_args!(
                "doc_stride: {doc_stride} must be less than max_seq_len, {max_seq_len}: windows overlap by it"
            )));
        }
        Ok(Options {
            top_k,
            max_seq_len,
            doc_stride,
            max_answer_len,
            max_question_len: self.max_question_len.map(|Count(count)| count.get()).or(defaults.max_question_len),
            handle_impossible_answer: self.handle_impossible_answer.unwrap_or(defaults.handle_impossible_answer),
            align_to_words: self.align_to_words.unwrap_or(defaults.align_to_words),
            max_windows: limits.max_windows.get(),
        })
    }
}
