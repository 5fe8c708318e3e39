//! Arrow IPC with types that few readers know; tests/fixtures/arrow/make.py wrote the files.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{assert_hint, bertqa, ends, file_rows, project, rows, stderr, tiny};

const LONG: &str = "a text that is longer than twelve bytes";

fn fixture(name: &str) -> PathBuf {
    project("tests/fixtures/arrow").join(name)
}

fn answered(name: &str, columns: &str) -> Vec<Value> {
    let mut command = tiny("run");
    command.arg(fixture(name)).args(["-o", "-", "--quiet", "--columns", columns]);
    rows(&ends(command, 0).stdout)
}

#[test]
fn columns_that_are_not_wanted_are_not_decoded() {
    for name in ["odd-file.arrow", "odd-stream.arrow"] {
        let rows = answered(name, "id");
        let ids: Vec<&Value> = rows.iter().map(|row| &row["id"]).collect();
        assert_eq!(ids, ["row 0", "row 1", "row 2", "row 3", "row 4", "row 1", "row 2", "row 3"], "{name}");
        assert!(rows.iter().all(|row| row["answer"].is_string() && row["error"].is_null()), "{name}: {rows:?}");
    }
}

#[test]
fn runs_and_list_views_are_what_they_stand_for() {
    let columns = ["runs", "run_categories", "lists", "large_lists", "views"];
    let expected = json!([
        ["a", "a", [1, 2], ["w", "x"], "a"],
        ["a", "a", [3], [null], null],
        [null, "b", [1, 2, 3], ["w", "x", null], LONG],
        [null, "b", [], [], "b"],
        [LONG, "a", null, null, LONG],
    ]);
    for name in ["odd-file.arrow", "odd-stream.arrow"] {
        for extension in ["jsonl", "parquet", "arrow", "arrows"] {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            let output = at("out").with_extension(extension);
            let mut command = tiny("run");
            command.arg(fixture(name)).arg("-o").arg(&output).args(["--quiet", "--columns", &columns.join(",")]);
            ends(command, 0);
            // Whatever is written can be read.
            let again = at("again.jsonl");
            let mut command = tiny("run");
            command.arg(&output).arg("-o").arg(&again).args(["--quiet", "--prefix", "again_"]);
            command.args(["--question", "answer", "--context", "answer", "--columns", &columns.join(",")]);
            ends(command, 0);
            let rows = file_rows(&again);
            assert_eq!(rows.len(), 8);
            for (place, row) in rows.iter().enumerate() {
                // The second batch has the rows 1 to 3 of the first.
                let place = if place < 5 { place } else { place - 4 };
                for (column, name) in columns.iter().enumerate() {
                    assert_eq!(row[*name], expected[place][column], "{extension}: {name} of row {place}");
                }
            }
        }
    }
}

#[test]
fn a_wanted_column_that_cannot_be_read_is_named_at_once() {
    for (column, message) in [
        ("inner", "column `inner` is run-end encoded inside of another type, which cannot be read"),
        ("sparse", "column `sparse` has the type Union"),
        ("dense", "column `dense` has the type Union"),
    ] {
        for name in ["odd-file.arrow", "odd-stream.arrow"] {
            let mut command = bertqa();
            // It is said before a model is looked for.
            command.arg("run").arg(fixture(name)).args([
                "-o",
                "-",
                "--columns",
                column,
                "--model",
                "no-such-folder/model",
            ]);
            assert_hint(command, message, "--columns");
        }
    }
}

#[test]
fn dictionaries_that_grow() {
    for name in ["grown-file.arrow", "grown-stream.arrow"] {
        let categories: Vec<Value> = answered(name, "category").iter().map(|row| row["category"].clone()).collect();
        assert_eq!(json!(categories), json!(["a", "b", "c", "a", "d", null]), "{name}");
    }
}

#[test]
fn categories_of_pandas_where_some_are_missing() {
    let rows = answered("pandas.feather", "category");
    let categories: Vec<Value> = rows.iter().map(|row| row["category"].clone()).collect();
    assert_eq!(json!(categories), json!(["a", null, "b"]));
}

#[test]
fn a_stream_that_breaks_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.arrow");
    let whole = std::fs::read(fixture("grown-stream.arrow")).unwrap();
    let run = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let mut command = tiny("run");
        command.arg(&path).args(["-o", "-", "--columns", "id", "--quiet"]);
        command
    };
    // The end mark may be missing, and zeros may follow.
    assert_eq!(rows(&ends(run(&whole[..whole.len() - 8]), 0).stdout).len(), 6);
    assert_eq!(rows(&ends(run(&[&whole[..], &[0; 16]].concat()), 0).stdout).len(), 6);
    let said = ends(run(&whole[..whole.len() - 30]), 2);
    assert!(stderr(&said).contains("cannot read on after row 4"), "{}", stderr(&said));
    // In the last column, which is not wanted.
    let last = whole.windows(11).rposition(|bytes| bytes == b"Ann Lee won").unwrap();
    let cut = &whole[..last + 4];
    std::fs::write(&path, cut).unwrap();
    let mut command = tiny("run");
    command.arg(&path).args(["-o", "-", "--columns", "id", "--quiet", "--context", "id"]);
    assert!(stderr(&ends(command, 2)).contains("cannot read on after row 4"));
    let said = ends(run(&[&whole[..], b"more"].concat()), 2);
    assert!(stderr(&said).contains("bytes follow the end"), "{}", stderr(&said));
}

#[test]
fn a_damaged_buffer_is_an_error_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.arrow");
    // The beginning of odd-stream.arrow with some bytes changed, on which polars' own decompression panics.
    let damaged = [std::fs::read(fixture("damaged.arrow")).unwrap(), vec![0; 8192]].concat();
    std::fs::write(&path, damaged).unwrap();
    let mut command = tiny("run");
    command.arg(&path).args(["-o", "-", "--columns", "id"]);
    let said = ends(command, 2);
    let said = stderr(&said);
    assert!(
        said.contains("in.arrow: cannot read on after row 0: a buffer cannot be unpacked")
            && !said.contains("panicked"),
        "{said}"
    );
}
