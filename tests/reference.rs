//! The whole way from text to answer against the reference, on a tiny random model of each family
//! (`fixtures/families/make.py`): tokenizers, windows, spans, scores.

use std::fs;
use std::path::Path;

use bertqa::batch::Batch;
use bertqa::engine::Precision;
use bertqa::model::{LoadOptions, Model};
use bertqa::qa::{Compat, Example, Options, decode};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    question: String,
    context: String,
    options: RunOptions,
    answers: Vec<Answer>,
}

#[derive(Debug, Deserialize)]
struct RunOptions {
    top_k: usize,
    max_seq_len: usize,
    doc_stride: usize,
    max_answer_len: usize,
    handle_impossible_answer: bool,
    align_to_words: bool,
}

#[derive(Debug, Deserialize)]
struct Answer {
    answer: String,
    score: f32,
    start: usize,
    end: usize,
}

fn answers_as_the_reference(family: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families").join(family);
    let golden: Golden = serde_json::from_slice(&fs::read(folder.join("golden.json")).unwrap()).unwrap();
    let model = folder.to_str().map(str::to_owned);
    let options = LoadOptions { model, precision: Some(Precision::F32), ..LoadOptions::default() };
    let Model { encoder, engines, .. } = options.load().unwrap();
    let mut engine = engines.into_boxes().remove(0);
    assert!(!golden.runs.is_empty());
    for run in golden.runs {
        let RunOptions { top_k, max_seq_len, doc_stride, max_answer_len, .. } = run.options;
        let options = Options {
            top_k,
            max_seq_len,
            doc_stride,
            max_answer_len,
            max_question_len: None,
            handle_impossible_answer: run.options.handle_impossible_answer,
            align_to_words: run.options.align_to_words,
            compat: Compat::Transformers,
            ..Options::default()
        };
        let example = Example::new(run.question, run.context).unwrap();
        let windows = encoder.encode(&example, &options).unwrap();
        let mut batch = Batch::default();
        windows.iter().for_each(|window| batch.push(&window.input_ids, &window.token_type_ids));
        let logits = engine.forward(&batch).unwrap();
        let spans: Vec<_> = windows
            .iter()
            .zip(batch.cu_seq_lengths().windows(2))
            .map(|(window, place)| {
                let place = place[0]..place[1];
                decode::window_spans(window, &logits.start[place.clone()], &logits.end[place], &options)
            })
            .collect();
        let found = decode::merge(example.context(), &spans, &options).unwrap();
        let what = format!("{family}: {} {:?}: {found:?}", example.question(), run.options);
        assert_eq!(found.len(), run.answers.len(), "{what}");
        for (found, expected) in found.iter().zip(&run.answers) {
            assert_eq!((found.start, found.end), (expected.start, expected.end), "{what}");
            assert_eq!(found.text, expected.answer, "{what}");
            assert!((found.score - expected.score).abs() < 1e-4, "{what}");
        }
    }
}

macro_rules! families {
    ($($test:ident: $family:literal,)*) => {
        $(#[test]
        fn $test() {
            answers_as_the_reference($family);
        })*
    };
}

families! {
    bert: "bert",
    roberta: "roberta",
    xlm_roberta: "xlm-roberta",
    distilbert: "distilbert",
    electra: "electra",
    albert: "albert",
    albert_groups: "albert-groups",
    bert_relative_key: "bert-relative-key",
    electra_relative_key_query: "electra-relative-key-query",
    ernie: "ernie",
    ibert: "ibert",
    data2vec_text: "data2vec-text",
    luke: "luke",
    roberta_prelayernorm: "roberta-prelayernorm",
    xlm_roberta_xl: "xlm-roberta-xl",
    megatron_bert: "megatron-bert",
    rembert: "rembert",
    nezha: "nezha",
    mpnet: "mpnet",
    roformer: "roformer",
    roformer_values: "roformer-values",
    splinter: "splinter",
    mobilebert: "mobilebert",
    mobilebert_layer_norm: "mobilebert-layer-norm",
    longformer: "longformer",
    convbert: "convbert",
    convbert_groups: "convbert-groups",
    big_bird: "big_bird",
}
