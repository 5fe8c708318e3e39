//! A small dictionary of MeCab's, and what MeCab and transformers 4.57.1 make of texts with it
//! (tests/fixtures/mecab/make.py).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::{
    Bytes, Files, LoadedTokenizer, ModelConfig, ModelError, Splitter, TOKENIZER_CONFIG, TokenizerFiles, VOCAB_TXT,
};
use super::mecab::{Dictionary, MecabPlaces};
use super::*;
use crate::model::TokenizerError;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    words: Vec<Vec<String>>,
    /// Entries of tokenizer_config.json, by names.
    options: BTreeMap<String, Map<String, Value>>,
    /// For each of those, the ids of each text.
    ids: BTreeMap<String, Vec<Vec<u32>>>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mecab")
}

fn dictionary() -> PathBuf {
    fixtures().join("dictionary")
}

fn golden() -> Golden {
    serde_json::from_slice(&fs::read(fixtures().join("golden.json")).unwrap()).unwrap()
}

/// A folder with vocab.txt and tokenizer_config.json.
struct Folder(Value);

impl Files for Folder {
    fn name(&self) -> String {
        "model".to_owned()
    }

    fn optional(&self, file: &'static str) -> Result<Option<Bytes>, ModelError> {
        Ok(match file {
            VOCAB_TXT | "spiece.model" => Some(fs::read(fixtures().join(file)).unwrap().into()),
            TOKENIZER_CONFIG => Some(self.0.to_string().into_bytes().into()),
            _ => None,
        })
    }

    fn required(&self, file: &'static str) -> Result<Bytes, ModelError> {
        Ok(self.optional(file)?.unwrap())
    }
}

fn load(options: &Map<String, Value>, dictionary: Option<&Path>) -> Result<LoadedTokenizer, String> {
    let mut config = json!({ "tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab" });
    config.as_object_mut().unwrap().extend(options.clone());
    let said = |error: TokenizerError| format!("{error}: {}", error.source);
    let files = TokenizerFiles::find(&Folder(config), &ModelConfig::default()).map_err(|error| match error {
        ModelError::Tokenizer { source, .. } => said(source),
        other => other.to_string(),
    })?;
    files.load(MecabPlaces { named: dictionary, python_path: None }).map_err(said)
}

fn tokenizer(options: Value) -> Box<JapaneseTokenizer> {
    match load(options.as_object().unwrap(), Some(&dictionary())).unwrap().tokenizer {
        Splitter::Japanese(tokenizer) => tokenizer,
        Splitter::Crate(_) => unreachable!(),
    }
}

/// What each token of a text stands for.
fn places<'a>(tokenizer: &JapaneseTokenizer, text: &'a str) -> Vec<&'a str> {
    let byte = |place| text.char_indices().map(|(byte, _)| byte).nth(place).unwrap_or(text.len());
    let found = tokenizer.tokenize(text).unwrap();
    found.get_offsets().iter().map(|&(start, end)| &text[byte(start)..byte(end)]).collect()
}

#[test]
fn words_are_those_of_mecab() {
    let (dictionary, golden) = (Dictionary::open(&dictionary()).unwrap(), golden());
    for (text, expected) in golden.texts.iter().zip(&golden.words) {
        let text = Aligned::new(text, 0).nfkc().text;
        let words: Vec<_> = dictionary.words(&text).into_iter().map(|word| &text[word]).collect();
        assert_eq!(&words, expected, "{text:?}");
    }
}

#[test]
fn ids_are_those_of_transformers() {
    let golden = golden();
    for (name, options) in golden.options.iter().filter(|(name, _)| *name != "whole-pieces") {
        let tokenizer = tokenizer(Value::Object(options.clone()));
        for (text, expected) in golden.texts.iter().zip(&golden.ids[name]) {
            let found = tokenizer.tokenize(text).unwrap();
            assert_eq!(found.get_ids(), expected, "{name}: {text:?}");
            let length = text.chars().count();
            assert!(found.get_offsets().iter().all(|(start, end)| start < end && *end <= length), "{name}: {text:?}");
            assert!(found.get_offsets().is_sorted_by_key(|(start, _)| start), "{name}: {text:?}");
            assert!(found.get_word_ids().is_sorted(), "{name}: {text:?}");
        }
    }
}

#[test]
fn tokens_stand_for_whole_characters_of_the_text() {
    let wordpiece = tokenizer(json!({}));
    for (text, expected) in [
        ("東京都に住む。", &["東京", "都", "に", "住", "む", "。"] as &[_]),
        ("ｶﾞｽは５㌔ﾒｰﾄﾙ", &["ｶﾞ", "ｽ", "は", "５", "㌔", "ﾒ", "ｰ", "ﾄﾙ"]),
        ("㍿のｶﾌｪ", &["㍿", "㍿", "の", "ｶ", "ﾌ", "ｪ"]),
        ("cafe\u{301}が", &["c", "a", "f", "e\u{301}", "が"]),
        ("か\u{3099}\u{3000}猫", &["か\u{3099}", "猫"]),
        ("猫[SEP]　犬", &["猫", "[SEP]", "犬"]),
    ] {
        assert_eq!(places(&wordpiece, text), expected);
    }
    let characters = tokenizer(json!({ "subword_tokenizer_type": "character", "do_lower_case": true }));
    assert_eq!(places(&characters, "㍿ İ"), ["㍿", "㍿", "㍿", "㍿", "İ", "İ"]);
}

#[test]
fn what_is_not_supported_is_named() {
    for (options, expected) in [
        (json!({ "word_tokenizer_type": "sudachi" }), "its `word_tokenizer_type` is `sudachi`, which is not supported"),
        (json!({ "subword_tokenizer_type": "bytes" }), "its `subword_tokenizer_type` is `bytes`"),
        (
            json!({ "subword_tokenizer_type": "sentencepiece", "do_word_tokenize": false }),
            "its `do_word_tokenize` is `false`",
        ),
        (json!({ "mecab_kwargs": { "mecab_dic": "jumandic" } }), "its `mecab_dic` is `jumandic`"),
        (json!({ "mecab_kwargs": { "mecab_option": "-u own.dic" } }), "its `mecab_option` is `-u`"),
        (json!({ "mecab_kwargs": { "mecab_dic": null } }), "a MeCab dictionary that it does not name"),
        (json!({ "mecab_kwargs": { "mecab_dic": null, "mecab_option": "-d /none" } }), "cannot read /none/matrix.bin"),
    ] {
        let error = load(options.as_object().unwrap(), None).err().unwrap();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn other_ways_to_split_words() {
    // The folder that MeCab's options name.
    let options = json!({ "mecab_kwargs": { "mecab_dic": null, "mecab_option": format!("-d {:?}", dictionary()) } });
    assert!(load(options.as_object().unwrap(), None).is_ok());
    // BERT's own words need no dictionary.
    let basic = load(json!({ "word_tokenizer_type": "basic" }).as_object().unwrap(), None).unwrap();
    let Splitter::Crate(tokenizer) = basic.tokenizer else { panic!("it has a dictionary") };
    let tokens = tokenizer.encode("猫 東京,Ab", false).unwrap();
    assert_eq!(tokens.get_tokens(), ["猫", "東京", "[UNK]", "[UNK]"]);
}

#[test]
fn question_and_context_are_joined_as_by_bert() {
    let encoder = crate::qa::Encoder::with(tokenizer(json!({})), tokenizer(json!({})).join(), "[CLS]", true);
    let example = crate::qa::Example::new("猫は".to_owned(), "犬が走る".to_owned()).unwrap();
    let windows = encoder.encode(&example, &crate::qa::Options::default()).unwrap();
    assert_eq!(windows[0].input_ids, [2, 5, 17, 3, 6, 18, 24, 26, 3]);
    assert_eq!(windows[0].token_type_ids, [0, 0, 0, 0, 1, 1, 1, 1, 1]);
    assert_eq!((windows[0].context.clone(), windows[0].others.as_slice()), (4..8, [0].as_slice()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Damaged dictionaries are errors or dictionaries, not panics.
    #[test]
    fn damaged_dictionaries_do_no_harm(
        file in prop::sample::select(vec!["sys.dic", "unk.dic", "matrix.bin", "char.bin", "dicrc"]),
        cut in 0.5f64..4.0,
        changes in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..24),
        // Sizes and ids are at the beginning.
        header in prop::collection::vec((0usize..80, any::<u8>()), 0..2),
    ) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["sys.dic", "unk.dic", "matrix.bin", "char.bin", "dicrc"] {
            fs::copy(dictionary().join(name), folder.path().join(name)).unwrap();
        }
        let path = folder.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        for (place, byte) in changes {
            let place = (place * bytes.len() as f64) as usize;
            bytes[place] = byte;
        }
        for (place, byte) in header {
            if let Some(found) = bytes.get_mut(place) {
                *found = byte;
            }
        }
        bytes.truncate((cut * bytes.len() as f64) as usize);
        fs::write(&path, bytes).unwrap();
        if let Ok(dictionary) = Dictionary::open(folder.path()) {
            for text in golden().texts {
                let mut end = 0;
                for word in dictionary.words(&text) {
                    prop_assert!(end <= word.start && !text[word.clone()].is_empty());
                    end = word.end;
                }
            }
        }
    }

    #[test]
    fn words_cover_a_text_but_for_white_space(text in "[\\PC東京都に住む猫カフェー \u{3000}\n0-9a-c]{0,40}") {
        let dictionary = Dictionary::open(&dictionary()).unwrap();
        let mut rest = text.clone();
        for word in dictionary.words(&text).into_iter().rev() {
            rest.replace_range(word, "");
        }
        prop_assert!(rest.chars().all(|left| left.is_ascii_whitespace()), "{rest:?}");
    }
}

/// A text of a data set, as MeCab and transformers split it.
#[derive(Deserialize)]
struct Row {
    text: String,
    words: Vec<String>,
    ids: Option<Vec<u32>>,
}

#[test]
#[ignore = "it is for benches/mecab.py, which names a model, its dictionary and a data set"]
fn a_data_set_is_split_alike() {
    let variable = |name| PathBuf::from(std::env::var_os(format!("BERTQA_TEST_{name}")).unwrap());
    let rows = fs::read_to_string(variable("GOLDEN")).unwrap();
    let rows: Vec<Row> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let characters: usize = rows.iter().map(|row| row.text.chars().count()).sum();
    let files = crate::model::folder::tokenizer_files(&variable("MODEL"), ModelConfig::default()).unwrap();
    let dictionary = variable("DICTIONARY");
    let mecab = MecabPlaces { named: Some(&dictionary), python_path: None };
    let Splitter::Japanese(tokenizer) = files.load(mecab).unwrap().tokenizer else {
        panic!("it is not Japanese BERT's");
    };
    let dictionary = Dictionary::open(&variable("DICTIONARY")).unwrap();
    let speed = |begun: std::time::Instant| characters as f64 / begun.elapsed().as_secs_f64();

    let begun = std::time::Instant::now();
    let texts: Vec<_> = rows.iter().map(|row| Aligned::new(&row.text, 0).nfkc().text).collect();
    let words: Vec<_> = texts.iter().map(|text| dictionary.words(text)).collect();
    let words_speed = speed(begun);
    let begun = std::time::Instant::now();
    let tokens: Vec<_> = rows.iter().map(|row| tokenizer.tokenize(&row.text).unwrap()).collect();
    let tokens_speed = speed(begun);

    let mut unlike = Vec::new();
    for ((row, text), words) in rows.iter().zip(&texts).zip(words) {
        if !words.into_iter().map(|word| &text[word]).eq(&row.words) {
            unlike.push(format!("words of {}", row.text));
        }
    }
    println!("{} of {} texts have MeCab's words; {words_speed:.0} characters/s", rows.len() - unlike.len(), rows.len());
    let with_ids: Vec<_> = rows.iter().zip(&tokens).filter(|(row, _)| row.ids.is_some()).collect();
    let before = unlike.len();
    for (row, tokens) in &with_ids {
        if row.ids.as_deref() != Some(tokens.get_ids()) {
            unlike.push(format!("ids of {}", row.text));
        }
    }
    let alike = with_ids.len() - (unlike.len() - before);
    println!("{alike} of {} texts have transformers' ids; {tokens_speed:.0} characters/s", with_ids.len());
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}
