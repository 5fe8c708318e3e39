//! What users do, against the built binary.

mod answers;
mod arrow;
mod bench;
mod contract;
mod devices;
mod eval;
mod files;
mod formats;
mod golden;
mod help;
mod hints;
mod hub;
mod japanese;
mod lying_hub;
mod models;
mod outputs;
mod precision;
mod serve;
mod sheets;
mod sides;
mod stream;
mod support;
#[cfg(feature = "torch")]
mod torch;
