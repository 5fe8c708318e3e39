//! See Cargo.toml.

#[path = "../../src/engine/native/kernel/mod.rs"]
pub mod kernel;

/// Where the kernels' tests expect them.
pub mod engine {
    pub mod native {
        pub use crate::kernel;
    }
}

/// That the processor's best instructions for bytes are chosen: those that `BYTES` names, `none` where there are none.
#[test]
fn chosen_instructions() {
    let Ok(expected) = std::env::var("BYTES") else { return };
    assert_eq!(kernel::bytes::instructions().unwrap_or("none"), expected);
}
