//! Columns that stand in the names of folders: `year=2024/month=01/part.parquet`.

use std::path::Path;

use super::Source;

/// A column of all rows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) name: String,
    pub(crate) value: PartitionValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PartitionValue {
    Null,
    Integer(i64),
    Text(String),
}

/// What Hive calls the folder of rows without a value.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The columns that the folders of a path name; all are text until [`infer_types`] has seen them.
pub(crate) fn of(path: &Path) -> Vec<Partition> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    let names = folders.filter_map(|folder| folder.as_os_str().to_str()?.split_once('='));
    let columns = names.filter(|(name, _)| !name.is_empty()).map(|(name, value)| Partition {
        name: decoded(name),
        value: if value == NULL { PartitionValue::Null } else { PartitionValue::Text(decoded(value)) },
    });
    columns.collect()
}

/// Makes the columns integers that have nothing else in any file.
pub(crate) fn infer_types(sources: &mut [Source]) {
    let integer = |text: &str| text.parse().ok().filter(|integer: &i64| integer.to_string() == text);
    let mut texts = std::collections::HashSet::new();
    for Partition { name, value } in sources.iter().flat_map(|source| &source.partitions) {
        if let PartitionValue::Text(text) = value
            && integer(text).is_none()
        {
            texts.insert(name.clone());
        }
    }
    for Partition { name, value } in sources.iter_mut().flat_map(|source| &mut source.partitions) {
        if let PartitionValue::Text(text) = value
            && !texts.contains(name)
            && let Some(integer) = integer(text)
        {
            *value = PartitionValue::Integer(integer);
        }
    }
}

/// With `%20` and the like as what they stand for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match hex {
            Some(escaped) if byte == b'%' => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
