//! The precision that is chosen where none is asked for: the fastest in which the model still gives its answers.

use crate::batch::Batch;
use crate::engine::native::{self, NativeEngine, precisions_by_speed};
use crate::engine::{Engine, EngineError, Logits, Precision};
use crate::qa::{Encoder, Example, Options, Window};

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

/// How much of the probability of an answer's start and end a precision may move elsewhere, on average. With the default
/// model, int8 moves 0.007, and costs it 0.1 of F1.
const TOLERANCE: f64 = 0.03;

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
    let samples = Samples::new(encoder, exact.max_seq_len());
    let expected = exact.forward(&samples.batch)?;
    for precision in precisions_by_speed().filter(|precision| *precision != Precision::F32) {
        // Some models can't be loaded in every precision.
        let Ok(mut engine) = load(precision) else { continue };
        let moved = samples.moved(&expected, &engine.forward(&samples.batch)?);
        if moved <= TOLERANCE {
            return Ok(engine);
        }
        tracing::warn!(
            "{precision} would move {:.0} % of the probability of this model's answers; it is not used unless asked for",
            100.0 * moved,
        );
    }
    Ok(exact)
}

/// Windows of those samples that fit the model.
struct Samples {
    windows: Vec<Window>,
    batch: Batch,
}

impl Samples {
    fn new(encoder: &Encoder, max_seq_len: usize) -> Self {
        let options = Options { max_seq_len, doc_stride: max_seq_len / 4, ..Options::default() };
        let examples = SAMPLES.map(|(question, context)| Example::new(question.to_owned(), context.to_owned()));
        let windows: Vec<_> =
            examples.iter().flatten().filter_map(|example| encoder.encode(example, &options).ok()).flatten().collect();
        let mut batch = Batch::default();
        windows.iter().for_each(|window| batch.push(&window.input_ids, &window.token_type_ids));
        Self { windows, batch }
    }

    /// The mean, over starts and ends of the windows, of the share of the probability that lies elsewhere.
    fn moved(&self, expected: &Logits, found: &Logits) -> f64 {
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
    let powers: Vec<f64> = logits.iter().map(|logit| f64::from(logit - max).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(all(test, feature = "bundled"))]
mod tests {
    use super::super::LoadOptions;
    use super::*;

    /// The tolerance leaves room above what int8 is known to be good enough with.
    #[test]
    fn the_default_model_bears_int8() {
        let forward = |precision| {
            let options = LoadOptions { precision: Some(precision), ..LoadOptions::default() };
            let model = options.load().unwrap();
            let samples = Samples::new(&model.encoder, model.engines.max_seq_len());
            let logits = model.engines.into_boxes()[0].forward(&samples.batch).unwrap();
            (samples, logits)
        };
        let (samples, exact) = forward(Precision::F32);
        assert_eq!(samples.windows.len(), SAMPLES.len());
        assert_eq!(samples.moved(&exact, &exact), 0.0);
        for precision in [Precision::Bf16, Precision::Int8] {
            let moved = samples.moved(&exact, &forward(precision).1);
            println!("{precision} moves {moved:.4}");
            assert!(0.0 < moved && moved < TOLERANCE / 2.0, "{precision}: {moved}");
        }
    }
}
