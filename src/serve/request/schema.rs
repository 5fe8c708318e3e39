//! The request's description in OpenAPI.

use std::borrow::Cow;

use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType};
use utoipa::openapi::{RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::AnswerRequest;
use crate::qa::RequestOptions;

impl PartialSchema for AnswerRequest {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .description(Some(
                "A question about a context, a list of such, or Hugging Face's shape. Fields that are not named here \
                 are ignored",
            ))
            .item(question().required("question").required("context"))
            .item(list())
            .item(
                ObjectBuilder::new()
                    .description(Some("The shape of Hugging Face's inference endpoints"))
                    .property(
                        "inputs",
                        AnyOfBuilder::new().item(question().required("question").required("context")).item(list()),
                    )
                    .required("inputs")
                    .property("parameters", parameters()),
            )
            .into()
    }
}

impl ToSchema for AnswerRequest {
    fn name() -> Cow<'static, str> {
        "AnswerRequest".into()
    }
}

fn any() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue)
}

fn list() -> ArrayBuilder {
    ArrayBuilder::new()
        .description(Some("Such objects; what is none has an error in its place of the answer"))
        .items(RefOr::T(Schema::from(any().build())))
}

fn options() -> impl Iterator<Item = (String, RefOr<Schema>)> {
    match RequestOptions::schema() {
        RefOr::T(Schema::Object(options)) => options.properties.into_iter(),
        // It is a struct, whose schema is an object.
        _ => Default::default(),
    }
}

fn parameters() -> OneOfBuilder {
    let object = options().fold(ObjectBuilder::new(), |object, (name, schema)| object.property(name, schema));
    OneOfBuilder::new().item(object).item(ObjectBuilder::new().schema_type(Type::Null))
}

fn question() -> ObjectBuilder {
    let texts = |example: &str| {
        let text = || ObjectBuilder::new().schema_type(Type::String).build();
        OneOfBuilder::new()
            .item(text())
            .item(ArrayBuilder::new().items(RefOr::T(Schema::from(text()))))
            .examples([example])
    };
    let own = ObjectBuilder::new()
        .description(Some(
            "A question, the context in which its answer is looked for, and options of the answer; several questions \
             on one context, or as many contexts",
        ))
        .property("question", texts("Who invented the telephone?"))
        .property("context", texts("The telephone was invented by Alexander Graham Bell."))
        .property("id", any().description(Some("Identifies the answer: it comes back beside it")));
    options().fold(own, |object, (name, schema)| object.property(name, schema))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_has_all_options() {
        let schema = json!(AnswerRequest::schema());
        let question = &schema["anyOf"][0];
        assert_eq!(question["required"], json!(["question", "context"]));
        for (name, option) in json!(RequestOptions::schema())["properties"].as_object().unwrap() {
            assert_eq!(&question["properties"][name], option);
            assert_eq!(&schema["anyOf"][2]["properties"]["parameters"]["oneOf"][0]["properties"][name], option);
        }
    }
}
