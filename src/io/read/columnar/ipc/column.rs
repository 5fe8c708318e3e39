//! A column of Arrow IPC, as it lies in the messages.
//!
//! polars' decoder knows most types, and of those that it does not know, runs and list views are read here: what they
//! are made of are columns that it knows. Any other is left out, by the number of its parts.

use std::io::BufReader;
use std::ops::Range;
use std::sync::Arc;

use polars::prelude::{AnyValue, ArrowSchema, Column, DataFrame, DataType, IdxCa, PolarsResult, Series};
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray};
use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_arrow::io::ipc::format::ipc::planus::{Builder, ReadAsRoot};
use polars_arrow::io::ipc::format::ipc::{
    self as format, Buffer, Endianness, FieldNode, MessageHeader, MetadataVersion, RecordBatch, RecordBatchRef, Type,
};
use polars_arrow::io::ipc::read::common::read_record_batch;
use polars_arrow::io::ipc::read::{Dictionaries, deserialize_schema};
use polars_arrow::io::ipc::{IpcField, IpcSchema};
use polars_arrow::record_batch::RecordBatchT;

use super::buffers::Unpacked;
use crate::io::read::columnar::decoder::{damaged, guarded, storage};
use crate::io::source::Blob;

/// Values that are repeated come to no more than that in a record batch: a few bytes could otherwise fill any memory.
const MOST_REPEATED: usize = 1 << 24;

/// How a column is read.
pub(super) enum Reading {
    /// By polars.
    Plain(Part),
    /// A dictionary with signed keys, which pandas gives rows without a value too.
    Dictionary { keys: Part, categories: Part },
    /// Run-end encoded: for each run its end, and its value.
    Runs { ends: Part, values: Part },
    /// For each row where its values begin among all values, and how many they are.
    ListView { starts: Part, sizes: Part, values: Part },
    /// A type that is not known, or has such a type inside.
    Unknown(String),
}

/// A column of a type that polars knows.
pub(super) struct Part {
    schema: ArrowSchema,
    ipc: IpcSchema,
}

/// What is read besides the column's own buffers.
pub(super) struct Context<'a> {
    pub(super) reader: &'a mut BufReader<Blob>,
    pub(super) dictionaries: &'a Dictionaries,
    pub(super) version: MetadataVersion,
    /// Where the buffers lie in the file.
    pub(super) body: Range<u64>,
}

impl Part {
    fn new(field: &format::Field, endianness: Endianness) -> PolarsResult<Self> {
        if odd(field).or_else(|| inner_odd(field)).is_some() {
            return Err(damaged("a type is not known"));
        }
        let schema = format::Schema { endianness, fields: Some(vec![field.clone()]), ..Default::default() };
        let header = Some(MessageHeader::Schema(Box::new(schema)));
        let message = format::Message { version: MetadataVersion::V5, header, ..Default::default() };
        let mut builder = Builder::new();
        let (schema, ipc, _) = guarded(|| deserialize_schema(builder.finish(message, None)))?;
        let schema = schema.iter_values().map(storage).map(|field| (field.name.clone(), field)).collect();
        Ok(Self { schema, ipc })
    }

    /// Integers of `bits`, in which runs and list views count.
    fn integers(bits: i32, endianness: Endianness) -> PolarsResult<Self> {
        let integer = Type::Int(Box::new(format::Int { bit_width: bits, is_signed: true }));
        let name = Some(String::new());
        Self::new(&format::Field { name, nullable: true, type_: Some(integer), ..Default::default() }, endianness)
    }

    fn field(&self) -> Field {
        self.schema.get_at_index(0).map(|(_, field)| field.clone()).unwrap_or_default()
    }

    pub(super) fn schema(&self) -> (&ArrowSchema, &IpcSchema) {
        (&self.schema, &self.ipc)
    }

    /// A dictionary's values, for rows with these keys.
    fn categories(&self, keys: &[Option<i64>], dictionaries: &Dictionaries) -> PolarsResult<Column> {
        let id = self.ipc.fields.first().and_then(|field| field.dictionary_id);
        let values = id.and_then(|id| dictionaries.get(&id)).ok_or_else(|| damaged("a dictionary is missing"))?;
        let place = |key: i64| {
            let place = u32::try_from(key).ok().filter(|place| (*place as usize) < values.len());
            place.ok_or_else(|| damaged(format!("a dictionary has no key {key}")))
        };
        let keys = keys.iter().map(|key| key.map(place).transpose()).collect::<PolarsResult<Vec<_>>>()?;
        let keys: PrimitiveArray<u32> = keys.into_iter().collect();
        let array = DictionaryArray::try_from_keys(keys, values.clone(), false)?.boxed();
        let field = Field { dtype: array.dtype().clone(), ..self.field() };
        let schema = ArrowSchema::from_iter([(field.name.clone(), field)]);
        column(RecordBatchT::try_new(array.len(), Arc::new(schema), vec![array])?)
    }

    pub(super) fn has_dictionary(&self, id: i64) -> bool {
        fn has(field: &IpcField, id: i64) -> bool {
            field.dictionary_id == Some(id) || field.fields.iter().any(|field| has(field, id))
        }
        self.ipc.fields.iter().any(|field| has(field, id))
    }

    fn read(&self, parts: RecordBatch, context: &mut Context) -> PolarsResult<Column> {
        let Context { reader, dictionaries, version, body } = context;
        let Unpacked { batch, mut place, begin } = Unpacked::new(parts, reader, body)?;
        let mut builder = Builder::new();
        let batch =
            RecordBatchRef::read_as_root(builder.finish(batch, None)).map_err(|error| damaged(error.to_string()))?;
        let (checked, scratch) = (Default::default(), &mut Vec::new());
        let batch = read_record_batch(
            batch,
            &self.schema,
            &self.ipc,
            None,
            None,
            dictionaries,
            *version,
            &mut place,
            begin,
            scratch,
            checked,
        )?;
        column(batch)
    }
}

/// The only column of a batch.
fn column(batch: RecordBatchT<Box<dyn Array>>) -> PolarsResult<Column> {
    let frame: DataFrame = batch.into();
    frame.into_columns().pop().ok_or_else(|| damaged("a column is missing"))
}

impl Reading {
    pub(super) fn new(field: &format::Field, endianness: Endianness) -> Self {
        let known = || -> PolarsResult<Self> {
            let child = |index: usize| {
                let children = field.children.as_deref().unwrap_or_default();
                let child = children.get(index).ok_or_else(|| damaged("a type has no inner type"))?;
                Part::new(&format::Field { name: field.name.clone(), ..child.clone() }, endianness)
            };
            let list_view = |bits: i32| -> PolarsResult<Self> {
                let integers = || Part::integers(bits, endianness);
                Ok(Self::ListView { starts: integers()?, sizes: integers()?, values: child(0)? })
            };
            match (&field.type_, &field.dictionary) {
                (Some(Type::RunEndEncoded(_)), None) => Ok(Self::Runs { ends: child(0)?, values: child(1)? }),
                (Some(Type::ListView(_)), None) => list_view(32),
                (Some(Type::LargeListView(_)), None) => list_view(64),
                (_, Some(dictionary)) => {
                    let categories = Part::new(field, endianness)?;
                    match dictionary.index_type.as_deref() {
                        Some(keys) if !keys.is_signed => Ok(Self::Plain(categories)),
                        keys => {
                            let keys = Part::integers(keys.map_or(32, |keys| keys.bit_width), endianness)?;
                            Ok(Self::Dictionary { keys, categories })
                        }
                    }
                }
                _ => Part::new(field, endianness).map(Self::Plain),
            }
        };
        known().unwrap_or_else(|_| Self::Unknown(description(field)))
    }

    /// The column's type when it is read; `None` if that is not known.
    pub(super) fn field(&self) -> Option<Field> {
        match self {
            Self::Plain(part) | Self::Dictionary { categories: part, .. } | Self::Runs { values: part, .. } => {
                Some(part.field())
            }
            Self::ListView { values, .. } => {
                let values = values.field();
                let inner = Field { name: "item".into(), ..values.clone() };
                Some(Field::new(values.name, ArrowDataType::LargeList(Box::new(inner)), true))
            }
            Self::Unknown(_) => None,
        }
    }

    pub(super) fn parts(&self) -> Vec<&Part> {
        match self {
            Self::Plain(part) => vec![part],
            Self::Dictionary { keys, categories } => vec![keys, categories],
            Self::Runs { ends, values } => vec![ends, values],
            Self::ListView { starts, sizes, values } => vec![starts, sizes, values],
            Self::Unknown(_) => Vec::new(),
        }
    }

    /// The values of the column whose nodes and buffers `parts` has.
    pub(super) fn read(&self, parts: RecordBatch, context: &mut Context) -> PolarsResult<Column> {
        let rows = usize::try_from(parts.length).map_err(|_| damaged("a record batch has a negative length"))?;
        match self {
            Self::Plain(part) => part.read(parts, context),
            Self::Dictionary { keys, categories } => {
                let keys = integers(keys.read(parts, context)?)?;
                categories.categories(&keys, context.dictionaries)
            }
            Self::Runs { ends, values } => {
                let [_, ends_parts, values_parts] = split(parts, [(1, 0), (1, 2)])?;
                let ends = integers(ends.read(ends_parts, context)?)?;
                let values = values.read(values_parts, context)?;
                values.take(&run_of_each_row(&ends, values.len(), rows)?)
            }
            Self::ListView { starts, sizes, values } => {
                let mut own = split(parts, [(1, 3)])?;
                let values_parts = std::mem::take(&mut own[1]);
                let [own, _] = own;
                let counts = |buffers: [usize; 2]| {
                    let all = own.buffers.as_deref().unwrap_or_default();
                    let buffers = buffers.iter().map(|&index| all[index]).collect();
                    RecordBatch { length: rows as i64, buffers: Some(buffers), ..own.clone() }
                };
                let starts = integers(starts.read(counts([0, 1]), context)?)?;
                let sizes = integers(sizes.read(counts([0, 2]), context)?)?;
                let values = values.read(values_parts, context)?;
                lists(&starts, &sizes, &values)
            }
            Self::Unknown(description) => Err(damaged(format!("a column is {description}"))),
        }
    }
}

/// Parts of a column: those with so many nodes and buffers, and the rest. Each is as long as its first node says.
fn split<const HEADS: usize, const ALL: usize>(
    whole: RecordBatch,
    heads: [(usize, usize); HEADS],
) -> PolarsResult<[RecordBatch; ALL]> {
    let mut nodes = whole.nodes.unwrap_or_default().into_iter();
    let mut buffers = whole.buffers.unwrap_or_default().into_iter();
    let rest = (usize::MAX, usize::MAX);
    let mut parts = heads.into_iter().chain([rest]).map(|(node_count, buffer_count)| {
        let nodes: Vec<FieldNode> = nodes.by_ref().take(node_count).collect();
        let buffers: Vec<Buffer> = buffers.by_ref().take(buffer_count).collect();
        let is_whole = node_count == usize::MAX || (nodes.len(), buffers.len()) == (node_count, buffer_count);
        let length = nodes.first().map(|node| node.length).filter(|_| is_whole);
        let length = length.ok_or_else(|| damaged("a record batch has too few parts"))?;
        Ok(RecordBatch {
            length,
            nodes: Some(nodes),
            buffers: Some(buffers),
            compression: whole.compression.clone(),
            variadic_buffer_counts: whole.variadic_buffer_counts.clone().filter(|_| node_count == usize::MAX),
        })
    });
    let parts: Vec<RecordBatch> = parts.by_ref().collect::<PolarsResult<_>>()?;
    parts.try_into().map_err(|_| damaged("a record batch has too few parts"))
}

fn integers(column: Column) -> PolarsResult<Vec<Option<i64>>> {
    let column = column.strict_cast(&DataType::Int64)?;
    Ok(column.i64()?.iter().collect())
}

/// The place of each row's value among the values of all runs.
fn run_of_each_row(ends: &[Option<i64>], values: usize, rows: usize) -> PolarsResult<IdxCa> {
    if rows > MOST_REPEATED {
        return Err(damaged(format!("a record batch of {rows} rows has runs; at most {MOST_REPEATED} are read")));
    }
    let mut places = Vec::with_capacity(rows);
    for (run, end) in ends.iter().enumerate().take(values) {
        let end = end.and_then(|end| usize::try_from(end).ok()).filter(|end| *end >= places.len());
        let end = end.ok_or_else(|| damaged("a run ends before it begins"))?;
        places.resize(end.min(rows), run as u32);
    }
    if places.len() < rows {
        return Err(damaged("the runs end before the rows"));
    }
    Ok(IdxCa::from_vec("".into(), places))
}

fn lists(starts: &[Option<i64>], sizes: &[Option<i64>], values: &Column) -> PolarsResult<Column> {
    let mut total = 0;
    let mut rows = Vec::with_capacity(starts.len());
    for pair in starts.iter().zip(sizes) {
        let (Some(start), Some(size)) = pair else {
            rows.push(AnyValue::Null);
            continue;
        };
        let (start, size) = (usize::try_from(*start).ok(), usize::try_from(*size).ok());
        let range =
            start.zip(size).filter(|(start, size)| start.checked_add(*size).is_some_and(|end| end <= values.len()));
        let (start, size) = range.ok_or_else(|| damaged("a list lies outside of its values"))?;
        total += size;
        if total > values.len().max(MOST_REPEATED) {
            return Err(damaged(format!("the lists of a record batch repeat values more than {MOST_REPEATED} times")));
        }
        rows.push(AnyValue::List(values.slice(start as i64, size).take_materialized_series()));
    }
    let dtype = DataType::List(Box::new(values.dtype().clone()));
    Ok(Series::from_any_values_and_dtype(values.name().clone(), &rows, &dtype, true)?.into())
}

/// What a type is called that is not known.
fn description(field: &format::Field) -> String {
    match (odd(field), inner_odd(field)) {
        (Some(own), Some(inner)) => format!("{own}, of values that are {inner}"),
        (Some(own), None) => own.to_owned(),
        (None, Some(inner)) => format!("{inner} inside of another type"),
        (None, None) => "of a type that is not known".to_owned(),
    }
}

/// What a type is that polars does not know.
fn odd(field: &format::Field) -> Option<&'static str> {
    match &field.type_ {
        Some(Type::RunEndEncoded(_)) => Some("run-end encoded"),
        Some(Type::ListView(_) | Type::LargeListView(_)) => Some("a list view"),
        _ => None,
    }
}

/// The first such type inside of another.
fn inner_odd(field: &format::Field) -> Option<&'static str> {
    field.children.iter().flatten().find_map(|child| odd(child).or_else(|| inner_odd(child)))
}

/// Takes the nodes and buffers of one column after the other.
pub(super) struct Columns {
    whole: RecordBatch,
    version: MetadataVersion,
    nodes: usize,
    buffers: usize,
    variadics: usize,
}

impl Columns {
    pub(super) fn new(whole: RecordBatch, version: MetadataVersion) -> Self {
        Self { whole, version, nodes: 0, buffers: 0, variadics: 0 }
    }

    /// Those of the next column.
    pub(super) fn next(&mut self, field: &format::Field) -> PolarsResult<RecordBatch> {
        let begin = (self.nodes, self.buffers, self.variadics);
        self.pass(field);
        fn part<T: Clone>(all: &Option<Vec<T>>, begin: usize, end: usize) -> PolarsResult<Option<Vec<T>>> {
            let part = all.as_deref().unwrap_or_default().get(begin..end);
            part.map(|part| Some(part.to_vec())).ok_or_else(|| damaged("a record batch has too few parts"))
        }
        Ok(RecordBatch {
            length: self.whole.length,
            nodes: part(&self.whole.nodes, begin.0, self.nodes)?,
            buffers: part(&self.whole.buffers, begin.1, self.buffers)?,
            compression: self.whole.compression.clone(),
            variadic_buffer_counts: part(&self.whole.variadic_buffer_counts, begin.2, self.variadics)?,
        })
    }

    fn pass(&mut self, field: &format::Field) {
        self.nodes += 1;
        // Of a dictionary only the keys are here.
        if field.dictionary.is_some() {
            self.buffers += 2;
            return;
        }
        self.buffers += match &field.type_ {
            None | Some(Type::Null(_) | Type::RunEndEncoded(_)) => 0,
            Some(Type::Struct(_) | Type::FixedSizeList(_)) => 1,
            Some(Type::List(_) | Type::LargeList(_) | Type::Map(_)) => 2,
            Some(Type::Utf8(_) | Type::LargeUtf8(_) | Type::Binary(_) | Type::LargeBinary(_)) => 3,
            Some(Type::ListView(_) | Type::LargeListView(_)) => 3,
            Some(Type::Union(union)) => {
                let validity = usize::from(self.version != MetadataVersion::V5);
                let offsets = usize::from(union.mode == format::UnionMode::Dense);
                validity + 1 + offsets
            }
            Some(Type::Utf8View(_) | Type::BinaryView(_)) => {
                let counts = self.whole.variadic_buffer_counts.as_deref().unwrap_or_default();
                let count = counts.get(self.variadics).copied().unwrap_or_default();
                self.variadics += 1;
                2usize.saturating_add(usize::try_from(count).unwrap_or(usize::MAX / 2))
            }
            Some(
                Type::Int(_)
                | Type::FloatingPoint(_)
                | Type::Bool(_)
                | Type::Decimal(_)
                | Type::Date(_)
                | Type::Time(_)
                | Type::Timestamp(_)
                | Type::Interval(_)
                | Type::FixedSizeBinary(_)
                | Type::Duration(_),
            ) => 2,
        };
        for child in field.children.iter().flatten() {
            self.pass(child);
        }
    }
}
