//! Files as people have them, and what is left of runs that break off.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{bertqa, ends, file_rows, rows, stderr, tiny, tiny_model};

fn answered(input: &Path, options: &[&str]) -> Vec<Value> {
    let mut command = tiny("run");
    command.arg(input).args(["-o", "-", "--quiet"]).args(options);
    rows(&ends(command, 0).stdout)
}

fn lines(count: usize) -> String {
    let line =
        |id| json!({"id": id, "question": "Who won?", "context": format!("Ann won race {id}.")}).to_string() + "\n";
    (0..count).map(line).collect()
}

#[test]
fn an_input_that_is_cut_keeps_what_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Stored and not compressed, so that it is known what the cut leaves.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(lines(400).as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    std::fs::write(at("in.jsonl.gz"), &gzip[..gzip.len() - 500]).unwrap();
    for (output, read_again) in [("out.jsonl", "jsonl"), ("out.csv", "csv"), ("out.parquet", "parquet")] {
        let mut command = tiny("run");
        command.arg(at("in.jsonl.gz")).arg("-o").arg(at(output));
        let said = ends(command, 2);
        let said = stderr(&said);
        let kept = at(&format!("{output}.partial"));
        assert!(!at(output).exists() && kept.exists(), "{said}");
        assert!(said.contains("rows answered so far are in") && said.contains("cannot read on after line"), "{said}");
        let again = answered(&kept, &["--input-format", read_again, "--prefix", "again_"]);
        assert!((300..400).contains(&again.len()), "{}", again.len());
        assert!(again.iter().all(|row| row["error"].is_null() || row["error"] == ""));
    }
}

#[test]
fn an_output_that_cannot_get_its_name_is_kept() {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("place");
    let run = |meanwhile: &dyn Fn()| {
        std::fs::create_dir_all(&place).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bertqa"));
        command.args(["run", "-", "-o", "place/out.jsonl", "--model"]).arg(tiny_model()).current_dir(folder.path());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while std::fs::read(place.join("out.jsonl.journal")).unwrap_or_default().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.stdin.as_mut().unwrap().write_all(lines(3).as_bytes()).unwrap();
        meanwhile();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        stderr(&output).to_owned()
    };
    let said = run(&|| std::fs::write(place.join("out.jsonl"), "mine").unwrap());
    assert!(said.contains("the answers are kept in") && said.contains("place/out.jsonl.partial"), "{said}");
    assert_eq!(file_rows(place.join("out.jsonl.partial")).len(), 3);
    assert_eq!(std::fs::read_to_string(place.join("out.jsonl")).unwrap(), "mine");

    std::fs::remove_dir_all(&place).unwrap();
    let said = run(&|| std::fs::remove_dir_all(&place).unwrap());
    assert!(said.contains("the answers are kept in"), "{said}");
    assert_eq!(file_rows(folder.path().join("out.jsonl.partial")).len(), 3);
}

#[cfg(target_os = "linux")]
#[cfg(target_os = "linux")]
#[test]
fn a_standard_output_that_is_full_is_named() {
    for arguments in [&["stdin"][..], &["devices"], &["models", "list"], &["completions", "bash"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bertqa"));
        command.args(arguments).stdout(full).stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        if arguments == ["stdin"] {
            command.arg("--model").arg(crate::support::tiny_model());
        }
        let mut child = command.spawn().unwrap();
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines(3).as_bytes());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("cannot write to standard output: No space left"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_full_disk_is_named() {
    let mut command = tiny("run");
    command.args(["-", "-o", "/dev/full", "--output-format", "jsonl"]).write_stdin(lines(3));
    let output = ends(command, 2);
    assert!(stderr(&output).contains("No space left on device"), "{}", stderr(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    use std::process::{Command, Stdio};
    let status = |trap: &str, signals: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{trap} exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_bertqa"), "stdin", "--model"]);
        let mut child = command
            .arg(tiny_model())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(lines(1).as_bytes()).unwrap();
        // Its first answer is there: it is past all that a start does.
        let mut first = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        for signal in signals {
            assert!(Command::new("kill").args([*signal, &child.id().to_string()]).status().unwrap().success());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        // One that was interrupted has perhaps ended.
        let _ = input.write_all(lines(1).as_bytes());
        drop(input);
        child.wait_with_output().unwrap().status.code()
    };
    assert_eq!(status("trap '' HUP INT;", &["-HUP", "-INT"]), Some(0));
    assert_eq!(status("", &["-TERM"]), Some(130));
}

#[test]
fn folders_as_programs_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.jsonl"), lines(2)).unwrap();
    let make = |output: &str| {
        std::fs::create_dir_all(at(output).parent().unwrap()).unwrap();
        let mut command = tiny("run");
        command.arg(at("in.jsonl")).arg("-o").arg(at(output)).args(["--quiet", "--prefix", "old_"]);
        ends(command, 0);
    };
    // `Dataset.save_to_disk`
    make("saved/data-00000-of-00001.arrow");
    for name in ["dataset_info.json", "state.json", "_SUCCESS", ".part.crc"] {
        std::fs::write(at("saved").join(name), "{}").unwrap();
    }
    assert_eq!(answered(&at("saved"), &[]).len(), 2);

    // Columns in the names of folders, as integers where all are.
    for extension in ["parquet", "csv", "jsonl"] {
        for part in ["year=2023/lang=en", "year=2024/lang=7"] {
            make(&format!("{extension}/{part}/part.{extension}"));
        }
        let found = answered(&at(extension), &["--columns", "id,year,lang"]);
        let columns = |row: &Value| (row["year"].clone(), row["lang"].clone());
        assert_eq!(found.len(), 4, "{extension}");
        assert_eq!(columns(&found[0]), (json!(2023), json!("en")), "{extension}");
        assert_eq!(columns(&found[3]), (json!(2024), json!("7")), "{extension}");
    }

    // An output in the folder that is read.
    std::fs::create_dir(at("both")).unwrap();
    std::fs::write(at("both/in.jsonl"), lines(2)).unwrap();
    for _ in 0..2 {
        let mut command = tiny("run");
        command.arg(at("both")).arg("-o").arg(at("both/out.jsonl")).arg("--force");
        ends(command, 0);
        assert_eq!(file_rows(at("both/out.jsonl")).len(), 2);
    }
}

#[test]
fn parts_of_a_data_set_may_differ_as_parts_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, value) in [("a", "null"), ("b", "\"x\"")] {
        let input = format!("{{\"question\": \"Who won?\", \"context\": \"Ann won.\", \"v\": {value}}}\n");
        let mut command = bertqa();
        command.args(["run", "-", "--quiet", "--prefix", "old_", "-o"]).arg(at(&format!("{name}.parquet")));
        command.arg("--model").arg(tiny_model()).write_stdin(input);
        ends(command, 0);
    }
    let found = answered(folder.path(), &["--columns", "v"]);
    assert_eq!((&found[0]["v"], &found[1]["v"]), (&Value::Null, &json!("x")));
}

#[test]
fn text_as_spreadsheets_write_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let text = "id;question;context\r\n1;Who won?;Ann won, again.\r\n2;Who?;\"Bob.\r\n3;Who?;Cat.\r\n";
    std::fs::write(at("in.csv"), text).unwrap();
    let mut command = tiny("run");
    command.arg(at("in.csv")).arg("-o").arg(at("out.tsv")).arg("--csv-bom");
    let output = ends(command, 1);
    assert_eq!(stderr(&output).matches("separated by a semicolon").count(), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("in.csv:3: the quote opened in line 3 is not closed"), "{}", stderr(&output));
    let written = std::fs::read_to_string(at("out.tsv")).unwrap();
    assert!(written.starts_with("\u{feff}id\tquestion\tcontext\tanswer\t"), "{written}");
    assert_eq!(written.lines().count(), 4);

    let utf16: Vec<u8> =
        "id,question,context\n1,誰が勝ちましたか,花子が勝った。\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(at("utf16.csv"), utf16).unwrap();
    assert_eq!(answered(&at("utf16.csv"), &[])[0]["context"], "花子が勝った。");
    std::fs::write(at("sjis.csv"), b"question,context\n\x92N?,\x89\xd4\x8eq\x81B\n").unwrap();
    let found = answered(&at("sjis.csv"), &["--encoding", "cp932"]);
    assert_eq!(found[0]["context"], "花子。");
    std::fs::write(at("spark.csv"), "question,context\nq,\"He said \\\"Ann\\\".\"\n").unwrap();
    assert_eq!(answered(&at("spark.csv"), &["--escape", "\\"])[0]["context"], "He said \"Ann\".");
    for (flag, value) in [("--delimiter", "ab"), ("--encoding", "klingon"), ("--escape", "")] {
        let mut command = tiny("run");
        command.arg(at("in.csv")).args(["-o", "-", flag, value]);
        assert!(stderr(&ends(command, 2)).contains(flag), "{flag}");
    }
}
