//! The forward pass over a group of windows.

use rayon::prelude::*;

use super::layers::{Gathered, Workspace};
use super::models::{Network, Shape};
use super::windows::{Window, Windows};
use bertqa_kernels::grow;

/// Tokens of a thread whose hidden states are computed at a time: as many as make it worth reading the weights of the
/// feed-forward part.
const BLOCK: usize = 256;

/// What all threads that work on a group of windows see of it. Buffers are kept from group to group.
#[derive(Debug, Default)]
pub(super) struct Group {
    chunks: Vec<Chunk>,
    /// `[tokens, projected_size]`, of one chunk after the other.
    projected: Vec<f32>,
}

/// Windows of a group whose attention is computed at a time.
#[derive(Debug, Default)]
struct Chunk {
    bounds: Vec<usize>,
    /// `[tokens, hidden_size]`
    hidden: Vec<f32>,
    /// Of each thread's share of the tokens.
    gathered: Vec<Gathered>,
}

/// Appends start and end logits of every token of `chunks` to `logits`.
///
/// A layer's weights are read once for attention, and once for what follows, of all chunks. The tokens of a chunk are
/// shared out over `workspaces`, each of which takes a thread of the current pool.
pub(super) fn forward(
    network: &Network,
    chunks: &[Vec<Window>],
    group: &mut Group,
    workspaces: &mut [Workspace],
    logits: &mut Vec<f32>,
) {
    let Shape { hidden_size, projected_size, .. } = network.shape;
    let Group { chunks: buffers, projected } = group;
    if buffers.len() < chunks.len() {
        buffers.resize_with(chunks.len(), Chunk::default);
    }
    let mut states: Vec<_> = chunks
        .iter()
        .zip(buffers)
        .map(|(windows, Chunk { bounds, hidden, gathered })| {
            gathered.resize_with(workspaces.len(), Gathered::default);
            (Windows::new(windows, bounds), hidden, gathered)
        })
        .collect();
    for (windows, hidden, _) in &mut states {
        network.embeddings.embed(windows, hidden, &mut workspaces[0]);
    }
    let share = |tokens: usize| tokens.div_ceil(workspaces.len()).max(1);
    let shares: Vec<usize> = states.iter().map(|(windows, ..)| share(windows.tokens())).collect();
    for layer in &network.layers {
        for ((windows, hidden, gathered), &share) in states.iter_mut().zip(&shares) {
            let tokens = windows.tokens();
            let rows = |part: usize| part * share..tokens.min((part + 1) * share);
            grow(projected, tokens * projected_size, 0.0);
            let projected = &mut projected[..tokens * projected_size];

            let parts = projected.par_chunks_mut(share * projected_size).zip(threads(workspaces, gathered));
            parts.enumerate().for_each(|(part, (projected, thread))| {
                thread.run(|workspace| layer.project(windows, hidden, rows(part), projected, workspace));
            });
            let parts = hidden.par_chunks(share * hidden_size).zip(threads(workspaces, gathered));
            parts.enumerate().for_each(|(part, (hidden, thread))| {
                thread.run(|workspace| layer.attend(windows, projected, rows(part), hidden, workspace));
            });
        }
        for ((_, hidden, gathered), &share) in states.iter_mut().zip(&shares) {
            let parts = hidden.par_chunks_mut(share * hidden_size).zip(threads(workspaces, gathered));
            parts.for_each(|(hidden, thread)| {
                thread.run(|workspace| {
                    for (index, hidden) in hidden.chunks_mut(BLOCK * hidden_size).enumerate() {
                        let first = index * BLOCK;
                        layer.update(first..first + hidden.len() / hidden_size, hidden, workspace);
                    }
                });
            });
        }
    }
    for (windows, hidden, _) in &states {
        let first = logits.len();
        logits.resize(first + 2 * windows.tokens(), 0.0);
        network.head.find(windows, hidden, &mut logits[first..], &mut workspaces[0]);
    }
}

/// A thread's buffers, and what a layer has left for its share of a chunk.
struct Thread<'a> {
    workspace: &'a mut Workspace,
    gathered: &'a mut Gathered,
}

fn threads<'a>(
    workspaces: &'a mut [Workspace],
    gathered: &'a mut [Gathered],
) -> impl IndexedParallelIterator<Item = Thread<'a>> {
    let pairs = workspaces.par_iter_mut().zip(gathered);
    pairs.map(|(workspace, gathered)| Thread { workspace, gathered })
}

impl Thread<'_> {
    fn run(self, work: impl FnOnce(&mut Workspace)) {
        std::mem::swap(&mut self.workspace.gathered, self.gathered);
        work(self.workspace);
        std::mem::swap(&mut self.workspace.gathered, self.gathered);
    }
}
