//! vocab.json and merges.txt: byte-level BPE, as RoBERTa has it.

use std::collections::{HashMap, HashSet};
use std::str;

use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{PostProcessorWrapper, Tokenizer};

use super::class::Frame;
use super::config::Settings;
use super::fault::Fault;
use super::{MERGES, SpecialRole, TokenizerError, VOCAB_JSON, fault_in, join};

/// Ids above this one would leave no room for added tokens.
const MAX_ID: u32 = i32::MAX as u32;

pub(super) fn build(
    vocab: &[u8],
    merges: &[u8],
    frame: Frame,
    settings: &Settings,
) -> Result<Tokenizer, TokenizerError> {
    let failed = fault_in(VOCAB_JSON);
    let vocab = parse_vocab(vocab).map_err(failed)?;
    let merges = parse_merges(merges, &vocab).map_err(fault_in(MERGES))?;
    let model = BPE::builder().vocab_and_merges(vocab, merges).build();
    let mut tokenizer = Tokenizer::new(model.map_err(Fault::tokenizers).map_err(fault_in(MERGES))?);
    let add_prefix_space = settings.flag("add_prefix_space", false)?;
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(add_prefix_space, true, true)));
    settings.add_tokens(&mut tokenizer)?;
    let processor = match frame {
        Frame::Deberta => join::bert(&tokenizer, "[CLS]", "[SEP]").map_err(failed)?,
        Frame::Roberta => {
            let token = |role| -> Result<(String, u32), TokenizerError> {
                let token = settings.required_token(role)?;
                let id = join::id(&tokenizer, &token).map_err(failed)?;
                Ok((token, id))
            };
            RobertaProcessing::new(token(SpecialRole::Sep)?, token(SpecialRole::Cls)?)
                .add_prefix_space(add_prefix_space)
                .trim_offsets(settings.flag("trim_offsets", true)?)
                .into()
        }
    };
    tokenizer.with_post_processor(Some(processor));
    Ok(tokenizer)
}

fn parse_vocab(json: &[u8]) -> Result<Vocab, Fault> {
    let vocab: HashMap<String, u32> = serde_json::from_slice(json).map_err(Fault::Vocabulary)?;
    vocab
        .into_iter()
        .map(|(token, id)| if id > MAX_ID { Err(Fault::Id { token, id }) } else { Ok((token, id)) })
        .collect()
}

/// Two tokens a line, the most frequent pair first. All merged tokens have to be in the vocabulary.
fn parse_merges(text: &[u8], vocab: &Vocab) -> Result<Merges, Fault> {
    let text = str::from_utf8(text)?;
    // Of the last line, transformers takes what ends with a line feed; the first names the version.
    let Some((text, _)) = text.rsplit_once('\n') else { return Ok(Merges::new()) };
    let mut seen = HashSet::new();
    let mut merges = Merges::new();
    for (number, line) in text.split('\n').enumerate().skip(1) {
        let line_number = number + 1;
        let mut tokens = line.split_whitespace();
        let (Some(first), Some(second), None) = (tokens.next(), tokens.next(), tokens.next()) else {
            return Err(Fault::Merge { line: line_number });
        };
        for token in [first, second, &[first, second].concat()] {
            if !vocab.contains_key(token) {
                return Err(Fault::MergeToken { line: line_number, token: token.to_owned() });
            }
        }
        if seen.insert((first, second)) {
            merges.push((first.to_owned(), second.to_owned()));
        }
    }
    Ok(merges)
}

/// Has the post-processor of a tokenizer.json do what tokenizer_config.json says.
pub(super) fn obey(tokenizer: &mut Tokenizer, settings: &Settings) -> Result<(), TokenizerError> {
    let add_prefix_space = settings.flag("add_prefix_space", false)?;
    let trim_offsets = settings.flag("trim_offsets", true)?;
    let obedient: PostProcessorWrapper = match tokenizer.get_post_processor() {
        Some(PostProcessorWrapper::Roberta(found)) => {
            found.clone().add_prefix_space(add_prefix_space).trim_offsets(trim_offsets).into()
        }
        Some(PostProcessorWrapper::ByteLevel(found)) => {
            found.add_prefix_space(add_prefix_space).trim_offsets(trim_offsets).into()
        }
        _ => return Ok(()),
    };
    tokenizer.with_post_processor(Some(obedient));
    Ok(())
}
