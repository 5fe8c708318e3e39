//! Every kernel against plain loops.

mod bf16;
mod byte_attention;
mod bytes;
mod float;

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
