//! The shapes that people's tools write.

use serde_json::json;

use super::*;

/// Question, context and error of each row of a file.
fn asked(name: &str, content: &str, options: &ReadOptions) -> Vec<(String, String)> {
    let folder = Folder::new();
    let path = folder.file(name, content);
    let rows = rows(&[&path], options).unwrap_or_else(|error| panic!("{content}: {error}"));
    let texts = rows.into_iter().map(|row| match row.example {
        Ok(example) => (example.question().to_owned(), example.context().to_owned()),
        Err(error) => ("error".to_owned(), error.to_string()),
    });
    texts.collect()
}

fn fields(name: &str, content: &str) -> Vec<String> {
    let folder = Folder::new();
    let rows = rows(&[&folder.file(name, content)], &ReadOptions::default()).unwrap();
    let row = |row: InputRow| match row.record {
        Record::Fields(fields) => serde_json::to_string(&fields).unwrap(),
        Record::Columnar { .. } => panic!("not text"),
    };
    rows.into_iter().map(row).collect()
}

#[test]
fn two_questions_in_every_shape() {
    let squad = json!([{"title": "t", "paragraphs": [{"context": "c", "qas": [{"id": 1, "question": "q"}]},
                                                    {"context": "d", "qas": [{"id": 2, "question": "r"}]}]}]);
    let qa = json!({"paragraphs": {"context": "c", "qas": {"id": 1, "question": "q"}}});
    let two = json!([{"id": 1, "question": "q", "context": "c"}, {"id": 2, "question": "r", "context": "d"}]);
    let (one, other) = (&two[0], &two[1]);
    let documents = [
        // SQuAD: as it is, as a list of articles, of paragraphs; questions as an object; KorQuAD 2; CMRC 2018.
        json!({"version": 1, "data": squad}),
        squad.clone(),
        squad[0]["paragraphs"].clone(),
        json!({"data": [qa, squad[0]["paragraphs"][1], {"context": "no questions", "qas": []}]}),
        json!({"data": [{"context": "c", "title": "t", "raw_html": "<p>", "qas": [{"question": "q", "answer": {}}]},
                        {"context": "d", "qas": [{"question": "r"}]}]}),
        json!([{"context_id": "1", "context_text": "c", "qas": [{"query_id": 1, "query_text": "q", "answers": ["a"]}]},
               {"context_id": "2", "context_text": "d", "qas": [{"query_id": 2, "query_text": "r"}]}]),
        // Rows: a list, under a name, by id, a data set's page, with the questions of a context in a list.
        two.clone(),
        json!({"data": two}),
        json!({"features": [{"name": "id"}], "rows": [{"row_idx": 0, "row": one}, {"row_idx": 1, "row": other}]}),
        json!({"whatever": two, "count": 2}),
        json!({"a": one, "b": other}),
        json!([{"context": "c", "questions": ["q"]}, {"context": "d", "questions": [{"question": "r"}]}]),
        json!([{"context": "c", "question": ["q"]}, {"context": ["d"], "question": ["r"]}]),
        // pandas: columns, index, split, table; a dictionary of lists.
        json!({"question": {"0": "q", "1": "r"}, "context": {"0": "c", "1": "d"}}),
        json!({"0": one, "1": other}),
        json!({"columns": ["context", "question"], "index": [0, 1], "data": [["c", "q"], ["d", "r"]]}),
        json!({"schema": {"fields": [{"name": "question"}]}, "data": two}),
        json!({"question": ["q", "r"], "context": ["c", "d"], "id": [1, 2]}),
        // Label Studio (all, min), Prodigy, Haystack's labels, DuReader.
        json!([{"id": 1, "data": {"text": "c", "question": "q"}, "annotations": [{"result": []}], "predictions": []},
               {"id": 2, "data": {"text": "d", "question": "r"}}]),
        json!([{"text": "c", "question": "q", "annotator": 1, "answer": [{"text": "c"}]},
               {"text": "d", "question": "r", "lead_time": 2.5}]),
        json!([{"text": "c", "meta": {"question": "q"}, "_task_hash": 1, "answer": "accept"},
               {"text": "d", "question": "r", "_input_hash": 1}]),
        json!([{"query": "q", "document": {"content": "c", "id": "x"}, "is_correct_answer": true},
               {"query": "r", "documents": [{"content": "d"}]}]),
        json!([{"question": "q", "question_id": 1, "documents": [{"title": "t", "paragraphs": ["c"]}]},
               {"question": "r", "documents": [{"paragraphs": ["d"]}]}]),
    ];
    let expected = [("q".to_owned(), "c".to_owned()), ("r".to_owned(), "d".to_owned())];
    let options = ReadOptions::default();
    for document in documents {
        let indented = serde_json::to_string_pretty(&document).unwrap();
        assert_eq!(asked("a.json", &document.to_string(), &options), expected, "{document}");
        assert_eq!(asked("a.json", &format!("\u{feff}\n{indented}\n"), &options), expected, "{document}");
        // What can stand in a list can stand in lines, and one after the other.
        if let Some(values) = document.as_array().filter(|values| values.len() == 2) {
            let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
            let indented: String = values.iter().map(|value| serde_json::to_string_pretty(value).unwrap()).collect();
            assert_eq!(asked("a.jsonl", &lines, &options), expected, "{document}");
            assert_eq!(asked("a.json", &lines, &options), expected, "{document}");
            assert_eq!(asked("a.json", &indented, &options), expected, "{document}");
        }
    }
    let mrqa = "{\"header\": {\"dataset\": \"X\"}}\n{\"id\": \"\", \"context\": \"c\", \"qas\": [{\"qid\": 1, \
                \"question\": \"q\"}]}\n{\"context\": \"d\", \"qas\": [{\"qid\": 2, \"question\": \"r\"}]}\n";
    assert_eq!(asked("a.jsonl", mrqa, &options), expected);
}

#[test]
fn columns_of_rows_that_share_a_context() {
    let line = r#"{"id": 7, "context": "c", "question": ["q", "r"], "n": [1, 2]}"#;
    assert_eq!(
        fields("a.jsonl", line),
        [r#"{"id":7,"context":"c","question":"q","n":[1, 2]}"#, r#"{"id":7,"context":"c","question":"r","n":[1, 2]}"#]
    );
    let line = r#"{"context": "c", "questions": [{"id": 1, "question": "q", "answers": []}], "title": "t"}"#;
    assert_eq!(fields("a.jsonl", line), [r#"{"id":1,"question":"q","answers":[],"title":"t","context":"c"}"#]);
    let line = r#"{"id": 7, "passage": "c", "questions": ["q", "r"], "n": 1}"#;
    assert_eq!(
        fields("a.jsonl", line),
        [
            r#"{"id":7,"passage":"c","n":1,"context":"c","question":"q"}"#,
            r#"{"id":7,"passage":"c","n":1,"context":"c","question":"r"}"#
        ]
    );
    let named = ReadOptions { question: "questions".into(), context: "text".into(), ..Default::default() };
    let line = r#"{"text": "c", "questions": ["q", 5]}"#;
    let asked = asked("a.jsonl", line, &named);
    assert_eq!(asked[0], ("q".to_owned(), "c".to_owned()));
    assert_eq!(asked[1].1, "`questions` is a number; it must be a string");
}

#[test]
fn names_lead_into_objects() {
    let line = r#"{"meta": {"question": "q", "key": 7}, "docs": [{"text": "c"}]}"#;
    let options = ReadOptions {
        question: "meta.question".into(),
        context: "docs.0.text".into(),
        id: Some("meta.key".into()),
        columns: Some(Vec::new()),
        ..Default::default()
    };
    assert_eq!(asked("a.jsonl", line, &options), [("q".to_owned(), "c".to_owned())]);
    let folder = Folder::new();
    let output = folder.path("out.jsonl");
    run(&[&folder.file("a.jsonl", line)], &output, &options, &WriteOptions::default()).unwrap();
    assert!(text(&output).starts_with(r#"{"meta.key":7,"answer":"#), "{}", text(&output));
}

#[test]
fn what_is_no_row_is_one_with_an_error() {
    let options = ReadOptions::default();
    let errors = |content: &str| -> Vec<String> {
        asked("a.json", content, &options).into_iter().map(|(question, error)| format!("{question}: {error}")).collect()
    };
    let found = errors(r#"[{"question": "q", "context": "c"}, 5, {"text": "x"}, {"question": null, "context": "c"}]"#);
    assert_eq!(
        found,
        [
            "q: c",
            "error: a number where a row should be, which is an object",
            "error: `question` is missing",
            "error: `question` is null"
        ]
    );
    // The first line is cut.
    let found = errors("{\"question\": \"q\", \"con\n{\"question\": \"q\", \"context\": \"c\"}\n");
    assert!(found[0].contains("malformed JSON") && found[1] == "q: c", "{found:?}");
    let deep = format!("{}1{}\n", "{\"data\":".repeat(2000), "}".repeat(2000));
    assert!(asked("a.jsonl", &deep, &options)[0].1.contains("nested too deeply"));

    for (content, words) in [
        ("{\"a\": 1, \"b\": \"x\"}", "an object of `a`, `b`"),
        ("{}", "an object of nothing"),
        ("5", "a number"),
        ("{,}", "not JSON"),
    ] {
        let folder = Folder::new();
        let error = open(&[folder.file("a.json", content)], &options).err().unwrap();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn numbers_that_are_none_are_null() {
    let line = r#"{"question": "q", "context": "NaN", "x": NaN, "y": [-Infinity, {"z": Infinity}]}"#;
    let expected = [r#"{"question":"q","context":"NaN","x":null,"y":[null, {"z": null}]}"#];
    assert_eq!(fields("a.jsonl", line), expected);
    assert_eq!(fields("a.json", line), expected);
    assert_eq!(fields("a.json", &format!("[{line}]")), expected);
}

#[test]
fn lone_surrogates_are_named() {
    let error = |content: &[u8]| {
        let folder = Folder::new();
        let rows = rows(&[&folder.file("a.jsonl", content)], &ReadOptions::default()).unwrap();
        rows[0].example.as_ref().unwrap_err().to_string()
    };
    let found = error(br#"{"question": "q", "context": "a \ud83d b"}"#);
    assert!(found.contains("`context` is not valid text: it has a lone surrogate, U+D83D"), "{found}");
    let found = error(b"{\"question\": \"q\", \"context\": \"a \xed\xa0\xbd b\"}");
    assert!(found.contains("invalid UTF-8 at byte 33 of the line, a lone surrogate, U+D83D"), "{found}");
}

#[test]
fn right_answers_beside_questions_get_another_name() {
    let folder = Folder::new();
    let squad = json!({"data": [{"paragraphs": [{"context": "c", "qas": [{"question": "q", "answer": "gold"}]}]}]});
    let output = folder.path("out.jsonl");
    run_default(&[&folder.file("a.json", squad.to_string())], &output).unwrap();
    assert!(text(&output).starts_with(r#"{"question":"q","input_answer":"gold","context":"c","answer":"Bell""#));
    // Rows that are rows need a prefix.
    let flat = folder.file("b.json", json!([{"question": "q", "context": "c", "answer": "x"}]).to_string());
    assert!(matches!(run_default(&[&flat], &folder.path("b.jsonl")), Err(Error::NameClash(_))));
}

#[test]
fn a_pointer_of_git_lfs_is_named() {
    let folder = Folder::new();
    for name in ["a.json", "a.jsonl", "a.csv", "a.parquet"] {
        let path = folder.file(name, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
        assert!(matches!(open(&[&path], &ReadOptions::default()), Err(Error::LfsPointer(_))), "{name}");
    }
}

#[test]
fn ids_of_both_kinds_stay_what_they_are() {
    let folder = Folder::new();
    let line = |id: &str, n: &str| format!("{{\"id\": {id}, \"question\": \"q\", \"context\": \"c\", \"n\": {n}}}\n");
    let input = folder.file("a.jsonl", [line("1", "null"), line("\"1x\"", "null"), line("null", "2.50")].concat());
    let output = folder.path("out.parquet");
    let write = WriteOptions { infer_schema_length: 2, ..Default::default() };
    assert!(run(&[&input], &output, &ReadOptions::default(), &write).unwrap().is_empty());
    let frame = frame(&output);
    let texts = |name: &str| -> Vec<Option<String>> {
        frame.column(name).unwrap().str().unwrap().iter().map(|text| text.map(str::to_owned)).collect()
    };
    assert_eq!(texts("id"), [Some("1".to_owned()), Some("1x".to_owned()), None]);
    // Null in the rows that the types come from.
    assert_eq!(texts("n"), [None, None, Some("2.50".to_owned())]);
}

#[test]
fn json_that_is_held_in_memory_has_a_limit() {
    let folder = Folder::new();
    let row = json!({"question": "q", "context": "c"});
    let list = serde_json::to_string_pretty(&vec![row.clone(); 9]).unwrap();
    let lines = format!("{row}\n").repeat(99);
    for (text, limit, fits) in [
        (&list, list.len(), true),
        (&list, list.len() - 1, false),
        // All in one line.
        (&json!(vec![&row; 9]).to_string(), 90, false),
        (&format!("{}{list}", "\n".repeat(400)), list.len(), false),
        // Lines are read one by one.
        (&lines, 2 * row.to_string().len() + 2, true),
    ] {
        let options = ReadOptions { max_json_bytes: limit, ..Default::default() };
        match rows(&[&folder.file("a.json", text)], &options) {
            Ok(rows) => assert!(fits && rows.len() >= 9, "{text}"),
            Err(error) => assert!(!fits && error.to_string().contains("larger than the limit"), "{error}: {text}"),
        }
    }
}
