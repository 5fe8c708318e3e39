//! Which thread runs which windows, and in which groups.

/// Tokens of a group, where more than one window is in it: as many as keep the matrix products busy while the
/// activations stay in the cache.
const GROUP_TOKENS: usize = 128;

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

/// Cuts a share into groups of at most [`GROUP_TOKENS`]; a longer window is a group of its own.
pub(super) fn groups<'a>(mut share: &'a [usize], lengths: &'a [usize]) -> impl Iterator<Item = &'a [usize]> {
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
        let found: Vec<_> = groups(&[0, 1, 2, 3, 4, 5], &lengths).map(<[usize]>::to_vec).collect();
        assert_eq!(found, [vec![0], vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(groups(&[], &lengths).count(), 0);
    }
}
