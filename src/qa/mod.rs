//! The two sides of the network: examples to windows ([`Encoder`]), logits to answers ([`decode`]).

mod answer;
mod compat;
pub mod decode;
mod encode;
mod example;
mod no_answer;
mod options;
mod row_error;
mod tokenize;
mod window;

pub use answer::Answer;
pub use compat::Compat;
pub use encode::Encoder;
pub use example::Example;
pub use no_answer::{NoAnswerThreshold, NoAnswerThresholdError, null_share};
pub use options::{OptionLimits, Options, OptionsError, RequestOptions};
pub use row_error::{RowError, RowErrorKind, TextField};
pub use tokenize::Tokenize;
pub use window::{ContextEnd, TextOrder, Window, WindowLayout};
