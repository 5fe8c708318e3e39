//! CSV as programs write it.

use super::*;
use crate::io::CsvOptions;

/// Line and context, or error, of each row.
fn asked(name: &str, content: impl AsRef<[u8]>, options: &ReadOptions) -> Vec<(u64, String)> {
    let folder = Folder::new();
    let path = folder.file(name, content);
    let rows = rows(&[&path], options).unwrap_or_else(|error| panic!("{error}"));
    let text = |row: InputRow| match row.example {
        Ok(example) => (row.position.number, example.context().to_owned()),
        Err(error) => (row.position.number, format!("error: {error}")),
    };
    rows.into_iter().map(text).collect()
}

fn asked_default(name: &str, content: impl AsRef<[u8]>) -> Vec<(u64, String)> {
    asked(name, content, &ReadOptions::default())
}

fn row(line: u64, context: &str) -> (u64, String) {
    (line, context.to_owned())
}

#[test]
fn the_delimiter_is_found_out() {
    for delimiter in [',', ';', '\t', '|'] {
        let text = "id,question,context\n1,q,\"a, b; c\td|e\"\n".replace(',', &delimiter.to_string());
        let context = "a, b; c\td|e".replace(',', &delimiter.to_string());
        for name in ["a.csv", "a.tsv", "a.csv.gz"] {
            assert_eq!(asked_default(name, &text), [row(2, &context)], "{delimiter:?} {name}");
        }
        let quoted = "\"id\";\"question\";\"context\"\r\n\"1\";\"q\";\"c\"\r\n".replace(';', &delimiter.to_string());
        assert_eq!(asked_default("a.csv", quoted), [row(2, "c")]);
    }
    assert_eq!(
        asked_default("a.tsv", "question\tcontext\nq\tAnn won, again; twice.\n"),
        [row(2, "Ann won, again; twice.")]
    );
    // As Excel says it, and as the options do.
    for first in ["sep=;\r\n", "\"sep=;\"\r\n", "SEP=;\n"] {
        assert_eq!(asked_default("a.csv", format!("{first}question;context\r\nq;a, b\r\n")), [row(3, "a, b")]);
    }
    assert_eq!(asked_default("a.csv", "sep=,\nquestion,context\nq,c\n"), [row(3, "c")]);
    let carets = ReadOptions { csv: CsvOptions { delimiter: Some(b'^'), ..Default::default() }, ..Default::default() };
    assert_eq!(asked("a.csv", "question^context\nq^a,b\n", &carets), [row(2, "a,b")]);

    let folder = Folder::new();
    let german = folder.file("a.csv", "nr;frage;text\n1;q;c\n");
    let error = open(&[&german], &ReadOptions::default()).err().unwrap().to_string();
    assert!(error.contains("no column `question`, only `nr`, `frage`, `text`"), "{error}");
}

#[test]
fn a_header_of_many_megabytes_is_refused() {
    let folder = Folder::new();
    for header in ["a".repeat(9 << 20), ",".repeat(9 << 20)] {
        let path = folder.file("a.csv", format!("question,context{header}\nq,c\n"));
        let error = rows(&[&path], &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.contains("the header is longer than the limit of 8388608 bytes"), "{error}");
        let low = ReadOptions { max_line_bytes: 1 << 20, ..Default::default() };
        let error = rows(&[&path], &low).unwrap_err().to_string();
        assert!(error.contains("the header is longer than the limit of 1048576 bytes"), "{error}");
    }
}

#[test]
fn a_quote_that_is_not_closed_costs_its_record_only() {
    let rows = asked_default("a.csv", "id,question,context\n1,q,\"Ann won.\n2,r,Bob lost.\n3,s,\"Cat, too.\"\n");
    let message = "error: the quote opened in line 2 is not closed; what follows is read from line 3 on";
    assert_eq!(rows, [row(2, message), row(3, "Bob lost."), row(4, "Cat, too.")]);

    // What was read before is kept.
    let folder = Folder::new();
    let path = folder.file("a.csv", "id,question,context\n7,\"q\",\"Ann won.\n2,r,Bob lost.\n");
    let output = folder.path("out.jsonl");
    run_default(&[&path], &output).unwrap();
    assert!(text(&output).starts_with(r#"{"id":"7","question":"q","answer":null"#), "{}", text(&output));

    // Opened in the second line of a record; twice; in the last record; in every record.
    let rows = asked_default("a.csv", "question,context\n\"q\n1\",\"c\nr,d\n");
    assert!(rows[0].1.contains("opened in line 3") && rows[0].0 == 2, "{rows:?}");
    assert_eq!(rows[1..], [row(4, "d")]);
    let rows = asked_default("a.csv", "question,context\nq,\"a\nr,\"b\ns,\"c\n");
    assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(rows.iter().all(|(line, text)| text.contains(&format!("opened in line {line}"))), "{rows:?}");
    // Many records later, and longer than the limit.
    let many = format!("question,context\nq,\"open\n{}", "r,c\n".repeat(20_000));
    for max_line_bytes in [1000, 64 << 20] {
        let rows = asked("a.csv", &many, &ReadOptions { max_line_bytes, ..Default::default() });
        assert_eq!(rows.len(), 20_001);
        assert!(rows[0].1.contains("line 2 is not closed") && rows[1..].iter().all(|(_, text)| text == "c"));
    }
    // A quote that a later one closes.
    let rows = asked_default("a.csv", "id,question,context\n1,q,\"Ann\n2,\"r\",Bob\n3,s,Cat\n");
    assert!(rows[0].1.contains("line 2"), "{rows:?}");
    assert_eq!(rows[1..], [row(3, "Bob"), row(4, "Cat")]);
    let error = |content: &str| {
        let folder = Folder::new();
        open(&[folder.file("a.csv", content)], &ReadOptions::default()).err().unwrap().to_string()
    };
    assert!(error("\"question,context\nq,c\n").contains("a quote that the header opens in line 1"));
}

#[test]
fn escapes_are_a_matter_of_options() {
    let text = "id,question,context\n1,\"Who?\",\"He said \\\"Ann Lee\\\" won.\"\n2,\"r\",\"a \\\\ b\"\n3,s,plain\n";
    let rows = asked_default("a.csv", text);
    assert!(
        rows[0].1.starts_with("error: a text goes on behind its closing quote, which was opened in line 2"),
        "{rows:?}"
    );
    assert_eq!(rows[1..], [row(3, "a \\\\ b"), row(4, "plain")]);
    let options = |csv: CsvOptions| ReadOptions { csv, ..Default::default() };
    let backslash = options(CsvOptions { escape: Some(b'\\'), ..Default::default() });
    assert_eq!(
        asked("a.csv", text, &backslash),
        [row(2, "He said \"Ann Lee\" won."), row(3, "a \\ b"), row(4, "plain")]
    );
    let single = options(CsvOptions { quote: Some(b'\''), ..Default::default() });
    assert_eq!(asked("a.csv", "question,context\nq,'it''s, \"so\"'\n", &single), [row(2, "it's, \"so\"")]);
    let none = options(CsvOptions { quote: None, escape: Some(b'\\'), ..Default::default() });
    assert_eq!(asked("a.csv", "question,context\nq,\"a\\, b\n", &none), [row(2, "\"a, b")]);
}

#[test]
fn nameless_columns_are_left_out() {
    let folder = Folder::new();
    let columns = |content: &str| {
        let input = open(&[folder.file("a.csv", content)], &ReadOptions::default()).unwrap();
        input.columns().names().join("|")
    };
    assert_eq!(columns("id,question,context,,,\n"), "id|question|context");
    assert_eq!(columns("id,,question, ,context,\n"), "id|question|context");
    // An index that pandas wrote.
    assert_eq!(columns(",question,context\n"), "|question|context");

    let rows = asked_default("a.csv", "question,context,,,\nq,a,,,\nq,b\nq,c,\nq,d,,,,,\nq,e, then,,\nq\n");
    assert_eq!(rows[..4], [row(2, "a"), row(3, "b"), row(4, "c"), row(5, "d")]);
    assert!(rows[4].1.contains("field 3 has a value, and no name"), "{rows:?}");
    assert!(rows[5].1.contains("has 1 field and the header 5"), "{rows:?}");
    // Spreadsheets leave empty fields behind records, too.
    assert_eq!(asked_default("a.csv", "question,context\nq,a,,\n"), [row(2, "a")]);
}

#[test]
fn carriage_returns() {
    assert_eq!(asked_default("a.csv", "question,context\rq,a\r\rr,\"b\rc\"\r"), [row(2, "a"), row(4, "b\rc")]);
    assert_eq!(asked_default("a.csv", "question,context\r\nq,a\rb\r\nr,c\r\n"), [row(2, "a\rb"), row(3, "c")]);
    assert_eq!(asked_default("a.csv", "question,context\nq,\"a\"\r\nr,c\r"), [row(2, "a"), row(3, "c")]);
}

#[test]
fn encodings() {
    let text =
        "id,question,context\n1,レースに勝ったのは誰ですか,\"レースに勝ったのは東京の山田花子さん（三〇）です。\"\n";
    let (cp932, ..) = encoding_rs::SHIFT_JIS.encode(text);
    let context = "レースに勝ったのは東京の山田花子さん（三〇）です。";
    let rows = asked_default("a.csv", &cp932);
    assert!(rows[0].1.contains("invalid UTF-8 in `context`; it looks like Shift_JIS"), "{rows:?}");
    let named = |name: &str| ReadOptions { encoding: Some(name.parse().unwrap()), ..Default::default() };
    assert_eq!(asked("a.csv", &cp932, &named("cp932")), [row(2, context)]);
    let (euc, ..) = encoding_rs::EUC_JP.encode(text);
    assert_eq!(asked("a.csv", &euc, &named("euc-jp")), [row(2, context)]);

    for name in ["a.csv", "a.jsonl", "a.json"] {
        let text = match name {
            "a.csv" => text.to_owned(),
            _ => serde_json::json!({"id": 1, "question": "q", "context": context}).to_string() + "\n",
        };
        let expected = [row(if name == "a.json" { 1 } else { 1 + u64::from(name == "a.csv") }, context)];
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(asked_default(name, [&[0xff, 0xfe], little.as_slice()].concat()), expected);
        assert_eq!(asked_default(name, [&[0xfe, 0xff], big.as_slice()].concat()), expected);
        // Without a mark, too: no such text has a zero byte in its first character.
        assert_eq!(asked_default(name, &little), expected);
        assert_eq!(asked_default(name, &big), expected);
        // A mark says more than the option.
        assert_eq!(asked(name, format!("\u{feff}{text}"), &named("shift_jis")), expected);
    }
    let (euc, ..) = encoding_rs::EUC_JP
        .encode("{\"question\": \"レースに勝ったのは誰ですか\", \"context\": \"山田花子さんです。\"}\n");
    let rows = asked_default("a.jsonl", &euc);
    assert!(rows[0].1.contains("it looks like EUC-JP"), "{rows:?}");
    let rows = asked("a.csv", b"question,context\nq,a\xff\x80\nq,b\n", &named("shift_jis"));
    assert!(rows[0].1.contains("bytes that are not Shift_JIS"), "{rows:?}");
    assert_eq!(rows[1], row(3, "b"));
}

#[test]
fn marks_in_the_middle_of_files_put_together() {
    let mark = "\u{feff}";
    let line = "{\"question\": \"q\", \"context\": \"c\"}\n";
    assert_eq!(asked_default("a.jsonl", format!("{mark}{line}{mark}{line}")), [row(1, "c"), row(2, "c")]);
    let csv = format!("{mark}question,context\nq,a\n{mark}q,b\n{mark}\"q\",c\n");
    assert_eq!(asked_default("a.csv", csv), [row(2, "a"), row(3, "b"), row(4, "c")]);
}

#[test]
fn tabs_and_marks_out() {
    let folder = Folder::new();
    let input = folder.file("a.jsonl", "{\"question\": \"q\", \"context\": \"a\\tb, c\"}\n");
    let output = folder.path("out.tsv");
    let options = WriteOptions { csv_bom: true, ..Default::default() };
    run(&[&input], &output, &ReadOptions::default(), &options).unwrap();
    let expected =
        "\u{feff}question\tcontext\tanswer\tscore\tstart\tend\terror\nq\t\"a\tb, c\"\tBell\t0.87654\t3\t7\t\n";
    assert_eq!(text(&output), expected);
}
