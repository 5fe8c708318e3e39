//! What a hub says of a file, checked before it becomes a part of a path.

/// The hash of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commit(String);

impl Commit {
    pub(super) fn parse(text: &str) -> Option<Self> {
        (text.len() == 40 && is_hexadecimal(text)).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What identifies the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Etag(String);

impl Etag {
    /// From the header, which may have quotes, and a mark of being weak.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let text = header.trim().trim_start_matches("W/").trim_matches('"');
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let fits = (1..=200).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What it says of the content: that of large files is their SHA-256, that of others the hash that Git has of them.
    pub(super) fn hash(&self) -> Hash<'_> {
        match self.as_str() {
            text if !is_hexadecimal(text) => Hash::None,
            text if text.len() == 64 => Hash::Sha256(text),
            text if text.len() == 40 => Hash::Sha1(text),
            _ => Hash::None,
        }
    }
}

/// A hash of content, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash<'a> {
    Sha256(&'a str),
    Sha1(&'a str),
    None,
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether this can be the id of a model: `name` or `organisation/name`.
pub(crate) fn is_id(id: &str) -> bool {
    let allowed = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let parts: Vec<_> = id.split('/').collect();
    parts.len() <= 2 && parts.into_iter().all(allowed)
}

/// Whether this can be the name of a branch or tag, or a commit: as Git has it, and nothing that leads elsewhere.
pub(super) fn is_revision(name: &str) -> bool {
    let allowed = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with(".lock")
            && !part.contains("..")
            && part.chars().all(|c| !c.is_control() && !c.is_whitespace() && !r"~^:?*[\%#&".contains(c))
    };
    name.len() <= 200 && name.split('/').all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_become_paths() {
        assert!(Commit::parse(&"0123456789abcdef".repeat(3)[..40]).is_some());
        for text in ["", "main", "../../../etc", &"g".repeat(40), &"0".repeat(41), &"/".repeat(40)] {
            assert_eq!(Commit::parse(text), None, "{text}");
        }
        let sha256 = "ab".repeat(32);
        assert_eq!(Etag::parse(&format!("\"{sha256}\"")).unwrap().hash(), Hash::Sha256(&sha256));
        assert_eq!(Etag::parse(&sha256[..40]).unwrap().hash(), Hash::Sha1(&sha256[..40]));
        assert_eq!(Etag::parse(&sha256[..39]).unwrap().hash(), Hash::None);
        assert_eq!(Etag::parse("W/\"1a-b_c.d\"").unwrap().as_str(), "1a-b_c.d");
        for text in ["", "\"\"", "..", "../../x", "/etc/passwd", "a/b", "a\\b", ".x", "a\0", "a b", &"a".repeat(201)] {
            assert_eq!(Etag::parse(text), None, "{text}");
        }
        assert!(["main", "v1.0", "refs/pr/1", "feature/a-b_c", "日本"].into_iter().all(is_revision));
        for name in ["", "..", "../../x", "a//b", "/a", "a/", "a/../b", "a b", "a\nb", "a\\b", ".git", "a?b", "a%2e"] {
            assert!(!is_revision(name), "{name}");
        }
    }
}
