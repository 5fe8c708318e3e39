use std::io::Read;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::io::format::{ColumnarFormat, Compression};
use crate::io::source::compression;
use crate::io::write::answer_columns::AnswerColumns;
use crate::io::write::columnar::FieldsEncoder;
use crate::io::write::encoder::{OutputRow, RowEncoder};
use crate::io::write::jsonl::JsonlEncoder;
use crate::io::write::sink::{Compressed, Sink};

const LINE: &str = "{\"question\": \"q\", \"context\": \"c\", \"n\": 1.50}\n";

#[test]
fn fields_then_answers() {
    let folder = Folder::new();
    let input = folder.file("in.jsonl", format!("{LINE}nonsense\n"));
    let output = folder.path("out.jsonl");
    assert_eq!(run_default(&[&input], &output).unwrap(), []);
    let expected = format!(
        "{}\n{}\n",
        r#"{"question":"q","context":"c","n":1.50,"answer":"Bell","score":0.87654,"start":3,"end":7,"error":null}"#,
        format_args!(
            r#"{{"answer":null,"score":null,"start":null,"end":null,"error":"{input}:2: malformed JSON: expected ident at column 2"}}"#
        )
    );
    assert_eq!(text(&output), expected);
}

#[test]
fn several_answers_are_a_list() {
    let folder = Folder::new();
    let input = folder.file("in.jsonl", format!("{LINE}{{}}\n"));
    let options = WriteOptions { top_k: 2, prefix: Some("p_".into()), ..Default::default() };
    let output = folder.path("out.jsonl");
    run(&[&input], &output, &ReadOptions::default(), &options).unwrap();
    let lines: Vec<String> = text(&output).lines().map(str::to_owned).collect();
    let answer = |text: &str| format!(r#"{{"answer":"{text}","score":0.87654,"start":3,"end":7}}"#);
    let answers = format!("[{},{}]", answer("Bell"), answer("Watson"));
    assert_eq!(lines[0], format!(r#"{{"question":"q","context":"c","n":1.50,"p_answers":{answers},"p_error":null}}"#));
    assert!(lines[1].starts_with(r#"{"p_answers":null,"p_error":""#), "{}", lines[1]);

    let columnar = folder.path("out.parquet");
    run(&[&input], &columnar, &ReadOptions::default(), &options).unwrap();
    let again = folder.path("again.jsonl");
    run(&[&columnar], &again, &ReadOptions::default(), &WriteOptions::default()).unwrap();
    assert!(text(&again).contains(&format!(r#""p_answers":{answers}"#)));
}

#[test]
fn csv_to_csv_is_verbatim() {
    let folder = Folder::new();
    let content = "id,question,context,empty\n007,\"q, \"\"r\"\"\",\"a\nb\",\n1e5,q,c,null\n";
    let input = folder.file("in.csv", content);
    let output = folder.path("out.csv");
    run_default(&[&input], &output).unwrap();
    let expected = "id,question,context,empty,answer,score,start,end,error\n\
        007,\"q, \"\"r\"\"\",\"a\nb\",,Bell,0.87654,3,7,\n1e5,q,c,null,Bell,0.87654,3,7,\n";
    assert_eq!(text(&output), expected);

    let empty = folder.file("empty.csv", "id,question,context\n");
    let output = folder.path("empty_out.csv");
    run_default(&[&empty], &output).unwrap();
    assert_eq!(text(&output), "id,question,context,answer,score,start,end,error\n");
}

#[test]
fn json_to_csv_takes_the_header_from_the_first_rows() {
    let folder = Folder::new();
    let content = "{\"question\": \"q\", \"context\": \"c\", \"a\": null}\n{\"b\": {\"x\": [1, 2.50]}}\n\
        {\"a\": true, \"late\": 1, \"question\": \"q\", \"context\": \"c\"}\n";
    let input = folder.file("in.jsonl", content);
    let output = folder.path("out.csv");
    let options = WriteOptions { infer_schema_length: 2, ..Default::default() };
    let [misfit] = run(&[&input], &output, &ReadOptions::default(), &options).unwrap().try_into().unwrap();
    assert!(misfit.to_string().contains("field `late`"), "{misfit}");
    let lines: Vec<String> = text(&output).lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "question,context,a,b,answer,score,start,end,error");
    assert_eq!(lines[1], "q,c,,,Bell,0.87654,3,7,");
    assert!(lines[2].starts_with(",,,\"{\"\"x\"\": [1, 2.50]}\",,,,,"), "{}", lines[2]);
    assert!(
        lines[3].starts_with(&format!("q,c,true,,Bell,0.87654,3,7,\"{input}:3: field `late`"))
            || lines[3].starts_with(&format!("q,c,true,,Bell,0.87654,3,7,{input}:3: field `late`")),
        "{}",
        lines[3]
    );
}

#[test]
fn compressed_outputs_read_back() {
    let folder = Folder::new();
    let input = folder.file("in.jsonl", LINE.repeat(1000));
    let plain = folder.path("out.jsonl");
    run_default(&[&input], &plain).unwrap();
    for name in ["out.jsonl.gz", "out.jsonl.zst"] {
        let output = folder.path(name);
        run_default(&[&input], &output).unwrap();
        assert!(std::fs::metadata(&output).unwrap().len() < 10_000);
        let bytes = std::fs::File::open(&output).unwrap();
        let mut unpacked = String::new();
        compression::decode(bytes, None, compression::Accepted::Bodies).unwrap().read_to_string(&mut unpacked).unwrap();
        assert!(unpacked == text(&plain), "{name} differs");
    }
    let error = run_default(&[&input], &folder.path("out.parquet.gz")).unwrap_err().to_string();
    assert!(error.contains("out.parquet.gz"), "{error}");
}

#[test]
fn clashes_are_refused_up_front_or_named_on_their_row() {
    let folder = Folder::new();
    let clashing = "{\"question\": \"q\", \"context\": \"c\", \"score\": 1}\n";
    let output = folder.path("out.jsonl");
    for input in [
        folder.file("a.jsonl", clashing),
        folder.file("a.csv", "question,context,score\n"),
        folder.file("a.json", r#"{"data": [{"question": "q", "context": "c", "score": 1}]}"#),
    ] {
        let error = run_default(&[&input], &output).unwrap_err().to_string();
        assert!(error.contains("`score`"), "{error}");
        let options = WriteOptions { prefix: Some("p_".into()), force: true, ..Default::default() };
        run(&[&input], &output, &ReadOptions::default(), &options).unwrap();
        std::fs::remove_file(&output).unwrap();
    }
    let late = folder.file("late.jsonl", format!("{LINE}{clashing}"));
    let [misfit] = run_default(&[&late], &output).unwrap().try_into().unwrap();
    assert!(misfit.to_string().contains("`score`"), "{misfit}");
    let written = text(&output);
    let last = written.lines().last().unwrap();
    assert!(last.starts_with(r#"{"question":"q","context":"c","answer":"Bell","score":0.87654,"#), "{last}");
    assert!(last.contains("late.jsonl:2: field `score` is left out"), "{last}");
}

#[test]
fn a_broken_run_leaves_nothing_and_an_ended_one_its_part() {
    let folder = Folder::new();
    let input = folder.file("in.jsonl", LINE);
    for name in ["out.jsonl", "out.csv", "out.parquet", "out.arrow", "out.arrows"] {
        let output = folder.path(name);
        let start = || {
            let input = open(std::slice::from_ref(&input), &ReadOptions::default()).unwrap();
            let mut writer = create(&output, &input, &WriteOptions::default()).unwrap();
            let InputRow { position, record, .. } = input.rows().next().unwrap().unwrap();
            writer.write(Answered { row: Row { position, record }, answers: Ok(vec![answer("Bell")]) }).unwrap();
            writer
        };
        drop(start());
        assert_eq!(folder.names(), ["in.jsonl"]);
        let partial = start().finish_partial().unwrap().unwrap();
        assert_eq!(folder.names(), ["in.jsonl", &format!("{name}.partial")]);
        let whole = folder.path("kept.").replace("kept.", &format!("kept_{name}"));
        std::fs::rename(&partial, &whole).unwrap();
        let read = ReadOptions::default();
        assert_eq!(rows(&[&whole], &read).unwrap().len(), 1, "{name}");
        std::fs::remove_file(whole).unwrap();
    }
}

fn error_of_closed_pipe(encoder: &mut dyn FnMut(Sink) -> Box<dyn RowEncoder>) -> anyhow::Error {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut encoder = encoder(Sink::new(Box::new(writer)));
    let position = Position { source: "a".into(), number: 1 };
    let output = OutputRow { position, answers: vec![answer("Bell")], problems: Vec::new() };
    let written = encoder.write(Record::Fields(Fields::new()), output);
    written.and_then(|_| encoder.finish()).unwrap_err().into()
}

#[test]
fn a_closed_pipe_is_recognised() {
    let columns = Arc::new(AnswerColumns::new(None, 1));
    let error = error_of_closed_pipe(&mut |sink| {
        Box::new(JsonlEncoder::new(Compressed::new(sink, Compression::None).unwrap(), columns.clone()))
    });
    assert!(is_broken_pipe(&error), "{error:#}");
    let columnar = |format| {
        error_of_closed_pipe(&mut |sink| Box::new(FieldsEncoder::new(sink, format, columns.clone(), Vec::new(), 100)))
    };
    for format in [ColumnarFormat::Parquet, ColumnarFormat::Arrow, ColumnarFormat::ArrowStream] {
        let error = columnar(format);
        assert!(is_broken_pipe(&error), "{format:?}: {error:#}");
    }
    assert!(!is_broken_pipe(&anyhow::anyhow!("other")));
}

/// JSON texts, with numbers and escapes as no serializer would write them.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"(\\\\u[0-9a-f]{4}|\\\\/|[a-z ])*\"",
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|values| format!("[ {}]", values.join(" ,"))),
            prop::collection::vec((any::<String>(), inner), 0..5).prop_map(|fields| {
                let field =
                    |(name, value): &(String, String)| format!("{}:  {value}", serde_json::to_string(name).unwrap());
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn unknown_fields_come_out_verbatim(fields in prop::collection::vec(("[a-z]{9,12}", json()), 0..6)) {
        let fields: indexmap::IndexMap<String, String> = fields.into_iter().collect();
        let member = |(name, value): (&String, &String)| format!("{name:?}: {value}, ");
        let line = format!("{{{}\"question\": \"q\", \"context\": \"c\"}}", fields.iter().map(member).collect::<String>());
        let folder = Folder::new();
        let input = folder.file("in.jsonl", line);
        let output = folder.path("out.jsonl");
        prop_assert_eq!(run_default(&[&input], &output).unwrap(), vec![]);
        let written: indexmap::IndexMap<String, Box<RawValue>> = serde_json::from_str(&text(&output)).unwrap();
        let written: Vec<_> = written.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
        let expected: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        prop_assert_eq!(&written[..expected.len()], &expected[..]);
        prop_assert_eq!(written[expected.len()..].iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["question", "context", "answer", "score", "start", "end", "error"]);
        // Whatever it is, it has a place in a columnar file too.
        prop_assert_eq!(run_default(&[&input], &folder.path("out.parquet")).unwrap(), vec![]);
    }

    #[test]
    fn csv_values_come_out_verbatim(values in prop::collection::vec(any::<String>(), 1..6)) {
        let folder = Folder::new();
        let input = folder.path("in.csv");
        let mut writer = ::csv::Writer::from_path(&input).unwrap();
        writer.write_record(["question", "context", "value"]).unwrap();
        for value in &values {
            writer.write_record(["q", "c", value]).unwrap();
        }
        writer.flush().unwrap();
        let output = folder.path("out.csv");
        prop_assert_eq!(run_default(&[&input], &output).unwrap(), vec![]);
        let mut reader = ::csv::Reader::from_path(&output).unwrap();
        let written: Vec<String> = reader.records().map(|record| record.unwrap()[2].to_owned()).collect();
        prop_assert_eq!(written, values);
    }
}
