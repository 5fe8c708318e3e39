//! Every format in and out holds the same rows.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{assert_hint, bertqa, ends, file_rows, project, rows, stderr, tiny};

/// A line of JSON, as Python's lzma writes it.
const XZ: &[u8] = b"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F\x02\x00!\x01\x16\x00\x00\x00t/\xe5\xa3\x01\x00+{\x22question\x22: \x22Who?\x22, \x22context\x22: \x22Ada did.\x22}\x0a\x00\xee=$\xcaV\xc5\x11\xfa\x00\x01D,\xc9SK\x86\x1f\xb6\xf3}\x01\x00\x00\x00\x00\x04YZ";

const COLUMNS: [&str; 7] = ["id", "question", "context", "answer", "start", "end", "error"];

fn run(input: &Path, output: &Path, options: &[&str]) {
    let mut command = tiny("run");
    command.arg(input).arg("-o").arg(output).args(["--quiet"]).args(options);
    ends(command, 0);
}

fn chosen(rows: &[Value]) -> Vec<Vec<Value>> {
    rows.iter().map(|row| COLUMNS.iter().map(|column| row[column].clone()).collect()).collect()
}

#[test]
fn every_input_format_has_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    let answers = |name: &str| {
        let out = folder.path().join(format!("{name}.out.jsonl"));
        run(&project("samples").join(name), &out, &[]);
        let mut rows = chosen(&file_rows(out));
        rows.sort_by_key(|row| row[0].to_string());
        rows
    };
    let expected = answers("questions.jsonl");
    assert_eq!(expected.len(), 35);
    for name in ["questions.jsonl.zst", "questions.csv", "questions.parquet", "questions.json"] {
        assert_eq!(answers(name), expected, "{name}");
    }
}

#[test]
fn compressed_by_whatever_name() {
    let folder = tempfile::tempdir().unwrap();
    let line = "{\"question\": \"Who?\", \"context\": \"Ada did.\"}\n";
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(line.as_bytes()).unwrap();
    let bzip2 = bzip2.finish().unwrap();
    for (name, bytes) in [("a.jsonl.bz2", &bzip2[..]), ("b.jsonl.xz", XZ), ("c.jsonl", &bzip2), ("d.json.xz", XZ)] {
        let input = folder.path().join(name);
        std::fs::write(&input, bytes).unwrap();
        let mut command = tiny("run");
        command.arg(&input).args(["-o", "-"]);
        assert_eq!(rows(&ends(command, 0).stdout)[0]["context"], "Ada did.", "{name}");
    }
    let mut command = tiny("run");
    command.arg(folder.path()).args(["-o", "-"]);
    assert_eq!(rows(&ends(command, 0).stdout).len(), 4);
    let mut command = tiny("stdin");
    command.write_stdin(bzip2);
    assert_eq!(rows(&ends(command, 0).stdout).len(), 1);
    for name in ["out.jsonl.xz", "out.csv.bz2"] {
        let mut command = bertqa();
        command.arg("run").arg(folder.path()).arg("-o").arg(folder.path().join(name));
        assert!(stderr(&ends(command, 2)).contains("cannot infer the format"), "{name}");
    }
}

#[test]
fn a_window_that_takes_much_memory_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl.zst");
    // As `zstd --long=28` writes it.
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.window_log(28).unwrap();
    zstd.write_all(b"{\"question\": \"Who?\", \"context\": \"Ada did.\"}\n").unwrap();
    std::fs::write(&input, zstd.finish().unwrap()).unwrap();
    let mut command = bertqa();
    command.arg("run").arg(&input).args(["-o", "-"]);
    assert_hint(command, "a window of more than 2^27 bytes", "--window-log-max");
    let mut command = tiny("run");
    command.arg(&input).args(["-o", "-", "--window-log-max", "28"]);
    assert_eq!(rows(&ends(command, 0).stdout).len(), 1);
}

#[test]
fn json_that_unpacks_to_more_than_memory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.json.zst");
    let mut zstd = zstd::Encoder::new(std::fs::File::create(&input).unwrap(), 1).unwrap();
    zstd.write_all(b"{\"data\": [\n").unwrap();
    let line = format!("{}\n", json!({"question": "Who?", "context": "Ada did. ".repeat(100)}));
    for _ in 0..2000 {
        zstd.write_all(line.as_bytes()).unwrap();
    }
    zstd.finish().unwrap();
    let mut command = bertqa();
    command.arg("run").arg(&input).args(["-o", "-", "--max-json-bytes", "1000000"]);
    assert_hint(command, "in.json.zst: JSON that is not lines is held in memory whole", "--max-json-bytes");
}

#[test]
fn every_output_format_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let input = project("samples/questions.jsonl");
    let direct = folder.path().join("direct.jsonl");
    run(&input, &direct, &[]);
    for extension in ["jsonl.zst", "jsonl.gz", "csv", "parquet", "arrow", "arrows"] {
        let out = folder.path().join(format!("out.{extension}"));
        run(&input, &out, &[]);
        // The answers of the first run are input columns of the second.
        let again = folder.path().join(format!("again-{extension}.jsonl"));
        run(&out, &again, &["--prefix", "again_"]);
        let (direct, again) = (file_rows(&direct), file_rows(&again));
        assert_eq!(direct.len(), again.len(), "{extension}");
        for (direct, again) in direct.iter().zip(&again) {
            for column in ["id", "answer"] {
                assert_eq!(direct[column], again[column], "{extension}");
                assert_eq!(again["again_answer"], again["answer"], "{extension}");
            }
            let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
            assert_eq!(text(&direct["start"]), text(&again["start"]), "{extension}");
        }
    }
}

#[test]
fn folders_and_globs() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.jsonl", "a.jsonl"] {
        let row = format!("{{\"id\": \"{name}\", \"question\": \"Who?\", \"context\": \"Ada.\"}}\n");
        std::fs::write(folder.path().join(name), row).unwrap();
    }
    std::fs::write(folder.path().join("_SUCCESS"), "").unwrap();
    for input in [folder.path().to_owned(), folder.path().join("*.jsonl")] {
        let mut command = tiny("run");
        command.arg(input).args(["-o", "-"]);
        let ids: Vec<_> = rows(&ends(command, 0).stdout).iter().map(|row| row["id"].clone()).collect();
        assert_eq!(ids, ["a.jsonl", "b.jsonl"]);
    }
}

#[test]
fn named_columns() {
    let mut command = tiny("run");
    command.args(["-", "-o", "-", "--question", "q", "--context", "text", "--columns", "a", "--id", "key"]);
    command.write_stdin("{\"key\":1,\"q\":\"Who?\",\"text\":\"Ada.\",\"a\":2,\"b\":3}\n");
    let rows = rows(&ends(command, 0).stdout);
    let names: Vec<_> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["key", "a", "answer", "score", "start", "end", "error"]);
}

#[test]
fn a_parquet_file_through_a_pipe() {
    let mut command = tiny("run");
    command.args(["-", "-o", "-", "--input-format", "parquet", "--limit", "2"]);
    command.write_stdin(std::fs::read(project("samples/questions.parquet")).unwrap());
    assert_eq!(rows(&ends(command, 0).stdout).len(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_name_that_is_not_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &[u8]| folder.path().join(std::ffi::OsStr::from_bytes(name));
    // The name of the input also looks like a pattern.
    let (input, output) = (at(b"caf\xe9[1].jsonl"), at(b"r\xe9ponses.jsonl"));
    std::fs::write(&input, "{\"question\": \"Who?\", \"context\": \"Ada.\"}\n{}\n").unwrap();
    let mut command = tiny("run");
    command.arg(&input).arg("-o").arg(&output);
    ends(command, 1);
    let rows = file_rows(&output);
    assert_eq!(rows.len(), 2);
    assert!(rows[1]["error"].as_str().unwrap().contains("caf\u{fffd}[1].jsonl:2: "), "{}", rows[1]);
}

#[test]
fn the_input_that_a_row_is_from() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let line = |id: u32| format!("{{\"id\": {id}, \"question\": \"Who?\", \"context\": \"Ada.\"}}\n");
    std::fs::write(at("b.jsonl"), line(1) + "broken\n").unwrap();
    std::fs::write(at("2024"), line(2)).unwrap();
    std::fs::write(at("a.csv"), "id,question,context\n3,Who?,Ada.\n").unwrap();
    let answered = |output: &str, options: &[&str]| {
        let mut command = tiny("run");
        command
            .arg(at("a.csv"))
            .arg(at("b.jsonl"))
            .arg("-o")
            .arg(at(output))
            .args(["--quiet", "--force"])
            .args(options);
        ends(command, 1);
    };
    let file = |name: &str| at(name).display().to_string();
    for (options, column) in
        [(&["--source-file"][..], "source_file"), (&["--source-file=from", "--columns", "id"], "from")]
    {
        answered("out.jsonl", options);
        let rows = file_rows(at("out.jsonl"));
        let files: Vec<&Value> = rows.iter().map(|row| &row[column]).collect();
        assert_eq!(files, [&file("a.csv"), &file("b.jsonl"), &file("b.jsonl")]);
        assert_eq!(rows[0]["id"], "3");
    }
    // From a typed input to a typed output; a name is a text, even if it looks like a number.
    answered("in.parquet", &["--columns", "id,question,context"]);
    let mut command = tiny("run");
    command.arg(at("in.parquet")).arg("-o").arg(at("out.arrow")).args(["--source-file", "--prefix", "again_"]);
    ends(command, 1);
    let mut command = tiny("run");
    command.current_dir(folder.path()).args(["out.arrow", "-o", "-", "--columns", "source_file", "--prefix", "third_"]);
    let found = rows(&ends(command, 1).stdout);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|row| row["source_file"] == file("in.parquet").as_str()), "{found:?}");
    let mut command = tiny("run");
    command.current_dir(folder.path()).args(["2024", "-o", "-", "--input-format", "jsonl", "--source-file"]);
    assert_eq!(rows(&ends(command, 0).stdout)[0]["source_file"], "2024");

    // A column of that name, known at the start or not.
    for input in ["a.csv", "b.jsonl", "in.parquet"] {
        let mut command = bertqa();
        command.arg("run").arg(at(input)).args(["-o", "-", "--prefix", "again_", "--source-file=id"]);
        command.args(["--model", "no-such/model"]);
        assert_hint(command, "already a column `id`", "--source-file=");
    }
    std::fs::write(at("late.jsonl"), line(1).replace("id", "key") + &line(2)).unwrap();
    let mut command = tiny("run");
    command.arg(at("late.jsonl")).args(["-o", "-", "--source-file=id"]);
    let found = rows(&ends(command, 1).stdout);
    assert!(found[0]["error"].is_null() && found[0]["id"] == file("late.jsonl").as_str(), "{found:?}");
    assert!(found[1]["error"].as_str().unwrap().contains("it has a field `id`"), "{found:?}");
    assert_eq!(found[1]["id"], file("late.jsonl").as_str());
}

#[test]
fn several_questions_in_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let lines = concat!(
        r#"{"id": 1, "qs": ["Who won?", null, "What?"], "context": "Ann Lee won the race.", "more": {"qs": ["Who?"]}}"#,
        "\n",
        r#"{"id": 2, "qs": [], "context": "Bob Ray won.", "more": {"qs": ["Who?", "When?"]}}"#,
        "\n",
        r#"{"id": 3, "qs": null, "context": "Eve Kim won.", "more": {"qs": ["Who?"]}}"#,
        "\n",
        r#"{"id": 4, "qs": ["Who?"], "context": null, "more": {"qs": ["Who?"]}}"#,
        "\n",
    );
    std::fs::write(at("in.jsonl"), lines).unwrap();
    // As typed files have them.
    for name in ["in.parquet", "in.arrow"] {
        let mut command = tiny("run");
        command.arg(at("in.jsonl")).arg("-o").arg(at(name)).args(["--question", "id", "--context", "id", "--quiet"]);
        command.args(["--prefix", "no_"]);
        ends(command, 1);
    }
    for name in ["in.jsonl", "in.parquet", "in.arrow"] {
        for output in ["out.jsonl", "out.parquet"] {
            let mut command = tiny("run");
            command.arg(at(name)).arg("-o").arg(at(output)).args(["--force", "--quiet", "--question", "qs"]);
            command.args(["--columns", "id,qs,context"]);
            ends(command, 1);
            let again = at("again.jsonl");
            let mut command = tiny("run");
            command.arg(at(output)).arg("-o").arg(&again).args(["--force", "--quiet", "--prefix", "again_"]);
            command.args(["--question", "qs"]);
            ends(command, 1);
            let rows = file_rows(again);
            let has = |row: &Value| serde_json::json!([row["id"], row["context"], row["answer"].is_string()]);
            let found: Vec<Value> = rows.iter().map(has).collect();
            let (ann, bob, eve) = ("Ann Lee won the race.", "Bob Ray won.", "Eve Kim won.");
            let expected = serde_json::json!([
                [1, ann, true],
                [1, ann, false],
                [1, ann, true],
                [2, bob, false],
                [3, eve, false],
                [4, null, false],
            ]);
            assert_eq!(Value::from(found), expected, "{name} {output}");
            assert_eq!((&rows[0]["qs"], &rows[2]["qs"]), (&"Who won?".into(), &"What?".into()), "{name} {output}");
            for (row, message) in [(1, ":1: `qs` is null"), (3, ":2: `qs` is an empty list"), (4, ":3: `qs` is null")] {
                let error = rows[row]["error"].as_str().unwrap();
                assert!(error.contains(message), "{name} {output}: {error}");
            }
        }
        let mut command = tiny("run");
        command.arg(at(name)).args(["-o", "-", "--question", "more.qs", "--columns", "id"]);
        let ids: Vec<Value> = rows(&ends(command, 1).stdout).iter().map(|row| row["id"].clone()).collect();
        assert_eq!(Value::from(ids), serde_json::json!([1, 2, 2, 3, 4]), "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn rows_that_share_a_long_text_take_no_memory_each() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["category.parquet", "category.arrow"] {
        // As texts of their own, they are 4 GB.
        let mut command = assert_cmd::Command::new("sh");
        command.args(["-c", "ulimit -v 3000000 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_bertqa"), "run"]);
        command.arg(project("tests/fixtures/columnar/long").join(name)).arg("-o").arg(folder.path().join("out.jsonl"));
        command.args(["--limit", "3", "--threads", "2", "--force", "--columns", "question", "--model"]);
        command.arg(project("tests/fixtures/families/xlm-roberta"));
        ends(command, 0);
        assert_eq!(file_rows(folder.path().join("out.jsonl")).len(), 3, "{name}");
    }
}
