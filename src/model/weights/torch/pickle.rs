//! Reads the pickle of a state dict: the instructions that such pickles have, and no other. A function or class that is
//! not known is refused by its name, and what is known is imitated, so that nothing in a file is ever run.

use std::collections::HashMap;

use super::StateDictError;
use super::bytes::Bytes;
use super::value::{Callable, Id, PickledTensor, Storage, Value, Values};

/// Instructions that are followed, and items that they copy. The largest of models need about 20,000, and each costs
/// less than 100 bytes.
const MOST_STEPS: usize = 1 << 20;
/// More than any weight has.
const MOST_DIMENSIONS: usize = 8;
/// Of names in messages, which may be of any length.
const LONGEST_NAME: usize = 80;

mod code {
    pub(super) const PROTO: u8 = 0x80;
    pub(super) const FRAME: u8 = 0x95;
    pub(super) const STOP: u8 = b'.';
    pub(super) const MARK: u8 = b'(';
    pub(super) const NONE: u8 = b'N';
    pub(super) const NEWTRUE: u8 = 0x88;
    pub(super) const NEWFALSE: u8 = 0x89;
    pub(super) const BININT: u8 = b'J';
    pub(super) const BININT1: u8 = b'K';
    pub(super) const BININT2: u8 = b'M';
    pub(super) const LONG1: u8 = 0x8a;
    pub(super) const BINFLOAT: u8 = b'G';
    pub(super) const BINSTRING: u8 = b'T';
    pub(super) const SHORT_BINSTRING: u8 = b'U';
    pub(super) const BINUNICODE: u8 = b'X';
    pub(super) const SHORT_BINUNICODE: u8 = 0x8c;
    pub(super) const BINUNICODE8: u8 = 0x8d;
    pub(super) const EMPTY_TUPLE: u8 = b')';
    pub(super) const TUPLE: u8 = b't';
    pub(super) const TUPLE1: u8 = 0x85;
    pub(super) const TUPLE2: u8 = 0x86;
    pub(super) const TUPLE3: u8 = 0x87;
    pub(super) const EMPTY_LIST: u8 = b']';
    pub(super) const APPEND: u8 = b'a';
    pub(super) const APPENDS: u8 = b'e';
    pub(super) const EMPTY_DICT: u8 = b'}';
    pub(super) const SETITEM: u8 = b's';
    pub(super) const SETITEMS: u8 = b'u';
    pub(super) const GLOBAL: u8 = b'c';
    pub(super) const STACK_GLOBAL: u8 = 0x93;
    /// Not followed, but it names a class.
    pub(super) const INST: u8 = b'i';
    pub(super) const REDUCE: u8 = b'R';
    pub(super) const BUILD: u8 = b'b';
    pub(super) const BINPERSID: u8 = b'Q';
    pub(super) const BINGET: u8 = b'h';
    pub(super) const LONG_BINGET: u8 = b'j';
    pub(super) const BINPUT: u8 = b'q';
    pub(super) const LONG_BINPUT: u8 = b'r';
    pub(super) const MEMOIZE: u8 = 0x94;
}

/// A pickle that was read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    pub values: Values<'a>,
    /// What was saved.
    pub root: Id,
    /// Bytes that were read.
    pub length: usize,
}

/// Reads the pickle at the beginning of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle<'_>, StateDictError> {
    let mut reader = Reader {
        bytes: Bytes::new(bytes, 0),
        at: 0,
        steps: 0,
        values: Values::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        reader.at = reader.bytes.at();
        reader.spend(1)?;
        let code = reader.bytes.u8().ok_or(StateDictError::Cut)?;
        if code == code::STOP {
            let root = reader.pop()?;
            return Ok(Pickle { values: reader.values, root, length: reader.bytes.at() });
        }
        reader.follow(code)?;
    }
}

struct Reader<'a> {
    bytes: Bytes<'a>,
    /// Where the instruction is that is followed.
    at: usize,
    steps: usize,
    values: Values<'a>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Reader<'a> {
    fn follow(&mut self, code: u8) -> Result<(), StateDictError> {
        let value = match code {
            code::PROTO => return self.take(1).map(drop),
            code::FRAME => return self.take(8).map(drop),
            code::MARK => {
                self.marks.push(self.stack.len());
                return Ok(());
            }
            code::BINPUT | code::LONG_BINPUT | code::MEMOIZE => return self.remember(code),
            code::BINGET | code::LONG_BINGET => {
                let key = self.key(code)?;
                let id = self.memo.get(&key).copied().ok_or_else(self.expected("a value that was remembered"))?;
                self.stack.push(id);
                return Ok(());
            }
            code::APPEND | code::APPENDS => return self.append(code),
            code::SETITEM | code::SETITEMS => return self.set_items(code),
            code::BUILD => return self.build(),
            code::NONE => Value::Other,
            code::BINFLOAT => {
                self.take(8)?;
                Value::Other
            }
            code::NEWTRUE => Value::Bool(true),
            code::NEWFALSE => Value::Bool(false),
            code::BININT | code::BININT1 | code::BININT2 | code::LONG1 => Value::Int(self.int(code)?),
            code::BINSTRING | code::SHORT_BINSTRING | code::BINUNICODE | code::SHORT_BINUNICODE | code::BINUNICODE8 => {
                Value::Text(self.text(code)?)
            }
            code::EMPTY_TUPLE => Value::Tuple(Vec::new()),
            code::TUPLE => Value::Tuple(self.pop_to_mark()?),
            code::TUPLE1 => Value::Tuple(self.pop_many(1)?),
            code::TUPLE2 => Value::Tuple(self.pop_many(2)?),
            code::TUPLE3 => Value::Tuple(self.pop_many(3)?),
            code::EMPTY_LIST => Value::List(Vec::new()),
            code::EMPTY_DICT => Value::Dict(Vec::new()),
            code::GLOBAL => Value::Callable(self.global()?),
            code::STACK_GLOBAL => Value::Callable(self.stack_global()?),
            code::INST => {
                self.global()?;
                return Err(StateDictError::Instruction { code, at: self.at });
            }
            code::REDUCE => return self.reduce(),
            code::BINPERSID => Value::Storage(Box::new(self.storage()?)),
            _ => return Err(StateDictError::Instruction { code, at: self.at }),
        };
        self.push(value);
        Ok(())
    }

    fn spend(&mut self, steps: usize) -> Result<(), StateDictError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MOST_STEPS { Err(StateDictError::TooLong) } else { Ok(()) }
    }

    fn expected(&self, expected: &'static str) -> impl FnOnce() -> StateDictError + use<> {
        let at = self.at;
        move || StateDictError::Malformed { at, expected }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], StateDictError> {
        self.bytes.take(count).ok_or(StateDictError::Cut)
    }

    fn push(&mut self, value: Value<'a>) {
        let id = self.values.add(value);
        self.stack.push(id);
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, StateDictError> {
        let first =
            self.stack.len().checked_sub(count).filter(|first| *first >= self.marks.last().copied().unwrap_or(0));
        let first = first.ok_or_else(self.expected("a value on the stack"))?;
        Ok(self.stack.split_off(first))
    }

    fn pop(&mut self) -> Result<Id, StateDictError> {
        let popped = self.pop_many(1)?;
        Ok(popped[0])
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, StateDictError> {
        let first = self.marks.pop().ok_or_else(self.expected("a mark on the stack"))?;
        Ok(self.stack.split_off(first))
    }

    /// The value on top of the stack, which stays there.
    fn top(&self) -> Result<Id, StateDictError> {
        let lowest = self.marks.last().copied().unwrap_or(0);
        self.stack.get(lowest..).and_then(<[_]>::last).copied().ok_or_else(self.expected("a value on the stack"))
    }

    fn int(&mut self, code: u8) -> Result<i64, StateDictError> {
        let number = match code {
            code::BININT => self.bytes.array().map(|bytes| i32::from_le_bytes(bytes).into()),
            code::BININT1 => self.bytes.u8().map(i64::from),
            code::BININT2 => self.bytes.u16().map(i64::from),
            _ => {
                let length = self.bytes.u8().ok_or(StateDictError::Cut)?;
                let bytes = self.take(length.into())?;
                let is_negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
                let mut all = [if is_negative { 0xff } else { 0 }; 8];
                let low = all.get_mut(..bytes.len()).ok_or_else(self.expected("a number of at most 8 bytes"))?;
                low.copy_from_slice(bytes);
                Some(i64::from_le_bytes(all))
            }
        };
        number.ok_or(StateDictError::Cut)
    }

    fn text(&mut self, code: u8) -> Result<&'a str, StateDictError> {
        let length = match code {
            code::SHORT_BINSTRING | code::SHORT_BINUNICODE => self.bytes.u8().map(usize::from),
            code::BINUNICODE8 => self.bytes.size(),
            _ => self.bytes.u32().and_then(|length| length.try_into().ok()),
        };
        let bytes = self.take(length.ok_or(StateDictError::Cut)?)?;
        std::str::from_utf8(bytes).map_err(|_| self.expected("text in UTF-8")())
    }

    fn key(&mut self, code: u8) -> Result<u32, StateDictError> {
        let key = match code {
            code::BINGET | code::BINPUT => self.bytes.u8().map(u32::from),
            _ => self.bytes.u32(),
        };
        key.ok_or(StateDictError::Cut)
    }

    fn remember(&mut self, code: u8) -> Result<(), StateDictError> {
        let key = match code {
            code::MEMOIZE => self.memo.len() as u32,
            code => self.key(code)?,
        };
        self.memo.insert(key, self.top()?);
        Ok(())
    }

    fn append(&mut self, code: u8) -> Result<(), StateDictError> {
        let added = if code == code::APPEND { self.pop_many(1) } else { self.pop_to_mark() }?;
        let (list, expected) = (self.top()?, self.expected("a list"));
        match self.values.get_mut(list) {
            Value::List(items) => items.extend(added),
            _ => return Err(expected()),
        }
        Ok(())
    }

    fn set_items(&mut self, code: u8) -> Result<(), StateDictError> {
        let added = if code == code::SETITEM { self.pop_many(2) } else { self.pop_to_mark() }?;
        let (dict, expected) = (self.top()?, self.expected("a dictionary, keys and values"));
        match (self.values.get_mut(dict), added.as_chunks()) {
            (Value::Dict(entries), (pairs, [])) => entries.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err(expected()),
        }
        Ok(())
    }

    /// Attributes of a dictionary, which do not matter.
    fn build(&mut self) -> Result<(), StateDictError> {
        self.pop()?;
        let dict = self.top()?;
        self.values.dict(dict).map(drop).ok_or_else(self.expected("a dictionary"))
    }

    fn global(&mut self) -> Result<Callable, StateDictError> {
        let (module, name) = (self.bytes.line(), self.bytes.line());
        callable(module.ok_or(StateDictError::Cut)?, name.ok_or(StateDictError::Cut)?)
    }

    fn stack_global(&mut self) -> Result<Callable, StateDictError> {
        let names = self.pop_many(2)?;
        let [module, name] = [names[0], names[1]].map(|id| self.values.text(id));
        let (module, name) = module.zip(name).ok_or_else(self.expected("the name of a class"))?;
        callable(module.as_bytes(), name.as_bytes())
    }

    /// What calling a known function or class would give.
    fn reduce(&mut self) -> Result<(), StateDictError> {
        let (arguments, called) = (self.pop()?, self.pop()?);
        let &Value::Callable(called) = self.values.get(called) else {
            return Err(self.expected("something to call")());
        };
        let arguments = self.values.tuple(arguments).ok_or_else(self.expected("a tuple of arguments"))?;
        match called {
            Callable::OrderedDict => {
                let entries = self.pairs(arguments.first().copied())?;
                self.spend(entries.len())?;
                self.push(Value::Dict(entries));
            }
            Callable::RebuildTensor => {
                let tensor = self.tensor(arguments).ok_or_else(self.expected("a tensor"))?;
                self.push(Value::Tensor(Box::new(tensor)));
            }
            Callable::RebuildParameter => {
                let data = arguments.first().copied();
                let data = data.filter(|data| matches!(self.values.get(*data), Value::Tensor(_)));
                self.stack.push(data.ok_or_else(self.expected("the tensor of a parameter"))?);
            }
            Callable::StorageClass(_) => return Err(self.expected("something to call")()),
        }
        Ok(())
    }

    /// The entries of a dictionary that is made of pairs, or of nothing.
    fn pairs(&self, list: Option<Id>) -> Result<Vec<(Id, Id)>, StateDictError> {
        let Some(list) = list else { return Ok(Vec::new()) };
        let pair = |id: &Id| match self.values.sequence(*id)? {
            [key, value] => Some((*key, *value)),
            _ => None,
        };
        let pairs = self.values.sequence(list).and_then(|pairs| pairs.iter().map(pair).collect());
        pairs.ok_or_else(self.expected("pairs of keys and values"))
    }

    fn tensor(&self, arguments: &[Id]) -> Option<PickledTensor<'a>> {
        let [storage, offset, shape, strides, ..] = arguments else { return None };
        let Value::Storage(storage) = self.values.get(*storage) else { return None };
        let counts = |id: Id| -> Option<Vec<usize>> {
            let items = self.values.sequence(id).filter(|items| items.len() <= MOST_DIMENSIONS)?;
            items.iter().map(|item| self.values.count(*item)).collect()
        };
        let (shape, strides) = (counts(*shape)?, counts(*strides)?);
        let offset = self.values.count(*offset)?.checked_add(storage.offset)?;
        Some(PickledTensor { storage: storage.as_ref().clone(), offset, shape, strides })
    }

    /// `("storage", class, key, device, length)`, in old files with the part of the storage that it is.
    fn storage(&mut self) -> Result<Storage<'a>, StateDictError> {
        let id = self.pop()?;
        let storage = self.values.tuple(id).and_then(|parts| {
            let [_, class, key, _, _, view @ ..] = parts else { return None };
            let &Value::Callable(Callable::StorageClass(dtype)) = self.values.get(*class) else { return None };
            let offset = match view.first().map(|view| self.values.get(*view)) {
                None | Some(Value::Other) => 0,
                Some(Value::Tuple(view)) => self.values.count(*view.get(1)?)?,
                Some(_) => return None,
            };
            Some(Storage { key: self.values.text(*key)?, dtype, offset })
        });
        storage.ok_or_else(self.expected("a storage"))
    }
}

fn callable(module: &[u8], name: &[u8]) -> Result<Callable, StateDictError> {
    let known = std::str::from_utf8(module).ok().zip(std::str::from_utf8(name).ok());
    known.and_then(|(module, name)| Callable::of(module, name)).ok_or_else(|| {
        let [module, name] =
            [module, name].map(|name| name.get(..LONGEST_NAME).unwrap_or(name).escape_ascii().to_string());
        StateDictError::Global { module, name }
    })
}
