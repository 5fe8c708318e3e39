//! The decoding options: what a caller may say ([`RequestOptions`]), what it resolves to ([`Options`]), and the rules
//! between them.
//!
//! Flags, variables, HTTP parameters and their descriptions derive from [`RequestOptions`]. To add an option, give it a
//! field in both structs, a default and a line in [`RequestOptions::resolve_within`]; then use it in the encoder or the
//! decoder.

use std::num::NonZeroUsize;

use super::{Compat, NoAnswerThreshold};

/// How rows become windows and logits become answers, under the names and with the meaning of the reference
/// (transformers 5.2.0's `QuestionAnsweringPipeline`), but for what [`compat`](Self::compat) says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serve", derive(serde::Serialize, utoipa::ToSchema))]
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
    /// Where it may, "no answer" wins over a span if its share of the probability of the two is above this. The reference
    /// has no such option; at the default, 0.5, it wins where it is the more probable, as in the reference.
    #[cfg_attr(feature = "serve", schema(value_type = f64))]
    pub no_answer_threshold: NoAnswerThreshold,
    /// Widen an answer to whole words, as the tokenizer splits them.
    pub align_to_words: bool,
    /// Whose white space, equal texts and scores the answers have.
    pub compat: Compat,
    /// Most windows that an example may take; one that takes more is an error. The reference has no such limit, and a
    /// request cannot change it.
    #[cfg_attr(feature = "serve", serde(skip))]
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
            no_answer_threshold: NoAnswerThreshold::default(),
            align_to_words: false,
            compat: Compat::default(),
            max_windows: usize::MAX,
        }
    }
}

/// Options of an answer; whatever is left out keeps its default
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "cli",
    derive(clap::Args),
    command(
        next_help_heading = "Answers",
        mut_arg("max_seq_len", |arg| append(arg, "[default: 512, or what the model can take]")),
        mut_arg("doc_stride", |arg| append(arg, "[default: 128, or half a window]"))
    )
)]
#[cfg_attr(
    feature = "serve",
    derive(serde::Deserialize, utoipa::ToSchema, utoipa::IntoParams),
    serde(deny_unknown_fields),
    into_params(parameter_in = Query)
)]
pub struct RequestOptions {
    /// How many answers to give, most probable first; with more than 1 they come as a list, `answers`
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value = "1", env = "BERTQA_TOP_K"))]
    #[cfg_attr(feature = "serve", schema(value_type = Option<usize>, minimum = 1))]
    #[cfg_attr(feature = "serve", param(value_type = Option<usize>, minimum = 1))]
    #[cfg_attr(feature = "serve", serde(alias = "topk"))]
    pub top_k: Option<NonZeroUsize>,

    /// Longest window in tokens, question and special tokens included; longer contexts are read in overlapping windows
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", env = "BERTQA_MAX_SEQ_LEN"))]
    #[cfg_attr(feature = "serve", schema(value_type = Option<usize>, minimum = 1))]
    #[cfg_attr(feature = "serve", param(value_type = Option<usize>, minimum = 1))]
    pub max_seq_len: Option<NonZeroUsize>,

    /// How many tokens neighbouring windows of a long context share; less than a window
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", env = "BERTQA_DOC_STRIDE"))]
    pub doc_stride: Option<usize>,

    /// Longest answer in tokens
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value = "15", env = "BERTQA_MAX_ANSWER_LEN"))]
    #[cfg_attr(feature = "serve", schema(value_type = Option<usize>, minimum = 1))]
    #[cfg_attr(feature = "serve", param(value_type = Option<usize>, minimum = 1))]
    pub max_answer_len: Option<NonZeroUsize>,

    /// Cut questions after this many tokens; without it, they are never cut
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", env = "BERTQA_MAX_QUESTION_LEN"))]
    #[cfg_attr(feature = "serve", schema(value_type = Option<usize>, minimum = 1))]
    #[cfg_attr(feature = "serve", param(value_type = Option<usize>, minimum = 1))]
    pub max_question_len: Option<NonZeroUsize>,

    /// Let "no answer" (an empty answer) compete with the spans
    #[cfg_attr(feature = "cli", arg(long, action = clap::ArgAction::SetTrue, env = "BERTQA_HANDLE_IMPOSSIBLE_ANSWER"))]
    pub handle_impossible_answer: Option<bool>,

    /// Let "no answer" compete, and win where null score / (null score + score of the best span) is above this, from 0
    /// (wherever it is possible) to 1 (never); at 0.5 it is handle_impossible_answer. bertqa eval finds the best
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", env = "BERTQA_NO_ANSWER_THRESHOLD"))]
    #[cfg_attr(feature = "serve", schema(value_type = Option<f64>, minimum = 0, maximum = 1))]
    #[cfg_attr(feature = "serve", param(value_type = Option<f64>, minimum = 0, maximum = 1))]
    pub no_answer_threshold: Option<NoAnswerThreshold>,

    /// Widen answers to whole words; not for languages that write no spaces
    #[cfg_attr(feature = "cli", arg(long, action = clap::ArgAction::SetTrue, env = "BERTQA_ALIGN_TO_WORDS"))]
    pub align_to_words: Option<bool>,

    /// Answer as another program does; by default an answer has no white space at its ends, equal texts are one answer
    /// and a score is a probability
    #[cfg_attr(
        feature = "cli",
        arg(long, value_enum, value_name = "PROGRAM", default_value = "none", env = "BERTQA_COMPAT")
    )]
    pub compat: Option<Compat>,
}

/// Adds to an argument's help what only the command line knows.
#[cfg(feature = "cli")]
fn append(arg: clap::Arg, text: &str) -> clap::Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.help(format!("{help} {text}"))
}

/// What options may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionLimits {
    /// Tokens of the longest window that the model can take.
    pub longest: usize,
    /// The largest [`top_k`](RequestOptions::top_k).
    pub top_k: usize,
    /// The largest [`max_answer_len`](RequestOptions::max_answer_len).
    pub max_answer_len: usize,
    /// Windows of an example.
    pub max_windows: usize,
}

impl OptionLimits {
    /// Nothing but what the model itself demands, which takes windows of at most `longest` tokens.
    pub fn of_model(longest: usize) -> Self {
        Self { longest, top_k: usize::MAX, max_answer_len: usize::MAX, max_windows: usize::MAX }
    }
}

/// Options that cannot be. Its parameters are named as the fields of [`RequestOptions`] are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The model takes no windows of so many tokens.
    #[error("max_seq_len: {max_seq_len} is more than the {longest} tokens that the model can take")]
    WindowTooLong {
        /// The window that is asked for, in tokens.
        max_seq_len: usize,
        /// What the model can take.
        longest: usize,
    },
    /// The overlap of windows is not shorter than a window.
    #[error("doc_stride: {doc_stride} must be less than max_seq_len, {max_seq_len}: windows overlap by it")]
    StrideTooLong {
        /// The overlap that is asked for, in tokens.
        doc_stride: usize,
        /// The window, in tokens.
        max_seq_len: usize,
    },
    /// An option is over a limit.
    #[error("{name}: {value} is more than {limit}, the most there can be")]
    OverLimit {
        /// The option.
        name: &'static str,
        /// What is asked for.
        value: usize,
        /// The most that may be.
        limit: usize,
    },
}

impl RequestOptions {
    /// The options for a model that takes windows of at most `longest` tokens, with `defaults` for what is left out.
    ///
    /// ```
    /// use bertqa::qa::{Options, RequestOptions};
    ///
    /// # fn main() -> Result<(), bertqa::qa::OptionsError> {
    /// let request = RequestOptions { max_seq_len: std::num::NonZero::new(96), ..RequestOptions::default() };
    /// let options = request.resolve(&Options::default(), 512)?;
    /// assert_eq!((options.max_seq_len, options.doc_stride), (96, 48));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Windows longer than the model takes, or an overlap that is no shorter than a window.
    pub fn resolve(&self, defaults: &Options, longest: usize) -> Result<Options, OptionsError> {
        self.resolve_within(defaults, &OptionLimits::of_model(longest))
    }

    /// The options within `limits`, with `defaults` for what is left out.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), and options over a limit.
    pub fn resolve_within(&self, defaults: &Options, limits: &OptionLimits) -> Result<Options, OptionsError> {
        let longest = limits.longest;
        let or = |given: Option<NonZeroUsize>, default| given.map_or(default, NonZeroUsize::get);
        let within = |name, value, limit| {
            if value > limit { Err(OptionsError::OverLimit { name, value, limit }) } else { Ok(value) }
        };
        let top_k = within("top_k", or(self.top_k, defaults.top_k), limits.top_k)?;
        let max_seq_len = or(self.max_seq_len, defaults.max_seq_len.min(longest));
        if max_seq_len > longest {
            return Err(OptionsError::WindowTooLong { max_seq_len, longest });
        }
        let max_answer_len = or(self.max_answer_len, defaults.max_answer_len.min(longest));
        let max_answer_len = within("max_answer_len", max_answer_len, limits.max_answer_len)?;
        let doc_stride = self.doc_stride.unwrap_or_else(|| defaults.doc_stride.min(max_seq_len / 2));
        if doc_stride >= max_seq_len {
            return Err(OptionsError::StrideTooLong { doc_stride, max_seq_len });
        }
        Ok(Options {
            top_k,
            max_seq_len,
            doc_stride,
            // No answer is longer than a window.
            max_answer_len: max_answer_len.min(longest),
            max_question_len: self.max_question_len.map(NonZeroUsize::get).or(defaults.max_question_len),
            // Who asks for a threshold wants it to have an effect. On the command line, a flag that is not given is
            // the same as `false`, so that says nothing against it.
            handle_impossible_answer: self.no_answer_threshold.is_some()
                || self.handle_impossible_answer.unwrap_or(defaults.handle_impossible_answer),
            no_answer_threshold: self.no_answer_threshold.unwrap_or(defaults.no_answer_threshold),
            align_to_words: self.align_to_words.unwrap_or(defaults.align_to_words),
            compat: self.compat.unwrap_or(defaults.compat),
            max_windows: limits.max_windows.min(defaults.max_windows),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(number: usize) -> Option<NonZeroUsize> {
        NonZeroUsize::new(number)
    }

    #[test]
    fn what_is_left_out_keeps_its_default() {
        let defaults = Options { top_k: 3, max_question_len: Some(9), align_to_words: true, ..Options::default() };
        assert_eq!(RequestOptions::default().resolve(&defaults, 512).unwrap(), defaults);
        let small = RequestOptions::default().resolve(&defaults, 10).unwrap();
        assert_eq!((small.max_seq_len, small.doc_stride, small.max_answer_len), (10, 5, 10));
    }

    #[test]
    fn the_rules_between_options() {
        let resolve = |request: RequestOptions| {
            let limits = OptionLimits { longest: 64, top_k: 5, max_answer_len: 64, max_windows: 7 };
            request.resolve_within(&Options::default(), &limits)
        };
        let none = RequestOptions::default;
        assert_eq!(resolve(none()).unwrap().max_windows, 7);
        for (request, error) in [
            (
                RequestOptions { max_seq_len: some(65), ..none() },
                OptionsError::WindowTooLong { max_seq_len: 65, longest: 64 },
            ),
            (
                RequestOptions { doc_stride: Some(64), ..none() },
                OptionsError::StrideTooLong { doc_stride: 64, max_seq_len: 64 },
            ),
            (
                RequestOptions { top_k: some(6), ..none() },
                OptionsError::OverLimit { name: "top_k", value: 6, limit: 5 },
            ),
            (
                RequestOptions { max_answer_len: some(65), ..none() },
                OptionsError::OverLimit { name: "max_answer_len", value: 65, limit: 64 },
            ),
        ] {
            assert_eq!(resolve(request), Err(error));
        }
    }

    #[test]
    fn a_threshold_lets_no_answer_in() {
        let at = |share| NoAnswerThreshold::new(share).unwrap();
        let resolve = |request: RequestOptions, defaults: &Options| {
            let options = request.resolve(defaults, 64).unwrap();
            (options.handle_impossible_answer, options.no_answer_threshold)
        };
        let none = RequestOptions::default;
        let asked = RequestOptions { no_answer_threshold: Some(at(0.2)), ..none() };
        assert_eq!(resolve(asked.clone(), &Options::default()), (true, at(0.2)));
        let asked = RequestOptions { handle_impossible_answer: Some(false), ..asked };
        assert_eq!(resolve(asked, &Options::default()), (true, at(0.2)));

        // A default threshold is for whoever lets "no answer" compete.
        let defaults = Options { handle_impossible_answer: true, no_answer_threshold: at(0.3), ..Options::default() };
        assert_eq!(resolve(none(), &defaults), (true, at(0.3)));
        let without = RequestOptions { handle_impossible_answer: Some(false), ..none() };
        assert!(!resolve(without, &defaults).0);
    }

    #[cfg(feature = "cli")]
    #[test]
    fn the_defaults_that_help_shows_are_those_of_options() {
        use clap::{Args, FromArgMatches};

        let command = RequestOptions::augment_args(clap::Command::new("test"));
        let matches = command.mut_args(|arg| arg.env(None::<&str>)).get_matches_from(["test"]);
        let request = RequestOptions::from_arg_matches(&matches).unwrap();
        assert_eq!(request.resolve(&Options::default(), 512).unwrap(), Options::default());
    }
}
