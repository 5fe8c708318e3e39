//! The precision that is chosen where none is asked for: the fastest in which the model still gives its answers.

use std::fmt;

use serde::Serialize;

use crate::batch::Batch;
use crate::engine::native::{self, NativeEngine, precisions_by_speed};
use crate::engine::{Engine, EngineError, Logits, Precision};
use crate::qa::{Encoder, Example, Options, RowError, Window};

/// Rows for which a precision is held against f32: question and context.
const SAMPLES: [(&str, &str); 4] = [
    (
        "Who designed the first lighthouse of the harbour?",
        "The harbour of Port Ellery got its first lighthouse in 1822. It was designed by the engineer Robert Hale, stood \
         31 metres high, and burnt whale oil until 1871. After the storm of 1903 only its base was left, on which the \
         town built the present tower two years later.",
    ),
    (
        "How long does the ferry take?",
        "Between May and September a ferry leaves the island twice a day. The crossing takes forty minutes and costs \
         nine euros; bicycles travel free of charge.",
    ),
    (
        "時計台が建てられたのはいつですか。",
        "町の中心にある時計台は、1928年に地元の商人たちの寄付によって建てられた。高さは22メートルで、\
         1964年の地震のあと鉄骨で補強され、現在は市の文化財に指定されている。",
    ),
    (
        "この茶の産地はどこか",
        "この茶は香りが強く、主に県北部の山あいで育てられている。収穫は四月の終わりに始まり、\
         蒸してから手で揉むのが昔からの作り方である。",
    ),
];

/// How far a precision is from f32: the share of the probability of an answer's start and end that lies elsewhere in it,
/// on average over sample questions.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub struct Drift(f64);

impl Drift {
    /// Of f32 itself.
    pub(super) const NONE: Self = Self(0.0);

    /// The largest at which answers are as good as those of f32. With the default model, int8 moves 0.007, and costs it
    /// 0.1 of F1.
    pub const TOLERABLE: Self = Self(0.03);

    /// From 0, none, to 1, all of the probability.
    pub fn share(self) -> f64 {
        self.0
    }

    /// Whether answers are as good as those of f32.
    pub fn is_tolerable(self) -> bool {
        self <= Self::TOLERABLE
    }
}

/// In percent.
impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = 100.0 * self.0;
        if percent < 1.0 { write!(f, "{percent:.2} %") } else { write!(f, "{percent:.1} %") }
    }
}

/// Why a tokenizer is not that of a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MismatchError {
    /// It makes tokens that the network does not have, or types of them: it belongs to another model.
    #[error("its tokenizer is that of another model")]
    Network(#[from] EngineError),
    /// It makes tokens of no text.
    #[error("its tokenizer reads none of {} sample texts", SAMPLES.len())]
    Unreadable(#[source] RowError),
}

/// Refuses a tokenizer that cannot read the samples, or makes of them what the network does not have.
pub(super) fn check_tokenizer(encoder: &Encoder, type_vocab_size: usize) -> Result<(), MismatchError> {
    let (mut is_read, mut failure) = (false, None);
    for (question, context) in SAMPLES {
        let example = Example::new(question.to_owned(), context.to_owned());
        match example.and_then(|example| encoder.encode(&example, &Options::default())) {
            Ok(windows) => {
                is_read = true;
                let mut types = windows.iter().flat_map(|window| &window.token_type_ids);
                if let Some(&id) = types.find(|id| **id as usize >= type_vocab_size) {
                    return Err(EngineError::TokenType { id, type_vocab_size }.into());
                }
            }
            Err(RowError::TokenId { id, vocab_size }) => return Err(EngineError::TokenId { id, vocab_size }.into()),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    // A tokenizer may well be for one language only.
    failure.filter(|_| !is_read).map_or(Ok(()), |error| Err(MismatchError::Unreadable(error)))
}

/// The model in the fastest precision that moves little of the samples' probability. `exact` is the model in f32, and
/// `load` loads it in others.
///
/// # Errors
/// If a forward pass fails.
pub(super) fn choose(
    mut exact: NativeEngine,
    encoder: &Encoder,
    load: impl Fn(Precision) -> Result<NativeEngine, native::LoadError>,
) -> Result<NativeEngine, EngineError> {
    let trials = Trials::new(encoder, &mut exact)?;
    for precision in precisions_by_speed().filter(|precision| *precision != Precision::F32) {
        // Some models can't be loaded in every precision.
        let Ok(mut engine) = load(precision) else { continue };
        let drift = trials.drift(&mut engine)?;
        if drift.is_tolerable() {
            return Ok(engine);
        }
        tracing::warn!(
            "{precision} would move {drift} of the probability of this model's answers; it is not used unless asked for",
        );
    }
    Ok(exact)
}

/// Windows of those samples that fit a model, and what it says of them in f32.
pub(super) struct Trials {
    windows: Vec<Window>,
    batch: Batch,
    expected: Logits,
}

impl Trials {
    /// `exact` is the model in f32.
    ///
    /// # Errors
    /// If the forward pass fails.
    pub(super) fn new(encoder: &Encoder, exact: &mut NativeEngine) -> Result<Self, EngineError> {
        let max_seq_len = exact.max_seq_len();
        let options = Options { max_seq_len, doc_stride: max_seq_len / 4, ..Options::default() };
        let examples = SAMPLES.map(|(question, context)| Example::new(question.to_owned(), context.to_owned()));
        let windows: Vec<_> =
            examples.iter().flatten().filter_map(|example| encoder.encode(example, &options).ok()).flatten().collect();
        let mut batch = Batch::default();
        windows.iter().for_each(|window| batch.push(&window.input_ids, &window.token_type_ids));
        let expected = exact.forward(&batch)?;
        Ok(Self { windows, batch, expected })
    }

    /// How far the model is from f32 in the precision of `engine`.
    ///
    /// # Errors
    /// If the forward pass fails.
    pub(super) fn drift(&self, engine: &mut NativeEngine) -> Result<Drift, EngineError> {
        Ok(Drift(self.moved(&engine.forward(&self.batch)?)))
    }

    /// The mean, over starts and ends of the windows, of the share of the probability that lies elsewhere.
    fn moved(&self, found: &Logits) -> f64 {
        let expected = &self.expected;
        let mut shares = Vec::new();
        for (window, bounds) in self.windows.iter().zip(self.batch.cu_seq_lengths().windows(2)) {
            let context = bounds[0] + window.context.start..bounds[0] + window.context.end;
            for (expected, found) in [(&expected.start, &found.start), (&expected.end, &found.end)] {
                let (expected, found) = (softmax(&expected[context.clone()]), softmax(&found[context.clone()]));
                let differences = expected.iter().zip(&found).map(|(expected, found)| (expected - found).abs());
                shares.push(differences.sum::<f64>() / 2.0);
            }
        }
        shares.iter().sum::<f64>() / shares.len().max(1) as f64
    }
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|logit| libm::exp(f64::from(logit - max))).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(all(test, feature = "bundled"))]
mod tests {
    use super::super::{Engines, LoadOptions};
    use super::*;

    /// The tolerance leaves room above what int8 is known to be good enough with.
    #[test]
    fn the_default_model_bears_int8() {
        let load = |precision| {
            let model = LoadOptions { precision: Some(precision), ..LoadOptions::default() }.load().unwrap();
            match model.engines {
                Engines::Native(engine) => (model.encoder, engine),
                #[cfg(feature = "torch")]
                Engines::Torch { .. } => unreachable!("it is not compiled"),
            }
        };
        let (encoder, mut exact) = load(Precision::F32);
        let trials = Trials::new(&encoder, &mut exact).unwrap();
        assert_eq!(trials.windows.len(), SAMPLES.len());
        assert_eq!(trials.drift(&mut exact).unwrap(), Drift::NONE);
        for precision in [Precision::Bf16, Precision::Int8] {
            let drift = trials.drift(&mut load(precision).1).unwrap();
            println!("{precision} moves {drift}");
            assert!(Drift::NONE < drift && drift.share() < Drift::TOLERABLE.share() / 2.0, "{precision}: {drift}");
        }
    }
}
