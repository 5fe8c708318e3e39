//! Bulk extractive question answering with BERT-family models.
//!
//! Rows of question and context go in, and for each row the answer span comes out, with its score and its place
//! in the context. The stages and the types between them:
//!
//! ```text
//!  read ──► encode ──► pack ──► infer ──► decode ──► write
//!  rows     windows    batches   logits    answers    rows, in input order
//! ```
//!
//! [`QuestionAnswerer`] is the front door. Behind it, `io` reads and writes rows, [`qa`] turns an example into windows
//! and logits into answers, [`batch`] lays windows out for a forward pass, [`engine`] runs the network, and
//! [`pipeline`] is the threads and channels between them. `serve` puts HTTP before it, and `eval` says how good the
//! answers are.

#![warn(clippy::print_stdout)]

mod answerer;
mod backoff;
pub mod batch;
#[cfg(feature = "cli")]
mod bench;
#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
#[cfg(feature = "cli")]
mod eval;
mod huggingface;
#[cfg(feature = "io")]
pub mod io;
pub mod model;
mod panic;
pub mod pipeline;
mod plural;
pub mod qa;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(all(unix, feature = "serve"))]
mod signals;
#[cfg(feature = "io")]
pub mod table;

pub use answerer::{AnswerError, AnswerQueue, AnswerStream, Builder, QuestionAnswerer};
#[cfg(feature = "cli")]
pub use eval::squad;
