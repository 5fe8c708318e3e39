//! What must hold of files whose rows are found by their columns.

use std::path::Path;

use bertqa::io::{Answered, InputColumns, ReadOptions, Row, WriteOptions, create, open};

use crate::rows::{Seen, all};
use crate::scratch::Scratch;

/// Rows that are looked at: a few bytes can stand for any number of equal ones.
const MOST: usize = 4096;

/// Checks that a file gives as many rows as it says, the same ones however many are decoded at a time, and that a copy of
/// them reads as they did. `copy` is the name of the copy, which says its format.
pub fn check_file(file: &Path, scratch: &Scratch, copy: &str) {
    let options = |chunk_rows| ReadOptions { chunk_rows, max_line_bytes: 1 << 20, ..ReadOptions::default() };
    let read = |path: &Path, chunk_rows| {
        let input = open(&[path], &options(chunk_rows)).map_err(|error| format!("{error:#}"))?;
        let columns: Vec<String> = match input.columns() {
            columns @ InputColumns::Columnar(_) => columns.names().into_iter().map(str::to_owned).collect(),
            InputColumns::Fields { .. } => Vec::new(),
        };
        let total = input.total_rows();
        Ok::<_, String>((all(Ok(input.rows()), &columns, MOST), total))
    };
    let Ok(((rows, end), total)) = read(file, 4096) else { return };
    let is_whole = end.is_ok() && rows.len() < MOST;
    if let Some(total) = total.filter(|_| is_whole) {
        assert_eq!(rows.len() as u64, total, "other than what the file says");
    }
    let ((few, few_end), _) = read(file, 3).expect("what was opened can be opened");
    // What is wrong with a chunk is found before any of its rows comes out.
    let common = rows.len().min(few.len());
    assert_eq!(rows[..common], few[..common], "the rows depend on how many are decoded at a time");
    if !is_whole {
        return;
    }
    assert_eq!((few.len(), few_end), (rows.len(), Ok(())));

    let Ok(input) = open(&[file], &options(4096)) else { return };
    let output = scratch.path(copy);
    let _ = std::fs::remove_file(&output);
    let Ok(mut writer) = create(&output, &input, &WriteOptions::default()) else { return };
    let mut problems = Vec::new();
    for row in input.rows().map_while(Result::ok) {
        let answers = row.example.map(|_| Vec::new());
        let row = Row { position: row.position, record: row.record };
        problems.push(writer.write(Answered { row, answers }).expect("room for an output"));
    }
    writer.finish().expect("room for an output");
    let ((copies, end), _) = read(&output, 4096).expect("what was written can be read");
    assert_eq!((copies.len(), end), (rows.len(), Ok(())), "a row for each row");
    for ((row, copy), problem) in rows.iter().zip(&copies).zip(&problems) {
        if problem.is_none() {
            same(row, copy);
        }
    }
}

fn same(row: &Seen, copy: &Seen) {
    for (name, value) in &row.fields {
        let copied = copy.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        assert_eq!(copied, Some(value), "`{name}`");
    }
}
