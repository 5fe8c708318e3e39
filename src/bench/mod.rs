//! Measures: a server under load from outside, and the engine by itself.

pub mod engine;
pub mod load;
mod requests;
mod stats;

pub use requests::{Requests, Sample};
pub use stats::{LoadStats, Report};
