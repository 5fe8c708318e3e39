use std::io::{Cursor, Read, Write};
use std::sync::atomic::Ordering;

use super::*;
use crate::qa::RowErrorKind;

/// Line and message of each row, `ok` for one that can be asked.
fn outcomes(path: &str, options: &ReadOptions) -> Vec<(u64, String)> {
    rows(&[path], options)
        .unwrap()
        .into_iter()
        .map(|row| (row.position.number, row.example.map_or_else(|error| error.to_string(), |_| "ok".to_owned())))
        .collect()
}

fn fields(row: &InputRow) -> String {
    let Record::Fields(fields) = &row.record else { panic!("not text") };
    fields.iter().map(|(name, value)| format!("{name}={value} ")).collect()
}

fn error(inputs: &[&str], options: &ReadOptions) -> String {
    format!("{:#}", anyhow::Error::from(rows(inputs, options).expect_err("an error")))
}

#[test]
fn an_empty_file_is_no_compressed_one() {
    let folder = Folder::new();
    for name in ["a.jsonl.gz", "a.csv.zst", "a.json.BZ2", "a.jsonl.xz"] {
        let message = error(&[&folder.file(name, "")], &ReadOptions::default());
        assert!(message.contains(name) && message.contains("cut short"), "{message}");
    }
    // Nothing, compressed, is nothing; and so is nothing.
    let packed = zstd::encode_all(&b""[..], 1).unwrap();
    assert!(outcomes(&folder.file("b.jsonl.zst", packed), &ReadOptions::default()).is_empty());
    assert!(outcomes(&folder.file("b.jsonl", ""), &ReadOptions::default()).is_empty());
}

#[test]
fn bad_lines_are_rows() {
    let folder = Folder::new();
    let mut content = b"\xef\xbb\xbf{\"question\": \"q\", \"context\": \"c\"}\r\n\r\n".to_vec();
    content.extend(b"{\"question\": \"q\"\n");
    content.extend(b"[1]\n");
    content.extend(b"{\"question\": \"q\"}\n");
    content.extend(b"{\"question\": null, \"context\": \"c\", \"n\": 1}\n");
    content.extend(b"{\"question\": \"q\", \"context\": \"\"}\n");
    content.extend(b"{\"question\": \"q\", \"context\": 1.5}\n");
    content.extend(b"{\"question\": \"\\ud800\", \"context\": \"c\"}\n");
    content.extend(b"{\"question\": \"\xff\", \"context\": \"c\"}\n");
    content.extend(b"{\"question\": \"q\", \"context\": \"last\"}");
    let path = folder.file("a.jsonl", content);
    let outcomes = outcomes(&path, &ReadOptions::default());
    let expected = [
        (1, "ok"),
        (3, "malformed JSON: EOF while parsing an object at column 16"),
        (4, "the line is JSON, but not an object"),
        (5, "`context` is missing"),
        (6, "`question` is null"),
        (7, "the context is empty"),
        (8, "`context` is a number; it must be a string"),
        (9, "`question` is not valid text"),
        (10, "invalid UTF-8 at byte 15 of the line"),
        (11, "ok"),
    ];
    assert_eq!(outcomes.len(), expected.len());
    for ((line, message), (expected_line, expected)) in outcomes.iter().zip(expected) {
        assert_eq!(*line, expected_line);
        assert!(message.starts_with(expected), "{message}");
    }
    let rows = rows(&[&path], &ReadOptions::default()).unwrap();
    assert_eq!(fields(&rows[4]), "question=null context=\"c\" n=1 ");
    assert_eq!(rows[1].example.as_ref().unwrap_err().kind(), RowErrorKind::Unreadable);
    assert_eq!(rows[4].example.as_ref().unwrap_err().kind(), RowErrorKind::Field);
}

#[test]
fn long_lines_are_skipped_and_reported() {
    let folder = Folder::new();
    let line = |context: &str| format!("{{\"question\": \"q\", \"context\": \"{context}\"}}\n");
    let (short, long) = (line("c"), line(&"c".repeat(300_000)));
    let path = folder.file("a.jsonl", format!("{short}{long}{short}{}", long.trim_end()));
    let options = ReadOptions { max_line_bytes: short.len() - 1, ..Default::default() };
    let outcomes = outcomes(&path, &options);
    assert_eq!(outcomes.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((outcomes[0].1.as_str(), outcomes[2].1.as_str()), ("ok", "ok"));
    assert!(outcomes[1].1.contains("longer than the limit") && outcomes[3].1.contains("longer than the limit"));
}

#[test]
fn a_row_is_there_as_soon_as_its_line_is() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let line = "{\"question\": \"q\", \"context\": \"c\"}\n";
    writer.write_all(line.as_bytes()).unwrap();
    let mut rows = read_stream(reader, "<stdin>", InputFormat::Jsonl, &ReadOptions::default()).unwrap();
    for number in 1..4 {
        // The writer is still open: this would hang if more were read than is there.
        let row = rows.next().unwrap().unwrap();
        assert_eq!(row.position.to_string(), format!("<stdin>:{number}"));
        writer.write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn chosen_columns_and_the_id_are_carried() {
    let folder = Folder::new();
    let path = folder.file("a.jsonl", "{\"n\": 7, \"q\": \"Q\", \"id\": \"x\", \"c\": \"C\", \"b\": [1, 2]}\n");
    let options = ReadOptions {
        question: "q".into(),
        context: "c".into(),
        id: Some("id".into()),
        columns: Some(vec!["b".into()]),
        ..Default::default()
    };
    let [row] = rows(&[&path], &options).unwrap().try_into().unwrap();
    assert_eq!(fields(&row), "id=\"x\" b=[1, 2] ");
    let example = row.example.unwrap();
    assert_eq!((example.question(), example.context()), ("Q", "C"));
}

#[test]
fn bad_records_are_rows() {
    let folder = Folder::new();
    let mut content = b"\xef\xbb\xbfid,question,context\r\n007,q,\"line\none, \"\"two\"\"\"\r\n\r\n".to_vec();
    content.extend(b"1,q\n2,q,c,d\n3,\xff,c\n4,,c\n5,q,last");
    let path = folder.file("a.csv", content);
    let outcomes = outcomes(&path, &ReadOptions::default());
    let expected = [
        (2, "ok"),
        (5, "the record has 2 fields and the header 3"),
        (6, "the record has 4 fields and the header 3"),
        (7, "invalid UTF-8 in `question`"),
        (8, "the question is empty"),
        (9, "ok"),
    ];
    assert_eq!(outcomes.len(), expected.len());
    for ((line, message), (expected_line, expected)) in outcomes.iter().zip(expected) {
        assert_eq!(*line, expected_line);
        assert!(message.starts_with(expected), "{message}");
    }
    let rows = rows(&[&path], &ReadOptions::default()).unwrap();
    assert_eq!(fields(&rows[0]), r#"id="007" question="q" context="line\none, \"two\"" "#);
    assert_eq!(fields(&rows[1]), r#"id="1" question="q" "#);
    assert_eq!(fields(&rows[3]), r#"id="3" context="c" "#);
}

#[test]
fn long_records_are_skipped_and_reported() {
    let folder = Folder::new();
    let content = format!("question,context\nq,c\nq,{}\nq,c\nq,\"open\nq,{}", "c".repeat(300_000), "d".repeat(9000));
    let path = folder.file("a.csv", content);
    let outcomes = outcomes(&path, &ReadOptions { max_line_bytes: 8192, ..Default::default() });
    assert_eq!(outcomes.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!((outcomes[0].1.as_str(), outcomes[2].1.as_str()), ("ok", "ok"));
    assert!(outcomes[1].1.contains("longer than the limit") && outcomes[4].1.contains("longer than the limit"));
    assert!(outcomes[3].1.contains("the quote opened in line 5 is not closed"));
}

#[test]
fn headers_are_checked_up_front() {
    let folder = Folder::new();
    let options = ReadOptions::default();
    let path = folder.file("a.csv", "id,query,context\n");
    let message = error(&[&path], &options);
    for part in ["no column `question`", "`id`, `query`, `context`"] {
        assert!(message.contains(part), "{message}");
    }
    let named = ReadOptions { question: "query".into(), ..Default::default() };
    assert!(rows(&[&path], &named).unwrap().is_empty());
    let role = |options: &ReadOptions| match rows(&[&path], options) {
        Err(Error::MissingColumn { role, .. }) => role,
        other => panic!("{other:?}"),
    };
    assert_eq!(role(&options), ColumnRole::Question);
    assert_eq!(role(&ReadOptions { context: "text".into(), ..named.clone() }), ColumnRole::Context);
    assert_eq!(role(&ReadOptions { id: Some("key".into()), ..named.clone() }), ColumnRole::Id);
    assert_eq!(role(&ReadOptions { columns: Some(vec!["x".into()]), ..named }), ColumnRole::Carried);
    assert!(error(&[&folder.file("b.csv", "question,context,question\n")], &options).contains("twice"));
    assert!(error(&[&folder.file("c.csv", "")], &options).contains("is empty"));
}

#[test]
fn squad_keys_become_columns() {
    let folder = Folder::new();
    let content = r#"{
        "version": "1.1",
        "data": [
            {"title": "Bell", "paragraphs": [{"context": "Born in Edinburgh.", "qas": [
                {"id": "1", "question": "Where?", "answers": [
                    {"text": "Edinburgh", "answer_start": 8}
                ], "is_impossible": false},
                {"id": "2", "answers": []}
            ]}]},
            {"paragraphs": [{"qas": [{"question": "Who?"}], "context": "Bell"}]}
        ]
    }"#;
    let path = folder.file("dev.json", content);
    let rows_of = |options: &ReadOptions| rows(&[&path], options).unwrap();
    let rows = rows_of(&ReadOptions::default());
    let expected = concat!(
        r#"id="1" question="Where?" answers=[{"text":"Edinburgh","answer_start":8}] is_impossible=false "#,
        r#"title="Bell" context="Born in Edinburgh." "#
    );
    assert_eq!(fields(&rows[0]), expected);
    assert_eq!(rows[1].position.number, 2);
    assert!(rows[1].example.as_ref().unwrap_err().to_string().contains("`question` is missing"));
    assert_eq!(fields(&rows[2]), r#"question="Who?" context="Bell" "#);
    assert!(rows[0].example.is_ok() && rows[2].example.is_ok());

    let renamed = rows_of(&ReadOptions { question: "q".into(), context: "c".into(), ..Default::default() });
    assert_eq!(fields(&renamed[2]), r#"q="Who?" c="Bell" "#);
    assert!(renamed[2].example.is_ok());

    let message = error(&[&folder.file("bad.json", "{\"data\": 1}")], &ReadOptions::default());
    assert!(message.contains("bad.json") && message.contains("SQuAD"), "{message}");
}

#[test]
fn compression_is_detected_by_content() {
    let folder = Folder::new();
    let line = "{\"question\": \"q\", \"context\": \"c\"}\n";
    let zstd = [zstd::encode_all(line.as_bytes(), 1).unwrap(), zstd::encode_all(line.as_bytes(), 1).unwrap()].concat();
    // Whatever its name says.
    let path = folder.file("a.jsonl", &zstd);
    let input = open(std::slice::from_ref(&path), &ReadOptions::default()).unwrap();
    assert_eq!(input.total_bytes(), Some(zstd.len() as u64));
    let read = input.bytes_read();
    assert_eq!(read.load(Ordering::Relaxed), 0);
    assert_eq!(input.rows().map(Result::unwrap).filter(|row| row.example.is_ok()).count(), 2);
    assert_eq!(read.load(Ordering::Relaxed), zstd.len() as u64);

    let torn = folder.file("torn.jsonl.zst", &zstd[..zstd.len() - 3]);
    let message = error(&[&torn], &ReadOptions::default());
    assert!(message.contains("torn.jsonl.zst: cannot read on after line 1"), "{message}");
}

#[test]
fn what_does_not_fit_together_is_refused_up_front() {
    let folder = Folder::new();
    let text = folder.file("a.jsonl", "{\"question\": \"q\", \"context\": \"c\"}\n");
    let parquet = folder.path("a.parquet");
    run_default(&[&text], &parquet).unwrap();
    assert!(error(&[&text, &parquet], &ReadOptions::default()).contains("cannot be read together"));
    let message = error(&[&folder.file("b.parquet", "no parquet")], &ReadOptions::default());
    assert!(message.contains("b.parquet") && message.contains("not a readable Parquet file"), "{message}");
}

/// A pipe under a path, as `<(command)` gives in a shell, with `content` in it.
#[cfg(target_os = "linux")]
fn pipe(content: Vec<u8>) -> (std::io::PipeReader, String) {
    use std::os::fd::AsRawFd;
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::thread::spawn(move || writer.write_all(&content).unwrap());
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    (reader, path)
}

#[cfg(target_os = "linux")]
#[test]
fn any_format_comes_through_a_pipe() {
    let folder = Folder::new();
    let line = "{\"question\": \"q\", \"context\": \"c\"}\n";
    let text = folder.file("in.jsonl", line.repeat(5000));
    let [parquet, arrow, csv] = ["a.parquet", "a.arrow", "a.csv"].map(|name| {
        let path = folder.path(name);
        run_default(&[&text], &path).unwrap();
        path
    });
    for (path, format) in [
        (text, InputFormat::Jsonl),
        (csv, InputFormat::Csv),
        (parquet, InputFormat::Parquet),
        (arrow, InputFormat::Arrow),
    ] {
        let (_reader, path) = pipe(std::fs::read(path).unwrap());
        let rows = rows(&[&path], &ReadOptions { format: Some(format), ..Default::default() }).unwrap();
        assert_eq!(rows.len(), 5000, "{format:?}");
        assert!(rows.iter().all(|row| row.example.is_ok()));
    }
}

#[test]
fn after_an_error_there_is_no_row() {
    struct FailsOnce(bool);

    impl Read for FailsOnce {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            if std::mem::take(&mut self.0) { Err(std::io::Error::other("lost")) } else { Ok(0) }
        }
    }

    for (format, first, other) in [
        (InputFormat::Jsonl, r#"{"question":"q","context":"c"}"#, r#"{"question":"r","context":"c"}"#),
        (InputFormat::Csv, "question,context\nq,c", "r,c"),
    ] {
        let (first, other) = (format!("{first}\n"), format!("{other}\n"));
        let reader = Cursor::new(first).chain(FailsOnce(true)).chain(Cursor::new(other));
        let mut rows = read_stream(reader, "text", format, &ReadOptions::default()).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().example.unwrap().question(), "q");
        assert!(rows.next().unwrap().is_err());
        assert!(rows.next().is_none());
    }
}
