use std::ops::Range;

/// A window's tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub input_ids: &'a [u32],
    pub token_type_ids: &'a [u32],
}

/// The windows of a group, whose tokens lie end to end.
pub(super) struct Windows<'a> {
    windows: &'a [Window<'a>],
    /// Where each begins, and the total at the end.
    bounds: &'a [usize],
}

impl<'a> Windows<'a> {
    /// `bounds` is a buffer that is kept from group to group.
    pub(super) fn new(windows: &'a [Window<'a>], bounds: &'a mut Vec<usize>) -> Self {
        bounds.clear();
        bounds.push(0);
        bounds.extend(windows.iter().scan(0, |end, window| {
            *end += window.input_ids.len();
            Some(*end)
        }));
        Self { windows, bounds }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'a, Window<'a>> {
        self.windows.iter()
    }

    /// The tokens of each window.
    pub(super) fn bounds(&self) -> impl Iterator<Item = Range<usize>> {
        self.bounds.windows(2).map(|bounds| bounds[0]..bounds[1])
    }

    pub(super) fn tokens(&self) -> usize {
        self.bounds[self.windows.len()]
    }
}
