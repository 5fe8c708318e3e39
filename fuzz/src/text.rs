//! What must hold of the text formats.

use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex};

use bertqa::io::{
    Answered, Fields, InputFormat, ReadOptions, Row, Rows, WriteOptions, create, open, read_stream, write_stream,
};

use crate::rows::{Seen, all};
use crate::scratch::Scratch;

/// Rows that are looked at: what is compressed can have any number of them.
const MOST: usize = 4096;

/// Checks that a text gives the same rows however its bytes arrive, and that what is written of them is a row each,
/// which reads as the row did.
pub fn check_text(bytes: &[u8], format: InputFormat, options: &ReadOptions) {
    let (whole, end) = rows(Cursor::new(bytes.to_vec()), format, options);
    let (parts, parts_end) = rows(InParts { bytes: Cursor::new(bytes.to_vec()), sizes: 1 }, format, options);
    assert_eq!(end.is_ok(), parts_end.is_ok(), "whether it can be read depends on how the bytes arrive");
    // How much a decoder gives before it finds that the text is broken is its affair.
    let common = if end.is_ok() { usize::MAX } else { whole.len().min(parts.len()) };
    let first = |rows: &[Seen]| rows.iter().take(common).cloned().collect::<Vec<_>>();
    assert_eq!(first(&whole), first(&parts), "the rows depend on how the bytes arrive");

    let output = Output::default();
    let mut writer = write_stream(output.clone(), &WriteOptions::default()).expect("a writer");
    let mut written = 0;
    let Ok(again) = read_stream(Cursor::new(bytes.to_vec()), "text", format, options) else { return };
    for row in again.take(MOST).map_while(Result::ok) {
        let answers = row.example.map(|_| Vec::new());
        writer
            .write(Answered { row: Row { position: row.position, record: row.record }, answers })
            .expect("an output that takes everything");
        written += 1;
    }
    writer.finish().expect("an output that takes everything");
    assert_eq!(written, whole.len());
    let lines = output.0.lock().expect("no panic").clone();
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), whole.len(), "a line for each row");
    for (row, line) in whole.iter().zip(lines.split(|byte| *byte == b'\n')) {
        let copy: Fields = serde_json::from_slice(line).expect("a line is an object");
        for (name, value) in &row.fields {
            // The answers' own names are taken.
            if ["answer", "score", "start", "end", "error"].contains(&name.as_str()) {
                continue;
            }
            let copied = copy.get(name).map(|value| value.get());
            assert!(copied.is_some_and(|copied| same_json(copied, value)), "{name}: {value} became {copied:?}");
        }
    }
}

/// Checks that CSV that is written of a CSV text has the same rows.
pub fn check_csv_copy(bytes: &[u8], scratch: &Scratch, options: &ReadOptions) {
    let text = scratch.file("in.csv", bytes);
    let Ok(input) = open(&[text], options) else { return };
    // A zero byte in the beginning makes it another encoding.
    if input.columns().names().iter().any(|name| name.contains('\0')) {
        return;
    }
    let output = scratch.path("out.csv");
    let _ = std::fs::remove_file(&output);
    let Ok(mut writer) = create(&output, &input, &WriteOptions::default()) else { return };
    let mut seen = Vec::new();
    for row in input.rows().take(MOST).map_while(Result::ok) {
        seen.push(Seen::new(&row, &[]));
        let answers = row.example.map(|_| Vec::new());
        writer
            .write(Answered { row: Row { position: row.position, record: row.record }, answers })
            .expect("room for an output");
    }
    writer.finish().expect("room for an output");
    let copy = open(&[output], &ReadOptions { max_line_bytes: usize::MAX, ..ReadOptions::default() });
    let copy = copy.expect("what was written can be read");
    let (copies, end) = all(Ok(copy.rows()), &[], usize::MAX);
    assert_eq!((copies.len(), end), (seen.len(), Ok(())), "a record for each row");
    for (row, copy) in seen.iter().zip(&copies) {
        for (name, value) in &row.fields {
            let copied = copy.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value);
            assert_eq!(copied, Some(value), "`{name}`");
        }
    }
}

fn rows(
    reader: impl Read + Send + 'static,
    format: InputFormat,
    options: &ReadOptions,
) -> (Vec<Seen>, Result<(), String>) {
    all(read_stream(reader, "text", format, options).map(|rows| -> Rows { rows }), &[], MOST)
}

/// Where a writer broke lines in a value, the value is the same.
fn same_json(a: &str, b: &str) -> bool {
    let compact = |text: &str| text.chars().filter(|char| !char.is_ascii_whitespace()).collect::<String>();
    a == b || compact(a) == compact(b)
}

/// Bytes that arrive a few at a time.
struct InParts {
    bytes: Cursor<Vec<u8>>,
    sizes: usize,
}

impl Read for InParts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.sizes = self.sizes % 7 + 1;
        let size = self.sizes.min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
