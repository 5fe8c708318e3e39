//! What stands before each page.

use std::io::Read;

use polars::prelude::PolarsResult;
use polars_parquet::parquet::compression::Compression;
use polars_parquet_format::thrift::protocol::{TCompactInputProtocol, TCompactOutputProtocol};
use polars_parquet_format::{Encoding, PageHeader, PageType};

use crate::io::read::columnar::decoder::damaged;

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
        let count =
            |values: i32| usize::try_from(values).map_err(|_| damaged("a page has a negative number of values"));
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

#[cfg(test)]
mod tests {
    use polars_parquet_format::{DataPageHeader, DataPageHeaderV2, DictionaryPageHeader, IndexPageHeader, Statistics};

    use super::*;

    /// A page of 10 values that unpacks from 100 bytes to 1000.
    fn page(type_: PageType) -> PageHeader {
        let plain = Encoding::PLAIN;
        let first = DataPageHeader::new(10, plain, plain, plain, None::<Statistics>);
        let second = DataPageHeaderV2::new(10, 0, 10, plain, 8, 8, None::<bool>, None::<Statistics>);
        let dictionary = DictionaryPageHeader::new(10, plain, None::<bool>);
        PageHeader::new(type_, 1000, 100, None::<i32>, first, None::<IndexPageHeader>, dictionary, second)
    }

    fn refused(page: PageHeader, compression: Compression) -> bool {
        Header::new(page, compression).is_err()
    }

    #[test]
    fn sizes_that_cannot_be() {
        let kinds = [PageType::DATA_PAGE, PageType::DATA_PAGE_V2, PageType::DICTIONARY_PAGE];
        let changes: [fn(&mut PageHeader); 5] = [
            |page| page.uncompressed_page_size = i32::MAX,
            |page| page.uncompressed_page_size = -1,
            |page| page.compressed_page_size = i32::MIN,
            |page| {
                page.data_page_header.as_mut().unwrap().num_values = -1;
                page.data_page_header_v2.as_mut().unwrap().num_values = -1;
                page.dictionary_page_header.as_mut().unwrap().num_values = 1001;
            },
            |page| {
                page.data_page_header = None;
                page.data_page_header_v2 = None;
                page.dictionary_page_header = None;
            },
        ];
        for kind in kinds {
            assert!(!refused(page(kind), Compression::Snappy));
            // It is not shorter when it is not compressed.
            assert!(refused(page(kind), Compression::Uncompressed));
            for (number, change) in changes.iter().enumerate() {
                let mut page = page(kind);
                change(&mut page);
                for compression in [Compression::Snappy, Compression::Zstd, Compression::Brotli] {
                    assert!(refused(page.clone(), compression), "{kind:?}: change {number}, {compression:?}");
                }
            }
        }
        assert!(refused(page(PageType(9)), Compression::Zstd));
        let changes: [fn(&mut DataPageHeaderV2); 5] = [
            |page| page.num_nulls = 11,
            |page| page.num_rows = 11,
            |page| page.definition_levels_byte_length = 93,
            |page| page.repetition_levels_byte_length = -1,
            |page| (page.definition_levels_byte_length, page.repetition_levels_byte_length) = (i32::MAX, i32::MAX),
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut page = page(PageType::DATA_PAGE_V2);
            change(page.data_page_header_v2.as_mut().unwrap());
            assert!(refused(page, Compression::Zstd), "change {number}");
        }
    }
}
