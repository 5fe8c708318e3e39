//! Folders without tokenizer.json, and those that contradict it, held to what transformers 4.57.1 makes of them
//! (tests/fixtures/tokenizers/make.py).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::model::ModelPart;

#[derive(Deserialize)]
struct Golden {
    rows: Vec<(String, String)>,
    cases: Vec<Case>,
}

/// A folder.
#[derive(Deserialize, Clone)]
struct Case {
    name: String,
    /// Names in `files/`, by names in the folder.
    files: BTreeMap<String, String>,
    /// Contents, by names.
    texts: BTreeMap<String, String>,
    cls_token: Option<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize, Clone)]
struct Row {
    ids: Vec<u32>,
    /// `None`: the model is given none.
    types: Option<Vec<u32>>,
    offsets: Vec<(usize, usize)>,
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizers")
}

static GOLDEN: LazyLock<Golden> =
    LazyLock::new(|| serde_json::from_slice(&fs::read(fixtures().join("golden.json")).unwrap()).unwrap());

fn case(name: &str) -> Case {
    GOLDEN.cases.iter().find(|case| case.name == name).unwrap().clone()
}

impl Files for Case {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn optional(&self, file: &'static str) -> Result<Option<Bytes>, ModelError> {
        if let Some(text) = self.texts.get(file) {
            return Ok(Some(text.clone().into_bytes().into()));
        }
        Ok(self.files.get(file).map(|name| fs::read(fixtures().join("files").join(name)).unwrap().into()))
    }

    fn required(&self, file: &'static str) -> Result<Bytes, ModelError> {
        let missing = || ModelError::MissingFile {
            folder: self.name().into(),
            file: file.to_owned(),
            part: ModelPart::Tokenizer,
        };
        self.optional(file)?.ok_or_else(missing)
    }
}

impl Case {
    fn find(&self) -> Result<TokenizerFiles, ModelError> {
        TokenizerFiles::find(self, &ModelConfig::parse(self.texts["config.json"].as_bytes()))
    }
}

#[test]
fn folders_mean_what_transformers_makes_of_them() {
    let mut wrong = Vec::new();
    for case in &GOLDEN.cases {
        let loaded = case
            .find()
            .unwrap()
            .load(MecabPlaces::default())
            .unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
        let Splitter::Crate(mut tokenizer) = loaded.tokenizer else { panic!("{}", case.name) };
        // The encoder does this to every tokenizer.
        tokenizer.with_padding(None).with_truncation(None).unwrap();
        assert!(case.cls_token.is_none() || loaded.cls_token == case.cls_token, "{}", case.name);
        for (row, ((question, context), expected)) in GOLDEN.rows.iter().zip(&case.rows).enumerate() {
            assert_eq!(loaded.token_types, expected.types.is_some(), "{}", case.name);
            let found = tokenizer.encode_char_offsets((question.as_str(), context.as_str()), true).unwrap();
            let same = found.get_ids() == expected.ids
                && found.get_offsets() == expected.offsets
                && expected.types.as_deref().is_none_or(|types| found.get_type_ids() == types);
            if !same {
                wrong.push(format!(
                    "{}, row {row}:\n{:?}\n{:?}\n{:?}\nexpected\n{:?}\n{:?}",
                    case.name,
                    found.get_tokens(),
                    found.get_ids(),
                    found.get_offsets(),
                    expected.ids,
                    expected.offsets
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn errors_name_the_file_and_the_reason() {
    let message = |case: &Case| {
        let error = case.find().map(|files| files.load(MecabPlaces::default()));
        match error {
            Ok(loaded) => {
                let error = loaded.err().unwrap();
                format!("{error}: {}", error.source)
            }
            Err(ModelError::Tokenizer { source, .. }) => format!("{source}: {}", source.source),
            Err(error) => error.to_string(),
        }
    };
    let with = |name: &str, file: &str, text: &str| {
        let mut case = case(name);
        case.texts.insert(file.to_owned(), text.to_owned());
        message(&case)
    };
    for (name, file, text, expected) in [
        ("bert", "vocab.txt", "a\nb\n", "vocab.txt: it has no token `[UNK]`"),
        ("bert", "tokenizer_config.json", r#"{"do_lower_case": "yes"}"#, "tokenizer_config.json: its `do_lower_case`"),
        ("bert", "tokenizer_config.json", r#"{"cls_token": null}"#, "`cls_token`"),
        ("bert", "added_tokens.json", "[]", "added_tokens.json: it is not an object of tokens and ids"),
        ("bert", "special_tokens_map.json", "[", "special_tokens_map.json"),
        ("bert", "config.json", r#"{"model_type": "new"}"#, "has no tokenizer.json"),
        ("bert", "tokenizer_config.json", r#"{"tokenizer_class": "XLNetTokenizer"}"#, "class XLNetTokenizer is not"),
        ("roberta", "vocab.json", "{\"a\": -1}", "vocab.json: it is not an object of tokens and ids"),
        ("roberta", "vocab.json", "{\"a\": 4294967295}", "vocab.json: the id 4294967295 of `a` is too high"),
        ("roberta", "merges.txt", "#version\nh e\na\n", "merges.txt: line 3 is not a pair of tokens"),
        ("roberta", "merges.txt", "#version\nh é\n", "merges.txt: line 2 needs a token `hé`"),
        ("xlm-roberta", "sentencepiece.bpe.model", "version https://git-lfs", "is not a model of SentencePiece"),
        ("xlm-roberta", "sentencepiece.bpe.model", "", "it has no pieces"),
    ] {
        let found = with(name, file, text);
        assert!(found.contains(expected), "{found}");
    }
    let mut without = case("bert");
    without.files.clear();
    assert!(message(&without).contains("has no vocab.txt"), "{}", message(&without));
}

proptest! {
    /// Damaged files are errors or tokenizers, not panics.
    #[test]
    fn damaged_files_do_no_harm(
        kind in 0usize..7,
        cut in 0.0f64..1.5,
        changes in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..12),
    ) {
        let kinds = [
            ("bert", "vocab.txt"),
            ("roberta", "vocab.json"),
            ("roberta", "merges.txt"),
            ("xlm-roberta", "sentencepiece.bpe.model"),
            ("camembert, BPE", "sentencepiece.bpe.model"),
            ("albert", "spiece.model"),
            ("deberta-v2, options", "spm.model"),
        ];
        let (name, file) = kinds[kind];
        let case = case(name);
        let settings = case.find().unwrap().settings;
        let mut bytes = case.required(file).unwrap().into_owned();
        for (place, byte) in changes {
            let place = (place * bytes.len() as f64) as usize;
            bytes[place] = byte;
        }
        bytes.truncate((cut * bytes.len() as f64) as usize);
        let bytes = Bytes::from(bytes);
        let vocabulary = match settings.class().algorithm {
            Algorithm::WordPiece(join) => Vocabulary::WordPiece { vocab: bytes, join },
            Algorithm::ByteLevelBpe(frame) if file == MERGES => {
                Vocabulary::ByteLevelBpe { vocab: case.required(VOCAB_JSON).unwrap(), merges: bytes, frame }
            }
            Algorithm::ByteLevelBpe(frame) => {
                Vocabulary::ByteLevelBpe { vocab: bytes, merges: case.required(MERGES).unwrap(), frame }
            }
            Algorithm::SentencePiece(pieces) => Vocabulary::SentencePiece { model: bytes, pieces },
            Algorithm::Japanese | Algorithm::TokenizerJson => unreachable!(),
        };
        if let Ok(loaded) = (TokenizerFiles { settings, vocabulary, read: Vec::new() }).load(MecabPlaces::default()) {
            for (question, context) in &GOLDEN.rows {
                // A word can be an error of its row.
                let Splitter::Crate(tokenizer) = &loaded.tokenizer else { continue };
                let _ = tokenizer.encode_char_offsets((question.as_str(), context.as_str()), true);
            }
        }
    }
}

/// Of the built-in model's tokenizer: a table as long as those of real models.
fn table() -> Vec<u8> {
    let file = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tokenizer/tokenizer.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    BASE64_STANDARD.decode(file["normalizer"]["normalizers"][0]["precompiled_charsmap"].as_str().unwrap()).unwrap()
}

#[test]
fn damaged_tables_of_characters_do_no_harm() {
    let table = table();
    let text: String = ('\0'..='\u{ffff}').collect();
    let count = std::env::var("BERTQA_MUTATIONS").map_or(300, |count| count.parse().unwrap());
    let seed = std::env::var("BERTQA_SEED").map_or(38, |seed| seed.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut refused, mut used) = (0, 0);
    for _ in 0..count {
        let mut damaged = table.clone();
        match random.u8(..4) {
            0 => damaged.truncate(random.usize(..damaged.len())),
            1 => damaged[random.usize(..4)] = random.u8(..),
            2 => {
                for _ in 0..random.usize(1..9) {
                    let place = random.usize(..damaged.len());
                    damaged[place] = random.u8(..);
                }
            }
            _ => {
                // A unit that leads anywhere.
                let place = 4 + random.usize(..damaged.len() / 8) * 4;
                damaged[place..place + 4].copy_from_slice(&random.u32(..).to_le_bytes());
            }
        }
        let mut file = json!({
            "version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
            "added_tokens": [], "pre_tokenizer": null, "post_processor": null, "decoder": null,
        });
        file["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": BASE64_STANDARD.encode(&damaged)});
        let file = file.to_string();
        if charsmap::check_json(file.as_bytes()).is_err() {
            refused += 1;
            continue;
        }
        let tokenizer = tokenizers::Tokenizer::from_bytes(&file).unwrap();
        if growth::check(&tokenizer).is_ok() {
            used += 1;
            let encoded = tokenizer.encode_char_offsets(text.as_str(), false).unwrap();
            assert!(encoded.get_ids().len() <= text.len());
        }
    }
    assert!(refused > 0 && used > 0, "{refused} refused, {used} used");
}
