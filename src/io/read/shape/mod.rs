//! The shapes in which people's tools write questions as JSON, and the rows in them.
//!
//! A row is an object with a question and a context. Others hold rows: SQuAD's articles, paragraphs and `qas`, with
//! what goes by other names there; lists of questions; records of label tools, which keep the texts in a part of their
//! own; tables of pandas. One [`step`] takes one level off, so that no more is held than what is still to come.

mod table;

use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};

use crate::io::json::{Kind, one_line};
use crate::io::read::column_selection::ColumnSelection;
use crate::io::read::field_path;
use crate::io::row::Fields;

/// Names of a question, in objects that are a question by their place.
const QUESTIONS: [&str; 4] = ["question", "query", "query_text", "question_text"];
/// Names of a context, in objects that have one by their place.
const CONTEXTS: [&str; 7] = ["context", "context_text", "passage", "paragraph", "text", "content", "document_text"];
/// Names of a list of rows in an object that is no row.
const LISTS: [&str; 8] = ["data", "rows", "examples", "records", "items", "results", "instances", "inputs"];
/// What label tools (Label Studio, Prodigy) write into each of their records.
const LABEL_TOOLS: [&str; 8] = [
    "annotations",
    "completions",
    "annotator",
    "annotation_id",
    "lead_time",
    "_input_hash",
    "_task_hash",
    "_session_id",
];
/// Where label tools keep the texts.
const LABELLED: [&str; 2] = ["data", "meta"];
/// Rows do not stand deeper than that. Each level is read once more, which must not add up.
const DEEPEST: usize = 16;

/// A value in which rows may be.
pub(crate) struct Pending {
    value: Box<RawValue>,
    place: Place,
    above: Arc<Above>,
}

/// Where a value stands, and so what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is all that there is.
    Document,
    /// One of several: a line, or an element of a list of rows.
    Element,
    Paragraph,
    Question,
}

/// What the objects above a value have for its rows.
#[derive(Debug, Clone, Default)]
struct Above {
    depth: usize,
    title: Option<Box<RawValue>>,
    context: Option<Box<RawValue>>,
    /// The row that several questions share.
    row: Fields,
}

/// What a value turns out to be.
pub(crate) enum Step {
    Row(Fields),
    /// A row that is part of a larger value, or of a label tool's: it may have right answers under any name.
    Part(Fields),
    /// What it holds, in order.
    Holds(Vec<Pending>),
    /// Of no known shape.
    Unknown(String),
}

impl Pending {
    /// The only value of a file.
    pub(crate) fn document(value: Box<RawValue>) -> Self {
        Self { value, place: Place::Document, above: Arc::default() }
    }

    /// One value of several.
    pub(crate) fn element(value: Box<RawValue>) -> Self {
        Self { value, place: Place::Element, above: Arc::default() }
    }
}

/// Takes one level off a value.
pub(crate) fn step(pending: Pending, names: &ColumnSelection) -> Step {
    let Pending { value, place, above } = pending;
    if above.depth > DEEPEST {
        return Step::Unknown("nested too deeply".to_owned());
    }
    match (Kind::of(&value), place) {
        (Kind::Object, _) => match serde_json::from_str(value.get()) {
            Ok(fields) => object(fields, place, &above, names),
            Err(error) => Step::Unknown(format!("malformed JSON: {error}")),
        },
        (Kind::List, Place::Document) => match serde_json::from_str::<Vec<Box<RawValue>>>(value.get()) {
            Ok(values) => holds(values, Place::Element, &above),
            Err(error) => Step::Unknown(format!("malformed JSON: {error}")),
        },
        (_, Place::Question) => Step::Part(part(Fields::from_iter([(names.question.clone(), value)]), &above, names)),
        (kind, _) => Step::Unknown(format!("{} where a row should be, which is an object", kind.name())),
    }
}

/// The rows of an object that stands in a line, or that object if it is one.
pub(crate) fn line(fields: Fields, names: &ColumnSelection) -> Step {
    let is_text = |name: &str| fields.get(name).is_some_and(|value| Kind::of(value) == Kind::String);
    if !names.needs_question || (is_text(&names.question) && is_text(&names.context)) {
        return Step::Row(fields);
    }
    object(fields, Place::Element, &Arc::default(), names)
}

fn object(fields: Fields, place: Place, above: &Arc<Above>, names: &ColumnSelection) -> Step {
    if place == Place::Document
        && let Some(rows) = table::rows(&fields, &names.question)
    {
        return holds(rows, Place::Element, above);
    }
    if place == Place::Question {
        return Step::Part(part(with_document(question_named(fields, names), names), above, names));
    }
    if let Some(question) = field_path::find(&fields, &names.question) {
        return match Kind::of(&question) {
            Kind::List => several(&fields, &question, above, names),
            Kind::Null | Kind::Boolean | Kind::Number | Kind::String | Kind::Object => one(fields, above, names),
        };
    }
    let title = fields.get("title").or(above.title.as_ref()).cloned();
    let below = |context: Option<Box<RawValue>>| {
        let context = context.or_else(|| above.context.clone());
        Arc::new(Above { depth: above.depth + 1, title: title.clone(), context, row: Fields::new() })
    };
    if let Some(questions) = plain_questions(&fields, place) {
        let mut row = fields.clone();
        row.shift_remove("questions");
        if let Some(context) = context(&fields, names) {
            row.insert(names.context.clone(), context);
        }
        return several(&row, &questions, above, names);
    }
    for name in ["qas", "questions"] {
        if let Some(questions) = fields.get(name).and_then(|value| children(value)) {
            return holds(questions, Place::Question, &below(context(&fields, names)));
        }
    }
    let below = below(fields.get("context").cloned());
    if let Some(paragraphs) = fields.get("paragraphs").and_then(|value| children(value)) {
        return holds(paragraphs, Place::Paragraph, &below);
    }
    if let Some(fields) = labelled(&fields, names) {
        return Step::Part(part(fields, above, names));
    }
    if fields.contains_key("query") && document_text(&fields).is_some() {
        return Step::Part(part(with_document(question_named(fields, names), names), above, names));
    }
    // A paragraph without questions has no rows, and MRQA's header has none.
    if place == Place::Paragraph || (fields.len() == 1 && fields.contains_key("header")) {
        return Step::Holds(Vec::new());
    }
    if let Some(row) = fields.get("row").filter(|row| Kind::of(row) == Kind::Object) {
        return holds(vec![row.clone()], Place::Element, &below);
    }
    if let Some(rows) = LISTS.iter().find_map(|name| fields.get(*name).and_then(|value| children(value))) {
        return holds(rows, Place::Element, &below);
    }
    if place == Place::Document {
        return document(&fields, &below, names);
    }
    // It says best itself what it lacks.
    Step::Row(fields)
}

/// The list `questions` of a row, where each is only a text.
fn plain_questions(fields: &Fields, place: Place) -> Option<Box<RawValue>> {
    let value = fields.get("questions").filter(|value| Kind::of(value) == Kind::List)?;
    let questions: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    // A row is a row, if only to say that it has none.
    let is_row = match place {
        Place::Element => true,
        Place::Document => !questions.is_empty(),
        Place::Paragraph | Place::Question => false,
    };
    let are_plain = questions.iter().all(|question| !matches!(Kind::of(question), Kind::Object | Kind::List));
    (is_row && are_plain).then(|| value.clone())
}

/// An object at the top whose names say nothing: rows by id, or one list of rows.
fn document(fields: &Fields, below: &Arc<Above>, names: &ColumnSelection) -> Step {
    let is_object = |value: &RawValue| Kind::of(value) == Kind::Object;
    if !fields.is_empty() && fields.values().all(|value| is_object(value)) {
        let with_id = |(id, value): (&String, &RawValue)| {
            let mut row: Fields = serde_json::from_str(value.get()).ok()?;
            if !row.contains_key("id") && row.contains_key(&names.question) {
                row.shift_insert(0, "id".to_owned(), to_raw_value(id).ok()?);
            }
            to_raw_value(&row).ok()
        };
        return holds(
            fields.iter().map(|(id, value)| (id, &**value)).filter_map(with_id).collect(),
            Place::Element,
            below,
        );
    }
    let mut lists = fields.values().filter(|value| Kind::of(value) == Kind::List).filter_map(|value| children(value));
    let lists: Vec<_> = lists.by_ref().filter(|list| list.first().is_some_and(|first| is_object(first))).collect();
    match <[_; 1]>::try_from(lists) {
        Ok([rows]) => holds(rows, Place::Element, below),
        Err(_) => {
            let names: Vec<_> = fields.keys().take(8).map(|name| format!("`{name}`")).collect();
            Step::Unknown(format!(
                "an object of {}",
                if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
            ))
        }
    }
}

fn holds(values: Vec<Box<RawValue>>, place: Place, above: &Arc<Above>) -> Step {
    Step::Holds(values.into_iter().map(|value| Pending { value, place, above: above.clone() }).collect())
}

/// The elements of a list, or an object that stands for a list of one.
fn children(value: &RawValue) -> Option<Vec<Box<RawValue>>> {
    match Kind::of(value) {
        Kind::List => serde_json::from_str(value.get()).ok(),
        Kind::Object => Some(vec![value.to_owned()]),
        Kind::Null | Kind::Boolean | Kind::Number | Kind::String => None,
    }
}

/// A row with one question.
fn one(mut fields: Fields, above: &Arc<Above>, names: &ColumnSelection) -> Step {
    if field_path::find(&fields, &names.context).is_some() {
        return Step::Row(fields);
    }
    if above.context.is_some() || document_text(&fields).is_some() {
        return Step::Part(part(with_document(fields, names), above, names));
    }
    if is_labelled(&fields)
        && let Some(text) = context(&fields, names)
    {
        fields.insert(names.context.clone(), text);
        return Step::Part(fields);
    }
    Step::Row(fields)
}

/// A row for each of several questions on one context, or on as many contexts.
fn several(fields: &Fields, questions: &RawValue, above: &Arc<Above>, names: &ColumnSelection) -> Step {
    let values = |value: &RawValue| serde_json::from_str::<Vec<Box<RawValue>>>(value.get()).unwrap_or_default();
    let mut questions = values(questions);
    // The rows share this; the list in it would be repeated in each.
    let mut row = fields.clone();
    if questions.is_empty() {
        // A row is a row, if only to say that it has none.
        row.insert(names.question.clone(), RawValue::from_string("[]".to_owned()).unwrap_or_default());
        return Step::Row(row);
    }
    row.insert(names.question.clone(), RawValue::NULL.to_owned());
    let contexts = field_path::find(fields, &names.context).filter(|value| Kind::of(value) == Kind::List);
    if let Some(contexts) = contexts.map(|value| values(&value)).filter(|contexts| contexts.len() == questions.len()) {
        row.insert(names.context.clone(), RawValue::NULL.to_owned());
        let pair = |(question, context): (Box<RawValue>, Box<RawValue>)| {
            to_raw_value(&Fields::from_iter([(names.question.clone(), question), (names.context.clone(), context)]))
                .ok()
        };
        questions = questions.into_iter().zip(contexts).filter_map(pair).collect();
    }
    let Above { depth, title, context, .. } = (**above).clone();
    holds(questions, Place::Question, &Arc::new(Above { depth: depth + 1, title, context, row }))
}

/// A row with what the objects above have for it.
fn part(own: Fields, above: &Above, names: &ColumnSelection) -> Fields {
    let mut fields = above.row.clone();
    fields.extend(own.into_iter().map(|(name, value)| (name, one_line(value))));
    if let Some(title) = &above.title {
        fields.entry("title".to_owned()).or_insert_with(|| one_line(title.clone()));
    }
    if let Some(context) = &above.context
        && field_path::find(&fields, &names.context).is_none()
    {
        fields.insert(names.context.clone(), one_line(context.clone()));
    }
    fields
}

/// With the name that is asked for, whatever the question is called here.
fn question_named(fields: Fields, names: &ColumnSelection) -> Fields {
    if field_path::find(&fields, &names.question).is_some() {
        return fields;
    }
    let Some(own) = QUESTIONS.into_iter().find(|name| fields.contains_key(*name)) else { return fields };
    let rename = |name: String| if name == own { names.question.clone() } else { name };
    fields.into_iter().map(|(name, value)| (rename(name), value)).collect()
}

/// The context of an object that has one by its place.
fn context(fields: &Fields, names: &ColumnSelection) -> Option<Box<RawValue>> {
    let own = field_path::find(fields, &names.context).map(|value| value.into_owned());
    own.or_else(|| {
        let mut values = CONTEXTS.iter().filter_map(|name| fields.get(*name));
        values.find(|value| Kind::of(value) == Kind::String).cloned()
    })
}

fn is_labelled(fields: &Fields) -> bool {
    LABEL_TOOLS.iter().any(|name| fields.contains_key(*name))
        || fields.get("data").is_some_and(|data| Kind::of(data) == Kind::Object)
}

/// A label tool's record, with the texts that it keeps in a part of its own.
fn labelled(fields: &Fields, names: &ColumnSelection) -> Option<Fields> {
    if !is_labelled(fields) {
        return None;
    }
    LABELLED.iter().find_map(|part| {
        let texts: Fields = serde_json::from_str(fields.get(*part)?.get()).ok()?;
        let find = |wanted: &[&str]| {
            let mut values = wanted.iter().filter_map(|name| texts.get(*name));
            values.find(|value| Kind::of(value) == Kind::String).cloned()
        };
        let question = find(&[&names.question]).or_else(|| find(&QUESTIONS))?;
        let context = find(&[&names.context]).or_else(|| find(&CONTEXTS)).or_else(|| context(fields, names))?;
        let mut row = fields.clone();
        row.insert(names.question.clone(), question);
        row.insert(names.context.clone(), context);
        Some(row)
    })
}

fn with_document(mut fields: Fields, names: &ColumnSelection) -> Fields {
    if field_path::find(&fields, &names.context).is_none()
        && let Some(text) = document_text(&fields)
    {
        fields.insert(names.context.clone(), text);
    }
    fields
}

/// The text of a `document` (Haystack), or of `documents` one after the other, a paragraph a line (DuReader).
fn document_text(fields: &Fields) -> Option<Box<RawValue>> {
    let documents = children(fields.get("document").or_else(|| fields.get("documents"))?)?;
    let mut texts: Vec<String> = Vec::new();
    for document in documents {
        if Kind::of(&document) == Kind::String {
            texts.push(serde_json::from_str(document.get()).ok()?);
            continue;
        }
        let document: Fields = serde_json::from_str(document.get()).ok()?;
        match document
            .get("paragraphs")
            .and_then(|paragraphs| serde_json::from_str::<Vec<String>>(paragraphs.get()).ok())
        {
            Some(paragraphs) => texts.extend(paragraphs),
            None => {
                let text = CONTEXTS.iter().find_map(|name| document.get(*name))?;
                texts.push(serde_json::from_str(text.get()).ok()?);
            }
        }
    }
    if texts.is_empty() { None } else { to_raw_value(&texts.join("\n")).ok() }
}
