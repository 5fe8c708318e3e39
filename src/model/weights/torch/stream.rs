//! The format before torch 1.6: pickles of a magic number, the version, the machine, the state dict and the names of its
//! storages, then the length and the numbers of each storage in this order.

use std::collections::HashMap;

use super::bytes::Bytes;
use super::pickle::{self, Pickle};
use super::value::Value;
use super::{StateDictError, Storages};

/// The pickle of the magic number.
pub(super) const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

pub(super) fn read(file: &[u8]) -> Result<(Pickle<'_>, Storages<'_>), StateDictError> {
    let mut at = MAGIC.len();
    let mut next = || -> Result<Pickle<'_>, StateDictError> {
        let pickle = pickle::read(&file[at..])?;
        at += pickle.length;
        Ok(pickle)
    };
    let (_version, machine, saved, keys) = (next()?, next()?, next()?, next()?);
    if is_big_endian(&machine) {
        return Err(StateDictError::BigEndian);
    }
    let storages = storages(&saved, &keys, Bytes::new(file, at)).ok_or(StateDictError::Storages)?;
    Ok((saved, storages))
}

fn is_big_endian(machine: &Pickle) -> bool {
    machine.values.dict(machine.root).is_some_and(|entries| {
        entries.iter().any(|(key, value)| {
            machine.values.text(*key) == Some("little_endian")
                && matches!(machine.values.get(*value), Value::Bool(false))
        })
    })
}

fn storages<'a>(saved: &Pickle<'a>, keys: &Pickle<'a>, mut bytes: Bytes<'a>) -> Option<Storages<'a>> {
    let sizes: HashMap<_, _> = saved
        .values
        .iter()
        .filter_map(|value| match value {
            Value::Storage(storage) => Some((storage.key, storage.dtype.size)),
            _ => None,
        })
        .collect();
    let mut storages = HashMap::new();
    for key in keys.values.sequence(keys.root)? {
        let key = keys.values.text(*key)?;
        let length = bytes.size()?.checked_mul(*sizes.get(key)?)?;
        let start = bytes.at();
        bytes.take(length)?;
        storages.insert(key, start..bytes.at());
    }
    Some(storages)
}
