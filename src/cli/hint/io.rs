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
        io::Error::Binary(_) => "write Parquet or Arrow, or leave the column out with --columns",
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
