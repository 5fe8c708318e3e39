//! Damaged Parquet and Arrow files (tests/fixtures/columnar/make.py): an error that names the file, or its rows.

use std::path::{Path, PathBuf};

use fastrand::Rng;
use polars_parquet_format::FileMetaData;
use polars_parquet_format::thrift::protocol::{TCompactInputProtocol, TCompactOutputProtocol};

use polars_arrow::io::ipc::format::ipc::planus::{Builder, ReadAsRoot};
use polars_arrow::io::ipc::format::ipc::{
    Block, Buffer, Endianness, Field, Footer, FooterRef, MessageHeaderRef, MessageRef, RecordBatch,
};
use polars_io::SerWriter;
use polars_io::ipc::{IpcCompression, IpcWriter};

use super::{Folder, ReadOptions, frame, rows};

const ROWS: i64 = 12;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name)).unwrap()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/columnar")
}

/// The files that have the same rows.
fn names() -> Vec<String> {
    let entries = std::fs::read_dir(fixtures()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".parquet") || name.ends_with(".arrow")).collect()
}

/// Question and context of each row, or what is wrong with the file.
fn read(folder: &Folder, name: &str, bytes: &[u8]) -> Result<Vec<String>, String> {
    let path = folder.file(name, bytes);
    let rows = rows(&[&path], &ReadOptions::default()).map_err(|error| {
        let message = format!("{:#}", anyhow::Error::from(error));
        assert!(message.contains(name), "{message}");
        message
    })?;
    let text = |row: super::InputRow| match row.example {
        Ok(example) => format!("{} {}", example.question(), example.context()),
        Err(error) => error.to_string(),
    };
    Ok(rows.into_iter().map(text).collect())
}

fn expected() -> Vec<String> {
    let context = |row| format!("Ada built the lighthouse in {}. ", 1800 + row).repeat(1 + row as usize % 3);
    (0..ROWS).map(|row| format!("Who built number {}? {}", row % 4, context(row))).collect()
}

#[test]
fn every_layout_has_the_same_rows() {
    let folder = Folder::new();
    for name in names() {
        assert_eq!(read(&folder, &name, &fixture(&name)), Ok(expected()), "{name}");
        let one = ReadOptions { chunk_rows: 1, ..ReadOptions::default() };
        let rows = rows(&[&folder.path(&name)], &one).unwrap();
        assert_eq!(rows.len(), expected().len(), "{name}");
    }
}

/// Where the metadata of a Parquet file begin.
fn footer(bytes: &[u8]) -> usize {
    let end = bytes.len() - 8;
    end - u32::from_le_bytes(*bytes[end..].first_chunk().unwrap()) as usize
}

#[test]
fn a_page_that_does_not_fit_its_checksum_is_an_error() {
    let folder = Folder::new();
    for name in ["checksums.parquet", "nested-checksums.parquet"] {
        let whole = fixture(name);
        let (mut errors, mut checksums) = (0, 0);
        for place in 0..footer(&whole) {
            let mut damaged = whole.clone();
            damaged[place] ^= 1 << (place % 8);
            match read(&folder, name, &damaged) {
                Ok(rows) => assert_eq!(rows, expected(), "{name}: byte {place}"),
                Err(error) => {
                    errors += 1;
                    checksums += usize::from(error.contains("row group ") && error.contains("checksum"));
                }
            }
        }
        assert!(checksums > errors / 2, "{name}: {errors} errors, {checksums} of them of checksums");
    }
}

#[test]
fn pages_of_gzip_are_read_to_their_ends() {
    let folder = Folder::new();
    let whole = fixture("gzip.parquet");
    // The last page of a file ends with its checksum and its length.
    for place in footer(&whole) - 8..footer(&whole) {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        assert!(read(&folder, "gzip.parquet", &damaged).is_err(), "{place}");
    }
}

/// A Parquet file with other metadata.
fn with_metadata(whole: &[u8], change: impl FnOnce(&mut FileMetaData)) -> Vec<u8> {
    let begin = footer(whole);
    let mut protocol = TCompactInputProtocol::new(&whole[begin..], usize::MAX);
    let mut metadata = FileMetaData::read_from_in_protocol(&mut protocol).unwrap();
    change(&mut metadata);
    let mut bytes = whole[..begin].to_vec();
    metadata.write_to_out_protocol(&mut TCompactOutputProtocol::new(&mut bytes)).unwrap();
    let length = u32::try_from(bytes.len() - begin).unwrap();
    bytes.extend(length.to_le_bytes());
    bytes.extend(b"PAR1");
    bytes
}

#[test]
fn metadata_that_contradict_themselves_are_an_error() {
    let folder = Folder::new();
    let plain = fixture("plain.parquet");
    let changed = |change: &dyn Fn(&mut FileMetaData)| read(&folder, "a.parquet", &with_metadata(&plain, change));
    assert_eq!(changed(&|_| {}), Ok(expected()));
    let refused = |what: &str, change: &dyn Fn(&mut FileMetaData)| {
        let error = changed(change).expect_err(what);
        assert!(error.contains(what), "{what}: {error}");
    };
    for rows in [0, 11, 13, 1 << 40, i64::MAX] {
        refused("its row groups 12", &|file| file.num_rows = rows);
    }
    for rows in [0, 4, 6, 1 << 40, i64::MAX] {
        refused("row group 1: column `id` has 5 values", &|file| file.row_groups[0].num_rows = rows);
    }
    refused("its row groups 10", &|file| drop(file.row_groups.pop()));
    for rows in [-1, i64::MIN] {
        refused("", &|file| file.num_rows = rows);
        refused("", &|file| file.row_groups[1].num_rows = rows);
        refused("", &|file| file.row_groups[1].total_byte_size = rows);
    }
    type Column = polars_parquet_format::ColumnMetaData;
    let column = |change: fn(&mut Column, i64), value: i64| {
        move |file: &mut FileMetaData| change(file.row_groups[1].columns[2].meta_data.as_mut().unwrap(), value)
    };
    for values in [-1, 0, 4, 6, 1 << 40, i64::MAX] {
        refused("row group 2: column `context` has", &column(|column, values| column.num_values = values, values));
    }
    for bytes in [-1, 1 << 31, 1 << 40] {
        refused("", &column(|column, bytes| column.total_compressed_size = bytes, bytes));
        refused("", &column(|column, offset| column.data_page_offset = offset, bytes));
        refused("", &column(|column, offset| column.dictionary_page_offset = Some(offset), bytes.min(-1)));
    }
    // Metadata that agree with each other, and not with the pages.
    for rows in [4, 6, 1 << 40] {
        refused("row group 1: column `", &|file| {
            file.num_rows += rows - 5;
            file.row_groups[0].num_rows = rows;
            for column in &mut file.row_groups[0].columns {
                column.meta_data.as_mut().unwrap().num_values = rows;
            }
        });
    }
}

/// Where the footer of an Arrow file begins, and the footer.
fn arrow_footer(bytes: &[u8]) -> (usize, Footer) {
    let end = bytes.len() - 10;
    let begin = end - u32::from_le_bytes(*bytes[end..].first_chunk().unwrap()) as usize;
    (begin, FooterRef::read_as_root(&bytes[begin..end]).unwrap().try_into().unwrap())
}

/// An Arrow file with another footer.
fn with_footer(whole: &[u8], change: impl FnOnce(&mut Footer)) -> Vec<u8> {
    let (begin, mut footer) = arrow_footer(whole);
    change(&mut footer);
    let mut builder = Builder::new();
    let text = builder.finish(footer, None);
    let length = u32::try_from(text.len()).unwrap();
    [&whole[..begin], text, &length.to_le_bytes(), b"ARROW1"].concat()
}

#[test]
fn a_footer_that_does_not_name_all_messages_is_an_error() {
    fn batches(footer: &mut Footer) -> &mut Vec<Block> {
        footer.record_batches.as_mut().unwrap()
    }
    type Change = (&'static str, fn(&mut Footer));
    let changes: [Change; 10] = [
        ("does not name the message", |footer| batches(footer).truncate(2)),
        ("does not name the message", |footer| drop(batches(footer).drain(..1))),
        ("does not name the message", |footer| drop(batches(footer).drain(1..2))),
        ("does not name the message", |footer| batches(footer).clear()),
        ("does not name the message", |footer| footer.record_batches = None),
        ("more than once", |footer| {
            let first = batches(footer)[0];
            batches(footer).push(first);
        }),
        ("more than once", |footer| batches(footer)[1] = batches(footer)[0]),
        ("lies before the file", |footer| batches(footer)[1].offset = -8),
        ("more than once", |footer| batches(footer)[1].offset = 0),
        ("is not what the footer says", |footer| {
            let last = batches(footer).pop();
            footer.dictionaries.get_or_insert_default().extend(last);
        }),
    ];
    let folder = Folder::new();
    for name in ["file.arrow", "file-lz4.arrow"] {
        let whole = fixture(name);
        assert_eq!(read(&folder, name, &with_footer(&whole, |_| {})), Ok(expected()));
        for (case, (message, change)) in changes.iter().enumerate() {
            let error = read(&folder, name, &with_footer(&whole, change)).expect_err(message);
            assert!(error.contains(message), "{name}: case {case}: {error}");
        }
    }
}

#[test]
fn a_footer_that_contradicts_the_messages_is_an_error() {
    fn fields(footer: &mut Footer) -> &mut Vec<Field> {
        footer.schema.as_mut().unwrap().fields.as_mut().unwrap()
    }
    type Change = (&'static str, fn(&mut Footer));
    let changes: [Change; 6] = [
        ("the schema in the footer", |footer| fields(footer).swap(1, 2)),
        ("the schema in the footer", |footer| fields(footer)[0].name = Some("number".to_owned())),
        ("the schema in the footer", |footer| fields(footer)[0].type_ = fields(footer)[1].type_.clone()),
        ("the schema in the footer", |footer| drop(fields(footer).pop())),
        ("the schema in the footer", |footer| {
            footer.schema.as_mut().unwrap().endianness = Endianness::Big;
        }),
        ("too late", |footer| footer.record_batches.as_mut().unwrap().reverse()),
    ];
    let folder = Folder::new();
    for name in ["file.arrow", "file-lz4.arrow"] {
        let whole = fixture(name);
        for (case, (message, change)) in changes.iter().enumerate() {
            let error = read(&folder, name, &with_footer(&whole, change)).expect_err(message);
            assert!(error.contains(message), "{name}: case {case}: {error}");
        }
    }
    let grown = std::fs::read(fixtures().with_file_name("arrow").join("grown-file.arrow")).unwrap();
    let reversed = with_footer(&grown, |footer| footer.dictionaries.as_mut().unwrap().reverse());
    assert!(read(&folder, "grown.arrow", &reversed).unwrap_err().contains("too late"));
}

#[test]
fn a_dictionary_that_the_footer_does_not_name_is_an_error() {
    let folder = Folder::new();
    let grown = std::fs::read(fixtures().with_file_name("arrow").join("grown-file.arrow")).unwrap();
    assert_eq!(read(&folder, "grown.arrow", &with_footer(&grown, |_| {})).unwrap().len(), 6);
    for count in 0..3 {
        let dictionaries = |footer: &mut Footer| footer.dictionaries.as_mut().unwrap().truncate(count);
        let error = read(&folder, "grown.arrow", &with_footer(&grown, dictionaries)).unwrap_err();
        assert!(error.contains("does not name the message"), "{error}");
    }
}

/// Where the buffers of the rows of an Arrow file are.
fn buffers(bytes: &[u8]) -> Vec<usize> {
    let blocks = arrow_footer(bytes).1.record_batches.unwrap();
    let of_block = |block: &Block| {
        let begin = block.offset as usize;
        let message = MessageRef::read_as_root(&bytes[begin + 8..]).unwrap();
        let Ok(Some(MessageHeaderRef::RecordBatch(batch))) = message.header() else { panic!("not rows") };
        let batch = RecordBatch::try_from(batch).unwrap();
        let filled = batch.buffers.unwrap().into_iter().filter(|buffer: &Buffer| buffer.length > 0);
        let body = begin + block.meta_data_length as usize;
        filled.map(|buffer| body + buffer.offset as usize).collect::<Vec<_>>()
    };
    blocks.iter().flat_map(of_block).collect()
}

#[test]
fn a_buffer_that_does_not_unpack_to_what_it_says_is_an_error() {
    let folder = Folder::new();
    for (name, compression) in
        [("lz4.arrow", IpcCompression::LZ4), ("zstd.arrow", IpcCompression::ZSTD(Default::default()))]
    {
        let mut rows = frame(fixtures().join("file.arrow").to_str().unwrap());
        let mut whole = Vec::new();
        IpcWriter::new(&mut whole).with_compression(Some(compression)).finish(&mut rows).unwrap();
        assert_eq!(read(&folder, name, &whole), Ok(expected()));
        let mut changed = 0;
        for place in buffers(&whole) {
            let said = i64::from_le_bytes(*whole[place..].first_chunk().unwrap());
            for other in [said - 16, said - 8, said - 1, said + 1, said + 8, said + 16] {
                if said < 0 || other < 0 {
                    continue;
                }
                let mut damaged = whole.clone();
                damaged[place..place + 8].copy_from_slice(&other.to_le_bytes());
                let error = read(&folder, name, &damaged).expect_err("another length");
                assert!(error.contains("a buffer"), "{error}");
                changed += 1;
            }
        }
        assert!(changed > 10, "{changed}");
    }
}

/// A copy with a few bytes that are others, cut short, or with something else behind it.
fn damaged(whole: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let length = bytes.len();
    match random.u8(..6) {
        0 => bytes.truncate(random.usize(..length)),
        1 => {
            let (from, to, count) = (random.usize(..length), random.usize(..length), random.usize(1..200));
            let part: Vec<u8> = whole[from..].iter().take(count).copied().collect();
            bytes.splice(to..(to + count).min(length), part);
        }
        2 => bytes.extend((0..random.usize(1..50)).map(|_| random.u8(..))),
        3 => {
            // Where sizes are.
            for _ in 0..random.usize(1..4) {
                let place = random.usize(length - length / 3..length);
                bytes[place] = *random.choice([0, 1, 0x7f, 0x80, 0xff].iter()).unwrap();
            }
        }
        4 => {
            for _ in 0..random.usize(1..9) {
                let place = random.usize(..length);
                bytes[place] = random.u8(..);
            }
        }
        _ => {
            let place = random.usize(..length);
            bytes[place] ^= 1 << random.u8(..8);
        }
    }
    bytes
}

/// `just damage` does it more often.
#[test]
fn damaged_files_are_errors_or_have_rows() {
    let folder = Folder::new();
    let count = std::env::var("BERTQA_MUTATIONS").map_or(40, |count| count.parse().unwrap());
    let seed = std::env::var("BERTQA_SEED").map_or(36, |seed| seed.parse().unwrap());
    for name in names() {
        let (whole, mut random, mut errors) = (fixture(&name), Rng::with_seed(seed), 0);
        for _ in 0..count {
            let bytes = damaged(&whole, &mut random);
            match read(&folder, &name, &bytes) {
                Ok(rows) => assert!(rows.len() <= expected().len(), "{name}: {} rows", rows.len()),
                Err(error) => {
                    errors += 1;
                    assert!(!error.is_empty());
                }
            }
        }
        assert!(errors > count / 4, "{name}: {errors} errors");
    }
}
