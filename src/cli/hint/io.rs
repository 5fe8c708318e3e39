//! Remedies for errors of input and output.

use std::error::Error;

use crate::io::{self, ColumnRole};

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let remedy = match error.downcast_ref()? {
        io::Error::NoInput => "name files, globs, folders, or `-` for standard input",
        io::Error::UnknownInputFormat(_) => "name the format with --input-format",
        io::Error::UnknownOutputFormat(_) => "name the format with --output-format",
        io::Error::MixedLayouts => "run them apart",
        io::Error::DifferentColumns { .. } => "run them apart, or choose common columns with --columns",
        io::Error::MissingColumn { role, .. } | io::Error::NotText { role, .. } => {
            return Some(format!("name the right column with {}", flag(*role)));
        }
        io::Error::NameClash(_) => {
            "give the answers other names, as with --prefix predicted_, or leave the column out with --columns"
        }
        io::Error::Binary { .. } => "write Parquet or Arrow, or leave the column out with --columns",
        io::Error::UnsupportedType { .. } | io::Error::UnreadableType { .. } | io::Error::UnknownTimeZone { .. } => {
            "leave the column out: name those to carry along with --columns"
        }
        io::Error::NoSheet { .. } => "name one of them, or its number, with --sheet",
        io::Error::WorkbookTooLarge { .. } => "save the sheet as CSV",
        io::Error::Read { source, .. } | io::Error::ReadOnLine { source, .. } if io::is_window_too_large(source) => {
            "allow it, and the memory that it takes, with --window-log-max 31"
        }
        io::Error::JsonTooLarge { .. } => {
            "make it JSON Lines, a row or a SQuAD article a line, as with `jq -c .data[]`, or allow it, and a few times as \
             much memory, with --max-json-bytes"
        }
        io::Error::SourceFileClash { .. } => "give the column another name, as with --source-file=input",
        io::Error::LfsPointer(_) => "fetch the file itself with git lfs pull",
        io::Error::NoRows { .. } => "name the columns with --question and --context",
        io::Error::Leftover { .. } => "go on from there with --resume, or begin anew with --force",
        io::Error::RunChanged { .. }
        | io::Error::PartChanged { .. }
        | io::Error::RowChanged { .. }
        | io::Error::RowsMissing { .. } => "begin anew with --force, or write to another file",
        io::Error::NoStores { .. } => "build it with --features stores; the Python package and the images have them",
        io::Error::OutputExists(_) => "overwrite it with --force, or write to another file",
        _ => return None,
    };
    Some(remedy.to_owned())
}

fn flag(role: ColumnRole) -> &'static str {
    match role {
        ColumnRole::Question => "--question",
        ColumnRole::Context => "--context",
        ColumnRole::Id => "--id",
        ColumnRole::Carried => "--columns",
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;
    use crate::io::{ReadOptions, WriteOptions};

    #[test]
    fn a_remedy_is_found_under_the_context_of_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("in.csv"), "question,context,answer\n").unwrap();
        std::fs::write(at("in.txt"), "").unwrap();
        let open = |name: &str, options: &ReadOptions| io::open(&[at(name)], options);
        let hint = |error: io::Error| {
            let failure = Err::<(), _>(error).context("cannot start").unwrap_err();
            (super::super::of(&failure).unwrap(), format!("{failure:#}"))
        };
        let defaults = ReadOptions::default();
        let input = open("in.csv", &defaults).unwrap();
        let clash = io::create(at("out.jsonl"), &input, &WriteOptions::default()).err().unwrap();
        let unknown = io::create(at("out"), &input, &WriteOptions::default()).err().unwrap();
        let prefixed = WriteOptions { prefix: Some("p_".to_owned()), ..WriteOptions::default() };
        std::fs::write(at("there.jsonl"), "").unwrap();
        let there = io::create(at("there.jsonl"), &input, &prefixed).err().unwrap();
        for (error, flag) in [
            (open("in.txt", &defaults).err().unwrap(), "--input-format"),
            (open("in.csv", &ReadOptions { id: Some("id".to_owned()), ..defaults.clone() }).err().unwrap(), "--id"),
            (clash, "--prefix"),
            (unknown, "--output-format"),
            (there, "--force"),
        ] {
            let (hint, message) = hint(error);
            assert!(hint.contains(flag), "{hint}");
            assert!(!message.contains("--"), "{message}");
        }
    }
}
