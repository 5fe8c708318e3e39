//! What the pickles of state dicts are made of.

use crate::engine::native::{Element, Float};

/// The place of a value among all of its pickle. Values refer to each other by it rather than being nested, so that
/// depth and repetition cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(usize);

#[derive(Debug)]
pub(super) enum Value<'a> {
    /// None, and what else is of no use here.
    Other,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    Callable(Callable),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Storage(Box<Storage<'a>>),
    Tensor(Box<PickledTensor<'a>>),
}

/// The functions and classes that state dicts are made with. Each is known here by what it would make; none is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callable {
    /// A dictionary, of nothing or of pairs.
    OrderedDict,
    /// A tensor of a storage, an offset, a shape, strides, and more that does not matter.
    RebuildTensor,
    /// A tensor of a tensor, and more that does not matter.
    RebuildParameter,
    /// Is not called: says of what type a storage is.
    StorageClass(Dtype),
}

impl Callable {
    pub(super) fn of(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch" | "torch.cuda", name) => Dtype::of_class(name).map(Self::StorageClass),
            _ => None,
        }
    }
}

/// Numbers in the file that tensors are parts of.
#[derive(Debug, Clone)]
pub(super) struct Storage<'a> {
    pub key: &'a str,
    pub dtype: Dtype,
    /// How many numbers of it come before this part.
    pub offset: usize,
}

#[derive(Debug)]
pub(super) struct PickledTensor<'a> {
    pub storage: Storage<'a>,
    /// How many numbers of the storage come before its first.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// A type of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dtype {
    /// The class of storages of this type.
    class: &'static str,
    /// As safetensors calls it.
    name: &'static str,
    /// Bytes of a number.
    pub size: usize,
    float: Option<Float>,
}

const DTYPES: [Dtype; 10] = [
    Dtype { class: "DoubleStorage", name: "F64", size: 8, float: Some(Float::F64) },
    Dtype { class: "FloatStorage", name: "F32", size: 4, float: Some(Float::F32) },
    Dtype { class: "HalfStorage", name: "F16", size: 2, float: Some(Float::F16) },
    Dtype { class: "BFloat16Storage", name: "BF16", size: 2, float: Some(Float::BF16) },
    Dtype { class: "LongStorage", name: "I64", size: 8, float: None },
    Dtype { class: "IntStorage", name: "I32", size: 4, float: None },
    Dtype { class: "ShortStorage", name: "I16", size: 2, float: None },
    Dtype { class: "CharStorage", name: "I8", size: 1, float: None },
    Dtype { class: "ByteStorage", name: "U8", size: 1, float: None },
    Dtype { class: "BoolStorage", name: "BOOL", size: 1, float: None },
];

impl Dtype {
    fn of_class(name: &str) -> Option<Self> {
        DTYPES.into_iter().find(|dtype| dtype.class == name)
    }

    pub(super) fn element(self) -> Element {
        self.float.map_or_else(|| Element::Other(self.name.to_owned()), Element::Float)
    }
}

/// All values of a pickle.
#[derive(Debug, Default)]
pub(super) struct Values<'a>(Vec<Value<'a>>);

impl<'a> Values<'a> {
    pub(super) fn add(&mut self, value: Value<'a>) -> Id {
        self.0.push(value);
        Id(self.0.len() - 1)
    }

    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        &self.0[id.0]
    }

    pub(super) fn get_mut(&mut self, id: Id) -> &mut Value<'a> {
        &mut self.0[id.0]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Value<'a>> {
        self.0.iter()
    }

    pub(super) fn text(&self, id: Id) -> Option<&'a str> {
        if let Value::Text(text) = self.get(id) { Some(text) } else { None }
    }

    /// A number that counts something.
    pub(super) fn count(&self, id: Id) -> Option<usize> {
        if let Value::Int(number) = self.get(id) { (*number).try_into().ok() } else { None }
    }

    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        if let Value::Tuple(items) = self.get(id) { Some(items) } else { None }
    }

    /// A list, or a tuple, which stands for it.
    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        if let Value::Tuple(items) | Value::List(items) = self.get(id) { Some(items) } else { None }
    }

    pub(super) fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        if let Value::Dict(entries) = self.get(id) { Some(entries) } else { None }
    }
}
