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
mod health;
mod help;
mod hints;
mod hub;
mod japanese;
mod kills;
mod lying_hub;
mod models;
mod outputs;
#[cfg(target_os = "linux")]
mod power;
mod precision;
mod resume;
mod serve;
mod shards;
mod sheets;
mod sides;
#[cfg(target_os = "linux")]
mod signals;
mod stream;
mod support;
#[cfg(feature = "torch")]
mod torch;
