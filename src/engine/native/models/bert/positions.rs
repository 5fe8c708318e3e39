//! How positions come into attention.

use std::sync::Arc;

use super::config::{POSITION_BUCKETS, PositionUse};
use super::{Attention, BertLoader};
use crate::engine::Precision;
use crate::engine::native::LoadError;
use crate::engine::native::layers::{
    DisentangledAttention, PositionBias, RelativePositions, RotaryPairs, SelfAttention,
};
use bertqa_kernels::Rows;

/// What all layers share of positions.
pub(super) enum SharedPositions {
    /// Nothing.
    None,
    Rotary(Arc<RotaryPairs>),
    Bias(Arc<PositionBias>),
}

impl BertLoader<'_> {
    pub(super) fn shared_positions(&self) -> Result<SharedPositions, LoadError> {
        let (config, tensors) = (self.config, self.loader.tensors);
        if let PositionUse::Rotary { values } = config.positions {
            let name = self.full("encoder.embed_positions.weight");
            let shape = [config.position_embeddings, config.heads.size];
            let table = match tensors.contains(&name) {
                true => tensors.get(&name, &shape)?.read(),
                false => RotaryPairs::sinusoids(config.heads.size, config.position_embeddings),
            };
            return Ok(SharedPositions::Rotary(Arc::new(RotaryPairs::new(config.heads, table, values))));
        }
        let Some(name) = config.family.position_bias else { return Ok(SharedPositions::None) };
        let heads = config.heads.count;
        let buckets = tensors.get(&self.full(&format!("{name}.weight")), &[POSITION_BUCKETS, heads])?.read();
        Ok(SharedPositions::Bias(Arc::new(PositionBias::new(&buckets, heads, config.max_seq_len()))))
    }

    /// `distance` is the name of a layer's embeddings of distances.
    pub(super) fn attention(&self, distance: &str, shared: &SharedPositions) -> Result<Attention, LoadError> {
        let (config, heads) = (self.config, self.config.heads);
        Ok(match (config.positions, shared) {
            (PositionUse::Distances { as_queries }, _) => {
                let span = config.position_embeddings;
                let name = format!("{distance}.weight");
                let embeddings = self.loader.tensors.get(&name, &[2 * span - 1, heads.size])?.read();
                // The first row is for a distance that is beyond the longest window.
                let keys = [vec![0.0; heads.size], embeddings].concat();
                let scale = 1.0 / (heads.size as f32).sqrt();
                let queries = as_queries.then(|| keys.iter().map(|value| scale * value).collect::<Vec<_>>());
                let positions = RelativePositions { span, log_buckets: None };
                let precision = self.loader.precision;
                Attention::Distances(DisentangledAttention::new(heads, positions, precision, [Some(keys), queries]))
            }
            (PositionUse::Sinusoids { max_distance }, _) => {
                let span = max_distance + 1;
                let rows = sinusoids(heads.size, max_distance);
                let positions = RelativePositions { span, log_buckets: None };
                let attention =
                    DisentangledAttention::new(heads, positions, Precision::F32, [Some(rows.clone()), None]);
                Attention::Distances(attention.with_values(Rows::dense(&rows, heads.size)))
            }
            (_, SharedPositions::Bias(bias)) => {
                Attention::Plain(SelfAttention::biased(heads, self.loader.precision, bias.clone()))
            }
            _ => Attention::Plain(match config.sparse {
                Some(sparse) => SelfAttention::sparse(heads, self.loader.precision, sparse),
                None => SelfAttention::new(heads, self.loader.precision),
            }),
        })
    }
}

/// The encodings of NEZHA for queries from `max_distance + 1` tokens before a key to `max_distance` behind it, as
/// [`RelativePositions`] counts; `[2 * (max_distance + 1), size]`. Distances beyond share those of the farthest.
fn sinusoids(size: usize, max_distance: usize) -> Vec<f32> {
    let row = |place: usize| {
        (0..size).map(move |column| {
            let factor = libm::exp(-libm::log(10_000.0) / size as f64 * (column / 2 * 2) as f64) as f32;
            let angle = place as f32 * factor;
            if column % 2 == 0 { libm::sinf(angle) } else { libm::cosf(angle) }
        })
    };
    // transformers counts from the key that is farthest before the query.
    let places = (0..2 * max_distance + 2).map(|index| (2 * max_distance + 1 - index).min(2 * max_distance));
    places.flat_map(row).collect()
}
