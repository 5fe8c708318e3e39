//! The native engine against transformers, on a tiny random model of each family (`fixtures/families/make.py`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bertqa::batch::Batch;
use bertqa::engine::native::{LoadError, NativeEngine, Tensors, WeightBytes};
use bertqa::engine::{Engine, EngineError, Logits, Precision};
use bertqa::model::weights::WeightsError;
use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::Deserialize;

/// Each with the longest window that it takes, and whether it has token types.
const FAMILIES: [(&str, usize, bool); 31] = [
    ("bert", 128, true),
    ("roberta", 128, false),
    ("xlm-roberta", 128, false),
    ("distilbert", 128, false),
    ("electra", 128, true),
    ("albert", 128, true),
    ("albert-groups", 128, true),
    ("deberta-v2", 128, false),
    ("deberta-v2-absolute", 128, true),
    ("modernbert", 128, false),
    ("bert-relative-key", 128, true),
    ("electra-relative-key-query", 128, true),
    ("ernie", 128, true),
    ("ibert", 128, false),
    ("data2vec-text", 128, false),
    ("luke", 128, true),
    ("roberta-prelayernorm", 128, false),
    ("xlm-roberta-xl", 128, false),
    ("megatron-bert", 128, true),
    ("rembert", 128, true),
    ("nezha", 128, true),
    ("mpnet", 128, false),
    ("roformer", 128, true),
    ("roformer-values", 128, true),
    ("splinter", 128, true),
    ("mobilebert", 128, true),
    ("mobilebert-layer-norm", 128, true),
    ("longformer", 128, false),
    ("convbert", 128, true),
    ("convbert-groups", 128, true),
    ("big_bird", 128, true),
];

fn families() -> impl Iterator<Item = &'static str> {
    FAMILIES.into_iter().map(|(family, ..)| family)
}

#[derive(Deserialize)]
struct Golden {
    windows: Vec<Window>,
}

#[derive(Debug, Clone, Deserialize)]
struct Window {
    input_ids: Vec<u32>,
    token_type_ids: Vec<u32>,
    start: Vec<f32>,
    end: Vec<f32>,
}

fn folder(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families").join(family)
}

fn golden(family: &str) -> Vec<Window> {
    let json = fs::read(folder(family).join("golden.json")).unwrap();
    serde_json::from_slice::<Golden>(&json).unwrap().windows
}

fn config(family: &str) -> String {
    fs::read_to_string(folder(family).join("config.json")).unwrap()
}

fn weights(family: &str) -> Tensors {
    let file = File::open(folder(family).join("model.safetensors")).unwrap();
    // SAFETY: nothing changes the fixtures while the tests run.
    parsed(WeightBytes::Mapped(Arc::new(unsafe { memmap2::Mmap::map(&file) }.unwrap())))
}

fn parsed(bytes: WeightBytes) -> Tensors {
    bertqa::model::weights::safetensors("model.safetensors", bytes).unwrap()
}

fn engine(family: &str, threads: usize) -> NativeEngine {
    engine_in(Precision::F32, family, threads)
}

fn engine_in(precision: Precision, family: &str, threads: usize) -> NativeEngine {
    NativeEngine::load(config(family).as_bytes(), &weights(family), precision, threads).unwrap()
}

fn batch(windows: &[Window]) -> Batch {
    let mut batch = Batch::default();
    for window in windows {
        batch.push(&window.input_ids, &window.token_type_ids);
    }
    batch
}

fn largest_difference(logits: &Logits, windows: &[Window]) -> f32 {
    let expected_start = windows.iter().flat_map(|window| &window.start);
    let expected_end = windows.iter().flat_map(|window| &window.end);
    assert_eq!(logits.start.len(), windows.iter().map(|window| window.start.len()).sum::<usize>());
    let found = logits.start.iter().chain(&logits.end);
    let differences = found.zip(expected_start.chain(expected_end)).map(|(found, expected)| (found - expected).abs());
    differences.fold(0.0, f32::max)
}

#[test]
fn logits_are_those_of_transformers() {
    for family in families() {
        let windows = golden(family);
        for threads in [1, 2, 3] {
            let mut engine = engine(family, threads);
            let together = largest_difference(&engine.forward(&batch(&windows)).unwrap(), &windows);
            println!("{family}, {threads} threads: {together:e}");
            assert!(together < 1e-4, "{family}, {threads} threads: {together}");
            for window in windows.chunks(1) {
                let alone = largest_difference(&engine.forward(&batch(window)).unwrap(), window);
                assert!(alone < 1e-4, "{family}, {threads} threads, a window alone: {alone}");
            }
        }
    }
}

/// Random weights make the most of every rounding: models that were trained are far less sensitive.
#[test]
fn logits_of_rounded_weights_are_near() {
    for (family, (precision, tolerance)) in
        families().flat_map(|family| [(Precision::Bf16, 0.08), (Precision::Int8, 0.35)].map(|p| (family, p)))
    {
        let windows = golden(family);
        let expected = windows.iter().flat_map(|window| window.start.iter().chain(&window.end));
        let largest = expected.fold(0f32, |largest, logit| largest.max(logit.abs()));
        let mut engine = engine_in(precision, family, 2);
        let difference = largest_difference(&engine.forward(&batch(&windows)).unwrap(), &windows);
        println!("{family} in {precision:?}: {difference} of {largest}");
        assert!(difference < tolerance * largest, "{family} in {precision:?}: {difference} of {largest}");
    }
}

#[test]
fn an_empty_batch_has_no_logits() {
    let logits = engine("bert", 2).forward(&Batch::default()).unwrap();
    assert_eq!(logits, Logits { start: vec![], end: vec![] });
}

#[test]
fn an_engine_says_what_it_takes() {
    for (family, max_seq_len, token_types) in FAMILIES {
        let engine = engine(family, 1);
        assert_eq!((engine.max_seq_len(), engine.takes_token_types()), (max_seq_len, token_types), "{family}");
    }
    assert_eq!(engine("xlm-roberta", 1).model_type(), "xlm-roberta");
    assert_eq!(engine("bert", 1).vocab_size(), 220);
}

#[test]
fn ids_outside_the_model_are_errors() {
    let mut engine = engine("roberta", 2);
    let mut forward = |ids: &[u32], types: &[u32]| {
        let mut batch = Batch::default();
        batch.push(&[0, 2], &[0, 0]);
        batch.push(ids, types);
        engine.forward(&batch)
    };
    assert!(matches!(forward(&[0, 330, 2], &[0; 3]), Err(EngineError::TokenId { id: 330, vocab_size: 330 })));
    assert!(matches!(forward(&[0, 5, 2], &[0, 1, 0]), Err(EngineError::TokenType { id: 1, type_vocab_size: 1 })));
    assert!(matches!(forward(&[5; 129], &[0; 129]), Err(EngineError::TooLong { tokens: 129, max: 128 })));
    assert!(forward(&[5; 128], &[0; 128]).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_window_has_the_same_logits_in_any_company(
        family in prop::sample::select(families().collect::<Vec<_>>()),
        precision in prop::sample::select(vec![Precision::F32, Precision::Bf16, Precision::Int8]),
        threads in 1usize..4,
        choice in prop::collection::vec((any::<prop::sample::Index>(), 2usize..128), 1..12),
    ) {
        let windows = golden(family);
        let mut company = Batch::default();
        let mut alone = Vec::new();
        let mut single = engine_in(precision, family, 1);
        for (index, length) in choice {
            let window = index.get(&windows);
            let length = length.min(window.input_ids.len());
            let (ids, types) = (&window.input_ids[..length], &window.token_type_ids[..length]);
            company.push(ids, types);
            let mut batch = Batch::default();
            batch.push(ids, types);
            alone.push(single.forward(&batch).unwrap());
        }
        let together = engine_in(precision, family, threads).forward(&company).unwrap();
        prop_assert_eq!(together.start, alone.iter().flat_map(|logits| logits.start.clone()).collect::<Vec<_>>());
        prop_assert_eq!(together.end, alone.iter().flat_map(|logits| logits.end.clone()).collect::<Vec<_>>());
    }
}

/// BERT's weights with other tensors: `change` gives the new name of each, or none to leave it out.
fn changed_weights(change: impl Fn(&str) -> Option<String>) -> Tensors {
    changed_weights_of("bert", change)
}

fn changed_weights_of(family: &str, change: impl Fn(&str) -> Option<String>) -> Tensors {
    let bytes = fs::read(folder(family).join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let changed = tensors.tensors().into_iter().filter_map(|(name, tensor)| Some((change(&name)?, tensor)));
    parsed(WeightBytes::Static(safetensors::serialize(changed, None).unwrap().leak()))
}

fn load_error(config: &str, weights: Tensors) -> LoadError {
    match NativeEngine::load(config.as_bytes(), &weights, Precision::F32, 1) {
        Ok(_) => panic!("loaded"),
        Err(error) => error,
    }
}

#[test]
fn old_names_of_layer_norms_are_read() {
    let old = changed_weights(|name| {
        Some(name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"))
    });
    let windows = golden("bert");
    let mut engine = NativeEngine::load(config("bert").as_bytes(), &old, Precision::F32, 2).unwrap();
    assert!(largest_difference(&engine.forward(&batch(&windows)).unwrap(), &windows) < 1e-4);
}

#[test]
fn weights_at_any_address_are_read() {
    let bytes = fs::read(folder("roberta").join("model.safetensors")).unwrap();
    let mut shifted = vec![0; bytes.len() + 1];
    shifted[1..].copy_from_slice(&bytes);
    let windows = golden("roberta");
    let shifted = parsed(WeightBytes::Static(&shifted.leak()[1..]));
    let mut engine = NativeEngine::load(config("roberta").as_bytes(), &shifted, Precision::F32, 2).unwrap();
    assert!(largest_difference(&engine.forward(&batch(&windows)).unwrap(), &windows) < 1e-4);
}

#[test]
fn a_missing_head_is_distinguished_from_a_broken_file() {
    let headless = changed_weights(|name| (!name.starts_with("qa_outputs")).then(|| name.to_owned()));
    let message = load_error(&config("bert"), headless).to_string();
    assert!(message.contains("not fine-tuned for extractive question answering"), "{message}");

    let lost = "bert.encoder.layer.1.attention.self.key.bias";
    let broken = changed_weights(|name| (name != lost).then(|| name.to_owned()));
    assert!(matches!(load_error(&config("bert"), broken), LoadError::MissingTensor { name, .. } if name == lost));
}

#[test]
fn a_head_of_another_kind_is_missed_by_its_name() {
    for (family, head) in [("splinter", "splinter_qass"), ("big_bird", "qa_classifier")] {
        let headless = changed_weights_of(family, |name| (!name.starts_with(head)).then(|| name.to_owned()));
        let message = load_error(&config(family), headless).to_string();
        assert!(message.contains(head) && message.contains("not fine-tuned for extractive"), "{message}");
    }
}

/// Sinusoids are computed where the file has none.
#[test]
fn rotary_positions_need_no_tensor() {
    let weights = changed_weights_of("roformer", |name| (!name.contains("embed_positions")).then(|| name.to_owned()));
    let mut engine = NativeEngine::load(config("roformer").as_bytes(), &weights, Precision::F32, 1).unwrap();
    assert!(engine.forward(&batch(&golden("roformer"))).unwrap().start.iter().all(|logit| logit.is_finite()));
}

#[test]
fn values_that_a_family_does_not_have_are_named() {
    for (family, old, new, message) in [
        (
            "mpnet",
            r#""relative_attention_num_buckets": 32"#,
            r#""relative_attention_num_buckets": 64"#,
            "supported: 32",
        ),
        ("ibert", r#""quant_mode": false"#, r#""quant_mode": true"#, "supported: false"),
        ("big_bird", r#""attention_type": "block_sparse""#, r#""attention_type": "x""#, "original_full, block_sparse"),
        ("big_bird", r#""rescale_embeddings": false"#, r#""rescale_embeddings": true"#, "supported: false"),
        ("big_bird", r#""use_bias": true"#, r#""use_bias": false"#, "supported: true"),
        ("longformer", "    24\n", "    25\n", "attention_window is \"25\""),
        ("longformer", "    8,\n", "", "attention_window has 1 values for 2 layers"),
        ("mobilebert", r#""normalization_type": "no_norm""#, r#""normalization_type": "x""#, "no_norm, layer_norm"),
        ("mobilebert", r#""num_attention_heads": 2"#, r#""num_attention_heads": 3"#, "is not a multiple"),
        ("convbert", r#""conv_kernel_size": 5"#, r#""conv_kernel_size": 4"#, "odd numbers"),
        ("convbert", r#""num_attention_heads": 4"#, r#""num_attention_heads": 6"#, "shared out over 3 heads"),
        ("roformer", r#""num_attention_heads": 2"#, r#""num_attention_heads": 32"#, "rotated by pairs"),
    ] {
        let config = config(family);
        assert!(config.contains(old), "{family}: {old}");
        let error = load_error(&config.replace(old, new), weights(family)).to_string();
        assert!(error.starts_with("config.json: ") && error.contains(message), "{error}");
    }
}

/// What would ask for room before a tensor shows that the number is wrong.
#[test]
fn numbers_that_no_network_has_are_refused() {
    for (family, key) in [
        ("albert", "num_hidden_layers"),
        ("bert", "max_position_embeddings"),
        ("deberta-v2", "max_position_embeddings"),
        ("deberta-v2", "position_buckets"),
        ("modernbert", "max_position_embeddings"),
        ("modernbert", "local_attention"),
        ("mpnet", "max_position_embeddings"),
        ("nezha", "max_relative_position"),
        ("roformer", "max_position_embeddings"),
        ("big_bird", "num_random_blocks"),
        ("mobilebert", "embedding_size"),
        ("bert", "hidden_size"),
        ("modernbert", "vocab_size"),
    ] {
        for number in [1_000_000_000_u64, 1_000_000_000_000, i64::MAX as u64] {
            let mut config: serde_json::Value = serde_json::from_str(&config(family)).unwrap();
            config[key] = number.into();
            let error = load_error(&config.to_string(), weights(family)).to_string();
            assert!(error.contains(&format!("{key} is {number}, and can be at most")), "{family}: {error}");
        }
    }
}

#[test]
fn an_epsilon_that_no_network_has_is_refused() {
    for family in families() {
        let key = if family.starts_with("modernbert") { "norm_eps" } else { "layer_norm_eps" };
        let with = |number: &str| {
            let mut config: serde_json::Value = serde_json::from_str(&config(family)).unwrap();
            config[key] = serde_json::from_str(number).unwrap();
            NativeEngine::load(config.to_string().as_bytes(), &weights(family), Precision::F32, 1)
        };
        for number in ["-1e-5", "1.5", "1e30", "-1e30", "1e39"] {
            let error = with(number).err().unwrap_or_else(|| panic!("{family}: {number}")).to_string();
            assert!(error.contains("config.json: "), "{family}: {error}");
            // One that is larger than any number has no other name.
            assert!(error.contains(key) || number == "1e39", "{family}: {error}");
        }
        for number in ["0", "1e-12", "0.001"] {
            assert!(with(number).is_ok(), "{family}: {number}");
        }
    }
}

#[test]
fn a_wrong_shape_or_type_names_its_tensor() {
    let wider = config("bert").replace("\"intermediate_size\": 80", "\"intermediate_size\": 81");
    match load_error(&wider, weights("bert")) {
        LoadError::Shape { name, expected, found, .. } => {
            assert_eq!(name, "bert.encoder.layer.0.intermediate.dense.weight");
            assert_eq!((expected, found), (vec![81, 48], vec![80, 48]));
        }
        other => panic!("{other}"),
    }

    let data = vec![0; 2 * 48];
    let head = TensorView::new(safetensors::Dtype::I8, vec![2, 48], &data).unwrap();
    let bias = TensorView::new(safetensors::Dtype::I8, vec![2], &data[..2]).unwrap();
    let tensors = [("qa_outputs.weight", head), ("qa_outputs.bias", bias)];
    let bytes = safetensors::serialize(tensors, None).unwrap();
    match load_error(&config("bert"), parsed(WeightBytes::Static(bytes.leak()))) {
        LoadError::Dtype { name, found, .. } => assert_eq!((&*name, &*found), ("qa_outputs.weight", "I8")),
        other => panic!("{other}"),
    }
}

#[test]
fn a_config_that_is_not_supported_says_what_is() {
    let config = config("bert");
    for (old, new, message) in [
        (r#""model_type": "bert""#, r#""model_type": "gpt2""#, "supported: bert, roberta, xlm-roberta, camembert"),
        (r#""hidden_act": "gelu""#, r#""hidden_act": "prelu""#, "supported: gelu, gelu_python, gelu_new"),
        (r#""vocab_size""#, r#""position_embedding_type": "other", "vocab_size""#, "supported: absolute, relative_key"),
        (r#""hidden_size": 48"#, r#""hidden_size": 49"#, "hidden_size 49 is not a multiple"),
        (r#""hidden_size": 48"#, r#""hidden_size": 0"#, "hidden_size is 0"),
        (r#""max_position_embeddings": 128"#, r#""max_position_embeddings": 0"#, "max_position_embeddings is 0"),
        (r#""hidden_size": 48,"#, "", "missing field `hidden_size`"),
    ] {
        assert!(config.contains(old), "{old}");
        let error = format!("{:#}", anyhow::Error::from(load_error(&config.replace(old, new), weights("bert"))));
        assert!(error.starts_with("config.json: ") && error.contains(message), "{error}");
    }
}

#[test]
fn a_file_that_is_not_safetensors_is_an_error() {
    for bytes in [&b""[..], b"\x00\x00", &[0xff; 64]] {
        let error = bertqa::model::weights::safetensors("x", WeightBytes::Static(bytes)).unwrap_err();
        assert!(matches!(error, WeightsError::Safetensors(_) | WeightsError::Header { .. }), "{error}");
    }
}
