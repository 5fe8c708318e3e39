use std::fmt;
use std::sync::Arc;

/// The bytes of a weights file; clones share them.
#[derive(Debug, Clone)]
pub enum WeightBytes {
    /// A file mapped into memory.
    Mapped(Arc<memmap2::Mmap>),
    /// Bytes of the program itself.
    Static(&'static [u8]),
}

impl AsRef<[u8]> for WeightBytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Static(bytes) => bytes,
        }
    }
}

/// A weights file: its bytes, and its name for messages. Clones share both.
#[derive(Clone)]
pub struct WeightFile {
    name: Arc<str>,
    bytes: WeightBytes,
}

impl WeightFile {
    /// A file of this name, which is for messages.
    pub fn new(name: &str, bytes: WeightBytes) -> Self {
        Self { name: name.into(), bytes }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All of its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl fmt::Debug for WeightFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeightFile").field(&self.name).finish()
    }
}
