//! What users do, against the built binary.

mod contract;
mod eval;
mod formats;
mod golden;
mod hub;
mod models;
mod outputs;
mod stream;
mod support;
