//! Remedies for errors of finding and loading models.

use std::error::Error;

use crate::model::weights::{StateDictError, WeightsError};
use crate::model::{HubError, MecabError, MecabKind, MismatchError, ModelError, ModelPart};

/// For models that run elsewhere than on the processor, in builds that cannot do it.
const BUILD: &str = "build with --features torch and a libtorch (docker/libtorch.sh)";

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let hint = match error.downcast_ref()? {
        ModelError::NoBuiltIn => "name a model with --model",
        ModelError::NotAModel(_) | ModelError::Unknown(_) => {
            "give --model a folder, a compiled model (model.pt) or a hub id such as deepset/roberta-base-squad2"
        }
        ModelError::Revision { .. } => "leave --revision out, or name a model of the hub with --model",
        ModelError::SeveralCompiled { .. } => "name the file of one of them with --model",
        ModelError::MissingFile { file, part: ModelPart::Tokenizer, .. } => {
            let or = if file == "tokenizer.json" { "" } else { ", or a tokenizer.json," };
            return Some(format!("name a folder that has it{or} with --tokenizer"));
        }
        ModelError::MissingFile { .. } => {
            "a model folder has config.json, weights (model.safetensors or pytorch_model.bin) and a tokenizer"
        }
        ModelError::Tokenizer { source, .. } => match source.source.downcast_ref() {
            Some(error) => mecab_hint(error),
            None => "if the model's files are whole, name a folder with a tokenizer.json for it with --tokenizer",
        },
        ModelError::Mismatch { source: MismatchError::Unreadable(_), .. } => {
            "if the model's files are whole, name a folder with a tokenizer.json for it with --tokenizer"
        }
        ModelError::Weights { source: WeightsError::LfsPointer, .. } => "fetch the file itself with git lfs pull",
        ModelError::Weights { source: WeightsError::StateDict(StateDictError::Global { .. }), .. } => {
            "do not use this file unless you know who made it and why; if you do, load it with torch and save its state \
             dict alone"
        }
        ModelError::Weights { .. } => "fetch the file again: it may be cut",
        ModelError::NotOnHub { .. } => {
            "check the id, and that the model has config.json, weights and a tokenizer; one that is not \
             public needs the variable HF_TOKEN"
        }
        ModelError::Fetch { source: HubError::NoCache, .. } => "set HF_HUB_CACHE to a folder",
        ModelError::Fetch { source: HubError::Cache(_), .. } => {
            "HF_HUB_CACHE or HF_HOME name the folder of the cache, which needs room and has to be writable"
        }
        ModelError::Fetch {
            source: HubError::Header { .. } | HubError::Content { .. } | HubError::Redirects(_),
            ..
        } => "check HF_ENDPOINT, and whether a proxy or a login stands between",
        ModelError::Fetch { .. } => {
            "try again later; HF_HUB_DOWNLOAD_TIMEOUT says how many seconds to wait for the hub"
        }
        ModelError::RevisionName(_) => "name a branch, tag or commit with --revision",
        ModelError::NotCached { .. } => "unset HF_HUB_OFFLINE to fetch it",
        ModelError::NoTorch(_) => BUILD,
        ModelError::Devices { .. } => {
            let then = if cfg!(feature = "torch") { String::new() } else { format!(", and {BUILD}") };
            return Some(format!(
                "leave --device out, or compile the model with docker/trace.py and name its .pt with --model{then}"
            ));
        }
        ModelError::Inputs { .. } => "leave --inputs out: it is for compiled models without a manifest",
        ModelError::Precision { compiled, .. } => {
            return Some(format!(
                "give --precision {compiled} or none, or compile the model again with docker/trace.py"
            ));
        }
        ModelError::UnknownPrecision { .. } => "leave --precision out: it runs in the one that it was compiled in",
        #[cfg(feature = "torch")]
        ModelError::Torch(error) => return super::engine::hint(error),
        _ => return None,
    };
    Some(hint.to_owned())
}

/// How to get files anew that are not as the hub has them.
pub(super) fn fetch_again(error: &(dyn Error + 'static)) -> Option<String> {
    match error.downcast_ref()? {
        ModelError::Cached { folder, .. } => {
            Some(format!("if a file is not as the hub has it, rm -r '{}' has them fetched again", folder.display()))
        }
        _ => None,
    }
}

fn mecab_hint(error: &MecabError) -> &'static str {
    match error {
        MecabError::Missing(MecabKind::Ipadic) => {
            "pip install ipadic, or apt install mecab-ipadic-utf8, or name its folder with --mecab-dict"
        }
        MecabError::Missing(MecabKind::UnidicLite) => "pip install unidic-lite, or name its folder with --mecab-dict",
        MecabError::Missing(MecabKind::Unidic) => {
            "pip install unidic and run python -m unidic download, or name its folder with --mecab-dict"
        }
        MecabError::Unnamed => "name its folder with --mecab-dict",
        MecabError::Read { .. } | MecabError::Damaged { .. } => {
            "name the folder of a compiled dictionary with --mecab-dict: it has sys.dic, unk.dic, char.bin and matrix.bin"
        }
        MecabError::Charset { .. } => "name the folder of a dictionary in UTF-8 with --mecab-dict",
    }
}
