use std::path::PathBuf;

use super::*;

/// A name that is not UTF-8.
#[cfg(target_os = "linux")]
#[test]
fn a_file_name_that_is_not_utf8_is_a_file_name() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let at = |name: &[u8]| -> PathBuf { folder.0.path().join(std::ffi::OsStr::from_bytes(name)) };
    let (input, output) = (at(b"caf\xe9.jsonl"), at(b"r\xe9ponses.parquet"));
    std::fs::write(&input, "{\"question\": \"q\", \"context\": \"c\"}\nbroken\n").unwrap();
    for inputs in [input.clone(), folder.0.path().to_owned()] {
        let input = open(&[inputs], &ReadOptions::default()).unwrap();
        let mut writer = create(&output, &input, &WriteOptions::default()).unwrap();
        for row in input.rows() {
            let InputRow { position, record, example } = row.unwrap();
            assert!(position.to_string().contains("caf\u{fffd}.jsonl:"), "{position}");
            let answers = example.map(|_| vec![answer("Bell")]);
            writer.write(Answered { row: Row { position, record }, answers }).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(open(&[&output], &ReadOptions::default()).unwrap().total_rows(), Some(2));
        std::fs::remove_file(&output).unwrap();
    }
    let error = open(&[at(b"absent\xe9*.jsonl")], &ReadOptions::default()).err().unwrap();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}
