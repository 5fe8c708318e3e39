//! The pages of a column in a row group.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use polars::prelude::{PolarsError, PolarsResult};
use polars_parquet::parquet::compression::Compression;
use polars_parquet::parquet::read::PageMetaData;
use polars_parquet::read::ColumnChunkMetadata;

use super::checks;
use super::compression::unpacked;
use super::header::{Header, Kind};
use crate::io::read::columnar::decoder::damaged;
use crate::io::read::columnar::memory;
use crate::io::source::Blob;

/// Enough for the headers of most pages.
const HEADER_BUFFER: usize = 4 << 10;

/// The pages of a column: their headers, and where they are.
pub(super) struct Pages {
    /// For messages.
    column: String,
    compression: Compression,
    dictionary: Option<Page>,
    data: Vec<Page>,
    whole: PageMetaData,
}

struct Page {
    header: Header,
    /// Where the header begins in the file.
    begin: u64,
    /// Where the page itself begins.
    body: u64,
    /// Of the row group's values, with those that are null.
    values: Range<usize>,
}

/// What is handed to the decoder: pages, each with its header before it.
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) metadata: PageMetaData,
    /// The values in them.
    pub(super) values: Range<usize>,
}

impl Pages {
    /// Finds the pages, which must have as many values as the metadata say.
    pub(super) fn find(file: &mut Blob, column: &ColumnChunkMetadata) -> PolarsResult<Self> {
        let name = checks::name(column);
        let (compression, wrong) = (column.compression(), in_column(&name));
        let (mut begin, end) = checks::chunk(column).ok_or_else(|| wrong(damaged("it lies outside of the file")))?;
        let (mut dictionary, mut data, mut values) = (None, Vec::new(), 0usize);
        let mut reader = BufReader::with_capacity(HEADER_BUFFER, file);
        reader.seek(SeekFrom::Start(begin))?;
        while begin < end {
            let header = Header::read((&mut reader).take(end - begin), compression).map_err(&wrong)?;
            let body = reader.stream_position()?;
            let next = body.saturating_add(header.stored as u64);
            if next > end {
                return Err(wrong(damaged("a page is longer than its column")));
            }
            let first = values;
            let kind = header.kind;
            if let Kind::Data { values: more } = kind {
                values = values.saturating_add(more);
            }
            let page = Page { header, begin, body, values: first..values };
            match kind {
                Kind::Data { .. } => data.push(page),
                Kind::Dictionary if data.is_empty() && dictionary.is_none() => dictionary = Some(page),
                Kind::Dictionary => return Err(wrong(damaged("a dictionary is not where it should be"))),
                Kind::Index => {}
            }
            reader.seek_relative((next - body) as i64)?;
            begin = next;
        }
        if i64::try_from(values) != Ok(column.num_values()) {
            let said = column.num_values();
            return Err(wrong(damaged(format!("it has {said} values, and its pages have {values}"))));
        }
        Ok(Self { column: name.clone(), compression, dictionary, data, whole: column.into() })
    }

    /// Bytes of all values.
    pub(super) fn unpacked(&self) -> usize {
        let pages = self.dictionary.iter().chain(&self.data);
        pages.fold(0, |all, page| all.saturating_add(page.header.unpacked))
    }

    /// Bytes that any value may come to, though it takes few.
    pub(super) fn longest_prefixed(&self) -> usize {
        let prefixed = self.data.iter().filter(|page| page.header.has_prefixes());
        prefixed.map(|page| page.header.unpacked).max().unwrap_or_default()
    }

    /// The data pages that have these values.
    pub(super) fn with_values(&self, values: &Range<usize>) -> Range<usize> {
        let begin = self.data.partition_point(|page| page.values.end <= values.start);
        let end = self.data.partition_point(|page| page.values.start < values.end);
        begin..end.max(begin)
    }

    /// Some data pages and the dictionary, unpacked.
    pub(super) fn read(&self, file: &mut Blob, pages: Range<usize>) -> PolarsResult<Encoded> {
        let pages = &self.data[pages];
        let first = pages.first().map_or(0, |page| page.values.start);
        let values = first..pages.last().map_or(first, |page| page.values.end);
        let wanted = || self.dictionary.iter().chain(pages);
        let unpacked = wanted().map(|page| page.header.unpacked as u64).sum();
        memory::check(unpacked).map_err(in_column(&self.column))?;
        let mut bytes = Vec::new();
        for page in wanted() {
            let body = self.unpack(page, &self.stored(file, page)?)?;
            page.header.write_unpacked(&mut bytes)?;
            bytes.extend(body);
        }
        let mut metadata = self.whole.clone();
        metadata.num_values = values.len() as i64;
        metadata.compression = Compression::Uncompressed;
        Ok(Encoded { bytes, metadata, values })
    }

    /// All pages as they are stored, where the decoder has to begin with the first for whatever value.
    pub(super) fn read_all(&self, file: &mut Blob) -> PolarsResult<Encoded> {
        let mut bytes = Vec::new();
        for page in self.dictionary.iter().chain(&self.data) {
            let stored = self.stored(file, page)?;
            self.unpack(page, &stored)?;
            file.seek(SeekFrom::Start(page.begin))?;
            file.take(page.body - page.begin).read_to_end(&mut bytes)?;
            bytes.extend(stored);
        }
        let values = 0..self.data.last().map_or(0, |page| page.values.end);
        Ok(Encoded { bytes, metadata: self.whole.clone(), values })
    }

    /// A page as it is in the file, whose checksum is right.
    fn stored(&self, file: &mut Blob, page: &Page) -> PolarsResult<Vec<u8>> {
        let mut bytes = Vec::with_capacity(page.header.stored);
        file.seek(SeekFrom::Start(page.body))?;
        file.take(page.header.stored as u64).read_to_end(&mut bytes)?;
        let wrong = in_column(&self.column);
        if bytes.len() != page.header.stored {
            return Err(wrong(damaged("a page is cut off")));
        }
        match page.header.checksum() {
            Some(checksum) if crc32fast::hash(&bytes) != checksum => {
                Err(wrong(damaged("a page is damaged: it does not fit its checksum (CRC)")))
            }
            _ => Ok(bytes),
        }
    }

    fn unpack(&self, page: &Page, stored: &[u8]) -> PolarsResult<Vec<u8>> {
        let Header { levels, unpacked: length, .. } = page.header;
        let mut bytes = stored[..levels].to_vec();
        let compression = page.header.compression(self.compression);
        let values = unpacked(compression, &stored[levels..], length - levels).map_err(in_column(&self.column))?;
        if levels == 0 {
            return Ok(values);
        }
        bytes.extend(values);
        Ok(bytes)
    }
}

/// Says in which column an error is.
pub(super) fn in_column(name: &str) -> impl Fn(PolarsError) -> PolarsError {
    move |error| error.wrap_msg(|message| format!("column `{name}`: {message}"))
}
