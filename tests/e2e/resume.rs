//! Runs that break off, and go on where they stood.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::japanese;
use crate::support::{bertqa, ends, file_rows, project, stderr, tiny, tiny_model};

fn lines(ids: std::ops::Range<usize>) -> String {
    let line = |id| json!({"id": id, "question": "Who won?", "context": format!("Ann won race {id}.")}).to_string();
    ids.map(|id| line(id) + "\n").collect()
}

/// A folder for a model's runs.
struct Place {
    folder: tempfile::TempDir,
    model: PathBuf,
}

impl Place {
    fn new() -> Self {
        Self::of(tiny_model())
    }

    fn of(model: PathBuf) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), model }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Waits for something that does come, on however slow a machine.
    fn wait_until(&self, is_there: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_there(self) {
            assert!(began.elapsed() < Duration::from_secs(120), "{:?}", self.names());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn recorded(&self, output: &str) -> usize {
        let journal = std::fs::read_to_string(self.at(&format!("{output}.journal"))).unwrap_or_default();
        journal.matches("{\"row\":").count()
    }

    fn spawn(&self, output: &str, options: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bertqa"));
        command.args(["run", "-", "-o", output, "--model"]).arg(&self.model).args(options);
        command.current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A run that was given these rows, has answered them, and waits for more.
    fn answered(&self, output: &str, options: &[&str], rows: &str) -> Child {
        let mut child = self.spawn(output, options);
        child.stdin.as_mut().unwrap().write_all(rows.as_bytes()).unwrap();
        let count = rows.lines().count();
        self.wait_until(|place| place.recorded(output) >= count);
        child
    }

    fn killed(&self, output: &str, options: &[&str], rows: &str) {
        let mut child = self.answered(output, options, rows);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A run that gets all of its rows at once, to its end.
    #[track_caller]
    fn run(&self, output: &str, options: &[&str], rows: &str, status: i32) -> String {
        let mut command = bertqa();
        command.args(["run", "-", "-o", output, "--model"]).arg(&self.model).args(options);
        command.current_dir(self.folder.path()).write_stdin(rows.to_owned());
        stderr(&ends(command, status)).to_owned()
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Interrupts a run that waits for rows: its input ends when it has ended, or that may come first.
#[track_caller]
fn interrupted(mut child: Child, name: &str) -> Output {
    let input = child.stdin.take();
    signal(&child, name);
    let output = ended(child, 130);
    drop(input);
    output
}

#[track_caller]
fn ended(child: Child, status: i32) -> Output {
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
    output
}

#[test]
fn a_killed_run_is_named_and_goes_on_if_asked() {
    let place = Place::new();
    place.killed("out.csv", &[], &lines(0..20));
    let journal = std::fs::read(place.at("out.csv.journal")).unwrap();
    let said = place.run("out.csv", &[], &lines(0..30), 2);
    assert!(said.contains("out.csv.journal") && said.contains("the answers of 20 rows"), "{said}");
    assert!(said.contains("hint: ") && said.contains("--resume") && said.contains("--force"), "{said}");
    assert!(std::fs::read(place.at("out.csv.journal")).unwrap() == journal, "it is not trampled");

    let said = place.run("out.csv", &["--resume"], &lines(0..30), 0);
    assert!(said.contains("30 rows (20 answered before), 0 failed"), "{said}");
    assert_eq!(place.names(), ["out.csv"]);
    place.run("whole.csv", &[], &lines(0..30), 0);
    assert!(std::fs::read(place.at("out.csv")).unwrap() == std::fs::read(place.at("whole.csv")).unwrap());

    // Where none broke off, it begins.
    let said = place.run("new.jsonl", &["--resume"], &lines(0..3), 0);
    assert!(said.contains("3 rows, "), "{said}");
    assert!(place.run("new.jsonl", &["--resume"], &lines(0..3), 2).contains("exists already"));

    place.killed("out.jsonl", &[], &lines(0..20));
    let said = place.run("out.jsonl", &["--force"], &lines(5..9), 0);
    assert!(said.contains("4 rows, "), "{said}");
    assert_eq!(place.names(), ["new.jsonl", "out.csv", "out.jsonl", "whole.csv"]);
}

#[test]
fn an_interrupted_run_goes_on_and_clears_up() {
    let place = Place::new();
    let child = place.answered("out.parquet", &[], &lines(0..20));
    let said = interrupted(child, "-INT");
    assert!(stderr(&said).contains("out.parquet.partial; --resume goes on from there"), "{}", stderr(&said));
    assert_eq!(place.names(), ["out.parquet.journal", "out.parquet.partial"]);

    let mut child = place.answered("out.parquet", &["--resume"], &lines(0..25));
    assert!(child.try_wait().unwrap().is_none());
    interrupted(child, "-TERM");
    let [journal, partial] = place.names().try_into().unwrap();
    assert!(journal == "out.parquet.journal" && partial.starts_with("out.parquet.partial"), "{partial}");

    place.run("out.parquet", &["--resume"], &lines(0..40), 0);
    place.run("whole.parquet", &[], &lines(0..40), 0);
    assert_eq!(place.names(), ["out.parquet", "whole.parquet"]);
    assert!(std::fs::read(place.at("out.parquet")).unwrap() == std::fs::read(place.at("whole.parquet")).unwrap());
}

#[test]
fn what_was_to_be_overwritten_is_when_it_goes_on() {
    let place = Place::new();
    std::fs::write(place.at("out.jsonl"), "old").unwrap();
    place.killed("out.jsonl", &["--force"], &lines(0..20));
    assert_eq!(std::fs::read_to_string(place.at("out.jsonl")).unwrap(), "old");
    place.run("out.jsonl", &["--resume"], &lines(0..21), 0);
    assert_eq!(file_rows(place.at("out.jsonl")).len(), 21);
}

#[test]
fn another_run_does_not_go_on() {
    let place = Place::new();
    place.killed("out.jsonl", &[], &lines(0..20));
    let other = lines(0..19) + &lines(7..12);
    for (options, rows, words) in [
        (vec!["--max-answer-len", "3"], lines(0..30), "answers.max_answer_len was 15, and is 3"),
        (vec!["--id", "id"], lines(0..30), "read.id was null, and is \"id\""),
        (vec!["--prefix", "p_"], lines(0..30), "write.prefix was null, and is \"p_\""),
        (vec!["--limit", "25"], lines(0..30), "rows.limit was null, and is 25"),
        (vec!["--precision", "f32"], lines(0..30), "model.precision was "),
        (vec![], other, "<stdin>:20: is not the row that was answered before"),
        (vec![], lines(0..10), "the input has 10 rows, fewer than the 20"),
    ] {
        let options = [&["--resume"], &options[..]].concat();
        let said = place.run("out.jsonl", &options, &rows, 2);
        assert!(said.contains(words), "{words}: {said}");
        assert!(said.contains("hint: ") && said.contains("--force"), "{said}");
        assert_eq!(place.names(), ["out.jsonl.journal"]);
    }
    let mut command = bertqa();
    command.args(["run", "-", "-o"]).arg(place.at("out.jsonl")).arg("--resume").write_stdin(lines(0..30));
    command.arg("--model").arg(project("tests/fixtures/families/roberta"));
    let said = stderr(&ends(command, 2)).to_owned();
    assert!(said.contains("`model.safetensors`.sha256 was "), "{said}");
    // How it is run is of no account.
    place.run("out.jsonl", &["--resume", "--batch-size", "3", "--threads", "1"], &lines(0..30), 0);
}

#[test]
fn another_dictionary_does_not_go_on() {
    let model = japanese::model(&json!({}));
    let dictionary = model.path().join("dictionary");
    std::fs::create_dir(&dictionary).unwrap();
    for entry in std::fs::read_dir(project("tests/fixtures/mecab/dictionary")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dictionary.join(path.file_name().unwrap())).unwrap();
    }
    let place = Place::of(model.path().to_owned());
    let options = ["--mecab-dict", dictionary.to_str().unwrap()];
    let resume = [&options[..], &["--resume"]].concat();
    place.killed("out.jsonl", &options, &lines(0..5));
    place.killed("same.jsonl", &options, &lines(0..5));
    place.run("same.jsonl", &resume, &lines(0..6), 0);

    let settings = std::fs::read_to_string(dictionary.join("dicrc")).unwrap();
    std::fs::write(dictionary.join("dicrc"), settings + "max-grouping-size = 1\n").unwrap();
    let said = place.run("out.jsonl", &resume, &lines(0..6), 2);
    assert!(said.contains("`dicrc`.bytes was ") && said.contains("`dicrc`.sha256 was "), "{said}");
}

#[cfg(feature = "torch")]
#[test]
fn another_manifest_or_graph_does_not_go_on() {
    use crate::torch::Compiled;

    let manifest = |torch: &str| {
        let inputs = ["input_ids", "position_ids", "sequence_ids"];
        Compiled::with("packed.pt", json!({"inputs": inputs, "packed": true, "torch": torch}))
    };
    let model = manifest("1.13.1");
    let place = Place::of(model.file.clone());
    for output in ["manifest.jsonl", "graph.jsonl", "same.jsonl"] {
        place.killed(output, &[], &lines(0..5));
    }
    place.run("same.jsonl", &["--resume"], &lines(0..6), 0);

    let [written, graph] = ["model.json", "model.pt"].map(|name| model.folder.path().join(name));
    let before = std::fs::read(&written).unwrap();
    std::fs::copy(manifest("1.13.2").folder.path().join("model.json"), &written).unwrap();
    let said = place.run("manifest.jsonl", &["--resume"], &lines(0..6), 2);
    assert!(said.contains("`model.json`.sha256 was "), "{said}");

    std::fs::write(&written, before).unwrap();
    let mut bytes = std::fs::read(&graph).unwrap();
    // The comment of a ZIP file, whose length stands before it.
    let length = bytes.len();
    bytes[length - 2] = 1;
    bytes.push(b' ');
    std::fs::write(&graph, bytes).unwrap();
    let said = place.run("graph.jsonl", &["--resume"], &lines(0..6), 2);
    assert!(said.contains("`model.pt`.sha256 was "), "{said}");
}

#[cfg(feature = "torch")]
#[test]
fn other_inputs_of_a_graph_do_not_go_on() {
    let model = crate::torch::Compiled::bare("dicts.pt");
    let place = Place::of(model.file.clone());
    place.killed("out.jsonl", &[], &lines(0..5));
    let said = place.run("out.jsonl", &["--resume", "--inputs", "input_ids,sequence_ids"], &lines(0..6), 2);
    assert!(said.contains("model.inputs"), "{said}");
}

#[test]
fn an_input_that_changed_does_not_go_on() {
    let place = Place::new();
    std::fs::write(place.at("in.jsonl"), lines(0..5)).unwrap();
    let run = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bertqa"));
        command.args(["run", "in.jsonl", "-", "-o", "out.jsonl", "--model"]).arg(tiny_model()).args(options);
        command.current_dir(place.at("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut child = run(&[]);
    place.wait_until(|place| place.recorded("out.jsonl") >= 5);
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(place.at("in.jsonl"), lines(0..6)).unwrap();
    let said = ended(run(&["--resume"]), 2);
    assert!(stderr(&said).contains("`in.jsonl`.bytes was"), "{}", stderr(&said));
}

#[test]
fn one_run_writes_an_output_at_a_time() {
    let place = Place::new();
    let child = place.answered("out.jsonl", &[], &lines(0..5));
    for options in [&[][..], &["--resume"], &["--force"]] {
        let said = place.run("out.jsonl", options, &lines(0..5), 2);
        assert!(said.contains("another run is writing this output"), "{said}");
    }
    ended(child, 0);
    assert_eq!(place.names(), ["out.jsonl"]);
    assert_eq!(file_rows(place.at("out.jsonl")).len(), 5);
}

#[test]
fn without_a_file_there_is_nothing_to_go_on_from() {
    let said = Place::new().run("-", &["--resume"], &lines(0..5), 2);
    assert!(said.contains("no journal to go on from") && said.contains("--skip"), "{said}");
}

#[test]
fn a_file_in_the_place_of_the_work_file_stays() {
    let place = Place::new();
    let hidden = place.at(".out.jsonl.partial");
    std::fs::write(&hidden, "dear diary").unwrap();
    place.killed("out.jsonl", &[], &lines(0..5));
    place.run("out.jsonl", &["--resume"], &lines(0..6), 0);
    assert_eq!(std::fs::read_to_string(&hidden).unwrap(), "dear diary");
    assert_eq!(file_rows(place.at("out.jsonl")).len(), 6);
    place.run("out.jsonl", &["--force"], &lines(0..7), 0);
    assert_eq!(std::fs::read_to_string(&hidden).unwrap(), "dear diary");
    assert_eq!(file_rows(place.at("out.jsonl")).len(), 7);
}

#[test]
fn a_file_in_the_place_of_a_journal_stays() {
    let place = Place::new();
    std::fs::write(place.at("out.jsonl.journal"), "dear diary").unwrap();
    let said = place.run("out.jsonl", &["--force"], &lines(0..5), 2);
    assert!(said.contains("out.jsonl.journal"), "{said}");
    assert_eq!(std::fs::read_to_string(place.at("out.jsonl.journal")).unwrap(), "dear diary");
    place.run("out.jsonl", &["--no-checkpoints"], &lines(0..5), 0);
}

/// Files of others that look like what a run has kept, and appear while it runs.
#[test]
fn what_others_keep_stays() {
    let place = Place::new();
    let write = |name: &str| std::fs::write(place.at(name), name).unwrap();
    let foreign = |name: &str| std::fs::read_to_string(place.at(name)).is_ok_and(|text| text == name);

    let mut child = place.answered("out.jsonl", &[], &lines(0..20));
    write("out.jsonl.partial");
    drop(child.stdin.take());
    ended(child, 0);
    assert_eq!(place.names(), ["out.jsonl", "out.jsonl.partial"]);
    assert!(foreign("out.jsonl.partial"));

    let child = place.answered("out.csv", &[], &lines(0..20));
    interrupted(child, "-INT");
    assert!(place.at("out.csv.partial").exists());
    let child = place.answered("out.csv", &["--resume"], &lines(0..25));
    write("out.csv.partial.2");
    // Another file by the name of what was kept.
    std::fs::remove_file(place.at("out.csv.partial")).unwrap();
    write("out.csv.partial");
    interrupted(child, "-INT");
    assert!(place.at("out.csv.partial.3").exists());
    place.run("out.csv", &["--resume"], &lines(0..30), 0);
    assert!(foreign("out.csv.partial") && foreign("out.csv.partial.2"));
    assert!(!place.at("out.csv.partial.3").exists());
}

#[test]
fn what_is_left_of_a_run_is_no_input_of_the_next() {
    let place = Place::new();
    std::fs::write(place.at("in.jsonl"), lines(0..5)).unwrap();
    for name in ["out.jsonl.partial", "out.jsonl.partial.2"] {
        std::fs::write(place.at(name), lines(5..9)).unwrap();
    }
    for input in [".", "*"] {
        let mut command = tiny("run");
        command.args([input, "--input-format", "jsonl", "-o", "out.jsonl"]).current_dir(place.at(""));
        let said = stderr(&ends(command, 0)).to_owned();
        assert!(said.contains("5 rows, "), "{said}");
        std::fs::remove_file(place.at("out.jsonl")).unwrap();
    }
}

#[test]
fn rows_are_skipped_and_keep_their_numbers() {
    let place = Place::new();
    let rows = lines(0..6) + "{}\n" + &lines(7..10);
    for command in ["run", "stdin"] {
        let mut command = tiny(command);
        if command.get_args().any(|argument| argument == "run") {
            command.args(["-", "-o", "-"]);
        }
        command.args(["--skip", "5", "--limit", "3"]).write_stdin(rows.clone());
        let output = ends(command, 1);
        let found = crate::support::rows(&output.stdout);
        assert_eq!(found.len(), 3);
        assert_eq!((&found[0]["id"], &found[2]["id"]), (&json!(5), &json!(7)));
        assert!(found[1]["error"].as_str().unwrap().starts_with("<stdin>:7: "), "{}", found[1]);
        assert!(stderr(&output).contains("3 rows, 1 failed"), "{}", stderr(&output));
    }
    let options = ["--skip", "5", "--limit", "8"];
    let mut child = place.spawn("out.jsonl", &options);
    child.stdin.as_mut().unwrap().write_all(lines(0..10).as_bytes()).unwrap();
    place.wait_until(|place| place.recorded("out.jsonl") >= 5);
    child.kill().unwrap();
    child.wait().unwrap();
    let said = place.run("out.jsonl", &[&options[..], &["--resume"]].concat(), &lines(0..20), 0);
    assert!(said.contains("8 rows (5 answered before)"), "{said}");
    let ids: Vec<_> = file_rows(place.at("out.jsonl")).iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [5, 6, 7, 8, 9, 10, 11, 12]);
}

#[test]
fn an_input_that_is_rewritten_while_it_is_read_is_an_error() {
    let place = Place::new();
    std::fs::write(place.at("in.jsonl"), lines(0..50)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bertqa"));
    command.args(["run", "-", "in.jsonl", "-o", "out.jsonl", "--model"]).arg(tiny_model());
    command.current_dir(place.at("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(lines(0..3).as_bytes()).unwrap();
    place.wait_until(|place| place.recorded("out.jsonl") >= 3);
    std::fs::write(place.at("in.jsonl"), lines(0..20)).unwrap();
    let said = ended(child, 2);
    let said = stderr(&said);
    assert!(said.contains("in.jsonl: was changed while it was read: it had ") && said.contains("23 rows"), "{said}");
    assert_eq!(file_rows(place.at("out.jsonl.partial")).len(), 23);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_to_no_file_yet_gets_one() {
    let place = Place::new();
    std::fs::create_dir(place.at("far")).unwrap();
    std::os::unix::fs::symlink("far/out.jsonl", place.at("link.jsonl")).unwrap();
    place.run("link.jsonl", &[], &lines(0..3), 0);
    assert!(place.at("link.jsonl").is_symlink());
    assert_eq!(file_rows(place.at("far/out.jsonl")).len(), 3);
    assert_eq!(std::fs::read_dir(place.at("far")).unwrap().count(), 1);
}

/// `bertqa run` where no file may be larger than so many blocks of 512 bytes.
#[cfg(unix)]
fn within_blocks(folder: &Path, blocks: u32, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_bertqa"), "run"]);
    command.args(arguments).arg("--model").arg(tiny_model()).current_dir(folder).output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_is_named_and_the_run_goes_on_when_it_is_not() {
    let place = Place::new();
    std::fs::write(place.at("in.jsonl"), lines(0..2000)).unwrap();
    for output in ["out.jsonl", "out.csv", "out.parquet", "out.arrow"] {
        let whole = format!("whole-{output}");
        let mut command = tiny("run");
        command.args(["in.jsonl", "-o", &whole]).current_dir(place.at(""));
        ends(command, 0);
        let options = ["in.jsonl", "-o", output, "--checkpoint-rows", "10"];
        let broken = within_blocks(&place.at(""), 64, &options);
        let said = stderr(&broken);
        assert_eq!(broken.status.code(), Some(2), "{output}: {said}");
        assert!(said.contains(&format!("{output}: ")) || said.contains(&format!("{output}.journal: ")), "{said}");
        assert!(said.contains("File too large"), "{said}");
        assert!(!place.names().iter().any(|name| name.starts_with('.')), "{:?}", place.names());
        assert!(place.recorded(output) > 0, "{output}");
        // And once more, before there is room.
        assert_eq!(within_blocks(&place.at(""), 64, &[&options[..], &["--resume"]].concat()).status.code(), Some(2));
        let mut command = tiny("run");
        command.args(options).arg("--resume").current_dir(place.at(""));
        ends(command, 0);
        assert!(std::fs::read(place.at(output)).unwrap() == std::fs::read(place.at(&whole)).unwrap(), "{output}");
        for name in [output, &whole] {
            std::fs::remove_file(place.at(name)).unwrap();
        }
        assert_eq!(place.names(), ["in.jsonl"], "{output}");
    }
}
