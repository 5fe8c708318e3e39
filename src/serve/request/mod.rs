//! What a request asks, in every shape that clients send: objects with a question and a context, lists of them, and the
//! shape of Hugging Face's inference endpoints, with `inputs` and `parameters`.

mod entry;
mod fields;
mod schema;
mod texts;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

pub(super) use entry::{Entries, Question, Questions};
use entry::{Entry, EntryFields};
use fields::{OwnFields, WithOptions};

use crate::qa::RequestOptions;

/// The body of a request.
#[derive(Debug)]
pub(super) struct AnswerRequest {
    pub entries: Entries,
    /// For all entries that do not say otherwise.
    pub parameters: RequestOptions,
    pub shape: Shape,
}

/// In which shape a request is made, and so answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Rows,
    /// Hugging Face's.
    Pipeline,
}

#[derive(Debug, Default)]
struct BodyFields {
    entry: EntryFields,
    inputs: Option<Entries>,
    parameters: Option<Option<WithOptions<()>>>,
}

impl OwnFields for BodyFields {
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let second = match name {
            "inputs" => self.inputs.replace(map.next_value()?).map(|_| "inputs"),
            "parameters" => self.parameters.replace(map.next_value()?).map(|_| "parameters"),
            _ => return self.entry.read(name, map),
        };
        second.map_or(Ok(true), |name| Err(Error::duplicate_field(name)))
    }
}

impl<'de> Deserialize<'de> for AnswerRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RequestVisitor;

        impl<'de> Visitor<'de> for RequestVisitor {
            type Value = AnswerRequest;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object or a list of objects")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AnswerRequest, A::Error> {
                let WithOptions { own: BodyFields { entry, inputs, parameters }, options } =
                    WithOptions::<BodyFields>::from_map(map)?;
                if let Some(entries) = inputs {
                    let parameters = parameters.flatten().unwrap_or_default().options;
                    return Ok(AnswerRequest { entries, parameters, shape: Shape::Pipeline });
                }
                let entry = Entry::new(WithOptions { own: entry, options })?;
                Ok(AnswerRequest {
                    entries: Entries::One(entry),
                    parameters: RequestOptions::default(),
                    shape: Shape::Rows,
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<AnswerRequest, A::Error> {
                let parameters = RequestOptions::default();
                Ok(AnswerRequest { entries: Entries::from_seq(seq)?, parameters, shape: Shape::Rows })
            }
        }

        deserializer.deserialize_any(RequestVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<AnswerRequest, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn questions(json: &str) -> Vec<Result<Question, String>> {
        let rows = read(json).unwrap().entries.into_questions().rows;
        rows.into_iter().map(|row| row.map_err(|error| error.to_string())).collect()
    }

    fn texts(json: &str) -> Vec<(String, String, Option<String>)> {
        let row = |question: Question| (question.question, question.context, question.id.map(|id| id.get().to_owned()));
        questions(json).into_iter().map(|question| row(question.unwrap())).collect()
    }

    #[test]
    fn options_stand_beside_the_question_and_other_fields_do_not_matter() {
        let question = questions(
            r#"{"topk": 3, "question": "a", "id": 1.50, "model": {"x": [1]}, "context": "b", "align_to_words": true}"#,
        );
        let Question { question, context, id, options } = question.into_iter().next().unwrap().unwrap();
        assert_eq!((question.as_str(), context.as_str(), id.unwrap().get()), ("a", "b", "1.50"));
        let top_k = std::num::NonZero::new(3);
        assert_eq!(options, RequestOptions { top_k, align_to_words: Some(true), ..Default::default() });
    }

    #[test]
    fn the_shape_of_hugging_face() {
        let json = r#"{"inputs": [{"question": "a", "context": "b", "id": 1}], "parameters": {"top_k": 2, "padding": true},
            "options": {"use_cache": false}}"#;
        let request = read(json).unwrap();
        assert_eq!((request.shape, request.entries.len()), (Shape::Pipeline, 1));
        assert_eq!(request.parameters.top_k, std::num::NonZero::new(2));
        let request = read(r#"{"inputs": {"question": "a", "context": "b"}, "parameters": null}"#).unwrap();
        assert_eq!(request.parameters, RequestOptions::default());
        assert!(!request.entries.into_questions().is_list);
    }

    #[test]
    fn several_questions_and_contexts() {
        let row = |question: &str, context: &str, id: Option<&str>| {
            (question.to_owned(), context.to_owned(), id.map(str::to_owned))
        };
        for (json, expected) in [
            (
                r#"{"question": ["a", "b"], "context": "c", "id": 7}"#,
                vec![row("a", "c", Some("7")), row("b", "c", Some("7"))],
            ),
            (r#"{"question": "a", "context": ["c", "d"]}"#, vec![row("a", "c", None), row("a", "d", None)]),
            (
                r#"{"question": ["a", "b"], "context": ["c", "d"], "id": ["x", 2]}"#,
                vec![row("a", "c", Some("\"x\"")), row("b", "d", Some("2"))],
            ),
            (r#"{"question": [], "context": "c"}"#, vec![]),
            (r#"{"question": "a", "context": "c", "id": [1]}"#, vec![row("a", "c", Some("[1]"))]),
        ] {
            assert_eq!(texts(json), expected, "{json}");
        }
        let request = read(r#"{"question": ["a", "b"], "context": "ccc", "id": 77}"#).unwrap();
        assert_eq!(request.entries.repeated_bytes(), 2 + 6 + 4);
        assert!(request.entries.into_questions().is_list);
    }

    #[test]
    fn what_is_wrong_in_a_list_is_wrong_in_its_place() {
        let list = r#"[{"question": "a"}, 1, ["a", "b"], {"question": "a", "context": "b", "top_k": 0},
            {"question": ["a"], "context": "b"}, {"question": "a", "context": "b"}]"#;
        let rows = questions(list);
        let words =
            ["missing field `context`", "expected an object", "expected an object", "top_k", "inside of a list"];
        for (row, words) in rows.iter().zip(words) {
            let error = row.as_ref().unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(rows[5].is_ok());
    }

    #[test]
    fn wrong_fields_are_named() {
        for (json, words) in [
            (r#"{"question": "a"}"#, "missing field `context`"),
            (r#"{"questio": "a"}"#, "missing field `question`"),
            (r#"{"question": "a", "question": "b"}"#, "duplicate field `question`"),
            (r#"{"question": 1}"#, "expected a string or a list of strings"),
            (r#"{"question": ["a", "b"], "context": ["c"]}"#, "2 questions for 1 contexts"),
            (r#"{"top_k": 1, "top_k": 1}"#, "duplicate field `top_k`"),
            (r#"{"top_k": 1, "topk": 1}"#, "duplicate field `top_k`"),
            (r#"{"inputs": 1}"#, "an object or a list of objects"),
            (r#"{"inputs": [], "parameters": []}"#, "expected an object"),
            (r#""a""#, "an object or a list of objects"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(words), "{json}: {error}");
        }
    }
}
