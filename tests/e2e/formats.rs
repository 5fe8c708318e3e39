//! Every format in and out holds the same rows.

use std::io::Write;
use std::path::Path;

use serde_json::Value;

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
fn every_output_format_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let input = project("samples/questions.jsonl");
    let direct = folder.path().join("direct.jsonl");
    run(&input, &direct, &[]);
    for extension in ["jsonl.zst", "jsonl.gz", "csv", "parquet", "arrow"] {
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
