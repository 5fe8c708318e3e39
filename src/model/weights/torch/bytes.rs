/// Bytes that are read from front to back.
pub(super) struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    /// Those of `all` from `at` on.
    pub(super) fn new(all: &'a [u8], at: usize) -> Self {
        Self { all, at }
    }

    /// How many were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next ones, if there are as many.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.all.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Up to the end of the line, which is read as well.
    pub(super) fn line(&mut self) -> Option<&'a [u8]> {
        let length = self.all.get(self.at..)?.iter().position(|byte| *byte == b'\n')?;
        let line = self.take(length)?;
        self.at += 1;
        Some(line)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of bytes or of values, if this machine can have as many.
    pub(super) fn size(&mut self) -> Option<usize> {
        self.u64()?.try_into().ok()
    }
}
