//! Figures of `bertqa eval`, against those of other programs, and its inputs and outputs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{bertqa, ends, file_rows, project, stderr, tiny, tiny_model};

fn fixture(name: &str) -> PathBuf {
    project("tests/fixtures/eval").join(name)
}

/// Figures that other programs found; see make.py beside them.
fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(fixture("figures.json")).unwrap()).unwrap()
}

/// The figures of predictions.
#[track_caller]
fn figures(gold: &Path, predictions: &Path, options: &[&str]) -> Value {
    let mut command = bertqa();
    // A model that is set for good does not stand in the way.
    command.env("BERTQA_MODEL", tiny_model());
    command.arg("eval").arg(gold).arg("--predictions").arg(predictions).args(["--json", "--quiet"]).args(options);
    serde_json::from_slice(&ends(command, 0).stdout).unwrap()
}

/// What is said of an evaluation that cannot be done.
#[track_caller]
fn refused(gold: &Path, predictions: &Path) -> String {
    let mut command = bertqa();
    command.arg("eval").arg(gold).arg("--predictions").arg(predictions);
    stderr(&ends(command, 2)).to_owned()
}

#[track_caller]
fn assert_close(found: &Value, expected: &Value, name: &str, tolerance: f64) {
    let (found, expected) = (found[name].as_f64().unwrap(), expected[name].as_f64().unwrap());
    assert!((found - expected).abs() < tolerance, "{name}: {found} {expected}");
}

fn write(folder: &Path, name: &str, rows: &[Value]) -> PathBuf {
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The questions of gold.json as rows of a Hugging Face dataset.
fn gold_rows() -> Vec<Value> {
    let gold: Value = serde_json::from_slice(&std::fs::read(fixture("gold.json")).unwrap()).unwrap();
    let mut rows = Vec::new();
    let articles = gold["data"].as_array().unwrap();
    for paragraph in articles.iter().flat_map(|article| article["paragraphs"].as_array().unwrap()) {
        for qa in paragraph["qas"].as_array().unwrap() {
            let answers = qa["answers"].as_array().unwrap();
            let column = |name: &str| answers.iter().map(|answer| answer[name].clone()).collect::<Vec<_>>();
            rows.push(json!({
                "id": qa["id"],
                "question": qa["question"],
                "context": paragraph["context"],
                "answers": {"text": column("text"), "answer_start": column("answer_start")},
            }));
        }
    }
    rows
}

#[test]
fn english_figures_are_squads() {
    let found = figures(&fixture("gold.json"), &fixture("answers.jsonl"), &[]);
    let expected = &expected()["squad"];
    assert_eq!(found["normalization"], "en");
    for name in ["exact_match", "f1"] {
        assert_close(&found, expected, name, 1e-9);
        for kind in ["has_answer", "no_answer"] {
            assert_eq!(found["no_answer"][kind]["rows"], expected[kind]["rows"]);
            assert_close(&found["no_answer"][kind], &expected[kind], name, 1e-9);
        }
    }
    let best = &found["no_answer"]["best"];
    assert_eq!((&best["by"], &best["unlisted"]), (&json!("null_score"), &json!(0)));
    for name in ["best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh"] {
        assert_close(best, &expected["null_score"], name, 1e-9);
    }
}

#[test]
fn without_a_null_score_the_threshold_is_on_the_score() {
    let folder = tempfile::tempdir().unwrap();
    let spans = file_rows(fixture("answers.jsonl")).into_iter().map(|row| {
        let answers = row["answers"].as_array().unwrap();
        let best = answers.iter().find(|answer| answer["answer"] != "").unwrap();
        json!({"id": row["id"], "answer": best["answer"], "score": best["score"]})
    });
    let predictions = write(folder.path(), "spans.jsonl", &spans.collect::<Vec<_>>());
    let found = figures(&fixture("gold.json"), &predictions, &[]);
    let best = &found["no_answer"]["best"];
    assert_eq!(best["by"], "score");
    for name in ["best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh"] {
        assert_close(best, &expected()["squad"]["score"], name, 1e-9);
    }
}

#[test]
fn japanese_figures_are_another_programs() {
    let found = figures(&project("samples/questions.json"), &project("tests/fixtures/golden/default.jsonl"), &[]);
    let expected = &expected()["japanese"];
    assert_eq!((&found["normalization"], &found["rows"]), (&json!("ja"), &expected["rows"]));
    for name in ["exact_match", "f1"] {
        assert_eq!(format!("{:.2}", found[name].as_f64().unwrap()), expected[name].as_str().unwrap());
    }
    // The same gold as a column with one text in each row.
    let again = figures(
        &project("samples/questions.jsonl"),
        &project("tests/fixtures/golden/default.jsonl"),
        &["--answers", "gold"],
    );
    assert_eq!(again["by_question_type"], found["by_question_type"]);
    // By words, Japanese is right or wrong as a whole.
    let words = figures(
        &project("samples/questions.json"),
        &project("tests/fixtures/golden/default.jsonl"),
        &["--normalization", "en"],
    );
    assert!(words["f1"].as_f64().unwrap() < found["f1"].as_f64().unwrap());
}

#[test]
fn running_the_model_is_running_it_and_scoring_that() {
    let folder = tempfile::tempdir().unwrap();
    let gold = write(folder.path(), "gold.jsonl", &gold_rows());
    for options in [&["--max-seq-len", "64", "--doc-stride", "8"][..], &["--handle-impossible-answer"]] {
        let answers = folder.path().join("answers.parquet");
        let mut run = tiny("run");
        run.arg(&gold).arg("-o").arg(&answers).args(["--quiet", "--force"]).args(options);
        ends(run, 0);
        let earlier = figures(&gold, &answers, &[]);

        let mut eval = tiny("eval");
        eval.arg(&gold).args(["--json"]).args(options);
        let output = ends(eval, 0);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(stderr(&output).contains("18 rows, 0 failed"), "{}", stderr(&output));
        assert_eq!(found["answers"]["model"], tiny_model().display().to_string());
        for name in ["exact_match", "f1", "by_answer_length"] {
            assert_eq!(found[name], earlier[name], "{name}");
        }
        assert_close(&found["calibration"], &earlier["calibration"], "mean_score", 1e-3);
        assert_eq!(earlier["by_windows"], json!([]));
        let windows: u64 =
            found["by_windows"].as_array().unwrap().iter().map(|group| group["rows"].as_u64().unwrap()).sum();
        assert_eq!(windows, 18);
        // The pipeline says how probable "no answer" is, whatever it answered.
        let best = &found["no_answer"]["best"];
        assert_eq!((&best["by"], &best["unlisted"]), (&json!("null_score"), &json!(0)));
        assert!(
            best["best_exact"].as_f64()
                >= found["no_answer"]["no_answer"]["exact_match"].as_f64().map(|em| em * 5.0 / 18.0)
        );
    }
}

/// What eval measures is what run gives with the flag that eval prints.
#[cfg(feature = "bundled")]
#[test]
fn the_threshold_that_is_printed_gives_the_figures_that_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = gold_rows();
    // Where the right answer is but an article, "no answer" is right too, which SQuAD's best figures leave out.
    rows.retain(|row| row["answers"]["text"] != json!(["the"]));
    let gold = write(folder.path(), "gold.jsonl", &rows);
    let mut eval = bertqa();
    eval.arg("eval").arg(&gold).args(["--json", "--quiet"]);
    let found: Value = serde_json::from_slice(&ends(eval, 0).stdout).unwrap();
    let best = &found["no_answer"]["best"];
    let mut eval = bertqa();
    eval.arg("eval").arg(&gold).arg("--quiet");
    let text = String::from_utf8(ends(eval, 0).stdout).unwrap();
    for (figure, best_figure, option) in
        [("exact_match", "best_exact", "best_exact_option"), ("f1", "best_f1", "best_f1_option")]
    {
        let threshold = best[option].to_string();
        assert!(text.contains(&format!("--no-answer-threshold {threshold}\n")), "{threshold}: {text}");
        let answers = folder.path().join("answers.jsonl");
        let mut run = bertqa();
        run.arg("run").arg(&gold).arg("-o").arg(&answers).args(["--quiet", "--force"]);
        run.args(["--no-answer-threshold", &threshold]);
        ends(run, 0);
        let scored = figures(&gold, &answers, &[]);
        assert_close(&scored, &json!({figure: best[best_figure]}), figure, 1e-9);
        let mut eval = bertqa();
        eval.arg("eval").arg(&gold).args(["--json", "--quiet", "--no-answer-threshold", &threshold]);
        let again: Value = serde_json::from_slice(&ends(eval, 0).stdout).unwrap();
        assert_close(&again, &json!({figure: best[best_figure]}), figure, 1e-9);
        // More is right than without "no answer", and some answers are left.
        assert!(scored[figure].as_f64() > found[figure].as_f64());
        assert!(scored["no_answer"]["has_answer"][figure].as_f64() > Some(0.0));
    }
}

#[test]
fn every_format_of_gold_and_predictions() {
    let folder = tempfile::tempdir().unwrap();
    let jsonl = write(folder.path(), "gold.jsonl", &gold_rows());
    let run = |name: &str| {
        let out = folder.path().join(name);
        let mut run = tiny("run");
        run.arg(&jsonl).arg("-o").arg(&out).args(["--quiet"]);
        ends(run, 0);
        out
    };
    // They hold the gold column too, so each is gold and predictions.
    let files = ["out.jsonl", "out.csv", "out.parquet", "out.arrow"].map(run);
    let expected = figures(&jsonl, &files[0], &[]);
    assert_eq!(expected["no_answer"]["no_answer"]["rows"], 5);
    let squad: Value = file_rows(&files[0])
        .iter()
        .map(|row| (row["id"].as_str().unwrap().to_owned(), row["answer"].clone()))
        .collect();
    let squad = write(folder.path(), "predictions.json", &[squad]);
    for gold in [&jsonl, &fixture("gold.json")].into_iter().chain(&files) {
        for predictions in files.iter().chain([&squad]) {
            let found = figures(gold, predictions, &[]);
            for name in ["exact_match", "f1", "by_question_type", "by_answer_length", "by_context_length"] {
                assert_eq!(found[name], expected[name], "{} {}", gold.display(), predictions.display());
            }
            let scored = predictions != &squad;
            assert_eq!(found["calibration"].is_object(), scored);
            assert_eq!(found["no_answer"]["best"].is_object(), scored);
        }
    }
}

/// As `DataFrame.to_csv` writes a column of Hugging Face's answers.
#[test]
fn gold_as_pandas_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let jsonl = write(folder.path(), "gold.jsonl", &gold_rows());
    let csv = folder.path().join("gold.csv");
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = "id,question,context,answers\n".to_owned();
    for row in gold_rows() {
        let python = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let texts: Vec<_> =
            row["answers"]["text"].as_array().unwrap().iter().map(|text| python(text.as_str().unwrap())).collect();
        let starts: Vec<_> =
            row["answers"]["answer_start"].as_array().unwrap().iter().map(|start| format!("{start}.")).collect();
        let answers = format!(
            "{{'text': array([{}], dtype=object), 'answer_start': array([{}])}}",
            texts.join(",\n       "),
            starts.join(", ")
        );
        let cells = [
            row["id"].as_str().unwrap(),
            row["question"].as_str().unwrap(),
            row["context"].as_str().unwrap(),
            &answers,
        ];
        text += &(cells.map(quoted).join(",") + "\n");
    }
    std::fs::write(&csv, text).unwrap();
    let answers = folder.path().join("answers.jsonl");
    let mut run = tiny("run");
    run.arg(&jsonl).arg("-o").arg(&answers).arg("--quiet");
    ends(run, 0);
    let (found, expected) = (figures(&csv, &answers, &[]), figures(&jsonl, &answers, &[]));
    for name in ["rows", "exact_match", "f1", "by_answer_length", "no_answer", "calibration"] {
        assert_eq!(found[name], expected[name], "{name}");
    }
}

#[test]
fn predictions_without_questions_or_ids() {
    let folder = tempfile::tempdir().unwrap();
    let gold = write(folder.path(), "gold.jsonl", &gold_rows());
    let answers = |name: &str, options: &[&str]| {
        let out = folder.path().join(name);
        let mut run = tiny("run");
        run.arg(&gold).arg("-o").arg(&out).args(["--quiet", "--columns"]).args(options);
        ends(run, 0);
        out
    };
    let expected = figures(&gold, &answers("all.jsonl", &["id,question,context"]), &[]);
    for name in ["id.jsonl", "id.csv", "id.parquet"] {
        assert_eq!(figures(&gold, &answers(name, &["id"]), &[])["f1"], expected["f1"], "{name}");
    }
    // By their order, which is checked as far as answers show it.
    for name in ["none.jsonl", "none.csv", "none.parquet"] {
        assert_eq!(
            figures(&gold, &answers(name, &["", "--prefix", "qa_"]), &["--prefix", "qa_"])["f1"],
            expected["f1"]
        );
    }
    let mut rows = gold_rows();
    rows.reverse();
    let reversed = write(folder.path(), "reversed.jsonl", &rows);
    let mut command = bertqa();
    command
        .arg("eval")
        .arg(&reversed)
        .arg("--predictions")
        .arg(folder.path().join("none.jsonl"))
        .args(["--prefix", "qa_"]);
    let output = ends(command, 2);
    assert!(stderr(&output).contains("none.jsonl:1") && stderr(&output).contains("--id"), "{}", stderr(&output));
}

#[test]
fn predictions_in_another_order_and_only_some() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = file_rows(fixture("answers.jsonl"));
    rows.reverse();
    let reversed = write(folder.path(), "reversed.jsonl", &rows);
    let expected = figures(&fixture("gold.json"), &fixture("answers.jsonl"), &[]);
    assert_eq!(figures(&fixture("gold.json"), &reversed, &[])["f1"], expected["f1"]);

    rows.reverse();
    let some = write(folder.path(), "some.jsonl", &rows[..7]);
    let message = refused(&fixture("gold.json"), &some);
    assert!(message.contains("f1") && message.contains("gold.json:8") && message.contains("--limit"), "{message}");
    assert_eq!(figures(&fixture("gold.json"), &some, &["--limit", "7"])["rows"], 7);
}

#[test]
fn files_that_do_not_match_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let answers = fixture("answers.jsonl");

    let bare = write(folder.path(), "bare.jsonl", &[json!({"question": "Who?", "context": "Ada."})]);
    let message = refused(&bare, &answers);
    assert!(message.contains("bare.jsonl:1") && message.contains("--answers"), "{message}");
    let csv = folder.path().join("bare.csv");
    std::fs::write(&csv, "question,context,right\nWho?,Ada.,Ada\n").unwrap();
    let message = refused(&csv, &answers);
    assert!(
        message.contains("bare.csv: ") && message.contains("`right`") && message.contains("--answers"),
        "{message}"
    );

    // The same ids, but other questions.
    let mut rows = gold_rows();
    rows[1]["question"] = json!("Who closed it?");
    let other = write(folder.path(), "other.jsonl", &rows);
    let message = refused(&other, &answers);
    assert!(message.contains("answers.jsonl:2") && message.contains("other.jsonl:2"), "{message}");

    let left = write(folder.path(), "left.jsonl", &gold_rows()[..17]);
    let message = refused(&left, &answers);
    assert!(message.contains("answers.jsonl:18") && message.contains("id t4"), "{message}");

    let message = refused(&fixture("gold.json"), &project("samples/questions.csv"));
    assert!(message.contains("no column `answer`") && message.contains("bertqa run"), "{message}");
    let message = refused(&fixture("gold.json"), &fixture("gold.json"));
    assert!(message.contains("{\"id\": \"answer\", ...}"), "{message}");
}

#[test]
fn failed_rows_count_as_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = file_rows(fixture("answers.jsonl"));
    // A row without an answer is not the answer that there is none.
    rows[4] = json!({"id": "m5", "answers": null, "error": "gold.json:5: broken"});
    let predictions = write(folder.path(), "failed.jsonl", &rows);
    let mut command = bertqa();
    command.arg("eval").arg(fixture("gold.json")).arg("--predictions").arg(&predictions).arg("--json");
    let found: Value = serde_json::from_slice(&ends(command, 1).stdout).unwrap();
    assert_eq!((&found["rows"], &found["failed"]), (&json!(18), &json!(1)));
    assert_close(&found["no_answer"]["no_answer"], &json!({"exact_match": 20.0}), "exact_match", 1e-9);
}

#[test]
fn the_report_is_one_page_that_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = gold_rows();
    rows[3]["question"] = json!("Where is <b>the</b> museum?");
    let gold = write(folder.path(), "gold.jsonl", &rows);
    let mut answers = file_rows(fixture("answers.jsonl"));
    answers[3]["question"] = rows[3]["question"].clone();
    let predictions = write(folder.path(), "answers.jsonl", &answers);
    let report = folder.path().join("report.html");
    let eval = |options: &[&str], status| {
        let mut command = bertqa();
        command
            .arg("eval")
            .arg(&gold)
            .arg("--predictions")
            .arg(&predictions)
            .arg("--report")
            .arg(&report)
            .args(options);
        ends(command, status)
    };
    let output = eval(&[], 0);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("normalization en") && table.contains("55.56"), "{table}");

    let page = std::fs::read_to_string(&report).unwrap();
    for outside in ["http:", "https:", "//", "src=", "href=", "url(\"", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for part in ["55.56", "<svg", "Calibration", "Questions without an answer", "prefers-color-scheme: dark"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("Where is &#60;b&#62;the&#60;/b&#62; museum?"));
    assert!(page.contains("<mark class=\"gold\">on Quay Street</mark>"), "{page}");
    assert!(page.contains("<mark class=\"answer\">a former grain store</mark>"));

    // A page is not overwritten unasked, and that is said before any work.
    assert!(stderr(&eval(&[], 2)).contains("--force"));
    eval(&["--force"], 0);
}

#[test]
fn gold_without_rows_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let gold = write(folder.path(), "gold.jsonl", &[]);
    assert!(refused(&gold, &fixture("answers.jsonl")).contains("no rows"));
}
