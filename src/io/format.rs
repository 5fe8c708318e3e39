//! The formats: one table, from which all that depends on a format is derived.

use std::path::Path;

use serde::Serialize;

/// How rows are laid out in an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum InputFormat {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values under a header; other delimiters are found out from it
    Csv,
    /// Tab-separated values under a header
    Tsv,
    /// Apache Parquet
    Parquet,
    /// Arrow IPC, file or stream (Feather version 2)
    Arrow,
    /// Arrow IPC, stream or file
    ArrowStream,
    /// JSON: SQuAD's articles and paragraphs, a list of rows, a row a line, exports of label tools
    #[cfg_attr(feature = "cli", value(alias = "squad"))]
    Json,
    /// A sheet of an Excel workbook
    Xlsx,
    /// A sheet of an OpenDocument spreadsheet
    Ods,
}

/// How rows are laid out in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum OutputFormat {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values under a header
    Csv,
    /// Tab-separated values under a header
    Tsv,
    /// Apache Parquet, compressed with Zstandard
    Parquet,
    /// Arrow IPC file (Feather version 2)
    Arrow,
    /// Arrow IPC stream, which is read while it is written
    ArrowStream,
}

/// A row of the table.
struct Format {
    /// For messages.
    name: &'static str,
    /// In lower case; the first is the usual one.
    extensions: &'static [&'static str],
    /// The first is the usual one.
    media_types: &'static [&'static str],
    layout: Layout,
    /// Whether a file may be compressed as a whole, with `.gz` and the like after its extension.
    is_compressible: bool,
    /// Under which name it can be read.
    input: Option<InputFormat>,
    /// Under which name it can be written.
    output: Option<OutputFormat>,
}

/// Rows one after the other as text, columns with types, or cells of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Text(TextFormat),
    Columnar(ColumnarFormat),
    Sheet(SheetFormat),
}

/// The formats that are read from beginning to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextFormat {
    Jsonl,
    /// CSV and its kin, with what usually stands between fields.
    Delimited(u8),
    Json,
}

/// The formats whose columns have types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnarFormat {
    Parquet,
    Arrow,
    ArrowStream,
}

/// The formats of spreadsheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SheetFormat {
    Xlsx,
    Ods,
}

impl From<ColumnarFormat> for InputFormat {
    fn from(format: ColumnarFormat) -> Self {
        match format {
            ColumnarFormat::Parquet => Self::Parquet,
            ColumnarFormat::Arrow => Self::Arrow,
            ColumnarFormat::ArrowStream => Self::ArrowStream,
        }
    }
}

impl From<SheetFormat> for InputFormat {
    fn from(format: SheetFormat) -> Self {
        match format {
            SheetFormat::Xlsx => Self::Xlsx,
            SheetFormat::Ods => Self::Ods,
        }
    }
}

static JSONL: Format = Format {
    name: "JSONL",
    extensions: &["jsonl", "ndjson"],
    media_types: &["application/x-ndjson", "application/ndjson", "application/jsonlines", "application/jsonl"],
    layout: Layout::Text(TextFormat::Jsonl),
    is_compressible: true,
    input: Some(InputFormat::Jsonl),
    output: Some(OutputFormat::Jsonl),
};

static CSV: Format = Format {
    name: "CSV",
    extensions: &["csv"],
    media_types: &["text/csv"],
    layout: Layout::Text(TextFormat::Delimited(b',')),
    is_compressible: true,
    input: Some(InputFormat::Csv),
    output: Some(OutputFormat::Csv),
};

/// Its media type, `application/json`, says nothing of what is in the JSON.
static TSV: Format = Format {
    name: "TSV",
    extensions: &["tsv", "tab"],
    media_types: &["text/tab-separated-values"],
    layout: Layout::Text(TextFormat::Delimited(b'\t')),
    is_compressible: true,
    input: Some(InputFormat::Tsv),
    output: Some(OutputFormat::Tsv),
};

static JSON: Format = Format {
    name: "JSON",
    extensions: &["json"],
    media_types: &[],
    layout: Layout::Text(TextFormat::Json),
    is_compressible: true,
    input: Some(InputFormat::Json),
    output: None,
};

static PARQUET: Format = Format {
    name: "Parquet",
    extensions: &["parquet"],
    media_types: &["application/vnd.apache.parquet"],
    layout: Layout::Columnar(ColumnarFormat::Parquet),
    is_compressible: false,
    input: Some(InputFormat::Parquet),
    output: Some(OutputFormat::Parquet),
};

static ARROW: Format = Format {
    name: "Arrow IPC",
    extensions: &["arrow", "feather", "ipc"],
    media_types: &["application/vnd.apache.arrow.file"],
    layout: Layout::Columnar(ColumnarFormat::Arrow),
    is_compressible: false,
    input: Some(InputFormat::Arrow),
    output: Some(OutputFormat::Arrow),
};

/// Which of the two an input is, its first bytes say.
static ARROW_STREAM: Format = Format {
    name: "Arrow IPC stream",
    extensions: &["arrows"],
    media_types: &["application/vnd.apache.arrow.stream"],
    layout: Layout::Columnar(ColumnarFormat::ArrowStream),
    is_compressible: false,
    input: Some(InputFormat::ArrowStream),
    output: Some(OutputFormat::ArrowStream),
};

static XLSX: Format = Format {
    name: "Excel",
    extensions: &["xlsx", "xlsm"],
    media_types: &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
    layout: Layout::Sheet(SheetFormat::Xlsx),
    is_compressible: false,
    input: Some(InputFormat::Xlsx),
    output: None,
};

static ODS: Format = Format {
    name: "OpenDocument",
    extensions: &["ods"],
    media_types: &["application/vnd.oasis.opendocument.spreadsheet"],
    layout: Layout::Sheet(SheetFormat::Ods),
    is_compressible: false,
    input: Some(InputFormat::Ods),
    output: None,
};

/// The table.
static FORMATS: [&Format; 9] = [&JSONL, &CSV, &TSV, &JSON, &PARQUET, &ARROW, &ARROW_STREAM, &XLSX, &ODS];

impl InputFormat {
    /// The format that a file's name promises.
    pub fn from_path(path: &Path) -> Option<Self> {
        from_path(path, READ)?.input
    }

    /// The format that a media type (MIME type) names, in lower case and without parameters.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        FORMATS.iter().find(|format| format.media_types.contains(&media_type))?.input
    }

    /// The extensions that [`Self::from_path`] knows, for messages.
    pub fn extensions() -> String {
        extensions(|format| format.input.is_some(), READ)
    }

    /// What messages call it.
    pub fn name(self) -> &'static str {
        self.format().name
    }

    /// Whether it can be read from beginning to end, as [`read_stream`](super::read_stream) does.
    pub fn is_streamable(self) -> bool {
        self.layout().is_text()
    }

    pub(crate) fn layout(self) -> Layout {
        self.format().layout
    }

    /// The names of the formats of some layouts, for messages.
    pub(crate) fn names(layouts: impl Fn(Layout) -> bool) -> String {
        let formats = FORMATS.iter().filter(|format| format.input.is_some() && layouts(format.layout));
        formats.map(|format| format.name).collect::<Vec<_>>().join(", ")
    }

    fn format(self) -> &'static Format {
        match self {
            Self::Jsonl => &JSONL,
            Self::Csv => &CSV,
            Self::Tsv => &TSV,
            Self::Parquet => &PARQUET,
            Self::Arrow => &ARROW,
            Self::ArrowStream => &ARROW_STREAM,
            Self::Json => &JSON,
            Self::Xlsx => &XLSX,
            Self::Ods => &ODS,
        }
    }
}

impl OutputFormat {
    /// The format that a file's name promises.
    pub fn from_path(path: &Path) -> Option<Self> {
        from_path(path, WRITTEN)?.output
    }

    /// The extensions that [`Self::from_path`] knows, for messages.
    pub fn extensions() -> String {
        extensions(|format| format.output.is_some(), WRITTEN)
    }

    /// What messages call it.
    pub fn name(self) -> &'static str {
        self.format().name
    }

    pub(crate) fn is_text(self) -> bool {
        self.format().layout.is_text()
    }

    /// Whether a file may be compressed as a whole.
    pub(crate) fn is_compressible(self) -> bool {
        self.format().is_compressible
    }

    fn format(self) -> &'static Format {
        match self {
            Self::Jsonl => &JSONL,
            Self::Csv => &CSV,
            Self::Tsv => &TSV,
            Self::Parquet => &PARQUET,
            Self::Arrow => &ARROW,
            Self::ArrowStream => &ARROW_STREAM,
        }
    }
}

impl Layout {
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text(_))
    }

    pub(crate) fn is_columnar(self) -> bool {
        matches!(self, Self::Columnar(_))
    }
}

fn from_path(path: &Path, compressions: &[&str]) -> Option<&'static Format> {
    let is_compressed = has_extension(path, compressions);
    let name = if is_compressed { path.file_stem()? } else { path.file_name()? };
    let extension = Path::new(name).extension()?.to_str()?.to_ascii_lowercase();
    let format = FORMATS.iter().find(|format| format.extensions.contains(&extension.as_str()))?;
    (!is_compressed || format.is_compressible).then_some(*format)
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.iter().any(|other| extension.eq_ignore_ascii_case(other)))
}

/// The extensions of some formats: `.a, .b, each also with .zst or .gz, .c`.
fn extensions(formats: impl Fn(&Format) -> bool, compressions: &[&str]) -> String {
    let formats = &formats;
    let list = |is_compressible: bool| {
        FORMATS
            .iter()
            .filter(move |format| formats(format) && format.is_compressible == is_compressible)
            .flat_map(|format| format.extensions.iter().map(|extension| format!(".{extension}")))
    };
    let mut also = String::new();
    for (place, extension) in compressions.iter().enumerate() {
        let between = match place {
            0 => "each also with ",
            place if place + 1 == compressions.len() => " or ",
            _ => ", ",
        };
        also += &format!("{between}.{extension}");
    }
    list(true).chain([also]).chain(list(false)).collect::<Vec<_>>().join(", ")
}

/// Last extensions of compressed texts that can be read; which it is, their first bytes say.
const READ: &[&str] = &["zst", "gz", "bz2", "xz"];
/// Last extensions of compressed texts that can be written.
const WRITTEN: &[&str] = &["zst", "gz"];

/// Whether a file's last extension is that of a compressed text.
pub(crate) fn is_compressed(path: &Path) -> bool {
    has_extension(path, READ)
}

/// How a text is compressed as a whole that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// The compression that a file's last extension names.
    pub(crate) fn from_path(path: &Path) -> Self {
        if has_extension(path, &["gz"]) {
            Self::Gzip
        } else if has_extension(path, &["zst"]) {
            Self::Zstd
        } else {
            Self::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_come_from_extensions() {
        let format = |name: &str| InputFormat::from_path(Path::new(name));
        assert_eq!(format("a/b.JSONL"), Some(InputFormat::Jsonl));
        assert_eq!(format("b.ndjson.gz"), Some(InputFormat::Jsonl));
        assert_eq!(format("b.csv.zst"), Some(InputFormat::Csv));
        assert_eq!(format("b.feather"), Some(InputFormat::Arrow));
        assert_eq!(format("dev-v1.1.json"), Some(InputFormat::Json));
        assert_eq!(format("b.csv.BZ2"), Some(InputFormat::Csv));
        assert_eq!(format("b.json.xz"), Some(InputFormat::Json));
        assert_eq!(format("b.xlsx"), Some(InputFormat::Xlsx));
        assert_eq!(format("b.parquet.gz"), None);
        assert_eq!(format("b.txt"), None);
        assert_eq!(format(".csv"), None);
        assert_eq!(OutputFormat::from_path(Path::new("b.ipc")), Some(OutputFormat::Arrow));
        assert_eq!(OutputFormat::from_path(Path::new("b.json")), None);
        assert_eq!(OutputFormat::from_path(Path::new("b.jsonl.xz")), None);
    }

    #[test]
    fn formats_come_from_media_types() {
        assert_eq!(InputFormat::from_media_type("application/jsonl"), Some(InputFormat::Jsonl));
        assert_eq!(InputFormat::from_media_type("text/csv"), Some(InputFormat::Csv));
        assert_eq!(InputFormat::from_media_type("application/json"), None);
        assert!(!InputFormat::from_media_type("application/vnd.apache.parquet").unwrap().is_streamable());
    }

    #[test]
    fn the_table_leads_back_to_itself() {
        for format in FORMATS {
            assert!(format.input.is_none_or(|input| std::ptr::eq(input.format(), format)), "{}", format.name);
            assert!(format.output.is_none_or(|output| std::ptr::eq(output.format(), format)), "{}", format.name);
        }
    }

    #[test]
    fn extensions_are_listed_for_messages() {
        let inputs = ".jsonl, .ndjson, .csv, .tsv, .tab, .json, each also with .zst, .gz, .bz2 or .xz, .parquet, .arrow, \
            .feather, .ipc, .arrows, .xlsx, .xlsm, .ods";
        assert_eq!(InputFormat::extensions(), inputs);
        let outputs = inputs
            .replace(" .json,", "")
            .replace(".zst, .gz, .bz2 or .xz", ".zst or .gz")
            .replace(", .xlsx, .xlsm, .ods", "");
        assert_eq!(OutputFormat::extensions(), outputs);
    }
}
