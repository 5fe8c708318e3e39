//! What a model is, and how it would run here.

use std::fmt;

use serde::Serialize;
use tokenizers::ModelWrapper;

use super::auto::{Drift, Trials, check_tokenizer};
use super::part::ModelFile;
use super::tokenizer::Splitter;
use super::{Files, Found, LoadOptions, ModelError, Source, encoder, list};
use crate::engine::native::{self, NativeEngine, precisions_by_speed};
use crate::engine::{EngineError, Precision};
use crate::qa::Encoder;

/// What a model is, and how it would run here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelReport {
    /// The folder or file, the hub id, or that it is built in.
    pub model: String,
    /// `model_type` of config.json.
    pub model_type: String,
    /// Longest window in tokens.
    pub max_seq_len: usize,
    /// What depends on where it comes from.
    #[serde(flatten)]
    pub kind: ModelKind,
}

/// Kinds of models, by what can be said of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ModelKind {
    /// One that the engine on the processor runs.
    HuggingFace {
        /// What its files hold.
        #[serde(flatten)]
        contents: ModelContents,
        /// How it does in each precision of the processor, the most exact first.
        precisions: Vec<PrecisionReport>,
    },
    /// A compiled one, which has its precision and keeps its weights.
    Compiled {
        /// How it runs, for people.
        engine: String,
    },
}

/// What the files of a Hugging Face model hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelContents {
    /// The files that are read.
    pub files: Vec<ModelFile>,
    /// What they make of texts.
    pub tokenizer: TokenizerReport,
    /// Numbers in the tensors of the weights, in those that are not used too.
    pub parameters: usize,
    /// Bytes that these take in the files.
    pub parameter_bytes: usize,
}

/// What a tokenizer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenizerReport {
    /// The class of transformers as which its files are read.
    pub class: String,
    /// How it finds tokens.
    pub kind: TokenizerKind,
    /// How many tokens it knows.
    pub tokens: usize,
}

/// How a tokenizer finds tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum TokenizerKind {
    /// Neighbouring pieces are merged, in the order that training found.
    #[serde(rename = "BPE")]
    Bpe,
    /// The longest piece is taken.
    WordPiece,
    /// Words are tokens.
    WordLevel,
    /// The most probable pieces are taken, as SentencePiece does.
    Unigram,
    /// Words are found with a dictionary of MeCab, and then cut.
    #[serde(rename = "MeCab")]
    Mecab,
}

/// How a model does in a precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrecisionReport {
    /// The precision.
    pub precision: Precision,
    /// Whether this processor has instructions for it. Without, it is slow, and not chosen unless it is asked for.
    pub instructions: bool,
    /// Whether it is chosen where none is asked for.
    pub chosen: bool,
    /// How it does.
    #[serde(flatten)]
    pub trial: PrecisionTrial,
}

/// What became of the attempt to run a model in a precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PrecisionTrial {
    /// How far it is from f32 on sample questions.
    Drift(Drift),
    /// Why the model cannot be loaded in it.
    Refused(String),
}

impl LoadOptions {
    /// Loads the model in each precision, one after the other, and says what it is and how it does in them. Which
    /// precision the options name does not matter, but for a compiled model.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use bertqa::model::{LoadOptions, ModelKind};
    ///
    /// let report = LoadOptions::default().report()?;
    /// assert_eq!((report.model_type.as_str(), report.max_seq_len), ("bert", 512));
    /// let ModelKind::HuggingFace { contents, precisions } = report.kind else { unreachable!() };
    /// assert!(contents.parameters > 30_000_000);
    /// assert!(precisions.iter().any(|precision| precision.chosen));
    /// # }
    /// # Ok::<(), bertqa::model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn report(&self) -> Result<ModelReport, ModelError> {
        let source = Source::parse(self.model.as_deref(), self.revision.as_deref())?;
        self.report_on(&source).map_err(|error| source.explain(error))
    }

    fn report_on(&self, source: &Source) -> Result<ModelReport, ModelError> {
        let model = || source.to_string();
        let Files { config, weights, tokenizer: files } = match self.find(source)? {
            Found::Files(files) => *files,
            Found::Compiled(compiled) => {
                let engines = compiled.engines;
                return Ok(ModelReport {
                    model: model(),
                    model_type: engines.model_type().to_owned(),
                    max_seq_len: engines.max_seq_len(),
                    kind: ModelKind::Compiled { engine: engines.to_string() },
                });
            }
        };
        let load = |precision| NativeEngine::load(&config, &weights.tensors, precision, self.pipeline.threads.get());
        let exact = load(Precision::F32).map_err(|source| ModelError::Native { model: model(), source })?;
        let (model_type, max_seq_len) = (exact.model_type().to_owned(), exact.max_seq_len());

        let tokenizer =
            files.load(self.mecab_places()).map_err(|source| ModelError::Tokenizer { model: model(), source })?;
        let mut listed = list(&config, &weights, &files);
        listed.extend_from_slice(tokenizer.dictionary());
        let kind = TokenizerKind::of(&tokenizer.tokenizer);
        let encoder = encoder(tokenizer, exact.takes_token_types()).for_vocabulary(exact.vocab_size());
        check_tokenizer(&encoder, exact.type_vocab_size())
            .map_err(|source| ModelError::Mismatch { model: model(), source })?;
        let class = files.class().to_owned();
        let tokenizer = TokenizerReport { class, kind, tokens: encoder.vocab_size() };

        let (parameters, parameter_bytes) = weights.tensors.size();
        let contents = ModelContents { files: listed, tokenizer, parameters, parameter_bytes };
        let precisions =
            precisions(exact, &encoder, load).map_err(|source| ModelError::Trial { model: model(), source })?;
        let kind = ModelKind::HuggingFace { contents, precisions };
        Ok(ModelReport { model: model(), model_type, max_seq_len, kind })
    }
}

/// Tries each precision of the processor.
fn precisions(
    mut exact: NativeEngine,
    encoder: &Encoder,
    load: impl Fn(Precision) -> Result<NativeEngine, native::LoadError>,
) -> Result<Vec<PrecisionReport>, EngineError> {
    let trials = Trials::new(encoder, &mut exact)?;
    drop(exact);
    let mut reports = Vec::new();
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let trial = if precision == Precision::F32 {
            PrecisionTrial::Drift(Drift::NONE)
        } else {
            match load(precision) {
                Ok(mut engine) => PrecisionTrial::Drift(trials.drift(&mut engine)?),
                Err(error) => PrecisionTrial::Refused(error.to_string()),
            }
        };
        let instructions = precisions_by_speed().any(|with| with == precision);
        reports.push(PrecisionReport { precision, instructions, chosen: false, trial });
    }
    let keeps_answers =
        |report: &PrecisionReport| matches!(report.trial, PrecisionTrial::Drift(drift) if drift.is_tolerable());
    let fastest = precisions_by_speed()
        .find(|fast| reports.iter().any(|report| report.precision == *fast && keeps_answers(report)));
    for report in &mut reports {
        report.chosen = Some(report.precision) == fastest;
    }
    Ok(reports)
}

impl TokenizerKind {
    fn of(tokenizer: &Splitter) -> Self {
        let tokenizer = match tokenizer {
            Splitter::Crate(tokenizer) => tokenizer,
            Splitter::Japanese(_) => return Self::Mecab,
        };
        match tokenizer.get_model() {
            ModelWrapper::BPE(_) => Self::Bpe,
            ModelWrapper::WordPiece(_) => Self::WordPiece,
            ModelWrapper::WordLevel(_) => Self::WordLevel,
            ModelWrapper::Unigram(_) => Self::Unigram,
        }
    }
}

impl fmt::Display for TokenizerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bpe => "BPE",
            Self::WordPiece => "WordPiece",
            Self::WordLevel => "WordLevel",
            Self::Unigram => "Unigram",
            Self::Mecab => "MeCab",
        })
    }
}
