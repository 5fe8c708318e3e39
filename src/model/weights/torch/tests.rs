use proptest::prelude::*;

use super::*;
use crate::engine::Precision;
use crate::engine::native::{NativeEngine, Tensors, WeightBytes};

const ZIP: &[u8] = include_bytes!("../../../../tests/fixtures/weights/zip/pytorch_model.bin");
const LEGACY: &[u8] = include_bytes!("../../../../tests/fixtures/weights/legacy/pytorch_model.bin");
const ODD_ZIP: &[u8] = include_bytes!("../../../../tests/fixtures/weights/sharded/pytorch_model-00001-of-00002.bin");
const ODD_LEGACY: &[u8] = include_bytes!("../../../../tests/fixtures/weights/sharded/pytorch_model-00002-of-00002.bin");

/// What else than a pickle tells a legacy file: version and machine.
const HEAD: &[u8] = b"\x80\x02M\xe9\x03.\x80\x02}.";

fn read(bytes: &[u8]) -> Result<Named, WeightsError> {
    tensors(&WeightFile::new("x.bin", WeightBytes::Static(bytes.to_vec().leak())))
}

fn error(bytes: &[u8]) -> StateDictError {
    match read(bytes) {
        Err(WeightsError::StateDict(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A legacy file with this pickle.
fn legacy(pickle: &[u8]) -> Vec<u8> {
    [stream::MAGIC, HEAD, pickle, b"]."].concat()
}

#[test]
fn all_tensors_of_a_state_dict_are_found() {
    let names = |bytes| read(bytes).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(ZIP).len(), 39);
    assert_eq!(names(LEGACY).len(), 39);
    assert_eq!(names(ODD_ZIP).len() + names(ODD_LEGACY).len(), 39 + 2);
    assert!(names(ODD_ZIP).contains(&"bert.embeddings.position_ids".to_owned()));
}

#[test]
fn what_would_run_code_is_refused_by_its_name() {
    let fixtures = [
        &include_bytes!("../../../../tests/fixtures/weights/hostile/zip.bin")[..],
        include_bytes!("../../../../tests/fixtures/weights/hostile/legacy.bin"),
    ];
    let others = [
        legacy(b"cposix\nsystem\n(X\x02\0\0\0lstR."),
        legacy(b"\x80\x04\x8c\x05posix\x8c\x06system\x93."),
        legacy(b"(X\x02\0\0\0lsiposix\nsystem\n."),
    ];
    for file in fixtures.into_iter().chain(others.iter().map(Vec::as_slice)) {
        let message = error(file).to_string();
        assert!(message.starts_with("the pickle wants to call posix.system,"), "{message}");
    }
    // A pickle alone, as no torch wrote it.
    let plain = include_bytes!("../../../../tests/fixtures/weights/hostile/plain.bin");
    assert!(matches!(error(plain), StateDictError::NotTorch));

    for (pickle, called) in [
        (&b"cbuiltins\neval\n."[..], "builtins.eval"),
        (b"ctorch\nload\n.", "torch.load"),
        (b"ctorch.storage\n_load_from_bytes\n.", "torch.storage._load_from_bytes"),
        (b"c\x1b[31m\n\xff\n.", r"\x1b[31m.\xff"),
    ] {
        let message = error(&legacy(pickle)).to_string();
        assert!(message.contains(&format!("call {called},")), "{message}");
    }
    let long = legacy(&[&[b'c'][..], &[b'a'; 1000], b"\nb\n."].concat());
    assert!(error(&long).to_string().len() < 200);
}

#[test]
fn what_is_no_state_dict_is_an_error() {
    for (pickle, part) in [
        (&b"N."[..], "no state dict"),
        (b"].", "no state dict"),
        (b".", "a value on the stack expected"),
        (b"(N.", ""),
        (b"}(N.", ""),
        (b"}u.", "a mark on the stack expected"),
        (b"}(Nu.", "keys and values expected"),
        (b"](NNu.", "keys and values expected"),
        (b"}(Ne.", "a list expected"),
        (b"NNb.", "a dictionary expected"),
        (b"NNR.", "something to call expected"),
        (b"ctorch\nFloatStorage\n)R.", "something to call expected"),
        (b"ccollections\nOrderedDict\nNR.", "a tuple of arguments expected"),
        (b"ccollections\nOrderedDict\nN\x85R.", "pairs of keys and values expected"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor expected"),
        (b"ctorch._utils\n_rebuild_parameter\n)R.", "the tensor of a parameter expected"),
        (b")Q.", "a storage expected"),
        (b"h\x07.", "a value that was remembered expected"),
        (b"q\x07.", "a value on the stack expected"),
        (b"\x8a\x09aaaaaaaaa.", "a number of at most 8 bytes expected"),
        (b"U\x02\xff\xfe.", "text in UTF-8 expected"),
        (b"\x93.", "a value on the stack expected"),
        (b"NN\x93.", "the name of a class expected"),
        (b"\x81.", "instruction 0x81 at byte 0"),
        (b"N0.", "instruction 0x30 at byte 1"),
        (b"ccollections\nOrderedDict\no.", "instruction 0x6f"),
        (b"", "a storage expected"),
    ] {
        let file = legacy(pickle);
        match read(&file) {
            Err(error) => assert!(error.to_string().contains(part) || pickle.is_empty(), "{pickle:?}: {error}"),
            Ok(named) => assert!(named.is_empty() && part.is_empty(), "{pickle:?}"),
        }
    }
}

/// Lengths that the file does not have, and values that grow with each instruction.
#[test]
fn sizes_in_a_file_take_no_memory() {
    for pickle in [
        &b"X\xff\xff\xff\xffabc"[..],
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc",
        b"T\xff\xff\xff\x7fabc",
        b"\x95\xff\xff\xff\xff\xff\xff\xff\xff",
        b"c",
        b"cposix",
        b"cposix\nsystem",
    ] {
        let bytes = [stream::MAGIC, HEAD, pickle].concat();
        assert!(matches!(error(&bytes), StateDictError::Cut), "{pickle:?}");
    }
    for step in [&b"("[..], b"N", b"]", b"N\x85", b")\x94", b"h\0", b"Nr\xff\0\0\0", b"h\0a"] {
        let pickle = [b"]q\0".as_slice(), &step.repeat(2 << 20)].concat();
        assert!(matches!(error(&legacy(&pickle)), StateDictError::TooLong), "{step:?}");
    }
    // Each tuple has the one before twice, and a dictionary is made of the same pairs again and again.
    let doubled = [b")q\0".as_slice(), &b"h\0h\0\x86q\0".repeat(100_000), b"."].concat();
    assert!(matches!(error(&legacy(&doubled)), StateDictError::NotADict));
    let nested = [b"}".as_slice(), &b"\x85".repeat(500_000), b"."].concat();
    assert!(matches!(error(&legacy(&nested)), StateDictError::NotADict));
    let pairs = [b"](".as_slice(), &b"NN\x86".repeat(100_000), b"e\x85q\0ccollections\nOrderedDict\nq\x01"].concat();
    let again = [pairs.as_slice(), &b"h\x01h\0R".repeat(50_000), b"."].concat();
    assert!(matches!(error(&legacy(&again)), StateDictError::TooLong));
}

/// A tensor of 2 × 2 numbers of the storage "k", which has `length` of them.
fn one_tensor(length: u64, data: usize, offset: u8, shape: [u8; 2], strides: [u8; 2], names: usize) -> Vec<u8> {
    let [rows, cols] = shape;
    let [row, col] = strides;
    let mut pickle = b"}(".to_vec();
    for name in 0..names {
        pickle.extend([b'U', 2, b'a' + (name / 26) as u8, b'a' + (name % 26) as u8]);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n(");
        pickle.extend(b"(U\x07storagectorch\nFloatStorage\nU\x01kU\x03cpuK\x00NtQ");
        pickle.extend([b'K', offset, b'K', rows, b'K', cols, 0x86, b'K', row, b'K', col, 0x86]);
        pickle.extend(b"\x89}tR");
    }
    pickle.extend(b"u.");
    let rest: Vec<u8> = length.to_le_bytes().into_iter().chain(std::iter::repeat_n(0, data)).collect();
    [stream::MAGIC, HEAD, &pickle, b"](U\x01ke.", &rest].concat()
}

#[test]
fn storages_that_do_not_fit_the_file_are_errors() {
    assert_eq!(read(&one_tensor(4, 16, 0, [2, 2], [2, 1], 1)).unwrap().len(), 1);
    for (length, data) in [(5, 16), (4, 15), (1 << 62, 16), (u64::MAX, 16)] {
        let file = one_tensor(length, data, 0, [2, 2], [2, 1], 1);
        assert!(matches!(error(&file), StateDictError::Storages), "{length} {data}");
    }
    // The same numbers under many names.
    let bytes = 160 * 160 * 4;
    assert!(read(&one_tensor(160 * 160, bytes, 0, [160, 160], [160, 1], 2)).is_ok());
    let often = one_tensor(160 * 160, bytes, 0, [160, 160], [160, 1], 3);
    assert!(matches!(error(&often), StateDictError::Overlapping));
}

#[test]
fn repeated_names_take_no_memory() {
    let tensor = one_tensor(4, 16, 0, [2, 2], [2, 1], 1);
    let at = tensor.windows(2).position(|bytes| bytes == b"u.").unwrap();
    for (length, expected) in [(LONGEST_NAME, 2), (LONGEST_NAME + 1, 1), (1 << 20, 1)] {
        let name = [b"X".as_slice(), &(length as u32).to_le_bytes(), &b"n".repeat(length)].concat();
        // One entry with the name, then others by what was remembered.
        let more = [&name[..], b"q\0Nh\0", b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n"]
            .concat();
        let more = [&more[..], b"U\x01kU\x03cpuK\0NtQK\0K\x04\x85K\x01\x85\x89}tRq\x01", &b"h\0h\x01".repeat(400_000)]
            .concat();
        let file = [&tensor[..at], &more, &tensor[at..]].concat();
        assert_eq!(read(&file).unwrap().len(), expected, "{length}");
    }
}

#[test]
fn a_big_endian_file_is_refused() {
    let head = [stream::MAGIC, b"\x80\x02M\xe9\x03.", b"\x80\x02}U\x0dlittle_endian\x89s.", b"}.]."].concat();
    assert!(matches!(error(&head), StateDictError::BigEndian));
    let at = ZIP.windows(6).position(|bytes| bytes == b"little").unwrap();
    let mut big = ZIP.to_vec();
    big[at..at + 6].copy_from_slice(b"bigbig");
    assert!(matches!(error(&big), StateDictError::BigEndian));
}

#[test]
fn an_archive_that_torch_does_not_write_is_refused() {
    let entry = ZIP.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let with = |at: usize, value: u8| {
        let mut changed = ZIP.to_vec();
        changed[entry + at] = value;
        error(&changed)
    };
    // Its method, the flag of encryption, its length, where it begins.
    assert!(matches!(with(10, 8), StateDictError::Compressed(_)));
    assert!(matches!(with(8, 1), StateDictError::Compressed(_)));
    assert!(matches!(with(20, 1), StateDictError::Compressed(_)));
    assert!(matches!(with(42, 1), StateDictError::Zip));
    for bytes in [&b"PK"[..], b"PK\x05\x06", &[b"PK\x05\x06".as_slice(), &[0xff; 18]].concat()] {
        assert!(matches!(error(bytes), StateDictError::Zip), "{bytes:?}");
    }
    let empty = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    assert!(matches!(error(&empty), StateDictError::NoPickle));
    // 2^64 entries.
    let end64 = [b"PK\x06\x06".as_slice(), &[0; 20], &[0xff; 16], &[0; 16]].concat();
    let locator = [b"PK\x06\x07".as_slice(), &[0; 4], &[0; 8], &[0; 4]].concat();
    let many = [&end64[..], &locator, &empty].concat();
    assert!(matches!(read(&many), Err(WeightsError::StateDict(StateDictError::Zip | StateDictError::NotTorch))));
}

#[test]
fn a_pointer_of_git_lfs_is_named() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    assert!(matches!(read(pointer), Err(WeightsError::LfsPointer)));
}

#[test]
fn a_cut_file_is_an_error() {
    for whole in [ZIP, LEGACY, ODD_ZIP, ODD_LEGACY] {
        let length = whole.len();
        let lengths = (0..8000.min(length)).chain((0..length).step_by(977)).chain(length - 200..length);
        for length in lengths {
            let file = WeightFile::new("x.bin", WeightBytes::Static(&whole[..length]));
            assert!(tensors(&file).is_err(), "{length} of {}", whole.len());
        }
    }
}

/// The bytes that say what and where tensors are, as far as they are together.
fn description(file: &[u8]) -> Range<usize> {
    if file.starts_with(b"PK") { archive::entries(file).unwrap()["pytorch_model/data.pkl"].clone() } else { 0..7000 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// It is an error or another model, and never a panic.
    #[test]
    fn a_changed_file_does_no_harm(
        file in prop::sample::select(vec![ZIP, LEGACY]),
        directory in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let config = include_bytes!("../../../../tests/fixtures/families/bert/config.json");
        let place = if directory { file.len() - 4000..file.len() } else { description(file) };
        let mut changed = file.to_vec();
        for (index, byte) in changes {
            changed[place.start + index.index(place.len())] = byte;
        }
        if let Ok(named) = read(&changed) {
            let _ = NativeEngine::load(config, &Tensors::new("x.bin", named), Precision::F32, 1);
        }
    }

    #[test]
    fn any_instructions_do_no_harm(
        pickle in prop::collection::vec(prop::sample::select(&b"()]}.NKtuesabRQhqcUX\x85\x86\x94\x93\x88\x01\x00"[..]), 0..80),
    ) {
        let _ = read(&legacy(&pickle));
    }
}
