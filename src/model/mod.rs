//! Where a model comes from: compiled in, a Hugging Face folder, the hub, or a compiled file; and loading it.

mod auto;
#[cfg(feature = "bundled")]
mod bundled;
#[cfg(feature = "torch")]
mod compiled;
mod engines;
mod error;
mod folder;
mod hub;
mod map;
mod part;
mod report;
mod source;
mod tokenizer;
pub mod weights;

use std::borrow::Cow;
use std::path::PathBuf;

use crate::engine::native::{NativeEngine, precisions_by_speed};
use crate::engine::{DeviceKind, Devices, Input, Precision};
use crate::pipeline::{Pipeline, PipelineOptions};
use crate::qa::Encoder;
pub use auto::{Drift, MismatchError};
pub use engines::Engines;
pub use error::{ModelError, TokenizerError};
pub use hub::{ContentError, HubError};
pub use part::{ModelFile, ModelPart};
pub use report::{
    ModelContents, ModelKind, ModelReport, PrecisionReport, PrecisionTrial, TokenizerKind, TokenizerReport,
};
use source::Source;
use tokenizer::{LoadedTokenizer, MecabPlaces, Splitter, TokenizerFiles};
pub use tokenizer::{MecabError, MecabKind};
use weights::Weights;

/// The files of a model, found and read.
struct Files {
    config: Cow<'static, [u8]>,
    weights: Weights,
    tokenizer: TokenizerFiles,
}

/// Which model to load, and how it is to be run. The default is the built-in model in the fastest precision that keeps
/// its answers, on all cores.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// A Hugging Face folder, a compiled model (model.pt or the folder with it), or the id of a model on the hub;
    /// `None` or `default`: the built-in model.
    pub model: Option<String>,
    /// Branch, tag or commit of a hub model.
    pub revision: Option<String>,
    /// A folder whose tokenizer replaces the model's own.
    pub tokenizer: Option<PathBuf>,
    /// The folder of the MeCab dictionary, for models whose tokenizer needs one; `None`: a package of Python, or one of
    /// the system's.
    pub mecab_dict: Option<PathBuf>,
    /// The folders with Python's packages; `None`: those of the Python on PATH.
    pub python_path: Option<Vec<PathBuf>>,
    /// Where the network runs.
    pub devices: Devices,
    /// `None`: the fastest that keeps the accuracy; a compiled model's own.
    pub precision: Option<Precision>,
    /// What a compiled model without a manifest takes, in its order.
    pub inputs: Option<Vec<Input>>,
    /// The library with Neuron's operators.
    pub neuron_library: Option<PathBuf>,
    /// Of the pipeline that the model is for; the network gets as many threads.
    pub pipeline: PipelineOptions,
}

/// A model that is ready to run.
pub struct Model {
    /// Makes windows of examples.
    pub encoder: Encoder,
    /// Run the network.
    pub engines: Engines,
    /// Of the pipeline that it was loaded for.
    pub pipeline: PipelineOptions,
    /// The files that it was made of.
    pub files: Vec<ModelFile>,
}

impl Model {
    /// The pipeline that answers with this model.
    pub fn into_pipeline(self) -> Pipeline {
        Pipeline::new(self.encoder, self.engines.into_boxes(), self.pipeline)
    }
}

impl LoadOptions {
    fn mecab_places(&self) -> MecabPlaces<'_> {
        MecabPlaces { named: self.mecab_dict.as_deref(), python_path: self.python_path.as_deref() }
    }

    /// Loads the model.
    ///
    /// # Errors
    /// If a file is missing, unreadable, or of a kind that is not supported, or if the model can't run where it is
    /// asked to.
    pub fn load(&self) -> Result<Model, ModelError> {
        let source = Source::parse(self.model.as_deref(), self.revision.as_deref())?;
        self.load_from(&source).map_err(|error| source.explain(error))
    }

    fn load_from(&self, source: &Source) -> Result<Model, ModelError> {
        let Files { config, weights, tokenizer } = match self.find(source)? {
            Found::Files(files) => *files,
            Found::Compiled(model) => return Ok(*model),
        };
        let model = || source.to_string();
        let load = |precision| NativeEngine::load(&config, &weights.tensors, precision, self.pipeline.threads.get());
        let precision = match (self.precision, source) {
            // What it loses in int8 is known: hardly anything.
            (None, Source::Bundled) => precisions_by_speed().next(),
            (asked_for, _) => asked_for,
        };

        let mut files = list(&config, &weights, &tokenizer);

        // The two take about as long as each other, and starting is waited for.
        let (engine, tokenizer) = std::thread::scope(|scope| {
            let parsed = scope.spawn(|| tokenizer.load(self.mecab_places()));
            let engine = load(precision.unwrap_or(Precision::F32));
            (engine, parsed.join())
        });
        let mut engine = engine.map_err(|source| ModelError::Native { model: model(), source })?;
        let tokenizer = tokenizer
            .unwrap_or_else(|panic| Err(tokenizer::panicked(&*panic)))
            .map_err(|source| ModelError::Tokenizer { model: model(), source })?;
        files.extend_from_slice(tokenizer.dictionary());

        let encoder = encoder(tokenizer, engine.takes_token_types()).for_vocabulary(engine.vocab_size());
        auto::check_tokenizer(&encoder, engine.type_vocab_size())
            .map_err(|source| ModelError::Mismatch { model: model(), source })?;
        if precision.is_none() {
            engine =
                auto::choose(engine, &encoder, load).map_err(|source| ModelError::Trial { model: model(), source })?;
        }
        Ok(Model { encoder, engines: Engines::Native(Box::new(engine)), pipeline: self.pipeline, files })
    }

    /// Finds and reads the files of a model; a compiled one is loaded.
    fn find(&self, source: &Source) -> Result<Found, ModelError> {
        check_native(source, self)?;
        let tokenizer = self.tokenizer.as_deref();
        let files = match source {
            #[cfg(feature = "torch")]
            Source::Compiled(path) => return Ok(Found::Compiled(Box::new(compiled::load(path, self)?))),
            #[cfg(not(feature = "torch"))]
            Source::Compiled(path) => return Err(ModelError::NoTorch(path.clone())),
            #[cfg(feature = "bundled")]
            Source::Bundled => bundled::files(tokenizer)?,
            #[cfg(not(feature = "bundled"))]
            Source::Bundled => return Err(ModelError::NoBuiltIn),
            Source::Folder(path) => folder::files(path, tokenizer)?,
            Source::Hub { id, revision } => hub::files(id, revision.as_deref(), tokenizer)?,
        };
        Ok(Found::Files(Box::new(files)))
    }
}

/// The files that a model is made of, but for a dictionary.
fn list(config: &[u8], weights: &Weights, tokenizer: &TokenizerFiles) -> Vec<ModelFile> {
    let config = ModelFile::new(folder::CONFIG, ModelPart::Config, config);
    [config].into_iter().chain(weights.files.clone()).chain(tokenizer.list().to_vec()).collect()
}

/// What a name leads to.
enum Found {
    /// The files of a model for the processor.
    Files(Box<Files>),
    /// A compiled model.
    #[cfg_attr(not(feature = "torch"), expect(dead_code, reason = "nothing can load one"))]
    Compiled(Box<Model>),
}

/// Refuses what only a compiled model can do, before anything is fetched.
fn check_native(source: &Source, options: &LoadOptions) -> Result<(), ModelError> {
    let model = source.to_string();
    match options.devices.kind() {
        _ if matches!(source, Source::Compiled(_)) => Ok(()),
        Some(DeviceKind::Cuda | DeviceKind::Neuron) => {
            Err(ModelError::Devices { model, devices: options.devices.clone() })
        }
        None | Some(DeviceKind::Cpu) if options.inputs.is_some() => Err(ModelError::Inputs { model }),
        None | Some(DeviceKind::Cpu) => Ok(()),
    }
}

/// `takes_token_types` says whether the network does; the tokenizer says whether it makes them.
fn encoder(tokenizer: LoadedTokenizer, takes_token_types: bool) -> Encoder {
    let LoadedTokenizer { tokenizer, cls_token, token_types, layout } = tokenizer;
    let (cls_token, token_types) = (cls_token.as_deref(), takes_token_types && token_types);
    let encoder = match tokenizer {
        Splitter::Crate(tokenizer) => Encoder::new(*tokenizer, cls_token, token_types),
        Splitter::Japanese(tokenizer) => {
            let join = tokenizer.join();
            Encoder::with(tokenizer, join, cls_token, token_types)
        }
    };
    encoder.laid_out(layout)
}
