//! How question and context are joined, with special tokens around them.

use tokenizers::processors::template::{Template, TemplateProcessing};
use tokenizers::{PostProcessorWrapper, Tokenizer};

use super::fault::Fault;

/// Joins as two templates say, each made of parts such as `$A:0` or a token and its type.
pub(super) fn template(
    tokenizer: &Tokenizer,
    single: &[&str],
    pair: &[&str],
    tokens: &[&str],
) -> Result<PostProcessorWrapper, Fault> {
    let ids = tokens.iter().map(|token| Ok((*token, id(tokenizer, token)?))).collect::<Result<Vec<_>, Fault>>()?;
    let template = |parts: &[&str]| Template::try_from(parts.to_vec()).map_err(Fault::Tokenizers);
    let processing = TemplateProcessing::builder()
        .single(template(single)?)
        .pair(template(pair)?)
        .special_tokens(ids)
        .build()
        .map_err(|error| Fault::Tokenizers(error.to_string()))?;
    Ok(processing.into())
}

/// As BERT: the question is of type 0, the context of type 1.
pub(super) fn bert(tokenizer: &Tokenizer, cls: &str, sep: &str) -> Result<PostProcessorWrapper, Fault> {
    let [cls_0, sep_0, sep_1] = [format!("{cls}:0"), format!("{sep}:0"), format!("{sep}:1")];
    let single = [&cls_0, "$A:0", &sep_0];
    template(tokenizer, &single, &[&cls_0, "$A:0", &sep_0, "$B:1", &sep_1], &[cls, sep])
}

/// The id of a token.
pub(super) fn id(tokenizer: &Tokenizer, token: &str) -> Result<u32, Fault> {
    tokenizer.token_to_id(token).ok_or_else(|| Fault::MissingToken(token.to_owned()))
}
