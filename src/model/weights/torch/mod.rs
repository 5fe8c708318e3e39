//! State dicts as `torch.save` writes them: since torch 1.6 in a zip archive, before in a sequence of pickles with the
//! numbers behind.

mod archive;
mod bytes;
mod error;
mod pickle;
mod stream;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::{Named, WeightsError, is_lfs_pointer};
use crate::engine::native::{Element, StoredTensor, Strides, WeightFile};
pub use error::StateDictError;
use pickle::Pickle;
use value::{PickledTensor, Value};

/// Of a tensor that a network asks for.
const LONGEST_NAME: usize = 1000;

/// Where the numbers of each storage lie in the file.
type Storages<'a> = HashMap<&'a str, Range<usize>>;

pub(super) fn tensors(file: &WeightFile) -> Result<Named, WeightsError> {
    let bytes = file.bytes();
    if is_lfs_pointer(bytes) {
        return Err(WeightsError::LfsPointer);
    }
    let (pickle, storages) = if bytes.starts_with(b"PK") {
        in_archive(bytes)?
    } else if bytes.starts_with(stream::MAGIC) {
        stream::read(bytes)?
    } else {
        return Err(StateDictError::NotTorch.into());
    };
    Ok(named(file, &pickle, &storages)?)
}

fn in_archive(bytes: &[u8]) -> Result<(Pickle<'_>, Storages<'_>), StateDictError> {
    const PICKLE: &str = "/data.pkl";
    let entries = archive::entries(bytes)?;
    let found = entries.iter().filter_map(|(name, range)| Some((name.strip_suffix(PICKLE)?, range.clone())));
    // There is one. Of several always the same is taken.
    let (folder, pickle) = found.min_by_key(|(folder, _)| *folder).ok_or(StateDictError::NoPickle)?;
    let mut storages = HashMap::new();
    for (name, range) in &entries {
        match name.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) {
            Some("byteorder") if &bytes[range.clone()] != b"little" => return Err(StateDictError::BigEndian),
            Some(rest) => {
                if let Some(key) = rest.strip_prefix("data/") {
                    storages.insert(key, range.clone());
                }
            }
            None => {}
        }
    }
    Ok((pickle::read(&bytes[pickle])?, storages))
}

/// The tensors of a state dict. What else is in it is left out.
fn named(file: &WeightFile, pickle: &Pickle, storages: &Storages) -> Result<Named, StateDictError> {
    let values = &pickle.values;
    let entries = values.dict(pickle.root).ok_or(StateDictError::NotADict)?;
    let tensors = entries.iter().filter_map(|(key, value)| match (values.text(*key)?, values.get(*value)) {
        (name, Value::Tensor(tensor)) if name.len() <= LONGEST_NAME => Some((name, tensor.as_ref())),
        _ => None,
    });
    // A pickle can repeat a name at no cost: only the last one counts.
    let tensors: BTreeMap<_, _> = tensors.collect();
    let (mut named, mut total) = (Vec::new(), 0usize);
    for (name, PickledTensor { storage, offset, shape, strides }) in tensors {
        let bytes = storages.get(storage.key).ok_or_else(|| StateDictError::NoStorage(name.to_owned()))?;
        if let Element::Float(float) = storage.dtype.element() {
            let count = shape.iter().try_fold(float.size(), |product, dimension| product.checked_mul(*dimension));
            // Of what is larger than its storage nothing will be read.
            total = total.saturating_add(count.filter(|count| *count <= bytes.len()).unwrap_or(0));
        }
        let stored = StoredTensor {
            file: file.clone(),
            element: storage.dtype.element(),
            bytes: bytes.clone(),
            offset: *offset,
            shape: shape.clone(),
            strides: Strides::Each(strides.clone()),
        };
        named.push((name.to_owned(), stored));
    }
    // Weights may be used in two places. In more they would take memory that the file's size does not foretell.
    if total > 2 * file.bytes().len() {
        return Err(StateDictError::Overlapping);
    }
    Ok(named)
}
