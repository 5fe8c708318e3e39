//! What stands before each page.

use std::io::Read;

use polars::prelude::PolarsResult;
use polars_parquet::parquet::compression::Compression;
use polars_parquet_format::thrift::protocol::{TCompactInputProtocol, TCompactOutputProtocol};
use polars_parquet_format::{Encoding, PageHeader, PageType};

use super::damaged;

/// Larger than that of any page: it may have the smallest and the largest of its values.
const LONGEST: usize = 16 << 20;
/// The largest page that is unpacked. Writers make pages of about 1 MiB, unless a single value is larger.
const LARGEST_PAGE: usize = 512 << 20;

/// What a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dictionary,
    /// Of so many values, with those that are null.
    Data {
        values: usize,
    },
    Index,
}

/// The header of a page, whose sizes are possible.
#[derive(Debug, Clone)]
pub(super) struct Header {
    thrift: PageHeader,
    pub(super) kind: Kind,
    /// As it is stored, in bytes.
    pub(super) stored: usize,
    /// Unpacked, in bytes.
    pub(super) unpacked: usize,
    /// What stands before the part that is compressed.
    pub(super) levels: usize,
}

impl Header {
    /// Reads the header that begins here.
    pub(super) fn read(reader: impl Read, compression: Compression) -> PolarsResult<Self> {
        let mut protocol = TCompactInputProtocol::new(reader, LONGEST);
        let thrift = PageHeader::read_from_in_protocol(&mut protocol)
            .map_err(|error| damaged(format!("a page has no header that can be read ({error})")))?;
        Self::new(thrift, compression)
    }

    fn new(mut thrift: PageHeader, compression: Compression) -> PolarsResult<Self> {
        let size = |bytes: i32| usize::try_from(bytes).map_err(|_| damaged("a page has a negative size"));
        let count = |values: i32| usize::try_from(values).map_err(|_| damaged("a page has a negative number of values"));
        let missing = || damaged("a page has not the header of its type");
        let (stored, unpacked) = (size(thrift.compressed_page_size)?, size(thrift.uncompressed_page_size)?);
        let mut levels = 0;
        let kind = match thrift.type_ {
            PageType::DICTIONARY_PAGE => {
                let header = thrift.dictionary_page_header.as_ref().ok_or_else(missing)?;
                // The decoder asks for memory for as many as there are said to be.
                if count(header.num_values)? > unpacked {
                    return Err(damaged("a dictionary has more values than bytes"));
                }
                Kind::Dictionary
            }
            PageType::DATA_PAGE => {
                let header = thrift.data_page_header.as_mut().ok_or_else(missing)?;
                header.statistics = None;
                Kind::Data { values: count(header.num_values)? }
            }
            PageType::DATA_PAGE_V2 => {
                let header = thrift.data_page_header_v2.as_mut().ok_or_else(missing)?;
                header.statistics = None;
                let values = count(header.num_values)?;
                let (rows, nulls) = (count(header.num_rows)?, count(header.num_nulls)?);
                if rows > values || nulls > values {
                    return Err(damaged(format!("a page has {values} values, {rows} rows and {nulls} nulls")));
                }
                let parts = [header.definition_levels_byte_length, header.repetition_levels_byte_length];
                levels = parts.into_iter().map(size).sum::<PolarsResult<usize>>()?;
                if levels > stored.min(unpacked) {
                    return Err(damaged("a page is shorter than its levels"));
                }
                Kind::Data { values }
            }
            PageType::INDEX_PAGE => Kind::Index,
            other => return Err(damaged(format!("a page has an unknown type, {}", other.0))),
        };
        let header = Self { thrift, kind, stored, unpacked, levels };
        let compression = header.compression(compression);
        if unpacked > LARGEST_PAGE {
            let limit = LARGEST_PAGE >> 20;
            return Err(damaged(format!("a page is larger than the limit of {limit} MiB: it has {unpacked} bytes")));
        }
        if unpacked > most_unpacked(compression, stored) {
            return Err(damaged(format!("a page of {stored} bytes cannot come to {unpacked}, as it says")));
        }
        Ok(header)
    }

    /// How the page is compressed in a column that is compressed so.
    pub(super) fn compression(&self, column: Compression) -> Compression {
        match &self.thrift.data_page_header_v2 {
            Some(header) if matches!(self.kind, Kind::Data { .. }) && header.is_compressed == Some(false) => {
                Compression::Uncompressed
            }
            _ => column,
        }
    }

    /// Whether a value is stored as what it has in common with the one before, and what follows: it may then be as long
    /// as the page, whatever it takes.
    pub(super) fn has_prefixes(&self) -> bool {
        let first = self.thrift.data_page_header.as_ref().map(|header| header.encoding);
        let second = self.thrift.data_page_header_v2.as_ref().map(|header| header.encoding);
        [first, second].contains(&Some(Encoding::DELTA_BYTE_ARRAY))
    }

    /// The checksum of the page as it is stored.
    pub(super) fn checksum(&self) -> Option<u32> {
        self.thrift.crc.map(i32::cast_unsigned)
    }

    /// Writes the header of the page unpacked.
    pub(super) fn write_unpacked(&self, output: &mut Vec<u8>) -> PolarsResult<()> {
        let mut thrift = self.thrift.clone();
        thrift.compressed_page_size = thrift.uncompressed_page_size;
        thrift.crc = None;
        if let Some(header) = &mut thrift.data_page_header_v2 {
            header.is_compressed = Some(false);
        }
        let mut protocol = TCompactOutputProtocol::new(output);
        thrift.write_to_out_protocol(&mut protocol).map_err(|error| damaged(error.to_string()))?;
        Ok(())
    }
}

/// The most bytes to which so many can be unpacked.
fn most_unpacked(compression: Compression, stored: usize) -> usize {
    let (times, least) = match compression {
        Compression::Uncompressed => (1, 0),
        // A copy of 64 bytes takes three.
        Compression::Snappy => (22, 64),
        // 258 bytes take two bits.
        Compression::Gzip => (1032, 1 << 10),
        // A byte more of a length is at most 255 bytes more.
        Compression::Lz4 | Compression::Lz4Raw => (255, 1 << 10),
        // A block of 128 KiB that is one byte repeated takes four.
        Compression::Zstd => (1 << 15, 1 << 17),
        Compression::Lzo | Compression::Brotli => return usize::MAX,
    };
    stored.saturating_mul(times).saturating_add(least)
}
