//! Whether what was fetched is the file: by its hash, or where a hub gives none, by its form.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

use serde::Deserialize;
use serde::de::IgnoredAny;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::names::Hash;

/// What shows that content is not that of a file.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It was changed on the way, or is that of another file.
    #[error("its hash is not the one that the hub says")]
    Hash,
    /// A page that wants a login, for example.
    #[error("it is not JSON")]
    Json(#[source] serde_json::Error),
    /// Likewise.
    #[error("it is not of the format safetensors")]
    Safetensors,
    /// It cannot be read again.
    #[error("it cannot be read again")]
    Read(#[from] io::Error),
}

/// Refuses content that is not that of the file `name`, of which the hub says this hash.
pub(super) fn check(file: &mut File, name: &str, hash: Hash) -> Result<(), ContentError> {
    let size = file.metadata()?.len();
    file.rewind()?;
    let is_file = match hash {
        Hash::Sha256(said) => digest::<Sha256>(file, "")? == said,
        // Git's own hash has the size before the content; stores that stand in for a hub hash the content alone.
        Hash::Sha1(said) => {
            digest::<Sha1>(file, &format!("blob {size}\0"))? == said || digest::<Sha1>(file, "")? == said
        }
        Hash::None => return check_form(file, name, size),
    };
    if is_file { Ok(()) } else { Err(ContentError::Hash) }
}

fn digest<D: Digest>(file: &mut File, before: &str) -> io::Result<String> {
    file.rewind()?;
    let mut hasher = D::new_with_prefix(before);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Formats that show that content is something else; of others, hubs give hashes.
fn check_form(file: &mut File, name: &str, size: u64) -> Result<(), ContentError> {
    let mut reader = BufReader::new(file);
    if name.ends_with(".json") {
        let mut parser = serde_json::Deserializer::from_reader(reader);
        let parsed = IgnoredAny::deserialize(&mut parser).and_then(|_| parser.end());
        return parsed.map_err(ContentError::Json);
    }
    if name.ends_with(".safetensors") {
        let mut length = [0; 8];
        let is_there = reader.read_exact(&mut length).is_ok();
        let length = u64::from_le_bytes(length);
        let fits = is_there && length <= size.saturating_sub(8);
        if !fits || serde_json::from_reader::<_, IgnoredAny>(reader.take(length)).is_err() {
            return Err(ContentError::Safetensors);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn checked(content: &[u8], name: &str, hash: Hash) -> Result<(), String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        check(&mut file, name, hash).map_err(|error| error.to_string())
    }

    #[test]
    fn hashes_are_those_of_git_and_of_stores() {
        // Of `git hash-object`, `sha1sum` and `sha256sum`.
        for hash in [
            Hash::Sha1("fe51488c7066f6687ef680d6bfaa4f7768ef205c"),
            Hash::Sha1("cd0d4cc32346750408f7d4f5e78ec9a6e5b79a0d"),
            Hash::Sha256("37517e5f3dc66819f61f5a7bb8ace1921282415f10551d2defa5c3eb0985b570"),
        ] {
            assert_eq!(checked(b"[]\n", "x.json", hash), Ok(()));
            assert_eq!(checked(b"[]", "x.json", hash), Err(ContentError::Hash.to_string()));
        }
    }

    #[test]
    fn without_a_hash_the_form_is_looked_at() {
        let page = b"<!doctype html><title>Log in</title>";
        for (name, content, is_file) in [
            ("config.json", &b" {\"a\": [1]}\n"[..], true),
            ("config.json", page, false),
            ("config.json", b"", false),
            ("config.json", b"{} {}", false),
            ("config.json", b"{\"a\": ", false),
            ("model.safetensors", b"\x02\0\0\0\0\0\0\0{}", true),
            ("model.safetensors", b"\x03\0\0\0\0\0\0\0{}", false),
            ("model.safetensors", b"\x02\0\0\0\0\0\0\0<>", false),
            ("model.safetensors", page, false),
            ("model.safetensors", b"", false),
            ("vocab.txt", b"<s>\n", true),
        ] {
            assert_eq!(checked(content, name, Hash::None).is_ok(), is_file, "{name}");
        }
    }
}
