use polars::prelude::*;
use polars_io::SerWriter;
use polars_io::ipc::IpcWriter;
use polars_io::parquet::write::ParquetWriter;

use super::super::Record;
use super::{Folder, InputColumns, ReadOptions, WriteOptions, frame, open, rows, run, run_default, text};

/// Columns of many types, each with a null.
pub(super) fn all_types(rows: i64) -> DataFrame {
    let at = |f: &dyn Fn(i64) -> i64| (0..rows).map(|row| (row % 7 != 3).then(|| f(row))).collect::<Vec<_>>();
    let ints = |name: &str, f: &dyn Fn(i64) -> i64| Series::new(name.into(), at(f));
    let cast = |name: &str, dtype: DataType, f: &dyn Fn(i64) -> i64| ints(name, f).cast(&dtype).unwrap();
    let texts = |name: &str, f: &dyn Fn(i64) -> String| {
        Series::new(name.into(), (0..rows).map(|row| (row % 7 != 5).then(|| f(row))).collect::<Vec<_>>())
    };
    let zone = TimeZone::opt_try_new(Some("Asia/Tokyo")).unwrap();
    let second = 1_000_000;
    let list = ListChunked::from_iter(
        (0..rows).map(|row| (row % 7 != 1).then(|| Series::new("".into(), (0..row % 4).collect::<Vec<i64>>()))),
    );
    let parts = [ints("a", &|row| row), texts("b", &|row| format!("b{row}"))];
    let structs = StructChunked::from_series("struct".into(), rows as usize, parts.iter()).unwrap().into_series();
    let columns = vec![
        texts("question", &|row| format!("question {row}?")),
        texts("context", &|row| format!("context {row}.")),
        cast("u8", DataType::UInt8, &|row| row % 256),
        cast("i16", DataType::Int16, &|row| row % 1000),
        cast("f32", DataType::Float32, &|row| row),
        cast("bool", DataType::Boolean, &|row| row % 2),
        cast("date", DataType::Date, &|row| row % 20_000),
        cast("time", DataType::Time, &|row| row % 86_400 * 1_000_000_000),
        cast("datetime", DataType::Datetime(TimeUnit::Microseconds, None), &|row| row * second),
        cast("instant", DataType::Datetime(TimeUnit::Milliseconds, zone), &|row| row * 1000),
        cast("duration", DataType::Duration(TimeUnit::Microseconds), &|row| row * second),
        cast("decimal", DataType::Decimal(20, 3), &|row| row),
        texts("category", &|row| format!("category {}", row % 5))
            .cast(&DataType::from_categories(Categories::global()))
            .unwrap(),
        list.with_name("list".into()).into_series(),
        structs,
    ];
    DataFrame::new(rows as usize, columns.into_iter().map(Column::from).collect()).unwrap()
}

fn write_frame(path: &str, frame: &DataFrame, row_group: usize) {
    let mut frame = frame.clone();
    let file = std::fs::File::create(path).unwrap();
    if path.ends_with(".parquet") {
        ParquetWriter::new(file).with_row_group_size(Some(row_group)).finish(&mut frame).unwrap();
    } else {
        IpcWriter::new(file).finish(&mut frame).unwrap();
    }
}

#[test]
fn types_come_out_as_they_came() {
    let folder = Folder::new();
    let original = all_types(1000);
    for from in ["in.parquet", "in.arrow"] {
        let input = folder.path(from);
        write_frame(&input, &original, 300);
        assert_eq!(open(std::slice::from_ref(&input), &ReadOptions::default()).unwrap().total_rows(), Some(1000));
        for to in ["out.parquet", "out.arrow"] {
            let output = folder.path(to);
            let read = ReadOptions { chunk_rows: 64, ..Default::default() };
            let write = WriteOptions { force: true, ..Default::default() };
            assert_eq!(run(&[&input], &output, &read, &write).unwrap(), []);
            let written = frame(&output);
            let carried = written.select(original.get_column_names_owned()).unwrap();
            assert_eq!(carried.schema(), original.schema(), "{from} to {to}");
            assert!(carried.equals_missing(&original), "{from} to {to}");

            assert_eq!(written.width(), original.width() + 5);
            let dtypes: Vec<String> =
                written.dtypes().split_off(original.width()).iter().map(DataType::to_string).collect();
            assert_eq!(dtypes, ["str", "f32", "i64", "i64", "str"]);
            let has_error =
                |row: usize| written.column("error").unwrap().get(row).unwrap().get_str().map(str::to_owned);
            assert_eq!(has_error(0), None);
            assert_eq!(has_error(5), Some(format!("{input}:6: `question` is null")));
            assert!(written.column("answer").unwrap().get(5).unwrap().is_null());
        }
    }
}

#[test]
fn categories_met_later_are_in_the_one_dictionary() {
    let folder = Folder::new();
    let rows = 70_000;
    let file = |name: &str, prefix: &str| {
        let texts: Vec<String> = (0..rows).map(|row| format!("{prefix}{}", row % 100)).collect();
        let category = Series::new("category".into(), texts).cast(&DataType::from_categories(Categories::global()));
        let columns = vec![
            Column::new("question".into(), vec!["q"; rows]),
            Column::new("context".into(), vec!["c"; rows]),
            category.unwrap().into(),
        ];
        let frame = DataFrame::new(rows, columns).unwrap();
        let path = folder.path(name);
        write_frame(&path, &frame, 1 << 20);
        (path, frame)
    };
    let ((a, first), (b, second)) = (file("a.arrow", "early "), file("b.arrow", "late "));
    let output = folder.path("out.arrow");
    run_default(&[&a, &b], &output).unwrap();
    let written = frame(&output).column("category").unwrap().cast(&DataType::String).unwrap();
    let expected = first.vstack(&second).unwrap().column("category").unwrap().cast(&DataType::String).unwrap();
    assert!(written.equals_missing(&expected));
}

#[test]
fn large_row_groups_are_read_in_slices() {
    let folder = Folder::new();
    let original = all_types(10_000);
    for name in ["in.parquet", "in.arrow"] {
        let path = folder.path(name);
        write_frame(&path, &original, 10_000);
        let options = ReadOptions { chunk_rows: 100, ..Default::default() };
        let rows = rows(&[&path], &options).unwrap();
        assert_eq!(rows.len(), 10_000);
        for (number, row) in rows.iter().enumerate() {
            let Record::Columnar { frame, index } = &row.record else { panic!("not columnar") };
            assert!(frame.height() <= 100);
            assert_eq!(row.position.number, number as u64 + 1);
            let (read, expected) = (frame.column("list").unwrap(), original.column("list").unwrap());
            assert_eq!(read.get(*index).unwrap(), expected.get(number).unwrap());
        }
    }
}

#[test]
fn columns_are_chosen_and_may_stand_in_another_order() {
    let folder = Folder::new();
    let original = all_types(10);
    let (a, b) = (folder.path("a.parquet"), folder.path("b.arrow"));
    write_frame(&a, &original.select(["u8", "question", "context", "date"]).unwrap(), 10);
    write_frame(&b, &original.select(["date", "context", "question", "u8", "i16"]).unwrap(), 10);

    let error = rows(&[&a, &b], &ReadOptions::default()).err().unwrap().to_string();
    assert!(error.contains("`i16` is not there in"), "{error}");
    let options = |columns: &[&str]| ReadOptions {
        columns: Some(columns.iter().map(|&name| name.to_owned()).collect()),
        ..Default::default()
    };
    let output = folder.path("out.parquet");
    run(&[&a, &b], &output, &options(&["date", "u8"]), &WriteOptions::default()).unwrap();
    let written = frame(&output);
    let expected = original.select(["u8", "date"]).unwrap();
    assert!(written.select(["u8", "date"]).unwrap().equals_missing(&expected.vstack(&expected).unwrap()));
    assert_eq!(written.width(), 7);

    // No input column at all.
    let output = folder.path("none.parquet");
    run(&[&a], &output, &options(&[]), &WriteOptions::default()).unwrap();
    assert_eq!((frame(&output).height(), frame(&output).width()), (10, 5));

    for (read, message) in [
        (ReadOptions { question: "query".into(), ..Default::default() }, "no column `query`"),
        (ReadOptions { question: "u8".into(), ..Default::default() }, "column `u8` is u8, not text"),
        (options(&["absent"]), "no column `absent`"),
    ] {
        let error = rows(&[&a], &read).err().unwrap().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn arrow_streams_are_read() {
    use polars_arrow::io::ipc::write::{StreamWriter, WriteOptions};
    let folder = Folder::new();
    let original = all_types(50).drop("category").unwrap();
    let fields = original.schema().iter_fields().map(|field| field.to_arrow(CompatLevel::newest()));
    let schema: ArrowSchema = fields.map(|field| (field.name.clone(), field)).collect();
    let path = folder.path("in.arrow");
    let mut writer = StreamWriter::new(std::fs::File::create(&path).unwrap(), WriteOptions { compression: None });
    writer.start(&schema, None).unwrap();
    for batch in original.iter_chunks(CompatLevel::newest(), false) {
        writer.write(&batch, None).unwrap();
        writer.write(&batch, None).unwrap();
    }
    writer.finish().unwrap();
    let output = folder.path("out.parquet");
    run_default(&[&path], &output).unwrap();
    let carried = frame(&output).select(original.get_column_names_owned()).unwrap();
    assert!(carried.equals_missing(&original.vstack(&original).unwrap()));
}

#[test]
fn a_value_that_is_no_text_names_its_row() {
    let folder = Folder::new();
    let input = folder.path("in.parquet");
    let mut columns = all_types(3).select(["question", "context"]).unwrap();
    let seen = Column::new("seen".into(), [0, i64::MAX, 0]);
    columns.with_column(seen.cast(&DataType::Datetime(TimeUnit::Milliseconds, None)).unwrap()).unwrap();
    write_frame(&input, &columns, 10);
    for output in ["out.jsonl", "out.csv"] {
        let error = run_default(&[&input], &folder.path(output)).unwrap_err();
        let error = format!("{:#}", anyhow::Error::from(error));
        assert!(error.contains("in.parquet:2: column `seen` cannot be written as JSON"), "{error}");
        assert!(error.ends_with("out of range"), "{error}");
    }
}

#[test]
fn columnar_rows_as_text() {
    let folder = Folder::new();
    let input = folder.path("in.parquet");
    write_frame(&input, &all_types(2), 10);
    let output = folder.path("out.jsonl");
    run_default(&[&input], &output).unwrap();
    let expected = concat!(
        r#"{"question":"question 1?","context":"context 1.","u8":1,"i16":1,"f32":1.0,"bool":true,"#,
        r#""date":"1970-01-02","time":"00:00:01","datetime":"1970-01-01T00:00:01","instant":"1970-01-01T00:00:01Z","#,
        r#""duration":"PT1.000000S","decimal":1.000,"category":"category 1","list":null,"struct":{"a":1,"b":"b1"},"#,
        r#""answer":"Bell","score":0.87654,"start":3,"end":7,"error":null}"#
    );
    assert_eq!(text(&output).lines().nth(1).unwrap(), expected);
    let output = folder.path("out.csv");
    run_default(&[&input], &output).unwrap();
    let expected = "question 1?,context 1.,1,1,1.0,true,1970-01-02,00:00:01,1970-01-01T00:00:01,1970-01-01T00:00:01Z,\
        PT1.000000S,1.000,category 1,,\"{\"\"a\"\":1,\"\"b\"\":\"\"b1\"\"}\",Bell,0.87654,3,7,";
    assert_eq!(text(&output).lines().nth(2).unwrap(), expected);

    let binary = folder.path("binary.parquet");
    let mut columns = all_types(2).select(["question", "context"]).unwrap();
    columns.with_column(Column::new("blob".into(), [b"a".as_slice(), b"b"])).unwrap();
    write_frame(&binary, &columns, 10);
    let error = run_default(&[&binary], &folder.path("b.jsonl")).unwrap_err().to_string();
    assert!(error.contains("binary.parquet: column `blob`"), "{error}");
    run_default(&[&binary], &folder.path("b.parquet")).unwrap();
    let blob = frame(&folder.path("b.parquet")).column("blob").unwrap().clone();
    assert_eq!(blob.get(1).unwrap(), AnyValue::Binary(b"b"));
}

#[test]
fn clash_with_a_columnar_column() {
    let folder = Folder::new();
    let input = folder.path("in.parquet");
    let mut columns = all_types(2).select(["question", "context"]).unwrap();
    columns.with_column(Column::new("error".into(), ["a", "b"])).unwrap();
    write_frame(&input, &columns, 10);
    let error = run_default(&[&input], &folder.path("out.parquet")).unwrap_err().to_string();
    assert!(error.contains("`error`"), "{error}");
}

#[test]
fn json_gets_types_from_its_first_rows() {
    let folder = Folder::new();
    let line = |rest: &str| format!("{{\"question\": \"q\", \"context\": \"c\", {rest}}}\n");
    let content = [
        line(r#""n": 1, "x": null, "list": [], "object": {"a": 1}, "mixed": "text", "none": null"#),
        line(r#""n": 2, "x": 0.5, "list": [1, null], "object": {"b": [true]}, "mixed": {"k": 1.50}"#),
        line(r#""n": "three", "x": 1, "list": null, "object": {"a": 3, "b": []}, "mixed": 5"#),
        line(r#""n": 9223372036854775808, "late": true, "list": [2]"#),
        line(r#""n": 5, "object": {"c": 1}"#),
        "broken\n".to_owned(),
    ];
    let input = folder.file("in.jsonl", content.concat());
    for name in ["out.parquet", "out.arrow"] {
        let output = folder.path(name);
        let options = WriteOptions { infer_schema_length: 2, ..Default::default() };
        let misfits = run(&[&input], &output, &ReadOptions::default(), &options).unwrap();
        let misfits: Vec<String> = misfits.iter().map(ToString::to_string).collect();
        assert_eq!(misfits.len(), 3, "{misfits:?}");
        assert!(misfits[0].starts_with("field `n` is a string that its column, i64 by the first rows, cannot hold"));
        assert!(misfits[1].contains("field `n` is an integer") && misfits[1].contains("field `late` is in none"));
        assert!(misfits[2].starts_with("field `object` is an object"), "{}", misfits[2]);

        let written = frame(&output);
        let dtype = |name: &str| written.column(name).unwrap().dtype().to_string();
        assert_eq!((dtype("n"), dtype("x"), dtype("list")), ("i64".into(), "f64".into(), "list[i64]".into()));
        assert_eq!((dtype("mixed"), dtype("none")), ("str".into(), "str".into()));
        let value = |name: &str, row| written.column(name).unwrap().get(row).unwrap().into_static();
        assert_eq!(value("n", 1), AnyValue::Int64(2));
        assert_eq!(value("n", 2), AnyValue::Null);
        assert_eq!(value("x", 2), AnyValue::Float64(1.0));
        assert_eq!(value("mixed", 0).get_str(), Some("text"));
        assert_eq!(value("mixed", 1).get_str(), Some("{\"k\": 1.50}"));
        assert_eq!(value("mixed", 2).get_str(), Some("5"));
        assert_eq!(value("answer", 2).get_str(), Some("Bell"));
        assert!(value("error", 2).get_str().unwrap().starts_with(&format!("{input}:3: field `n`")));
        assert_eq!(value("error", 1), AnyValue::Null);
        assert!(value("error", 5).get_str().unwrap().contains(":6: malformed JSON"));

        let again = folder.path("again.jsonl");
        let read = ReadOptions { columns: Some(vec!["object".into(), "list".into()]), ..Default::default() };
        run(&[&output], &again, &read, &WriteOptions { force: true, ..Default::default() }).unwrap();
        let lines = text(&again);
        let lines: Vec<&str> = lines.lines().collect();
        assert!(lines[0].starts_with(r#"{"list":[],"object":{"a":1,"b":null},"#), "{}", lines[0]);
        assert!(lines[1].starts_with(r#"{"list":[1,null],"object":{"a":null,"b":[true]},"#), "{}", lines[1]);
        assert!(lines[4].starts_with(r#"{"list":null,"object":null,"#), "{}", lines[4]);
    }
}

#[test]
fn inputs_without_rows_give_outputs_without_rows() {
    let folder = Folder::new();
    let csv = folder.file("in.csv", "question,context,id\n");
    let jsonl = folder.file("in.jsonl", "");
    for (name, input, width) in [("a.parquet", &csv, 8), ("b.arrow", &csv, 8), ("c.parquet", &jsonl, 5)] {
        let output = folder.path(name);
        run_default(&[input], &output).unwrap();
        assert_eq!((frame(&output).height(), frame(&output).width()), (0, width), "{name}");
    }
    let (columnar, again) = (folder.path("a.parquet"), folder.path("again.arrow"));
    let read = ReadOptions { columns: Some(vec!["id".into()]), ..Default::default() };
    let InputColumns::Columnar(schema) = open(std::slice::from_ref(&columnar), &read).unwrap().columns().clone() else {
        panic!()
    };
    assert_eq!(schema.len(), 1);
    run(&[&columnar], &again, &read, &WriteOptions::default()).unwrap();
    assert_eq!((frame(&again).height(), frame(&again).width()), (0, 6));
}

#[test]
fn what_a_file_says_of_itself_goes_along() {
    use polars_arrow::io::ipc::write::{FileWriter, WriteOptions as IpcOptions};
    let folder = Folder::new();
    let original = all_types(3).select(["question", "context"]).unwrap();
    let write = |name: &str, entries: &[(&str, &str)]| {
        let fields = original.schema().iter_fields().map(|field| field.to_arrow(CompatLevel::newest()));
        let schema: ArrowSchema = fields.map(|field| (field.name.clone(), field)).collect();
        let path = folder.path(name);
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = FileWriter::try_new(file, schema.into(), None, IpcOptions { compression: None }).unwrap();
        let entries = entries.iter().map(|(name, text)| ((*name).into(), (*text).into()));
        writer.set_custom_schema_metadata(std::sync::Arc::new(entries.collect()));
        for batch in original.iter_chunks(CompatLevel::newest(), false) {
            writer.write(&batch, None).unwrap();
        }
        writer.finish().unwrap();
        path
    };
    let pandas = ("pandas", r#"{"columns": [{"name": "question"}]}"#);
    let one = write("one.arrow", &[("origin", "a crawl"), ("part", "1"), pandas]);
    let two = write("two.arrow", &[("part", "2"), ("origin", "a crawl")]);
    for name in ["out.parquet", "out.arrow"] {
        let output = folder.path(name);
        run_default(&[&one, &two], &output).unwrap();
        let read = ReadOptions { columns: Some(vec![]), ..Default::default() };
        let written = open(std::slice::from_ref(&output), &read).unwrap();
        let entries: Vec<_> = written.metadata().iter().collect();
        assert_eq!(entries, [("origin".into(), "a crawl".into())], "{name}");
    }
}
