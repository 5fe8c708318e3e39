use polars_io::parquet::write::ParquetWriter;
use proptest::prelude::*;

use super::super::Record;
use super::columnar::all_types;
use super::{Folder, InputRow, ReadOptions, Result, Shard, open, rows};

/// Of each row its `id`, or its place.
fn read(inputs: &[String], shard: Option<Shard>) -> Vec<String> {
    let options = ReadOptions { shard, ..ReadOptions::default() };
    let id = |row: Result<InputRow>| match row.unwrap() {
        InputRow { record: Record::Fields(fields), .. } if fields.contains_key("id") => fields["id"].get().to_owned(),
        InputRow { position, .. } => position.to_string(),
    };
    open(inputs, &options).unwrap().rows().map(id).collect()
}

fn parts(inputs: &[String], count: u32) -> Vec<Vec<String>> {
    (0..count).map(|index| read(inputs, Shard::new(index, count))).collect()
}

fn line(id: usize, padding: usize) -> String {
    format!("{{\"id\": {id}, \"question\": \"q\", \"context\": \"c{}\"}}\n", "c".repeat(padding))
}

fn parquet(folder: &Folder, name: &str, rows: i64, group: usize) -> String {
    let path = folder.path(name);
    let file = std::fs::File::create(&path).unwrap();
    ParquetWriter::new(file).with_row_group_size(Some(group)).finish(&mut all_types(rows)).unwrap();
    path
}

#[test]
fn row_groups_are_shared_out_and_rows_keep_their_numbers() {
    let folder = Folder::new();
    let inputs = [parquet(&folder, "a.parquet", 500, 50), parquet(&folder, "b.parquet", 90, 30)];
    let whole = read(&inputs, None);
    assert_eq!(whole.len(), 590);
    for count in [1, 2, 5, 40] {
        let parts = parts(&inputs, count);
        assert_eq!(parts.concat(), whole, "{count}");
        assert!(count < 5 || parts.iter().filter(|part| !part.is_empty()).count() > 2, "{count}");
    }
    let options = ReadOptions { shard: Shard::new(1, 2), ..ReadOptions::default() };
    let part = open(&inputs, &options).unwrap();
    assert_eq!(part.total_rows(), Some(part.rows().count() as u64));
}

#[test]
fn files_that_cannot_be_entered_are_in_one_part_each() {
    let folder = Folder::new();
    let text = |ids: std::ops::Range<usize>| ids.map(|id| line(id, 3)).collect::<String>();
    let packed = zstd::encode_all(text(0..50).as_bytes(), 1).unwrap();
    // Its name does not say so.
    let hidden = zstd::encode_all(text(100..150).as_bytes(), 1).unwrap();
    let csv: String = (50..100).map(|id| format!("{id},q,\"c\nd\"\n")).collect();
    let utf16: Vec<u8> = text(150..160).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let inputs = [
        folder.file("a.jsonl.zst", packed),
        folder.file("b.csv", format!("id,question,context\n{csv}")),
        folder.file("c.jsonl", hidden),
        folder.file("d.jsonl", utf16),
        folder.file("e.jsonl", ""),
    ];
    let whole = read(&inputs, None);
    assert_eq!(whole.len(), 160);
    for count in [1, 2, 3, 7, 30] {
        let parts = parts(&inputs, count);
        assert_eq!(parts.concat(), whole, "{count}");
        assert!(parts.iter().all(|part| [0, 10, 50, 60, 100, 110, 150, 160].contains(&part.len())), "{count}");
    }
}

#[test]
fn a_part_without_rows_has_the_columns() {
    let folder = Folder::new();
    let inputs = [parquet(&folder, "a.parquet", 10, 10)];
    let columns = |shard| {
        let options = ReadOptions { shard, ..ReadOptions::default() };
        let input = open(&inputs, &options).unwrap();
        input.columns().names().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(read(&inputs, Shard::new(2, 3)), Vec::<String>::new());
    assert_eq!(columns(Shard::new(2, 3)), columns(None));
}

#[test]
fn a_row_in_the_middle_says_from_where_it_is_counted() {
    let folder = Folder::new();
    let input = folder.file("a.jsonl", format!("{}{}bad\n", line(1, 9), line(2, 9)));
    let options = ReadOptions { shard: Shard::new(1, 2), ..ReadOptions::default() };
    let rows = rows(&[&input], &options).unwrap();
    let position = rows.last().unwrap().position.to_string();
    assert!(position.starts_with(&format!("{input} (from byte 5")) && position.ends_with("):1"), "{position}");
}

#[test]
fn a_pipe_has_no_parts() {
    let options = ReadOptions { shard: Shard::new(0, 2), ..ReadOptions::default() };
    let error = rows(&["-"], &options).unwrap_err().to_string();
    assert!(error.contains("<stdin>: a part of what is no regular file cannot be found"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lines_are_shared_out(files in prop::collection::vec(prop::collection::vec(0_usize..40, 0..12), 1..4), count in 1_u32..9) {
        let folder = Folder::new();
        let mut ids = 0..;
        let inputs: Vec<String> = (0..)
            .zip(&files)
            .map(|(file, paddings)| {
                let text: String = paddings.iter().map(|&padding| line(ids.next().unwrap(), padding)).collect();
                folder.file(&format!("{file}.jsonl"), text)
            })
            .collect();
        prop_assert_eq!(parts(&inputs, count).concat(), read(&inputs, None));
    }
}
