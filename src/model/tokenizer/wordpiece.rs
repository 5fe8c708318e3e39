//! vocab.txt: WordPiece, as BERT has it.

use std::borrow::Cow;
use std::str;

use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::{BertNormalizer, NormalizerWrapper};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{PostProcessorWrapper, Tokenizer};

use super::class::Join;
use super::config::Settings;
use super::fault::Fault;
use super::{SpecialRole, TokenizerError, VOCAB_TXT, fault_in, join};

pub(super) fn build(vocab: &[u8], join: Join, settings: &Settings) -> Result<Tokenizer, TokenizerError> {
    let failed = fault_in(VOCAB_TXT);
    let vocab = parse(vocab).map_err(failed)?;
    let unk = settings.required_token(SpecialRole::Unk)?;
    if !vocab.contains_key(&unk) {
        return Err(failed(Fault::MissingToken(unk)));
    }
    let model = WordPiece::builder().vocab(vocab).unk_token(unk).build();
    let mut tokenizer = Tokenizer::new(model.map_err(Fault::tokenizers).map_err(failed)?);
    let chinese_chars = settings.flag("tokenize_chinese_chars", true)?;
    let normalizer = normalizer(true, chinese_chars, settings)?;
    tokenizer.with_normalizer(Some(normalizer)).map_err(Fault::tokenizers).map_err(failed)?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    settings.add_tokens(&mut tokenizer)?;
    let [cls, sep] = [settings.required_token(SpecialRole::Cls)?, settings.required_token(SpecialRole::Sep)?];
    let joined = post_processor(&tokenizer, join, &cls, &sep, settings)?;
    tokenizer.with_post_processor(Some(joined));
    Ok(tokenizer)
}

/// A token a line. Of one that comes twice the last line counts.
fn parse(vocab: &[u8]) -> Result<Vocab, Fault> {
    // Python reads any of these as the end of a line.
    let mut text = Cow::Borrowed(str::from_utf8(vocab)?);
    if text.contains('\r') {
        text = text.replace("\r\n", "\n").replace('\r', "\n").into();
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.split('\n').zip(0..).map(|(token, id)| (token.to_owned(), id)).collect())
}

fn post_processor(
    tokenizer: &Tokenizer,
    join: Join,
    cls: &str,
    sep: &str,
    settings: &Settings,
) -> Result<PostProcessorWrapper, TokenizerError> {
    let [cls_0, sep_0, sep_1] = [format!("{cls}:0"), format!("{sep}:0"), format!("{sep}:1")];
    let single = [&cls_0, "$A:0", &sep_0];
    let processor = match join {
        Join::Mpnet => {
            join::template(tokenizer, &single, &[&cls_0, "$A:0", &sep_0, &sep_0, "$B:1", &sep_1], &[cls, sep])
        }
        Join::Splinter => {
            let question = settings.option("question_token")?.unwrap_or_else(|| "[QUESTION]".to_owned());
            let pair = [&cls_0, "$A:0", &question, ".", &sep_0, "$B:1", &sep_1];
            join::template(tokenizer, &single, &pair, &[cls, sep, &question, "."])
        }
        Join::Bert => join::bert(tokenizer, cls, sep),
    };
    processor.map_err(fault_in(VOCAB_TXT))
}

fn normalizer(clean_text: bool, chinese_chars: bool, settings: &Settings) -> Result<BertNormalizer, TokenizerError> {
    let strip_accents = settings.option("strip_accents")?;
    let lowercase = settings.flag("do_lower_case", true)?;
    Ok(BertNormalizer::new(clean_text, chinese_chars, strip_accents, lowercase))
}

/// Has the normalizer of a tokenizer.json do what tokenizer_config.json says.
pub(super) fn obey(tokenizer: &mut Tokenizer, join: Join, settings: &Settings) -> Result<(), TokenizerError> {
    let Some(NormalizerWrapper::BertNormalizer(found)) = tokenizer.get_normalizer() else { return Ok(()) };
    let chinese_chars = match join {
        Join::Bert => settings.flag("tokenize_chinese_chars", true)?,
        // These classes leave it as it is.
        Join::Mpnet | Join::Splinter => found.handle_chinese_chars,
    };
    let wanted = normalizer(found.clean_text, chinese_chars, settings)?;
    tokenizer.with_normalizer(Some(wanted)).map_err(Fault::tokenizers).map_err(fault_in(super::TOKENIZER))?;
    Ok(())
}
