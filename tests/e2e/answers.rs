//! Answers that people mean, and those of the reference to the letter.

use serde_json::{Value, json};

use crate::support::{bertqa, ends, rows};

/// Rows whose answers stand in several windows, with and without a space before them.
fn several_windows() -> String {
    let english = "Nothing of interest stands in this sentence. ".repeat(60);
    let short = "Nothing of interest stands in this sentence. ".repeat(24);
    let japanese = "特に何もない文である。".repeat(80);
    [
        (
            "Who won the race?",
            format!(
                "Ann Lee won the race in 1990. {english}In 1991 the race was won by Bob Ray. {english}ann lee won \
                 again in 1992."
            ),
        ),
        ("When was it built?", format!("The tower was built in 1889. {short}").repeat(4)),
        (
            "誰が優勝しましたか",
            format!(
                "第1回は山田花子が優勝した。{japanese}第2回は佐藤一郎が優勝した。{japanese}第3回は山田花子が優勝した。"
            ),
        ),
    ]
    .map(|(question, context)| json!({"question": question, "context": context}).to_string())
    .join("\n")
}

/// The three best answers of each row: text, score, start, end.
fn answers(options: &[&str]) -> (Vec<String>, Vec<Vec<Value>>) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("rows.jsonl");
    std::fs::write(&input, several_windows()).unwrap();
    let mut command = bertqa();
    command.arg("run").arg(input).args(["-o", "-", "--precision", "f32", "--top-k", "3"]);
    command.args(["--max-seq-len", "128", "--doc-stride", "64"]).args(options);
    let rows = rows(&ends(command, 0).stdout);
    let contexts = rows.iter().map(|row| row["context"].as_str().unwrap().to_owned()).collect();
    (contexts, rows.iter().map(|row| row["answers"].as_array().unwrap().clone()).collect())
}

#[test]
fn by_default_texts_are_trimmed_and_differ_and_scores_are_probabilities() {
    let (contexts, rows) = answers(&[]);
    for (context, answers) in contexts.iter().zip(&rows) {
        let context: Vec<char> = context.chars().collect();
        let mut texts = Vec::new();
        for answer in answers {
            let text = answer["answer"].as_str().unwrap();
            assert_eq!(text, text.trim());
            assert!(!texts.contains(&text.to_lowercase()), "{answers:?}");
            texts.push(text.to_lowercase());
            assert!(answer["score"].as_f64().unwrap() <= 1.0, "{answers:?}");
            let place = |key| answer[key].as_u64().unwrap() as usize;
            assert_eq!(context[place("start")..place("end")].iter().collect::<String>(), text);
        }
        assert!(answers.is_sorted_by(|a, b| a["score"].as_f64() >= b["score"].as_f64()));
    }
    let texts = |row: usize| rows[row].iter().map(|answer| answer["answer"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(texts(0)[..2], ["Bob Ray", "ann lee"]);
    assert_eq!(texts(1)[..2], ["1889", "in 1889"]);
    assert_eq!(texts(2)[..2], ["山田花子", "佐藤一郎"]);
}

#[test]
fn with_compat_they_are_the_references() {
    let (_, rows) = answers(&["--compat", "transformers"]);
    // Of transformers 5.2.0.
    let expected = [
        [(" Bob Ray", 2.80358, 2757), (" ann lee", 0.91514, 5466), ("Ann Lee", 0.82314, 0)],
        [(" 1889", 6.75302, 22), (" in 1889", 0.00767, 19), (" tower was built in 1889", 0.00013, 2221)],
        [("山田花子", 1.72298, 4), ("佐藤一郎", 1.60061, 898), ("第2回は佐藤一郎", 0.00789, 894)],
    ];
    for (answers, expected) in rows.iter().zip(expected) {
        for (answer, (text, score, start)) in answers.iter().zip(expected) {
            assert_eq!((answer["answer"].as_str(), answer["start"].as_u64()), (Some(text), Some(start)), "{answers:?}");
            assert!((answer["score"].as_f64().unwrap() - score).abs() < 1e-4, "{answers:?}");
        }
    }
}
