//! The forward pass over a group of windows.

use rayon::prelude::*;

use super::layers::Workspace;
use super::models::{Network, Shape};
use super::windows::{Window, Windows};

/// Tokens of a thread whose hidden states are computed at a time, so that the widest matrix of their feed-forward part
/// stays in the cache.
const BLOCK: usize = 64;

/// What all threads that work on a group of windows see of it. Buffers are kept from group to group.
#[derive(Debug, Default)]
pub(super) struct Group {
    bounds: Vec<usize>,
    /// `[tokens, hidden_size]`
    hidden: Vec<f32>,
    /// `[tokens, projected_size]`
    projected: Vec<f32>,
}

/// Appends start and end logits of every token of `windows` to `logits`.
///
/// The tokens are shared out over `workspaces`, each of which takes a thread of the current pool.
pub(super) fn forward(
    network: &Network,
    windows: &[Window],
    group: &mut Group,
    workspaces: &mut [Workspace],
    logits: &mut Vec<f32>,
) {
    let Shape { hidden_size, projected_size, .. } = network.shape;
    let Group { bounds, hidden, projected } = group;
    let windows = &Windows::new(windows, bounds);
    network.embeddings.embed(windows, hidden, &mut workspaces[0]);
    let tokens = windows.tokens();
    projected.resize(tokens * projected_size, 0.0);
    let share = tokens.div_ceil(workspaces.len()).max(1);
    let rows = |part: usize| part * share..tokens.min((part + 1) * share);
    for layer in &network.layers {
        let parts = projected.par_chunks_mut(share * projected_size).zip(workspaces.par_iter_mut()).enumerate();
        parts.for_each(|(part, (projected, workspace))| {
            layer.project(windows, hidden, rows(part), projected, workspace);
        });
        let parts = hidden.par_chunks_mut(share * hidden_size).zip(workspaces.par_iter_mut()).enumerate();
        parts.for_each(|(part, (hidden, workspace))| {
            layer.attend(windows, projected, rows(part), hidden, workspace);
            for (block, hidden) in hidden.chunks_mut(BLOCK * hidden_size).enumerate() {
                let first = block * BLOCK;
                layer.update(first..first + hidden.len() / hidden_size, hidden, workspace);
            }
        });
    }
    let first = logits.len();
    logits.resize(first + 2 * tokens, 0.0);
    network.head.find(windows, hidden, &mut logits[first..], &mut workspaces[0]);
}
