//! Which thread runs which windows, and in which groups.

/// Tokens of a group, where more than one window is in it: as many as make it worth reading a layer's weights, while
/// their hidden states stay near.
pub(super) const GROUP_TOKENS: usize = 1024;

/// Tokens of a chunk of a group: as many as keep the matrix products busy while what is projected of them stays in the
/// cache.
pub(super) const CHUNK_TOKENS: usize = 128;

/// Shares out windows of the given `lengths` in tokens, longest first, always to the thread with the fewest tokens.
pub(super) fn share_out(lengths: &[usize], mut shares: Vec<&mut Vec<usize>>) {
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

/// Cuts a share into groups of at most so many tokens; a longer window is a group of its own.
pub(super) fn groups<'a>(
    mut share: &'a [usize],
    lengths: &'a [usize],
    limit: usize,
) -> impl Iterator<Item = &'a [usize]> {
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fitting = share.iter().take_while(|&&index| {
            tokens += lengths[index];
            tokens <= limit
        });
        let count = fitting.count().max(1).min(share.len());
        let (group, rest) = share.split_at(count);
        share = rest;
        (!group.is_empty()).then_some(group)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_complete() {
        let lengths = [10, 500, 300, 200, 90, 400];
        let (mut a, mut b) = (Vec::new(), Vec::new());
        share_out(&lengths, vec![&mut a, &mut b]);
        assert_eq!((a, b), (vec![1, 3, 4], vec![5, 2, 0]));
    }

    #[test]
    fn groups_keep_to_the_limit() {
        let lengths = [250, 100, 28, 1, 127, 2];
        let found: Vec<_> = groups(&[0, 1, 2, 3, 4, 5], &lengths, 128).map(<[usize]>::to_vec).collect();
        assert_eq!(found, [vec![0], vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(groups(&[], &lengths, 128).count(), 0);
    }
}
