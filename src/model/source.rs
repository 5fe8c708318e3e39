use std::fmt;
use std::path::{Path, PathBuf};

use super::{ModelError, folder, hub};

/// Which model to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The built-in model.
    Bundled,
    /// A folder with config.json, weights and a tokenizer.
    Folder(PathBuf),
    /// The file NAME.pt of a compiled model.
    Compiled(PathBuf),
    /// A model of the Hugging Face hub.
    Hub { id: String, revision: Option<String> },
}

/// The built-in model's name, for where one has to be given.
const BUILT_IN: &str = "default";

impl Source {
    /// What `model` names: the built-in model, a folder or a compiled file if there is one, else a hub id.
    ///
    /// # Errors
    /// If it can be neither.
    pub(super) fn parse(model: Option<&str>, revision: Option<&str>) -> Result<Self, ModelError> {
        let revision = revision.map(str::to_owned);
        let source = match model {
            None | Some(BUILT_IN) => Self::Bundled,
            Some(path) if Path::new(path).is_dir() => match folder::compiled(Path::new(path))? {
                Some(file) => Self::Compiled(file),
                None => Self::Folder(path.into()),
            },
            Some(path) if path.ends_with(".pt") && Path::new(path).exists() => Self::Compiled(path.into()),
            Some(path) if Path::new(path).exists() => return Err(ModelError::NotAModel(path.into())),
            Some(id) if hub::is_id(id) => return Ok(Self::Hub { id: id.to_owned(), revision }),
            Some(name) => return Err(ModelError::Unknown(name.to_owned())),
        };
        if revision.is_some() {
            return Err(ModelError::Revision { model: source.to_string() });
        }
        Ok(source)
    }
}

impl Source {
    /// An error of loading it, with where its files are if they were fetched.
    pub(super) fn explain(&self, error: ModelError) -> ModelError {
        match self {
            Self::Hub { id, revision } if error.is_of_files() => hub::cached(id, revision.as_deref(), error),
            _ => error,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.write_str("the built-in model"),
            Self::Folder(path) | Self::Compiled(path) => path.display().fmt(f),
            Self::Hub { id, revision: None } => f.write_str(id),
            Self::Hub { id, revision: Some(revision) } => write!(f, "{id} at {revision}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_model_has_a_name() {
        for model in [None, Some("default")] {
            assert_eq!(Source::parse(model, None).unwrap(), Source::Bundled);
        }
        let hub = Source::Hub { id: "org/default".to_owned(), revision: None };
        assert_eq!(Source::parse(Some("org/default"), None).unwrap(), hub);
        assert!(matches!(Source::parse(Some("default"), Some("main")), Err(ModelError::Revision { .. })));
    }
}
