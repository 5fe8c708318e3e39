//! A question with the options of its answer beside it, in one object.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::qa::RequestOptions;

/// A question, the context in which its answer is looked for, and options of the answer.
///
/// serde's `flatten` would do, but it reads no numbers where serde_json keeps them as they are written, and lets
/// unknown fields pass.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub question: String,
    pub context: String,
    pub id: Option<Value>,
    pub options: RequestOptions,
}

/// The fields that are no options.
#[derive(Default)]
struct OwnFields {
    question: Option<String>,
    context: Option<String>,
    id: Option<Option<Value>>,
}

impl OwnFields {
    const NAMES: [&str; 3] = ["question", "context", "id"];

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &'static str, map: &mut A) -> Result<(), A::Error> {
        let is_second = match name {
            "question" => self.question.replace(map.next_value()?).is_some(),
            "context" => self.context.replace(map.next_value()?).is_some(),
            _ => self.id.replace(map.next_value()?).is_some(),
        };
        if is_second { Err(Error::duplicate_field(name)) } else { Ok(()) }
    }
}

impl<'de> Deserialize<'de> for Question {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct QuestionVisitor;

        impl<'de> Visitor<'de> for QuestionVisitor {
            type Value = Question;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Question, A::Error> {
                let mut own = OwnFields::default();
                let options = Options { own: &mut own, map };
                let options = RequestOptions::deserialize(MapAccessDeserializer::new(options))?;
                Ok(Question {
                    question: own.question.ok_or_else(|| Error::missing_field("question"))?,
                    context: own.context.ok_or_else(|| Error::missing_field("context"))?,
                    id: own.id.flatten(),
                    options,
                })
            }
        }

        deserializer.deserialize_map(QuestionVisitor)
    }
}

/// An object's fields without the question's own, which are put aside.
struct Options<'a, A> {
    own: &'a mut OwnFields,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Options<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let mut seed = Some(seed);
        loop {
            match self.map.next_key_seed(Key(&mut seed))? {
                None => return Ok(None),
                Some(Field::Option(key)) => return Ok(Some(key)),
                Some(Field::Own(name)) => self.own.read(name, &mut self.map)?,
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

enum Field<T> {
    Own(&'static str),
    Option(T),
}

/// Reads a key; the seed is used for one that is not the question's own.
struct Key<'a, K>(&'a mut Option<K>);

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<'_, K> {
    type Value = Field<K::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for Key<'_, K> {
    type Value = Field<K::Value>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a field")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        if let Some(own) = OwnFields::NAMES.into_iter().find(|own| *own == key) {
            return Ok(Field::Own(own));
        }
        let seed = self.0.take().ok_or_else(|| E::custom("a key is read twice"))?;
        let key = seed.deserialize(StrDeserializer::<E>::new(key));
        key.map(Field::Option).map_err(|error| {
            let [question, context, id] = OwnFields::NAMES;
            E::custom(format_args!("{error}, `{question}`, `{context}`, `{id}`"))
        })
    }
}

impl PartialSchema for Question {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(options)) = RequestOptions::schema() else {
            // It is a struct, whose schema is an object.
            return RequestOptions::schema();
        };
        let text = |example: &str| ObjectBuilder::new().schema_type(Type::String).examples([example]);
        let id = ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::SchemaType::AnyValue)
            .description(Some("Identifies the answer: it comes back beside it"));
        let own = ObjectBuilder::new()
            .description(Some("A question, the context in which its answer is looked for, and options of the answer"))
            .property("question", text("Who invented the telephone?"))
            .required("question")
            .property("context", text("The telephone was invented by Alexander Graham Bell."))
            .required("context")
            .property("id", id)
            .additional_properties(options.additional_properties.map(|properties| *properties));
        options.properties.into_iter().fold(own, |object, (name, schema)| object.property(name, schema)).into()
    }
}

impl ToSchema for Question {
    fn name() -> Cow<'static, str> {
        "Question".into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> Result<Question, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn options_stand_beside_the_question() {
        let question =
            read(r#"{"top_k": 3, "question": "a", "id": 1.50, "context": "b", "align_to_words": true}"#).unwrap();
        assert_eq!((question.question.as_str(), question.context.as_str()), ("a", "b"));
        assert_eq!(question.id.map(|id| id.to_string()).as_deref(), Some("1.50"));
        let top_k = std::num::NonZero::new(3);
        assert_eq!(question.options, RequestOptions { top_k, align_to_words: Some(true), ..Default::default() });
    }

    #[test]
    fn wrong_fields_are_named() {
        for (json, words) in [
            (r#"{"question": "a"}"#, "missing field `context`"),
            (r#"{"question": "a", "context": "b", "topk": 1}"#, "unknown field `topk`, expected one of `top_k`"),
            (r#"{"questio": "a"}"#, "`question`, `context`, `id`"),
            (r#"{"question": "a", "question": "b"}"#, "duplicate field `question`"),
            (r#"{"top_k": 1, "top_k": 1}"#, "duplicate field `top_k`"),
            (r#"["a", "b"]"#, "expected an object"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_schema_has_all_fields() {
        let schema = json!(Question::schema());
        assert_eq!(schema["required"], json!(["question", "context"]));
        assert_eq!(schema["additionalProperties"], json!(false));
        let options = json!(RequestOptions::schema());
        for (name, option) in options["properties"].as_object().unwrap() {
            assert_eq!(&schema["properties"][name], option);
        }
    }
}
