//! The tensors of a model by name, read where they lie in its files.

mod file;
mod float;
mod stored;
mod tensor;

use std::collections::{HashMap, HashSet};

use super::LoadError;
pub use file::{WeightBytes, WeightFile};
pub use float::Float;
pub use stored::{Element, StoredTensor, Strides};
pub(super) use tensor::Tensor;

/// What `DataParallel` puts before every name.
const WRAPPER: &str = "module.";

/// The tensors of a model, in one file or several.
///
/// Names are compared without `module.` where all have it, and without the name of the encoder (`bert.`) where none
/// has it.
#[derive(Debug, Clone)]
pub struct Tensors {
    weights: String,
    by_name: HashMap<String, StoredTensor>,
    /// The first parts of the names.
    roots: HashSet<String>,
}

impl Tensors {
    /// Tensors by name, of which a later one replaces an earlier one; `weights` is what they are all in, for messages.
    pub fn new(weights: impl Into<String>, tensors: impl IntoIterator<Item = (String, StoredTensor)>) -> Self {
        let mut by_name: HashMap<_, _> = tensors.into_iter().collect();
        if by_name.keys().all(|name| name.starts_with(WRAPPER)) {
            by_name = by_name.into_iter().map(|(name, tensor)| (name[WRAPPER.len()..].to_owned(), tensor)).collect();
        }
        let roots = by_name.keys().filter_map(|name| name.split_once('.')).map(|(root, _)| root.to_owned()).collect();
        Self { weights: weights.into(), by_name, roots }
    }

    /// How many numbers the tensors of floats hold, and the bytes that these take.
    pub fn size(&self) -> (usize, usize) {
        let sizes = self.by_name.values().filter_map(|tensor| {
            let Element::Float(float) = &tensor.element else { return None };
            // Dimensions are believed where there are bytes for them.
            tensor.strides_within_bytes(float.size())?;
            let numbers = tensor.shape.iter().product::<usize>();
            Some((numbers, numbers * float.size()))
        });
        sizes.fold((0, 0), |(numbers, bytes), (more, more_bytes)| (numbers + more, bytes + more_bytes))
    }

    fn find(&self, name: &str) -> Option<&StoredTensor> {
        self.by_name.get(name).or_else(|| {
            let (root, rest) = name.split_once('.')?;
            if self.roots.contains(root) { None } else { self.by_name.get(rest) }
        })
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The tensor `name`, which must have the shape `expected`.
    pub(super) fn get(&self, name: &str, expected: &[usize]) -> Result<Tensor, LoadError> {
        let missing = || LoadError::MissingTensor { weights: self.weights.clone(), name: name.into() };
        let stored = self.find(name).ok_or_else(missing)?;
        let file = || stored.file.name().to_owned();
        if stored.shape != expected {
            return Err(LoadError::Shape {
                file: file(),
                name: name.into(),
                expected: expected.to_vec(),
                found: stored.shape.clone(),
            });
        }
        let float = match &stored.element {
            Element::Float(float) => *float,
            Element::Other(found) => {
                return Err(LoadError::Dtype { file: file(), name: name.into(), found: found.clone() });
            }
        };
        match stored.strides_within_bytes(float.size()) {
            Some(strides) => Ok(Tensor::new(stored, float, &strides)),
            None => Err(LoadError::Cut { file: file(), name: name.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve numbers from 0 on, before others.
    fn stored(offset: usize, shape: &[usize], strides: Strides) -> StoredTensor {
        let bytes: Vec<u8> = (0..99).flat_map(|number| (number as f64).to_le_bytes()).collect();
        let file = WeightFile::new("file", WeightBytes::Static(bytes.leak()));
        StoredTensor { file, element: Element::Float(Float::F64), bytes: 0..96, offset, shape: shape.to_vec(), strides }
    }

    fn read(offset: usize, shape: &[usize], strides: Strides) -> Result<Vec<f32>, LoadError> {
        let tensors = Tensors::new("file", [("a".to_owned(), stored(offset, shape, strides))]);
        tensors.get("a", shape).map(|tensor| tensor.read())
    }

    #[test]
    fn strides_are_followed() {
        assert_eq!(read(0, &[2, 3], Strides::Dense).unwrap(), [0., 1., 2., 3., 4., 5.]);
        assert_eq!(read(6, &[2, 3], Strides::Each(vec![1, 2])).unwrap(), [6., 8., 10., 7., 9., 11.]);
        assert_eq!(read(1, &[2, 2, 2], Strides::Each(vec![1, 6, 3])).unwrap(), [1., 4., 7., 10., 2., 5., 8., 11.]);
        assert_eq!(read(10, &[2, 1], Strides::Each(vec![0, 9])).unwrap(), [10., 10.]);
        assert_eq!(read(0, &[], Strides::Dense).unwrap(), [0.]);
        assert_eq!(read(12, &[0, 7], Strides::Dense).unwrap(), [0.; 0]);
        assert_eq!(read(12, &[7, 0], Strides::Dense).unwrap(), [0.; 0]);
        assert_eq!(read(0, &[usize::MAX, 3, 0], Strides::Dense).unwrap(), [0.; 0]);
        let long: Vec<f32> = (0..11).map(|number| number as f32).collect();
        assert_eq!(read(0, &[11], Strides::Each(vec![1])).unwrap(), long);
    }

    #[test]
    fn what_reaches_beyond_the_file_is_an_error() {
        for (offset, shape, strides) in [
            (0, vec![13], Strides::Dense),
            (1, vec![3, 4], Strides::Dense),
            (13, vec![0], Strides::Dense),
            (usize::MAX, vec![1], Strides::Dense),
            (0, vec![usize::MAX, 3], Strides::Dense),
            (0, vec![2, 2], Strides::Each(vec![12, 1])),
            (0, vec![2, 2], Strides::Each(vec![usize::MAX, usize::MAX])),
            (0, vec![2, 2], Strides::Each(vec![1])),
            // 13 times the same number.
            (0, vec![13], Strides::Each(vec![0])),
        ] {
            let result = read(offset, &shape, strides.clone());
            assert!(matches!(result, Err(LoadError::Cut { .. })), "{offset} {shape:?} {strides:?}: {result:?}");
        }
    }

    #[test]
    fn names_are_found_with_and_without_prefixes() {
        let tensors = |names: &[&str]| {
            Tensors::new("file", names.iter().map(|name| ((*name).to_owned(), stored(0, &[1], Strides::Dense))))
        };
        let plain = tensors(&["embeddings.weight", "qa_outputs.weight"]);
        assert!(plain.contains("bert.embeddings.weight") && plain.contains("qa_outputs.weight"));
        let wrapped = tensors(&["module.bert.embeddings.weight", "module.qa_outputs.weight"]);
        assert!(wrapped.contains("bert.embeddings.weight") && wrapped.contains("qa_outputs.weight"));
        let both = tensors(&["module.embeddings.weight", "module.qa_outputs.weight"]);
        assert!(both.contains("bert.embeddings.weight"));
        // Another model beside the encoder is not taken for it.
        let other = tensors(&["bert.pooler.weight", "embeddings.weight"]);
        assert!(!other.contains("bert.embeddings.weight"));
    }
}
