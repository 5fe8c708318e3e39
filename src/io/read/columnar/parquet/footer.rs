//! Whether the metadata of a file are as long as their lists say: polars asks for memory by what a list says of its
//! length, and reads the levels of a schema by recursion.

use std::io::{Read, Seek, SeekFrom};

use polars::prelude::PolarsResult;
use polars_parquet::parquet::{FOOTER_SIZE, PARQUET_MAGIC};
use polars_parquet_format::thrift::protocol::{TCompactInputProtocol, TInputProtocol, TType};
use polars_parquet_format::{ColumnMetaData, RowGroup, SchemaElement, thrift};

use crate::io::read::columnar::decoder::damaged;
use crate::io::source::Blob;

/// No type that people have is nested nearly as deeply.
const DEEPEST: usize = 64;
/// Bytes of memory that the protocol's reader may ask for, by bytes of the metadata: an element of a list counts as 8,
/// and takes one at least.
const MEMORY: usize = 32;

/// Reads the metadata once, and keeps nothing of them.
pub(super) fn check(file: &mut Blob) -> PolarsResult<()> {
    // Whether they are there at all is found when they are read for good.
    let Some(metadata) = read(file)? else { return Ok(()) };
    let (schema, misplaced) =
        walk(&metadata).map_err(|error| damaged(format!("its metadata cannot be read ({error})")))?;
    if let Some((group, column)) = misplaced {
        return Err(damaged(format!("row group {group}: column `{column}` lies outside of the file")));
    }
    let mut open: Vec<i32> = Vec::new();
    for element in schema {
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        match element.num_children {
            Some(children) if children > 0 => open.push(children),
            _ => while open.pop_if(|left| *left <= 0).is_some() {},
        }
        if open.len() > DEEPEST {
            return Err(damaged("its types are nested too deeply"));
        }
    }
    Ok(())
}

fn read(file: &mut Blob) -> PolarsResult<Option<Vec<u8>>> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(end) = length.checked_sub(FOOTER_SIZE) else { return Ok(None) };
    file.seek(SeekFrom::Start(end))?;
    let (mut size, mut magic) = ([0; 4], [0; PARQUET_MAGIC.len()]);
    file.read_exact(&mut size)?;
    file.read_exact(&mut magic)?;
    let size = u64::from(u32::from_le_bytes(size));
    let Some(begin) = end.checked_sub(size).filter(|_| magic == PARQUET_MAGIC) else { return Ok(None) };
    file.seek(SeekFrom::Start(begin))?;
    let mut metadata = Vec::new();
    file.take(size).read_to_end(&mut metadata)?;
    Ok(Some(metadata))
}

/// A row group, from 1, with a column of it that lies before the file.
type Misplaced = Option<(u32, String)>;

/// The schema, once all lists are found to be as long as they say; and what is misplaced.
fn walk(metadata: &[u8]) -> thrift::Result<(Vec<SchemaElement>, Misplaced)> {
    let (mut schema, mut misplaced) = (Vec::new(), None);
    let mut protocol = TCompactInputProtocol::new(metadata, metadata.len().saturating_mul(MEMORY));
    protocol.read_struct_begin()?;
    loop {
        let field = protocol.read_field_begin()?;
        match (field.field_type, field.id) {
            (TType::Stop, _) => break,
            (_, Some(2)) => {
                for _ in 0..protocol.read_list_begin()?.size {
                    schema.push(SchemaElement::read_from_in_protocol(&mut protocol)?);
                }
            }
            (_, Some(4)) => {
                for number in 1..=protocol.read_list_begin()?.size {
                    let group = RowGroup::read_from_in_protocol(&mut protocol)?;
                    misplaced = misplaced.or_else(|| Some((number, misplaced_column(&group)?)));
                }
            }
            // Their elements are structures, whatever is said of them.
            (_, Some(5 | 7)) => {
                for _ in 0..protocol.read_list_begin()?.size {
                    protocol.skip(TType::Struct)?;
                }
            }
            (other, _) => protocol.skip(other)?,
        }
        protocol.read_field_end()?;
    }
    Ok((schema, misplaced))
}

/// The column of a row group that lies before the file.
fn misplaced_column(group: &RowGroup) -> Option<String> {
    let columns = group.columns.iter().filter_map(|column| column.meta_data.as_ref());
    let misplaced = |column: &&ColumnMetaData| {
        let dictionary = column.dictionary_page_offset.unwrap_or_default();
        column.data_page_offset.min(column.total_compressed_size).min(dictionary) < 0
    };
    columns.into_iter().find(misplaced).map(|column| column.path_in_schema.join("."))
}
