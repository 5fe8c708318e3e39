//! Values inside of others, by names such as `meta.question`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::io::json::Kind;
use crate::io::row::Fields;

/// The field called `path`, or what its parts, separated by dots, lead to: names in objects, places (from 0) in lists.
pub(crate) fn find<'a>(fields: &'a Fields, path: &str) -> Option<Cow<'a, RawValue>> {
    if let Some(value) = fields.get(path) {
        return Some(Cow::Borrowed(value));
    }
    // A name may have dots itself.
    path.match_indices('.').find_map(|(at, _)| {
        let value = fields.get(&path[..at])?;
        inside(value, &path[at + 1..]).map(Cow::Owned)
    })
}

fn inside(value: &RawValue, path: &str) -> Option<Box<RawValue>> {
    match Kind::of(value) {
        Kind::Object => find(&serde_json::from_str(value.get()).ok()?, path).map(Cow::into_owned),
        Kind::List => {
            let (place, rest) = path.split_once('.').map_or((path, None), |(place, rest)| (place, Some(rest)));
            let values: Vec<Box<RawValue>> = serde_json::from_str(value.get()).ok()?;
            let value = values.into_iter().nth(place.parse().ok()?)?;
            rest.map_or(Some(value.clone()), |rest| inside(&value, rest))
        }
        Kind::Null | Kind::Boolean | Kind::Number | Kind::String => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_through_objects_and_lists() {
        let fields = r#"{"a.b": 1, "a": {"b": 2, "c": [{"d": "x"}, 3], "e.f": {"g": 4}}, "n": null}"#;
        let fields: Fields = serde_json::from_str(fields).unwrap();
        let find = |path: &str| find(&fields, path).map(|value| value.get().to_owned());
        for (path, value) in
            [("a.b", "1"), ("a.c.0.d", "\"x\""), ("a.c.1", "3"), ("a.e.f.g", "4"), ("a.c", "[{\"d\": \"x\"}, 3]")]
        {
            assert_eq!(find(path).as_deref(), Some(value), "{path}");
        }
        for path in ["b", "a.x", "a.c.2", "a.c.x", "n.a", "a.", "."] {
            assert_eq!(find(path), None, "{path}");
        }
    }
}
