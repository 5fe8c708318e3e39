//! Every kernel against plain loops.

mod bf16;
mod float;
mod int8;
mod int8_attention;
mod peak;

fn matrix(rows: usize, cols: usize, seed: u32) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        // xorshift32
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 4.0 - 2.0
    };
    (0..rows * cols).map(|_| next()).collect()
}

fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*found) - expected).abs();
        assert!(difference <= tolerance * expected.abs().max(1.0), "{index}: {found} for {expected}");
    }
}

/// The fastest int8 instructions are chosen: those that `INT8` names, `none` where there are none.
#[test]
fn chosen_instructions() {
    let Ok(expected) = std::env::var("INT8") else { return };
    assert_eq!(super::int8_instructions().unwrap_or("none"), expected);
}
