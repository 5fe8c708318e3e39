//! What must hold of a model that loads: it answers, or says why not.

use bertqa::batch::Batch;
use bertqa::model::Model;
use bertqa::qa::decode::{merge, window_spans};
use bertqa::qa::{Example, Options};

/// Lone and combined marks, several scripts, special tokens, white space, and a text of more than a window.
const TEXTS: [&str; 6] = [
    "Who wrote it?",
    "Ada Lovelace wrote the first program in 1843.",
    "東京タワーの高さは333メートルです。",
    "e\u{301}\u{200d}\u{fb01} \u{1f469}\u{200d}\u{1f680} ß İ [SEP] </s> <mask>",
    "\u{feff} a\u{a0}b\tc\nd \u{3000}",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen",
];

/// Asks a model a few questions, and checks that answers stand where they say.
pub fn ask(model: Model) {
    let longest = model.engines.max_seq_len();
    let encoder = model.encoder;
    let Some(mut engine) = model.engines.into_boxes().pop() else { return };
    let options = Options { max_seq_len: longest.min(32), doc_stride: 4, max_windows: 64, ..Options::default() };
    for (question, context) in TEXTS.iter().zip(TEXTS.iter().skip(1)) {
        let Ok(example) = Example::new((*question).to_owned(), (*context).to_owned()) else { continue };
        let Ok(windows) = encoder.encode(&example, &options) else { continue };
        assert!(!windows.is_empty());
        let mut batch = Batch::default();
        for window in &windows {
            assert!(window.input_ids.len() <= options.max_seq_len, "a window of {} tokens", window.input_ids.len());
            batch.push(&window.input_ids, &window.token_type_ids);
        }
        let Ok(logits) = engine.forward(&batch) else { continue };
        let places = batch.cu_seq_lengths().windows(2);
        let spans: Vec<_> = windows
            .iter()
            .zip(places)
            .map(|(window, place)| {
                let place = place[0]..place[1];
                window_spans(window, &logits.start[place.clone()], &logits.end[place], &options)
            })
            .collect();
        let Ok(answers) = merge(example.context(), &spans, &options) else { continue };
        for answer in answers {
            let text: String = context.chars().skip(answer.start).take(answer.end - answer.start).collect();
            assert_eq!(text, answer.text, "another text than stands there");
            assert!(answer.score.is_finite() && answer.score >= 0.0, "a score of {}", answer.score);
        }
    }
}
