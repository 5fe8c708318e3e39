//! Whole inputs to whole outputs, through real files.

mod columnar;
mod compression;
mod csv;
mod damage;
mod json;
mod paths;
mod read;
mod shards;
mod write;

use std::fs::File;
use std::path::Path;

use polars::prelude::DataFrame;
use polars_io::SerReader;
use polars_io::ipc::IpcReader;
use polars_io::parquet::read::ParquetReader;
use tempfile::TempDir;

use super::*;
use crate::qa::{Answer, RowError};

/// A folder of its own for each test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn answer(text: &str) -> Answer {
    Answer { text: text.to_owned(), score: 0.87654, start: 3, end: 7 }
}

fn rows(inputs: &[&str], options: &ReadOptions) -> Result<Vec<InputRow>> {
    open(inputs, options)?.rows().collect()
}

/// Answers every row that can be asked with "Bell", and returns what did not fit the output.
fn run(inputs: &[&str], output: &str, read: &ReadOptions, write: &WriteOptions) -> Result<Vec<RowError>> {
    let input = open(inputs, read)?;
    let mut writer = create(output, &input, write)?;
    let mut misfits = Vec::new();
    for row in input.rows() {
        let InputRow { position, record, example } = row?;
        let answers = example.map(|_| [answer("Bell"), answer("Watson")].into_iter().take(write.top_k).collect());
        misfits.extend(writer.write(Answered { row: Row { position, record }, answers })?);
    }
    writer.finish()?;
    Ok(misfits)
}

fn run_default(inputs: &[&str], output: &str) -> Result<Vec<RowError>> {
    run(inputs, output, &ReadOptions::default(), &WriteOptions::default())
}

fn frame(path: &str) -> DataFrame {
    let file = File::open(Path::new(path)).unwrap();
    let frame =
        if path.ends_with(".parquet") { ParquetReader::new(file).finish() } else { IpcReader::new(file).finish() };
    frame.unwrap()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}
