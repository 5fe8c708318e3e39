#[path = "../../src/engine/native/kernel/mod.rs"]
pub mod kernel;

/// Where the kernels' tests expect them.
pub mod engine {
    pub mod native {
        pub use crate::kernel;
    }
}
