//! One object of a request: a question about a context, or several that go together.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{OwnFields, WithOptions};
use super::texts::Texts;
use crate::qa::{RequestOptions, RowError};
use crate::serve::error::Problem;

/// A question, the context in which its answer is looked for, and options of the answer.
#[derive(Debug)]
pub(in crate::serve) struct Question {
    pub question: String,
    pub context: String,
    /// As it is written: what it holds is the client's own affair.
    pub id: Option<Box<RawValue>>,
    pub options: RequestOptions,
}

/// The fields of an entry that are no options.
#[derive(Debug, Default)]
pub(super) struct EntryFields {
    question: Option<Texts>,
    context: Option<Texts>,
    id: Option<Box<RawValue>>,
}

impl OwnFields for EntryFields {
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let second = match name {
            "question" => self.question.replace(map.next_value()?).map(|_| "question"),
            "context" => self.context.replace(map.next_value()?).map(|_| "context"),
            "id" => self.id.replace(map.next_value()?).map(|_| "id"),
            _ => return Ok(false),
        };
        second.map_or(Ok(true), |name| Err(Error::duplicate_field(name)))
    }
}

/// One question about one context, or several of either.
#[derive(Debug)]
pub(in crate::serve) struct Entry {
    question: Texts,
    context: Texts,
    id: Option<Box<RawValue>>,
    options: RequestOptions,
}

impl Entry {
    pub(super) fn new<E: Error>(fields: WithOptions<EntryFields>) -> Result<Self, E> {
        let WithOptions { own: EntryFields { question, context, id }, options } = fields;
        let question = question.ok_or_else(|| E::missing_field("question"))?;
        let context = context.ok_or_else(|| E::missing_field("context"))?;
        if let (Some(questions), Some(contexts)) = (question.many(), context.many())
            && questions != contexts
        {
            return Err(E::custom(format_args!("{questions} questions for {contexts} contexts; give as many, or one")));
        }
        Ok(Self { question, context, id: id.filter(|id| id.get() != "null"), options })
    }

    /// How many questions these are; `None` for one by itself.
    fn many(&self) -> Option<usize> {
        self.question.many().or(self.context.many())
    }

    fn into_questions(self) -> Vec<Question> {
        let count = self.many().unwrap_or(1);
        let Self { question, context, id, options } = self;
        let ids = match &id {
            // An id for each, or one for all.
            Some(id) => match serde_json::from_str::<Vec<Box<RawValue>>>(id.get()) {
                Ok(ids) if ids.len() == count && question.many().or(context.many()).is_some() => {
                    ids.into_iter().map(Some).collect()
                }
                _ => vec![Some(id.clone()); count],
            },
            None => vec![None; count],
        };
        let texts = question.repeated(count).into_iter().zip(context.repeated(count));
        texts
            .zip(ids)
            .map(|((question, context), id)| Question { question, context, id, options: options.clone() })
            .collect()
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Entry::new(WithOptions::deserialize(deserializer)?)
    }
}

/// An entry, or a list of them, in which one that is wrong is an error in its place.
#[derive(Debug)]
pub(in crate::serve) enum Entries {
    One(Entry),
    Many(Vec<Result<Entry, RowError>>),
}

/// The questions of a request.
pub(in crate::serve) struct Questions {
    pub rows: Vec<Result<Question, RowError>>,
    /// Whether they are answered by a list.
    pub is_list: bool,
}

impl Entries {
    pub(in crate::serve) fn len(&self) -> usize {
        match self {
            Self::One(entry) => entry.many().unwrap_or(1),
            Self::Many(entries) => entries.len(),
        }
    }

    /// Bytes of the questions, where one text stands for many.
    pub(in crate::serve) fn repeated_bytes(&self) -> usize {
        match self {
            Self::One(Entry { question, context, id, .. }) if question.many().or(context.many()).is_some() => {
                let count = self.len();
                let id = id.as_ref().map_or(0, |id| id.get().len()).saturating_mul(count);
                question.bytes(count).saturating_add(context.bytes(count)).saturating_add(id)
            }
            Self::One(_) | Self::Many(_) => 0,
        }
    }

    pub(in crate::serve) fn into_questions(self) -> Questions {
        match self {
            Self::One(entry) => {
                let is_list = entry.many().is_some();
                Questions { rows: entry.into_questions().into_iter().map(Ok).collect(), is_list }
            }
            Self::Many(entries) => {
                let alone = |entry: Entry| match entry.many() {
                    Some(_) => Err(RowError::Unreadable(
                        "several questions or contexts inside of a list; give each a place of its own".to_owned(),
                    )),
                    // There is one.
                    None => entry.into_questions().pop().ok_or(RowError::Cancelled),
                };
                Questions { rows: entries.into_iter().map(|entry| entry.and_then(alone)).collect(), is_list: true }
            }
        }
    }

    pub(super) fn from_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut entries = Vec::new();
        while let Some(value) = seq.next_element::<Box<RawValue>>()? {
            let entry = axum::Json::from_bytes(value.get().as_bytes()).map(|axum::Json(entry)| entry);
            entries.push(entry.map_err(|error| RowError::Unreadable(Problem::from(error).to_string())));
        }
        Ok(Self::Many(entries))
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object or a list of objects")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entries, A::Error> {
                Entry::new(WithOptions::from_map(map)?).map(Entries::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Entries, A::Error> {
                Entries::from_seq(seq)
            }
        }

        deserializer.deserialize_any(EntriesVisitor)
    }
}
