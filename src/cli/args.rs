//! Arguments that several subcommands share, and what they resolve to.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;

use super::max_failed::MaxFailed;
use super::precision::PrecisionChoice;
use crate::engine::{Devices, Input};
use crate::io::{CsvOptions, Encoding, ReadOptions};
use crate::model::{LoadOptions, Model, ModelError};
use crate::pipeline::PipelineOptions;
use crate::qa::{Options, RequestOptions};

/// What every command takes that answers rows.
#[derive(Debug, clap::Args)]
pub(super) struct CommonArgs {
    #[command(flatten)]
    pub rows: RowArgs,

    #[command(flatten)]
    pub answers: RequestOptions,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub messages: MessageArgs,

    /// Show at the end where the time went: each stage of the pipeline, and each operator of the network
    #[arg(long, conflicts_with = "quiet", help_heading = "Messages")]
    pub profile: bool,
}

impl CommonArgs {
    /// How many answers a row gets.
    pub(super) fn top_k(&self) -> usize {
        self.answers.top_k.map_or(Options::default().top_k, NonZeroUsize::get)
    }
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Model")]
pub(super) struct ModelArgs {
    /// A Hugging Face folder (config.json, weights, a tokenizer), a hub id such as
    /// deepset/roberta-base-squad2, or a compiled model (model.pt or the folder with it, as docker/trace.py writes it);
    /// without it, or with the word default, the built-in model
    #[arg(long, value_name = "DIR|ID|FILE", env = "BERTQA_MODEL")]
    model: Option<String>,

    #[command(flatten)]
    files: ModelFilesArgs,

    /// Where the network runs: auto, cpu, cuda, cuda:N, neuron or neuron:N, or several of a kind separated by commas.
    /// cuda and neuron are all GPUs or all NeuronCores, each with its own copy of the model; they need a model
    /// compiled for them
    #[arg(long, value_name = "DEVICE,...", default_value_t = Devices::Auto, env = "BERTQA_DEVICE")]
    device: Devices,

    /// Precision in which the network runs
    #[arg(long, value_enum, default_value_t = PrecisionChoice::AUTO, env = "BERTQA_PRECISION")]
    precision: PrecisionChoice,

    /// Inputs of a compiled model without a manifest (model.json beside model.pt), in its order, separated by commas
    /// [default: input_ids,attention_mask]
    #[arg(long, value_name = "INPUT,...", value_enum, value_delimiter = ',')]
    inputs: Option<Vec<Input>>,

    /// The library with Neuron's operators, libtorchneuron.so; without it, that of the package torch_neuronx or
    /// torch_neuron of the Python on PATH, or of the loader's path
    #[arg(long, value_name = "FILE", env = "BERTQA_NEURON_LIB")]
    neuron_lib: Option<PathBuf>,

    /// Processor threads for the network, and as many for tokenizing; without it, one for each core
    #[arg(long, value_name = "N", env = "BERTQA_THREADS", value_parser = at_most::<1024>)]
    threads: Option<NonZeroUsize>,

    /// Most windows in one forward pass; a row that comes alone does not wait for others
    #[arg(
        long,
        value_name = "N",
        default_value_t = PipelineOptions::default().batch_size,
        env = "BERTQA_BATCH_SIZE",
        value_parser = at_most::<4096>
    )]
    batch_size: NonZeroUsize,
}

/// Which files a model has, beside its name.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Model")]
pub(super) struct ModelFilesArgs {
    /// Branch, tag or commit of a hub model
    #[arg(long)]
    revision: Option<String>,

    /// A folder whose tokenizer replaces the model's own
    #[arg(long, value_name = "DIR", env = "BERTQA_TOKENIZER")]
    tokenizer: Option<PathBuf>,

    /// The folder of a MeCab dictionary, for Japanese models that need one; without it, that of the package ipadic,
    /// unidic_lite or unidic of the Python on PATH, or the system's
    #[arg(long, value_name = "DIR", env = "BERTQA_MECAB_DICT")]
    mecab_dict: Option<PathBuf>,
}

impl ModelFilesArgs {
    /// What they say of how `model` is loaded.
    pub(super) fn load_options(&self, model: Option<&str>) -> LoadOptions {
        LoadOptions {
            model: model.map(str::to_owned),
            revision: self.revision.clone(),
            tokenizer: self.tokenizer.clone(),
            mecab_dict: self.mecab_dict.clone(),
            ..LoadOptions::default()
        }
    }
}

impl ModelArgs {
    pub(super) fn load(&self) -> Result<Model, ModelError> {
        let defaults = PipelineOptions::default();
        let options = LoadOptions {
            devices: self.device.clone(),
            precision: self.precision.0,
            inputs: self.inputs.clone(),
            neuron_library: self.neuron_lib.clone(),
            pipeline: PipelineOptions {
                threads: self.threads.unwrap_or(defaults.threads),
                batch_size: self.batch_size,
            },
            ..self.files.load_options(self.model.as_deref())
        };
        options.load()
    }

    /// Whether the processor decides in which precision the network runs.
    pub(super) fn precision_is_auto(&self) -> bool {
        self.precision == PrecisionChoice::AUTO
    }

    /// What the model is called.
    pub(super) fn name(&self) -> &str {
        self.model.as_deref().unwrap_or("default")
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Rows")]
pub(super) struct RowArgs {
    /// Column of the question
    #[arg(long, value_name = "COLUMN", default_value = "question")]
    question: String,

    /// Column of the context
    #[arg(long, value_name = "COLUMN", default_value = "context")]
    context: String,

    /// Column that identifies a row: it is carried along whatever --columns says
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,

    /// Input columns to carry along to the output, separated by commas; without it, all ('' for none)
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Option<Vec<String>>,

    /// Put before the names of the answer columns: answer, score, start, end, error
    #[arg(long, value_name = "TEXT")]
    pub prefix: Option<String>,

    /// Longest line of the input, or question or context of a typed one, in bytes; a longer one is a failed row
    #[arg(long, value_name = "BYTES", default_value = "67108864")]
    max_line_bytes: NonZeroUsize,

    /// Most windows for a context; a row that takes more is a failed row
    #[arg(long, value_name = "N", default_value = "100000")]
    pub max_windows: NonZeroUsize,

    /// So many rows, or such a part of them, may fail: the exit status is 0 all the same, so that a scheduler does not run
    /// the whole again for them
    #[arg(long, value_name = "N|P%", default_value = "0", conflicts_with = "strict")]
    pub max_failed: MaxFailed,

    /// Stop at the first row that fails
    #[arg(long)]
    pub strict: bool,

    #[command(flatten)]
    text: TextArgs,
}

/// How text is written that is read.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct TextArgs {
    /// Encoding of text that is not UTF-8: shift_jis (or cp932), euc-jp, gbk, windows-1252 and others; UTF-16 with a byte
    /// order mark is known without it
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<Encoding>,

    /// Largest window of Zstandard and dictionary of xz, as a power of 2, which is what memory an input may take: 31 reads
    /// what `zstd --long=31` wrote
    #[arg(long, value_name = "N", default_value_t = ReadOptions::default().window_log_max, value_parser = clap::value_parser!(u32).range(10..=31))]
    window_log_max: u32,

    /// Largest JSON file that is not lines, in bytes: it is held in memory whole
    #[arg(long, value_name = "BYTES", default_value = "536870912")]
    max_json_bytes: NonZeroUsize,

    /// What stands between the fields of CSV: one character, or tab; without it, what the header looks like
    #[arg(long, value_name = "CHAR", value_parser = character)]
    delimiter: Option<u8>,

    /// What stands around fields of CSV: one character, or none
    #[arg(long, value_name = "CHAR", value_parser = quote, default_value = "\"")]
    quote: Quote,

    /// What stands before a character of CSV that stands for itself: \ where Spark or MySQL wrote it
    #[arg(long, value_name = "CHAR", value_parser = character)]
    escape: Option<u8>,
}

/// A quote, or none.
#[derive(Debug, Clone, Copy)]
struct Quote(Option<u8>);

impl TextArgs {
    pub(super) fn csv(&self) -> CsvOptions {
        CsvOptions { delimiter: self.delimiter, quote: self.quote.0, escape: self.escape }
    }
}

fn character(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        _ => match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
            _ => Err("it must be one ASCII character, or tab".to_owned()),
        },
    }
}

fn quote(text: &str) -> Result<Quote, String> {
    if text.is_empty() || text == "none" { Ok(Quote(None)) } else { character(text).map(|quote| Quote(Some(quote))) }
}

impl RowArgs {
    pub(super) fn read_options(&self) -> ReadOptions {
        let columns = self.columns.clone().map(|names| names.into_iter().filter(|name| !name.is_empty()).collect());
        ReadOptions {
            question: self.question.clone(),
            context: self.context.clone(),
            id: self.id.clone(),
            columns,
            encoding: self.text.encoding,
            window_log_max: self.text.window_log_max,
            csv: self.text.csv(),
            max_line_bytes: self.max_line_bytes.get(),
            max_json_bytes: self.text.max_json_bytes.get(),
            ..ReadOptions::default()
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Messages")]
pub(super) struct MessageArgs {
    /// No progress, no summary and no warnings; errors only
    #[arg(long, short)]
    pub quiet: bool,

    /// How messages on stderr are written
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "BERTQA_LOG_FORMAT")]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// A number of which more would ask for room that no machine has.
pub(super) fn at_most<const LIMIT: usize>(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(number) if number.get() <= LIMIT => Ok(number),
        Ok(_) => Err(format!("at most {LIMIT}")),
        Err(error) => Err(error.to_string()),
    }
}
