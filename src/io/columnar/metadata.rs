//! What a file with typed columns says of itself: names and texts.

use std::collections::BTreeMap;

use polars::prelude::PlSmallStr;

/// Names and texts of a file. What tools put there may describe the columns; that is not true of other columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata(BTreeMap<String, String>);

/// Types of Arrow, which each file has for itself.
const ARROW_SCHEMA: &str = "ARROW:schema";

impl Metadata {
    /// The entries of a file with these columns that say nothing of any of them, as those of pandas, Spark, Avro and
    /// `datasets` do.
    pub(crate) fn new<'a>(
        entries: impl Iterator<Item = (String, String)>,
        columns: impl Iterator<Item = &'a str>,
    ) -> Self {
        let columns: Vec<String> = columns.filter_map(|column| serde_json::to_string(column).ok()).collect();
        let is_free = |text: &str| {
            // JSON may stand in a string of JSON.
            let text = text.replace('\\', "");
            !columns.iter().any(|column| text.contains(column.as_str()))
        };
        Self(entries.filter(|(name, text)| name != ARROW_SCHEMA && is_free(text)).collect())
    }

    /// Keeps what another file says too.
    pub(crate) fn join(&mut self, other: &Self) {
        self.0.retain(|name, text| other.0.get(name) == Some(text));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PlSmallStr, PlSmallStr)> {
        self.0.iter().map(|(name, text)| (name.as_str().into(), text.as_str().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_describes_columns_is_left_out() {
        let entries = [
            ("origin", "crawl of \"May\""),
            ("version", "3"),
            ("ARROW:schema", "/////w=="),
            ("pandas", r#"{"columns": [{"name": "id"}]}"#),
            ("spark", r#""{\"fields\":[{\"name\":\"context\"}]}""#),
        ];
        let entries = |count: usize| entries.into_iter().take(count).map(|(a, b)| (a.to_owned(), b.to_owned()));
        let columns = ["id", "context"];
        let mut metadata = Metadata::new(entries(5), columns.into_iter());
        assert_eq!(metadata, Metadata::new(entries(2), [].into_iter()));
        metadata.join(&Metadata::new(entries(1), [].into_iter()));
        assert_eq!(metadata.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["origin"]);
    }
}
