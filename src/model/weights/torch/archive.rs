//! The zip archives that torch writes: nothing in them is compressed, so that their entries are parts of the file.

use std::collections::HashMap;
use std::ops::Range;

use super::StateDictError;
use super::bytes::Bytes;

const END: &[u8] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
const LONGEST_COMMENT: usize = u16::MAX as usize;
const END64_LOCATOR: &[u8] = b"PK\x06\x07";
const END64_LOCATOR_LENGTH: usize = 20;
const END64: &[u8] = b"PK\x06\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
/// Stands where a number is too large for four bytes, and follows in eight.
const IN_EXTRA: u32 = u32::MAX;
/// The extra field with these numbers.
const EXTRA64: u16 = 1;
const ENCRYPTED: u16 = 1;

/// Where each entry of an archive lies in the file.
pub(super) type Entries<'a> = HashMap<&'a str, Range<usize>>;

pub(super) fn entries(file: &[u8]) -> Result<Entries<'_>, StateDictError> {
    let (mut directory, count) = directory(file).ok_or(StateDictError::Zip)?;
    let mut entries = HashMap::new();
    for _ in 0..count {
        let Entry { name, is_stored, header, size } = entry(&mut directory).ok_or(StateDictError::Zip)?;
        if !is_stored {
            return Err(StateDictError::Compressed(name.to_owned()));
        }
        entries.insert(name, content(file, header, size).ok_or(StateDictError::Zip)?);
    }
    Ok(entries)
}

/// The directory at the end of the file, and how many entries it has.
fn directory(file: &[u8]) -> Option<(Bytes<'_>, u64)> {
    let last = file.len().checked_sub(END_LENGTH)?;
    let end = (last.saturating_sub(LONGEST_COMMENT)..=last).rev().find(|at| file[*at..].starts_with(END))?;
    let mut bytes = Bytes::new(file, end + END.len());
    // Numbers of disks, and the entries on this one.
    bytes.take(6)?;
    let (mut count, _size, mut start) = (u64::from(bytes.u16()?), bytes.u32()?, u64::from(bytes.u32()?));
    if let Some(locator) = end.checked_sub(END64_LOCATOR_LENGTH)
        && file[locator..].starts_with(END64_LOCATOR)
    {
        let mut bytes = Bytes::new(file, locator + END64_LOCATOR.len() + 4);
        let mut bytes = Bytes::new(file, bytes.size()?);
        if bytes.take(END64.len())? != END64 {
            return None;
        }
        // Its length, versions, numbers of disks, and the entries on this one.
        bytes.take(8 + 2 + 2 + 4 + 4 + 8)?;
        count = bytes.u64()?;
        bytes.u64()?;
        start = bytes.u64()?;
    }
    Some((Bytes::new(file, start.try_into().ok()?), count))
}

/// An entry of the directory.
struct Entry<'a> {
    name: &'a str,
    /// As it is, neither compressed nor encrypted.
    is_stored: bool,
    /// Where its own header is.
    header: usize,
    size: usize,
}

fn entry<'a>(bytes: &mut Bytes<'a>) -> Option<Entry<'a>> {
    if bytes.take(ENTRY.len())? != ENTRY {
        return None;
    }
    // Versions.
    bytes.take(4)?;
    let (flags, method) = (bytes.u16()?, bytes.u16()?);
    // Time, date and checksum.
    bytes.take(8)?;
    let (compressed, size) = (bytes.u32()?, bytes.u32()?);
    let (name, extra, comment) = (bytes.u16()?, bytes.u16()?, bytes.u16()?);
    // Disk and attributes.
    bytes.take(8)?;
    let header = bytes.u32()?;
    let name = std::str::from_utf8(bytes.take(name.into())?).ok()?;
    let mut extra = extra64(bytes.take(extra.into())?);
    bytes.take(comment.into())?;
    let mut number = |short: u32| match short {
        IN_EXTRA => extra.as_mut()?.size(),
        _ => short.try_into().ok(),
    };
    let (size, compressed, header) = (number(size)?, number(compressed)?, number(header)?);
    let is_stored = method == 0 && flags & ENCRYPTED == 0 && compressed == size;
    Some(Entry { name, is_stored, header, size })
}

/// The numbers of an entry that are too large for four bytes.
fn extra64(fields: &[u8]) -> Option<Bytes<'_>> {
    let mut fields = Bytes::new(fields, 0);
    loop {
        let (id, length) = (fields.u16()?, fields.u16()?);
        let field = fields.take(length.into())?;
        if id == EXTRA64 {
            return Some(Bytes::new(field, 0));
        }
    }
}

/// Behind its header, whose length the directory does not know.
fn content(file: &[u8], header: usize, size: usize) -> Option<Range<usize>> {
    let mut bytes = Bytes::new(file, header);
    if bytes.take(LOCAL_HEADER.len())? != LOCAL_HEADER {
        return None;
    }
    bytes.take(22)?;
    let (name, extra) = (bytes.u16()?, bytes.u16()?);
    bytes.take(usize::from(name) + usize::from(extra))?;
    let start = bytes.at();
    bytes.take(size)?;
    Some(start..bytes.at())
}
