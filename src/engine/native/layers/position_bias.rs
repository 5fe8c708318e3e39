use bertqa_kernels::ScoreBias;

/// What each head adds to the scores by the distance between query and key (MPNet, T5).
#[derive(Debug)]
pub(crate) struct PositionBias {
    /// `[heads, 2 * positions - 1]`: from a key that stands `positions - 1` tokens before its query on.
    values: Vec<f32>,
    positions: usize,
}

impl PositionBias {
    /// `buckets`, `[buckets, heads]`, for windows of at most so many tokens.
    pub(crate) fn new(buckets: &[f32], heads: usize, positions: usize) -> Self {
        /// Distances from here on share the last bucket.
        const FARTHEST: usize = 128;
        let count = buckets.len() / heads;
        let before = (1..positions).rev().map(|distance| bucket(distance, count / 2, FARTHEST));
        let behind = (1..positions).map(|distance| count / 2 + bucket(distance, count / 2, FARTHEST));
        let places: Vec<_> = before.chain([0]).chain(behind).collect();
        let values = (0..heads).flat_map(|head| places.iter().map(move |place| buckets[place * heads + head]));
        Self { values: values.collect(), positions }
    }

    pub(super) fn of_head(&self, head: usize) -> ScoreBias<'_> {
        let width = 2 * self.positions - 1;
        ScoreBias::by_distance(&self.values[head * width..][..width], self.positions - 1)
    }
}

/// The bucket of a distance to one side, of `count`: half of them for a distance each, the others on a logarithmic
/// scale; in `f32` as in transformers.
fn bucket(distance: usize, count: usize, farthest: usize) -> usize {
    let exact = count / 2;
    if distance < exact {
        return distance;
    }
    let share = libm::logf(distance as f32 / exact as f32) / libm::log(farthest as f64 / exact as f64) as f32;
    (exact + (share * (count - exact) as f32) as usize).min(count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// transformers' values for 16 buckets to a side.
    #[test]
    fn far_distances_share_buckets() {
        let found = [1, 7, 8, 11, 12, 16, 22, 23, 32, 64, 90, 91, 127, 128, 500].map(|d| bucket(d, 16, 128));
        assert_eq!(found, [1, 7, 8, 8, 9, 10, 10, 11, 12, 14, 14, 15, 15, 15, 15]);
    }
}
