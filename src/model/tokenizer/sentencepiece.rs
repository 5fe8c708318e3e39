//! Models of SentencePiece: unigram and BPE, each class with its own ids, normalization and special tokens.

use std::collections::HashMap;

use prost::Message;
use tokenizers::models::bpe::{BPE, Merges};
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Lowercase, NFKD, NormalizerWrapper, Replace, Sequence, Strip, StripAccents};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::{PreTokenizerWrapper, sequence};
use tokenizers::{AddedToken, ModelWrapper, PostProcessorWrapper, SplitDelimiterBehavior, Tokenizer};

use super::class::Pieces;
use super::config::Settings;
use super::fault::Fault;
use super::{TokenizerError, charsmap, fault_in, growth, join};

/// Longest piece in characters: all ways to cut a piece of a BPE model in two are tried.
const MAX_PIECE: usize = 1024;

/// The fields of sentencepiece_model.proto that matter.
#[derive(Message)]
struct Model {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<Normalizer>,
}

#[derive(Message)]
struct Piece {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(float, tag = "2")]
    score: f32,
    #[prost(int32, tag = "3")]
    kind: i32,
}

#[derive(Message)]
struct Trainer {
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
    #[prost(int32, tag = "40")]
    unk_id: i32,
    #[prost(string, optional, tag = "45")]
    unk_piece: Option<String>,
}

#[derive(Message)]
struct Normalizer {
    #[prost(bytes = "vec", tag = "2")]
    charsmap: Vec<u8>,
}

const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNIGRAM: i32 = 1;
const BPE_TYPE: i32 = 2;

pub(super) fn build(model: &[u8], class: Pieces, settings: &Settings) -> Result<Tokenizer, TokenizerError> {
    let failed = fault_in(class.file());
    let model = Model::decode(model).map_err(Fault::Protobuf).map_err(failed)?;
    check(&model).map_err(failed)?;
    let vocabulary = vocabulary(&model, class, settings)?;
    let mut tokenizer = Tokenizer::new(splitter(&model, class, vocabulary).map_err(failed)?);
    let named = model.pieces.iter().filter(|piece| matches!(piece.kind, CONTROL | USER_DEFINED));
    let named = named.map(|piece| AddedToken::from(&*piece.text, piece.kind == CONTROL).normalized(false));
    tokenizer.add_tokens(named).map_err(Fault::tokenizers).map_err(failed)?;
    let normalizer = Sequence::new(normalizers(&model, class, settings)?);
    tokenizer.with_normalizer(Some(normalizer)).map_err(Fault::tokenizers).map_err(failed)?;
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(class, settings)?));
    growth::check(&tokenizer).map_err(failed)?;
    settings.add_tokens(&mut tokenizer)?;
    let joined = post_processor(&tokenizer, class).map_err(failed)?;
    tokenizer.with_post_processor(Some(joined));
    Ok(tokenizer)
}

fn check(model: &Model) -> Result<(), Fault> {
    if model.pieces.is_empty() {
        return Err(Fault::NoPieces);
    }
    for (number, piece) in model.pieces.iter().enumerate() {
        if piece.text.is_empty() || piece.text.chars().nth(MAX_PIECE).is_some() {
            return Err(Fault::Piece(number));
        }
        if !piece.score.is_finite() {
            return Err(Fault::Score(number));
        }
    }
    Ok(())
}

/// Tokens and scores in the order of their ids.
fn vocabulary(model: &Model, class: Pieces, settings: &Settings) -> Result<Vec<(String, f64)>, TokenizerError> {
    let token = |text: &str, score| (text.to_owned(), score);
    let piece = |piece: &Piece| (piece.text.clone(), f64::from(piece.score));
    let pieces = &model.pieces;
    Ok(match class {
        Pieces::XlmRoberta => {
            let first = ["<s>", "<pad>", "</s>", "<unk>"].map(|text| token(text, 0.0));
            first.into_iter().chain(pieces.iter().skip(3).map(piece)).chain([token("<mask>", 0.0)]).collect()
        }
        Pieces::Camembert => {
            let first = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>"].map(|text| token(text, 0.0));
            // Low enough to be never used.
            let first = first.into_iter().chain([token("<unk>NOTUSED", -100.0)]);
            first.chain(pieces.iter().skip(1).map(piece)).chain([token("<mask>", 0.0)]).collect()
        }
        // Numbers are to end before a comma.
        Pieces::Albert | Pieces::BertJapanese => pieces
            .iter()
            .map(|number| {
                (number.text.clone(), f64::from(number.score) - if is_number(&number.text) { 100.0 } else { 0.0 })
            })
            .collect(),
        Pieces::T5 => {
            let sentinels = (0..settings.extra_ids()?).rev().map(|id| (format!("<extra_id_{id}>"), 0.0));
            pieces.iter().map(piece).chain(sentinels).collect()
        }
        Pieces::DebertaV2 | Pieces::BigBird | Pieces::RemBert => pieces.iter().map(piece).collect(),
    })
}

/// Whether a piece ends with a digit and a comma.
fn is_number(piece: &str) -> bool {
    let mut last = piece.chars().rev();
    last.next() == Some(',') && last.next().is_some_and(char::is_numeric)
}

/// What splits normalized text into pieces.
fn splitter(model: &Model, class: Pieces, vocabulary: Vec<(String, f64)>) -> Result<ModelWrapper, Fault> {
    let trainer = model.trainer.as_ref();
    let unk_id = match class {
        Pieces::XlmRoberta | Pieces::Camembert => 3,
        _ => usize::try_from(trainer.map_or(0, |trainer| trainer.unk_id)).unwrap_or(usize::MAX),
    };
    match trainer.and_then(|trainer| trainer.model_type).unwrap_or(UNIGRAM) {
        UNIGRAM => Ok(Unigram::from(vocabulary, Some(unk_id), false).map_err(Fault::tokenizers)?.into()),
        BPE_TYPE => {
            let merges = merges(model, &vocabulary);
            let ids = vocabulary.into_iter().zip(0..).map(|((text, _), id)| (text, id)).collect::<Vec<(String, u32)>>();
            let unk = trainer.and_then(|trainer| trainer.unk_piece.clone()).unwrap_or_else(|| "<unk>".to_owned());
            let vocab: tokenizers::models::bpe::Vocab = ids.into_iter().collect();
            if !vocab.contains_key(&unk) {
                return Err(Fault::MissingToken(unk));
            }
            let bpe = BPE::builder().vocab_and_merges(vocab, merges).unk_token(unk).fuse_unk(true).build();
            Ok(bpe.map_err(Fault::tokenizers)?.into())
        }
        other => Err(Fault::ModelType(other)),
    }
}

/// The merges that make the pieces: each way to cut one in two pieces, the best scores first.
fn merges(model: &Model, vocabulary: &[(String, f64)]) -> Merges {
    struct Merge<'a> {
        score: f64,
        lengths: (usize, usize),
        halves: (&'a str, &'a str),
    }
    let ids: HashMap<&str, usize> = model.pieces.iter().enumerate().map(|(id, piece)| (&*piece.text, id)).collect();
    // Of a token that comes twice, the first place and the last score count.
    let scores: HashMap<&str, f64> = vocabulary.iter().map(|(text, score)| (&**text, *score)).collect();
    let mut seen = std::collections::HashSet::new();
    let mut merges = Vec::new();
    for (text, _) in vocabulary.iter().filter(|(text, _)| seen.insert(&**text)) {
        let length = text.chars().count();
        let mut ways: Vec<(usize, usize, Merge)> = Vec::new();
        for (count, (byte, _)) in text.char_indices().enumerate().skip(1) {
            let halves = text.split_at(byte);
            if let (Some(first), Some(second)) = (ids.get(halves.0), ids.get(halves.1)) {
                ways.push((
                    *first,
                    *second,
                    Merge { score: scores[&**text], lengths: (count, length - count), halves },
                ));
            }
        }
        ways.sort_by_key(|(first, second, _)| (*first, *second));
        merges.extend(ways.into_iter().map(|(.., merge)| merge));
    }
    merges.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| b.lengths.cmp(&a.lengths)));
    merges.into_iter().map(|merge| (merge.halves.0.to_owned(), merge.halves.1.to_owned())).collect()
}

/// What happens to text before it is split.
fn normalizers(model: &Model, class: Pieces, settings: &Settings) -> Result<Vec<NormalizerWrapper>, TokenizerError> {
    let failed = fault_in(class.file());
    let text = |text: &str| ReplacePattern::String(text.to_owned());
    let replace = |pattern: ReplacePattern, by: &str| {
        Replace::new(pattern, by).map(NormalizerWrapper::from).map_err(Fault::tokenizers).map_err(failed)
    };
    let spaces = |by| replace(ReplacePattern::Regex(" {2,}".to_owned()), by);
    let quotes = || Ok([replace(text("``"), "\"")?, replace(text("''"), "\"")?]);
    let accents = || -> Result<Vec<NormalizerWrapper>, TokenizerError> {
        let kept = settings.flag("keep_accents", class == Pieces::RemBert)?;
        Ok(if kept { Vec::new() } else { vec![NFKD.into(), StripAccents.into()] })
    };
    let lowercase = |default| -> Result<Option<NormalizerWrapper>, TokenizerError> {
        Ok(settings.flag("do_lower_case", default)?.then(|| Lowercase.into()))
    };
    let table = model.normalizer.as_ref().map(|normalizer| &*normalizer.charsmap).filter(|table| !table.is_empty());
    let table = table.map(charsmap::normalizer).transpose().map_err(failed)?.map(NormalizerWrapper::from);

    let mut all: Vec<NormalizerWrapper> = Vec::new();
    match class {
        Pieces::Albert => {
            all.extend(quotes()?);
            all.extend(accents()?);
            all.extend(lowercase(true)?);
            all.extend(table);
            all.push(spaces(" ")?);
        }
        Pieces::BertJapanese => {
            all.extend(quotes()?);
            all.extend(table);
            all.push(spaces(" ")?);
        }
        Pieces::RemBert => {
            all.extend(quotes()?);
            all.push(spaces(" ")?);
            all.extend(accents()?);
            all.extend(lowercase(false)?);
            all.extend(table);
        }
        Pieces::DebertaV2 => {
            all.extend(lowercase(false)?);
            all.push(Strip::new(true, true).into());
            all.extend(table);
            all.push(spaces(" ")?);
        }
        Pieces::XlmRoberta | Pieces::Camembert | Pieces::BigBird | Pieces::T5 => {
            all.extend(table);
            all.push(Strip::new(false, true).into());
            all.push(spaces("▁")?);
        }
    }
    Ok(all)
}

fn pre_tokenizer(class: Pieces, settings: &Settings) -> Result<PreTokenizerWrapper, TokenizerError> {
    let scheme = match class {
        Pieces::T5 if !settings.flag("add_prefix_space", true)? => PrependScheme::Never,
        Pieces::T5 if settings.option("legacy")? == Some(false) => PrependScheme::First,
        _ => PrependScheme::Always,
    };
    let metaspace = Metaspace::new('▁', scheme, true);
    if class != Pieces::DebertaV2 {
        return Ok(metaspace.into());
    }
    let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
    if settings.flag("split_by_punct", false)? {
        steps.push(Punctuation::new(SplitDelimiterBehavior::Isolated).into());
    }
    steps.push(metaspace.into());
    Ok(sequence::Sequence::new(steps).into())
}

fn post_processor(tokenizer: &Tokenizer, class: Pieces) -> Result<PostProcessorWrapper, Fault> {
    match class {
        Pieces::XlmRoberta | Pieces::Camembert => {
            let pair = ["<s>", "$A", "</s>", "</s>", "$B", "</s>"];
            join::template(tokenizer, &pair[..3], &pair, &["<s>", "</s>"])
        }
        Pieces::T5 => join::template(tokenizer, &["$A", "</s>"], &["$A", "</s>", "$B", "</s>"], &["</s>"]),
        Pieces::Albert | Pieces::BertJapanese | Pieces::DebertaV2 | Pieces::BigBird | Pieces::RemBert => {
            join::bert(tokenizer, "[CLS]", "[SEP]")
        }
    }
}
