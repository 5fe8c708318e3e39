use std::ops::Range;

use tokenizers::AddedToken;

/// Tokens that stand for themselves wherever they are in a text: special ones, and those that files add.
pub(super) struct AddedTokens {
    /// With their ids, the longest first.
    tokens: Vec<(AddedToken, u32)>,
    /// By which bytes one can begin.
    begins: [bool; 256],
}

/// A part of a text, in bytes, and its id if it is an added token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) place: Range<usize>,
    pub(super) id: Option<u32>,
}

impl AddedTokens {
    pub(super) fn new(mut tokens: Vec<(AddedToken, u32)>) -> Self {
        tokens.retain(|(token, _)| !token.content.is_empty());
        tokens.sort_by_key(|(token, _)| std::cmp::Reverse(token.content.len()));
        let mut begins = [false; 256];
        tokens
            .iter()
            .filter_map(|(token, _)| token.content.bytes().next())
            .for_each(|byte| begins[usize::from(byte)] = true);
        Self { tokens, begins }
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.tokens.iter().find(|(added, _)| added.content == token).map(|(_, id)| *id)
    }

    /// Cuts a text into added tokens and what is between them, without the white space that they take along.
    pub(super) fn split(&self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut between = 0;
        let mut place = 0;
        while place < text.len() {
            let rest = &text[place..];
            let found = self.begins[usize::from(rest.as_bytes()[0])]
                .then(|| self.tokens.iter().find(|(token, _)| rest.starts_with(&token.content)))
                .flatten();
            let Some((token, id)) = found else {
                place += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let (mut before, mut after) = (&text[between..place], place + token.content.len());
            if token.single_word
                && (before.ends_with(|last| last != ' ') || text[after..].starts_with(|next| next != ' '))
            {
                place = after;
                continue;
            }
            if token.lstrip {
                before = before.trim_end();
            }
            pieces.push(Piece { place: between..between + before.len(), id: None });
            pieces.push(Piece { place: place..after, id: Some(*id) });
            if token.rstrip {
                after = text.len() - text[after..].trim_start().len();
            }
            (between, place) = (after, after);
        }
        pieces.push(Piece { place: between..text.len(), id: None });
        pieces.retain(|piece| !piece.place.is_empty());
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(&str, Option<u32>)> {
        let token = |content: &str| AddedToken::from(content, true);
        let tokens = [token("[SEP]"), token("[MASK]").lstrip(true), token("<a>"), token("<a>b").rstrip(true)];
        let pieces = AddedTokens::new(tokens.into_iter().zip(0..).collect()).split(text);
        pieces.into_iter().map(|piece| (&text[piece.place], piece.id)).collect()
    }

    #[test]
    fn added_tokens_are_kept_whole() {
        assert_eq!(split("猫と[SEP]犬"), [("猫と", None), ("[SEP]", Some(0)), ("犬", None)]);
        assert_eq!(split("猫 [MASK] 犬"), [("猫", None), ("[MASK]", Some(1)), (" 犬", None)]);
        // The longest wins, and takes the white space after it.
        assert_eq!(split("<a><a>b  c"), [("<a>", Some(2)), ("<a>b", Some(3)), ("c", None)]);
        assert_eq!(split("[SEP"), [("[SEP", None)]);
        assert_eq!(split(""), []);
    }
}
