//! Runs the network: token ids in, start and end logits out.

mod device;
pub mod devices;
mod input;
pub mod native;
mod precision;
#[cfg(feature = "torch")]
pub mod torch;

use crate::batch::{Batch, ShapeError};

pub use crate::batch::Shape;
pub use device::{Device, DeviceChoice, DeviceKind, DeviceSyntax, Devices};
pub use input::Input;
pub use precision::Precision;

/// What an engine wants its batches to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Windows end to end, of any lengths, without padding.
    Ragged,
    /// Rows of one length, padded: what a compiled model takes.
    Fixed(Shape),
}

impl Layout {
    /// Tokens that a forward pass over `batch` computes, padding included.
    pub fn slots(self, batch: &Batch) -> usize {
        match self {
            Self::Ragged => batch.tokens(),
            Self::Fixed(shape) => shape.computed_rows(batch.rows().len()) * shape.seq_len.get(),
        }
    }

    /// About how many windows an engine runs at once, where a ragged one takes at most `batch_size`.
    pub fn windows(self, batch_size: usize) -> usize {
        /// Question and paragraph.
        const USUAL_TOKENS: usize = 128;
        match self {
            Self::Ragged => batch_size,
            Self::Fixed(Shape { batch, seq_len, packed, .. }) => {
                let a_row = if packed { (seq_len.get() / USUAL_TOKENS).max(1) } else { 1 };
                batch.get() * a_row
            }
        }
    }

    /// Whether a smaller batch takes less.
    pub fn shrinks(self) -> bool {
        match self {
            Self::Ragged => true,
            Self::Fixed(shape) => !shape.exact,
        }
    }
}

/// Start and end logits, one of each for every token of the batch, laid out as the batch is.
#[derive(Debug, Clone, PartialEq)]
pub struct Logits {
    /// `[tokens]`
    pub start: Vec<f32>,
    /// `[tokens]`
    pub end: Vec<f32>,
}

/// What a device's own library says of a failure.
pub type DeviceError = Box<dyn std::error::Error + Send + Sync>;

/// Loads an engine again.
pub type Reload = Box<dyn Fn() -> Result<Box<dyn Engine>, DeviceError> + Send>;

/// A forward pass that failed. [`OutOfMemory`](Self::OutOfMemory) and [`DeviceLost`](Self::DeviceLost) say something
/// of the device; all others say that the batch is wrong for this model, on whatever device.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A token that the model does not have.
    #[error("token id {id} is outside the model's vocabulary of {vocab_size}")]
    TokenId {
        /// The token or type.
        id: u32,
        /// Tokens of the vocabulary.
        vocab_size: usize,
    },
    /// A window that is too long.
    #[error("a window of {tokens} tokens is longer than the model's {max} positions")]
    TooLong {
        /// Tokens of the window.
        tokens: usize,
        /// Longest window.
        max: usize,
    },
    /// A token type that the model does not have.
    #[error("token type {id} is outside the model's {type_vocab_size} token types")]
    TokenType {
        /// The token or type.
        id: u32,
        /// Token types of the model.
        type_vocab_size: usize,
    },
    /// A batch that a compiled model has no room for.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Less at once may do.
    #[error("the device has not enough memory")]
    OutOfMemory(#[source] DeviceError),
    /// Nothing more is to be had from this engine; another may run the batch.
    #[error("the device failed")]
    DeviceLost(#[source] DeviceError),
}

/// Runs the network: token ids in, start and end logits out.
pub trait Engine: Send {
    /// Which device it is, for messages: `cpu`, `cuda:1`, `NeuronCore 3`.
    fn name(&self) -> &str;

    /// What its batches have to look like.
    fn layout(&self) -> Layout;

    /// One pair of logits for every token of `batch`. A window's logits do not depend on what shares its batch.
    fn forward(&mut self, batch: &Batch) -> Result<Logits, EngineError>;

    /// Loads it again where it was lost, once this one is dropped; `None` if that cannot be done to it alone.
    fn reload(&self) -> Option<Reload> {
        None
    }
}
