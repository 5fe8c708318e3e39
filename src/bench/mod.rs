//! Measures: a server under load from outside, and the engine by itself.

pub(crate) mod engine;
pub(crate) mod load;
mod requests;
mod stats;

pub(crate) use requests::{Requests, Sample};
pub(crate) use stats::{LoadStats, Report};
