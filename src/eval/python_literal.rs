//! Values as Python prints them: what pandas writes into a cell of CSV for a dict, a list or an array of NumPy.

use serde_json::Value;

/// The value of a Python literal, read as the JSON5 that it nearly is.
pub(super) fn parse(text: &str) -> Result<Value, json5::Error> {
    json5::from_str(&as_json5(text))
}

/// Other words for constants, lists for tuples, and what is in `array(…, dtype=object)` without that.
fn as_json5(text: &str) -> String {
    let mut json5 = String::with_capacity(text.len());
    // What closes the brackets that are open: nothing for those of a call.
    let mut closing = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => {
                let string = string(rest, first);
                json5.push_str(&rest[..string]);
                string
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                match &rest[..length] {
                    "None" => json5.push_str("null"),
                    "True" => json5.push_str("true"),
                    "False" => json5.push_str("false"),
                    "nan" => json5.push_str("NaN"),
                    "array" if rest[length..].starts_with('(') => {
                        closing.push("");
                        rest = &rest[length + 1..];
                        continue;
                    }
                    "dtype" => {
                        json5.truncate(json5.trim_end().trim_end_matches(',').len());
                        rest = &rest[rest.find(')').unwrap_or(rest.len())..];
                        continue;
                    }
                    word => json5.push_str(word),
                }
                length
            }
            '(' => {
                closing.push("]");
                json5.push('[');
                1
            }
            ')' => {
                json5.push_str(closing.pop().unwrap_or(")"));
                1
            }
            other => {
                json5.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    json5
}

/// Bytes of the string that the text begins with.
fn string(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if character == quote => return place + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_pandas_writes() {
        for (text, value) in [
            ("{'text': ['a', \"b's\"], 'answer_start': [3, 5]}", json!({"text": ["a", "b's"], "answer_start": [3, 5]})),
            (
                "{'text': array(['None (dtype=x)'], dtype=object), 'answer_start': array([515], dtype=int32)}",
                json!({"text": ["None (dtype=x)"], "answer_start": [515]}),
            ),
            ("[{'text': 'a', 'answer_start': None}]", json!([{"text": "a", "answer_start": null}])),
            ("('a', 'b\\'s \\\\')", json!(["a", "b's \\"])),
            ("array([\n 'a',\n 'b'])", json!(["a", "b"])),
            ("{'is_impossible': True, 'text': [], 'x': False}", json!({"is_impossible": true, "text": [], "x": false})),
            ("['日本\\n\\x41\\u3042']", json!(["日本\nAあ"])),
            ("[]", json!([])),
        ] {
            assert_eq!(parse(text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        for text in ["['a', 'b", "{'text': array(['a']", "['a' 'b']", "<html>", "(", "'", "array(", "dtype"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
