/// Number and width of the attention heads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub count: usize,
    pub size: usize,
}
