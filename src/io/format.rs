use std::path::Path;

use super::compression::Compression;

/// How rows are laid out in an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum InputFormat {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values under a header
    Csv,
    /// Apache Parquet
    Parquet,
    /// Arrow IPC, file or stream (Feather version 2)
    Arrow,
    /// JSON as SQuAD lays it out: articles, paragraphs, questions
    Squad,
}

impl InputFormat {
    /// The extensions that [`Self::from_path`] knows, for messages.
    pub const EXTENSIONS: &str =
        ".jsonl, .ndjson, .csv, .json (SQuAD), each also with .zst or .gz, .parquet, .arrow, .feather, .ipc";

    /// The format that a file's name promises.
    pub fn from_path(path: &Path) -> Option<Self> {
        let (extension, compression) = extensions(path)?;
        let format = match extension.as_str() {
            "jsonl" | "ndjson" => Self::Jsonl,
            "csv" => Self::Csv,
            "parquet" => Self::Parquet,
            "arrow" | "feather" | "ipc" => Self::Arrow,
            "json" => Self::Squad,
            _ => return None,
        };
        (compression == Compression::None || !format.is_typed()).then_some(format)
    }

    /// Whether rows come as typed frames rather than as text.
    pub(super) fn is_typed(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

/// How rows are laid out in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values under a header
    Csv,
    /// Apache Parquet, compressed with Zstandard
    Parquet,
    /// Arrow IPC file (Feather version 2)
    Arrow,
}

impl OutputFormat {
    /// The extensions that [`Self::from_path`] knows, for messages.
    pub const EXTENSIONS: &str = ".jsonl, .ndjson, .csv, each also with .zst or .gz, .parquet, .arrow, .feather, .ipc";

    /// The format that a file's name promises.
    pub fn from_path(path: &Path) -> Option<Self> {
        match InputFormat::from_path(path)? {
            InputFormat::Jsonl => Some(Self::Jsonl),
            InputFormat::Csv => Some(Self::Csv),
            InputFormat::Parquet => Some(Self::Parquet),
            InputFormat::Arrow => Some(Self::Arrow),
            InputFormat::Squad => None,
        }
    }
}

/// The extension in lower case, and the compression that a second one names.
fn extensions(path: &Path) -> Option<(String, Compression)> {
    let compression = Compression::from_path(path);
    let name = match compression {
        Compression::None => path.file_name()?,
        Compression::Gzip | Compression::Zstd => path.file_stem()?,
    };
    let extension = Path::new(name).extension()?.to_str()?.to_ascii_lowercase();
    Some((extension, compression))
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
        assert_eq!(format("dev-v1.1.json"), Some(InputFormat::Squad));
        assert_eq!(format("b.parquet.gz"), None);
        assert_eq!(format("b.txt"), None);
        assert_eq!(format(".csv"), None);
        assert_eq!(OutputFormat::from_path(Path::new("b.ipc")), Some(OutputFormat::Arrow));
        assert_eq!(OutputFormat::from_path(Path::new("b.json")), None);
    }
}
