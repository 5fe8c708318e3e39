//! JSON values as the text that they were.

use std::borrow::Cow;

use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;

/// The six types of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    List,
    Object,
}

impl Kind {
    /// The type of a value, by its first byte.
    pub(crate) fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'"') => Self::String,
            Some(b'{') => Self::Object,
            Some(b'[') => Self::List,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }

    /// With its article, as messages put it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// A value without the line breaks of an indented file, so that it can stand in a JSON line.
pub(crate) fn one_line(value: Box<RawValue>) -> Box<RawValue> {
    if !value.get().contains(['\n', '\r']) {
        return value;
    }
    let mut strings = Strings::default();
    let mut text = value.get().to_owned();
    text.retain(|c| strings.holds(c) || !c.is_ascii_whitespace());
    RawValue::from_string(text).unwrap_or(value)
}

/// JSON in which the numbers that are none, as Python and JavaScript write them, are null: NaN, Infinity, -Infinity.
pub(crate) fn without_nan(text: &str) -> Cow<'_, str> {
    /// Longest first, where one begins with another.
    const WORDS: [&str; 3] = ["infinity", "inf", "nan"];
    let mut strings = Strings::default();
    let mut out = String::new();
    // Where that begins which is not in `out` yet.
    let mut kept = 0;
    for (at, c) in text.char_indices() {
        if strings.holds(c) || at < kept || !matches!(c, 'N' | 'n' | 'I' | 'i') {
            continue;
        }
        let rest = &text.as_bytes()[at..];
        let word = WORDS
            .iter()
            .find(|word| rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes()));
        if let Some(word) = word {
            let before = text[kept..at].strip_suffix(['-', '+']).unwrap_or(&text[kept..at]);
            out.push_str(before);
            out.push_str("null");
            kept = at + word.len();
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// Follows a JSON text, and says of each character whether it belongs to a string.
#[derive(Default)]
struct Strings {
    inside: bool,
    escaped: bool,
}

impl Strings {
    /// Whether the next character stands in a string, or begins or ends one.
    fn holds(&mut self, c: char) -> bool {
        if self.inside {
            self.inside = c != '"' || self.escaped;
            self.escaped = c == '\\' && !self.escaped;
            return true;
        }
        self.inside = c == '"';
        self.inside
    }
}

/// The first half of a surrogate pair without its other half in a string that is no text for that reason: U+D83D.
pub(crate) fn lone_surrogate(string: &str) -> Option<String> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
    // As bytes, serde_json reads a surrogate as if it were a character.
    let bytes = serde_json::Deserializer::from_str(string).deserialize_bytes(Bytes).ok()?;
    encoded_surrogate(&bytes)
}

/// The first surrogate in bytes that are UTF-8 but for such.
pub(crate) fn encoded_surrogate(bytes: &[u8]) -> Option<String> {
    let at = std::str::from_utf8(bytes).err()?.valid_up_to();
    match bytes.get(at..at + 3)? {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf] => {
            let code = 0xd000 | (u32::from(second & 0x3f) << 6) | u32::from(third & 0x3f);
            Some(format!("U+{code:04X}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn indented_values_become_one_line() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let text = "[\n  {\"a b\": \"c \\\" d \\\\\",\r\n \"e\" : 1.50}\n]";
        assert_eq!(one_line(raw(text)).get(), r#"[{"a b":"c \" d \\","e":1.50}]"#);
        assert_eq!(one_line(raw("[1, 2]")).get(), "[1, 2]");
    }

    #[test]
    fn what_is_no_number_becomes_null() {
        for (text, expected) in [
            (r#"{"a":NaN,"b":-Infinity,"c":[Infinity, nan, -inf]}"#, r#"{"a":null,"b":null,"c":[null, null, null]}"#),
            (r#"{"NaN":"NaN \" -Infinity","n":null}"#, r#"{"NaN":"NaN \" -Infinity","n":null}"#),
            ("NaN", "null"),
            ("", ""),
        ] {
            assert_eq!(without_nan(text), expected);
        }
    }

    #[test]
    fn surrogates_are_named() {
        assert_eq!(lone_surrogate(r#""a \ud83d b""#).as_deref(), Some("U+D83D"));
        assert_eq!(lone_surrogate(r#""a \udc00""#).as_deref(), Some("U+DC00"));
        assert_eq!(lone_surrogate(r#""a \ud83d\ud83d\ude00""#).as_deref(), Some("U+D83D"));
        assert_eq!(lone_surrogate(r#""\ud83d\ude00""#), None);
        assert_eq!(encoded_surrogate(b"a\xed\xa0\xbd").as_deref(), Some("U+D83D"));
        assert_eq!(encoded_surrogate(b"a\xff"), None);
    }

    proptest! {
        #[test]
        fn json_without_nan_stays_as_it_is(value in "\\PC{0,20}", number in any::<i32>()) {
            let text = serde_json::json!({"nan": value, "b": [number, null, true, false]}).to_string();
            prop_assert_eq!(without_nan(&text), text.as_str());
        }
    }
}
