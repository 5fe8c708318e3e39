//! What encoders write to.

use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex};

use flate2::write::GzEncoder;
use polars::prelude::PolarsError;

use crate::io::error::Error;
use crate::io::format::Compression;

/// Buffers, and remembers what went wrong.
pub(crate) struct Sink {
    writer: BufWriter<Box<dyn Write + Send>>,
    failure: Failure,
}

/// The last I/O error of a [`Sink`], for encoders whose own errors do not pass it on.
#[derive(Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Sink {
    pub(crate) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self { writer: BufWriter::with_capacity(64 << 10, writer), failure: Failure::default() }
    }

    pub(crate) fn failure(&self) -> Failure {
        self.failure.clone()
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let (Err(error), Ok(mut failure)) = (&result, self.failure.0.lock()) {
            *failure = Some(io::Error::new(error.kind(), error.to_string()));
        }
        result
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.writer.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.writer.flush();
        self.note(result)
    }
}

impl Failure {
    /// The I/O error that lies behind `error`, if one does.
    pub(crate) fn explain(&self, error: PolarsError) -> Error {
        match self.0.lock().ok().and_then(|mut failure| failure.take()) {
            Some(failure) => Error::Write(failure),
            None => error.into(),
        }
    }
}

/// Compresses what is written to it.
pub(crate) enum Compressed<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Compressed<W> {
    pub(crate) fn new(sink: W, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(sink),
            Compression::Gzip => Self::Gzip(GzEncoder::new(sink, flate2::Compression::default())),
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(sink, zstd::DEFAULT_COMPRESSION_LEVEL)?),
        })
    }

    /// Writes what compression held back.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::None(sink) => Ok(sink),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }?
        .flush()
    }
}

impl<W: Write> Write for Compressed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(sink) => sink.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(sink) => sink.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}
