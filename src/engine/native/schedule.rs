//! Which thread runs which windows, and in which groups.

/// Tokens of a group, where more than one window is in it: as many as keep the matrix products busy while the
/// activations stay in the cache.
const GROUP_TOKENS: usize = 256;

/// Shares out windows of the given `lengths` in tokens, longest first, always to the thread with the fewest tokens.
pub fn share_out(lengths: &[usize], mut shares: Vec<&mut Vec<usize>>) {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(lengths[index]));
    let mut tokens = vec![0; shares.len()];
    for index in order {
        if let Some(least) = (0..shares.len()).min_by_key(|&share| tokens[share]) {
            shares[least].push(index);
            tokens[least] += lengths[index];
        }
    }
}

/// Cuts a share into groups of at most [`GROUP_TOKENS`]; a longer window is a group of its own.
pub fn groups<'a>(mut share: &'a [usize], lengths: &'a [usize]) -> impl Iterator<Item = &'a [usize]> {
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fitting = share.iter().take_while(|&&index| {
            tokens += lengths[index];
            tokens <= GROUP_TOKENS
        });
        let count = fitting.count().max(1).min(share.len());
        let (group, rest) = share.split_at(count);
        share = rest;
        (!group.is_empty()).then_some(group)
    })
}
