//! Spreadsheets; tests/fixtures/sheets/make.py wrote the files.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::support::{assert_hint, bertqa, ends, project, rows, stderr, tiny};

const EXCEL: &str = "tests/fixtures/sheets/questions.xlsx";
const OPEN_DOCUMENT: &str = "tests/fixtures/sheets/questions.ods";

fn answered(input: &Path, options: &[&str], status: i32) -> Vec<Value> {
    let mut command = tiny("run");
    command.arg(input).args(["-o", "-", "--quiet"]).args(options);
    rows(&ends(command, status).stdout)
}

fn run(input: &Path, options: &[&str]) -> assert_cmd::Command {
    let mut command = bertqa();
    command.arg("run").arg(input).args(["-o", "-"]).args(options);
    command
}

/// Without what the answers are.
fn input_columns(rows: &[Value]) -> Value {
    let columns = |row: &Value| {
        let Value::Object(mut row) = row.clone() else { panic!("no object") };
        row.retain(|name, _| !["answer", "score", "start", "end", "error"].contains(&name.as_str()));
        Value::Object(row)
    };
    rows.iter().map(columns).collect()
}

#[test]
fn the_first_sheet_that_is_shown() {
    let rows = answered(&project(EXCEL), &[], 1);
    let expected = json!([
        {"id": 1, "question": "Who won?", "context": "Ann Lee won the race.", "part": 1.5,
         "seen": "2024-02-29T12:30:15", "day": "2024-02-29", "kept": true, "none": null},
        {"id": "2x", "question": null, "context": "Bob Ray won.", "part": 3,
         "seen": "09:05:00", "day": "PT108000S", "kept": false, "none": null},
        {"id": 3, "question": "Who won?", "context": "Eve Kim won.", "part": null,
         "seen": null, "day": null, "kept": null, "none": null},
    ]);
    assert_eq!(input_columns(&rows), expected);
    assert!(rows[0]["answer"].is_string() && rows[0]["error"].is_null());
    let error = |row: usize| rows[row]["error"].as_str().unwrap();
    assert!(error(1).ends_with("questions.xlsx:4: `question` is null"), "{}", error(1));
    assert!(error(2).ends_with("questions.xlsx:5: column K has a value, and no name in the header"), "{}", error(2));
}

#[test]
fn a_sheet_by_name_or_number() {
    for sheet in ["2024", "3"] {
        let rows = answered(&project(EXCEL), &["--sheet", sheet], 0);
        assert_eq!(input_columns(&rows), json!([{"question": "Who won?", "context": "Jo Fox won."}]));
    }
    // Which of them it is does not matter where they say what columns they have.
    for sheet in ["Settings", "1"] {
        assert_hint(
            run(&project(EXCEL), &["--sheet", sheet]),
            "no column `question`, only `key`, `value`",
            "--question",
        );
    }
    for sheet in ["Answers", "4", "0"] {
        let message = format!("no sheet `{sheet}`, only `Settings`, `Questions`, `2024`");
        assert_hint(run(&project(EXCEL), &["--sheet", sheet]), &message, "--sheet");
    }
}

#[test]
fn the_index_that_pandas_writes_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.xlsx");
    changed(EXCEL, &path, "xl/worksheets/sheet3.xml", |text| {
        let text = text.replace("r=\"B", "r=\"C").replace("r=\"A", "r=\"B");
        text.replace("<row r=\"2\">", "<row r=\"2\"><c r=\"A2\"><v>0</v></c>")
    });
    let rows = answered(&path, &["--sheet", "2024"], 0);
    assert_eq!(input_columns(&rows), json!([{"question": "Who won?", "context": "Jo Fox won."}]));
}

#[test]
fn open_document_pipes_folders_and_typed_output() {
    let expected = json!([
        {"id": 1, "question": "Who won?", "context": "Ann Lee won the race.", "part": 1.5, "day": "2024-02-29"},
        {"id": 2, "question": "Who won?", "context": "Bob Ray won.", "part": null, "day": null},
    ]);
    assert_eq!(input_columns(&answered(&project(OPEN_DOCUMENT), &[], 0)), expected);

    let mut command = tiny("run");
    command.args(["-", "-o", "-", "--quiet", "--input-format", "ods"]);
    command.write_stdin(std::fs::read(project(OPEN_DOCUMENT)).unwrap());
    assert_eq!(input_columns(&rows(&ends(command, 0).stdout)), expected);

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["a.ods", "b.ods"] {
        std::fs::copy(project(OPEN_DOCUMENT), at(name)).unwrap();
    }
    std::fs::write(at("c.csv"), "id,question,context\n7,Who?,Ada.\n").unwrap();
    let ids = answered(folder.path(), &["--columns", "id"], 0);
    assert_eq!(ids.iter().map(|row| row["id"].clone()).collect::<Value>(), json!([1, 2, 1, 2, "7"]));

    let output = at("out.parquet");
    let mut command = tiny("run");
    command.arg(at("a.ods")).arg("-o").arg(&output).arg("--quiet");
    ends(command, 0);
    let again = answered(&output, &["--prefix", "again_", "--columns", "id,part,day"], 0);
    let typed = json!([{"id": 1, "part": 1.5, "day": "2024-02-29"}, {"id": 2, "part": null, "day": null}]);
    let values = again.iter().map(|row| json!({"id": row["id"], "part": row["part"], "day": row["day"]}));
    assert_eq!(values.collect::<Value>(), typed);
}

/// A workbook in which one part is another.
fn changed(from: &str, to: &Path, part: &str, change: impl Fn(String) -> String) {
    let mut archive = ZipArchive::new(File::open(project(from)).unwrap()).unwrap();
    let mut written = ZipWriter::new(File::create(to).unwrap());
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        written.start_file(entry.name(), SimpleFileOptions::default()).unwrap();
        if entry.name() == part {
            content = change(String::from_utf8(content).unwrap()).into_bytes();
        }
        written.write_all(&content).unwrap();
    }
    written.finish().unwrap();
}

#[test]
fn a_few_bytes_do_not_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let row = |text: &str| format!("<table:table-row table:number-rows-repeated=\"1000000\">{text}</table:table-row>");
    let cell = |columns: u32| {
        format!(
            "<table:table-cell table:number-columns-repeated=\"{columns}\" office:value-type=\"float\" office:value=\"1\"/>"
        )
    };
    let empty = "<table:table-cell table:number-columns-repeated=\"16000\"/>";
    for (name, rows) in [
        ("rows.ods", row(&cell(1000))),
        ("corner.ods", format!("{}<table:table-row>{empty}{}</table:table-row>", row(empty), cell(1))),
    ] {
        changed(OPEN_DOCUMENT, &at(name), "content.xml", |text| {
            text.replacen("</table:table-row>", &format!("</table:table-row>{rows}"), 1)
        });
        assert_hint(run(&at(name), &[]), "larger than the limit of 512 MiB", "CSV");
    }
    let mut zeros = ZipWriter::new(File::create(at("zeros.xlsx")).unwrap());
    zeros.start_file("xl/workbook.xml", SimpleFileOptions::default()).unwrap();
    std::io::copy(&mut std::io::repeat(b'0').take(520 << 20), &mut zeros).unwrap();
    zeros.finish().unwrap();
    assert!(at("zeros.xlsx").metadata().unwrap().len() < 1 << 20);
    assert_hint(run(&at("zeros.xlsx"), &[]), "larger than the limit of 512 MiB", "CSV");

    // Strings that cells share are said to be more than they are.
    changed(EXCEL, &at("strings.xlsx"), "", |text| text);
    let strings = File::options().read(true).write(true).open(at("strings.xlsx")).unwrap();
    let mut strings = ZipWriter::new_append(strings).unwrap();
    strings.start_file("xl/SharedStrings.xml", SimpleFileOptions::default()).unwrap();
    strings.write_all(b"<sst uniqueCount=\"4000000000\"></sst>").unwrap();
    strings.finish().unwrap();
    assert_hint(run(&at("strings.xlsx"), &[]), "larger than the limit of 512 MiB", "CSV");

    // A cell in the last corner is one cell.
    changed(EXCEL, &at("corner.xlsx"), "xl/worksheets/sheet3.xml", |text| {
        let row = "<row r=\"1048576\"><c r=\"B1048576\"><v>1</v></c></row></sheetData>";
        text.replace("</sheetData>", row)
    });
    let rows = answered(&at("corner.xlsx"), &["--sheet", "2024"], 1);
    assert_eq!(rows.len(), 2);
    assert!(rows[1]["error"].as_str().unwrap().contains("corner.xlsx:1048576: "), "{}", rows[1]);
}

#[test]
fn what_is_no_workbook() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("text.xlsx"), "question,context\nWho?,Ada.\n").unwrap();
    let whole = std::fs::read(project(EXCEL)).unwrap();
    std::fs::write(at("cut.xlsx"), &whole[..whole.len() / 2]).unwrap();
    for name in ["text.xlsx", "cut.xlsx"] {
        let said = ends(run(&at(name), &[]), 2);
        assert!(stderr(&said).contains("not a readable Excel file"), "{}", stderr(&said));
    }
    // Cut short within.
    changed(EXCEL, &at("short.xlsx"), "xl/worksheets/sheet3.xml", |text| {
        text[..text.find("</sheetData>").unwrap()].to_owned()
    });
    let mut command = tiny("run");
    command.arg(at("short.xlsx")).args(["-o", "-", "--sheet", "2024"]);
    let said = ends(command, 2);
    assert!(stderr(&said).contains("cannot read on after line"), "{}", stderr(&said));
    changed(EXCEL, &at("empty.xlsx"), "xl/worksheets/sheet3.xml", |text| {
        let begin = text.find("<sheetData>").unwrap();
        format!("{}<sheetData></sheetData></worksheet>", &text[..begin])
    });
    let said = ends(run(&at("empty.xlsx"), &["--sheet", "2024"]), 2);
    assert!(stderr(&said).contains("the sheet is empty"), "{}", stderr(&said));
}
