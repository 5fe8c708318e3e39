use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Dictionary, Kind, MecabError};

/// Where systems have dictionaries.
const SYSTEM: [&str; 7] = [
    "/var/lib/mecab/dic",
    "/usr/share/mecab/dic",
    "/usr/lib/x86_64-linux-gnu/mecab/dic",
    "/usr/lib/aarch64-linux-gnu/mecab/dic",
    "/usr/lib/mecab/dic",
    "/usr/local/lib/mecab/dic",
    "/opt/homebrew/lib/mecab/dic",
];

/// Where a package of Python has its dictionary.
const PACKAGE: &str = "dicdir";

/// Where a dictionary is looked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MecabPlaces<'a> {
    /// The folder of one.
    pub(crate) named: Option<&'a Path>,
    /// Where Python has its packages; `None`: where the Python on PATH has them.
    pub(crate) python_path: Option<&'a [PathBuf]>,
}

/// Prints the folder of a package, if there is such, without importing it.
const FIND_PACKAGE: &str = "import importlib.util, sys
spec = importlib.util.find_spec(sys.argv[1])
for folder in (spec.submodule_search_locations or []) if spec else []:
    print(folder)";

/// Opens the dictionary of a folder, or the one that is wanted of those below it.
pub(in super::super) fn open_named(folder: &Path, wanted: Option<Kind>) -> Result<Dictionary, MecabError> {
    let below = wanted.into_iter().flat_map(Kind::folders).map(|name| folder.join(name));
    let folders = [folder.to_owned(), folder.join(PACKAGE)].into_iter().chain(below);
    let found = folders.into_iter().find(|folder| folder.join("sys.dic").exists());
    let dictionary = Dictionary::open(found.as_deref().unwrap_or(folder))?;
    if let Some(wanted) = wanted.filter(|wanted| !dictionary.is_like(*wanted)) {
        tracing::warn!("{} seems not to be {wanted}, whose words the model knows", folder.display());
    }
    Ok(dictionary)
}

/// The folder with a dictionary: that of a package of Python, or one of the system's.
pub(in super::super) fn find(kind: Kind, python_path: Option<&[PathBuf]>) -> Result<PathBuf, MecabError> {
    let package = python_path.map_or_else(|| of_python(kind), |folders| of_packages(kind, folders));
    find_in(kind, package, &SYSTEM.map(PathBuf::from))
}

fn find_in(kind: Kind, package: Option<PathBuf>, system: &[PathBuf]) -> Result<PathBuf, MecabError> {
    let system = system.iter().flat_map(|folder| kind.folders().iter().map(|name| folder.join(name)));
    package.into_iter().chain(system).find(|folder| is_utf8(folder)).ok_or(MecabError::Missing(kind))
}

fn of_packages(kind: Kind, folders: &[PathBuf]) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(kind.name()).join(PACKAGE)).find(|folder| folder.exists())
}

fn of_python(kind: Kind) -> Option<PathBuf> {
    let run = |python| Command::new(python).args(["-c", FIND_PACKAGE, kind.name()]).output();
    let found = run("python3").or_else(|_| run("python")).ok()?;
    let folders = String::from_utf8(found.stdout).ok()?;
    folders.lines().next().map(|folder| Path::new(folder).join(PACKAGE))
}

/// Whether the folder has a compiled dictionary in UTF-8: systems have some twice, also in EUC-JP.
fn is_utf8(folder: &Path) -> bool {
    let mut header = [0; 72];
    let read = File::open(folder.join("sys.dic")).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && super::lexicon::is_utf8(&header[40..])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn dictionary(folder: &Path, charset: &[u8]) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("sys.dic"), [&[0; 40], charset, &[0; 32]].concat()).unwrap();
    }

    #[test]
    fn packages_are_looked_for_in_the_order_of_the_path() {
        let root = tempfile::tempdir().unwrap();
        let path = ["user", "site"].map(|name| root.path().join(name));
        assert_eq!(of_packages(Kind::Ipadic, &path), None);
        for folder in path.iter().rev() {
            let package = folder.join("ipadic/dicdir");
            dictionary(&package, b"UTF-8");
            assert_eq!(of_packages(Kind::Ipadic, &path), Some(package.clone()));
            assert_eq!(find(Kind::Ipadic, Some(&path)).unwrap(), package);
        }
        assert_eq!(of_packages(Kind::UnidicLite, &path), None);
    }

    #[test]
    fn the_package_comes_first_and_other_encodings_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let [package, system, local] = ["package", "system", "local"].map(|name| root.join(name));
        let found = |kind| find_in(kind, Some(package.clone()), &[system.clone(), local.clone()]);
        assert!(matches!(found(Kind::Ipadic), Err(MecabError::Missing(Kind::Ipadic))));
        dictionary(&system.join("ipadic"), b"EUC-JP");
        assert!(found(Kind::Ipadic).is_err());
        dictionary(&local.join("ipadic"), b"utf8");
        assert_eq!(found(Kind::Ipadic).unwrap(), local.join("ipadic"));
        dictionary(&system.join("ipadic-utf8"), b"UTF-8");
        assert_eq!(found(Kind::Ipadic).unwrap(), system.join("ipadic-utf8"));
        assert!(found(Kind::Unidic).is_err());
        dictionary(&package, b"UTF-8");
        assert_eq!(found(Kind::Ipadic).unwrap(), package);
    }
}
