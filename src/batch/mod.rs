//! Windows laid out for one forward pass.

/// Token ids of one or more windows, end to end, without padding.
///
/// Window `i` is `input_ids[cu_seq_lengths[i]..cu_seq_lengths[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    input_ids: Vec<u32>,
    token_type_ids: Vec<u32>,
    cu_seq_lengths: Vec<usize>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { input_ids: Vec::new(), token_type_ids: Vec::new(), cu_seq_lengths: vec![0] }
    }
}

impl Batch {
    /// Appends a window.
    ///
    /// # Panics
    /// If the two slices differ in length, or are empty.
    pub fn push(&mut self, input_ids: &[u32], token_type_ids: &[u32]) {
        assert_eq!(input_ids.len(), token_type_ids.len());
        assert!(!input_ids.is_empty());
        self.input_ids.extend_from_slice(input_ids);
        self.token_type_ids.extend_from_slice(token_type_ids);
        self.cu_seq_lengths.push(self.input_ids.len());
    }

    /// Vocabulary ids of all windows, `[tokens]`.
    pub fn input_ids(&self) -> &[u32] {
        &self.input_ids
    }

    /// 0 for the first segment (question), 1 for the second, `[tokens]`.
    pub fn token_type_ids(&self) -> &[u32] {
        &self.token_type_ids
    }

    /// Where each window begins, and the total at the end, `[windows + 1]`.
    pub fn cu_seq_lengths(&self) -> &[usize] {
        &self.cu_seq_lengths
    }

    pub fn windows(&self) -> usize {
        self.cu_seq_lengths.len() - 1
    }

    pub fn tokens(&self) -> usize {
        self.input_ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.windows() == 0
    }
}
