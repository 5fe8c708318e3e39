//! When "no answer" wins over a span.

use std::fmt;
use std::str::FromStr;

/// How probable "no answer" is beside a span: from 0, sure of the span, to 1, sure of "no answer". Its logit is the
/// difference of log probabilities that SQuAD 2.0's models are usually tuned by.
pub fn null_share(null_score: f32, span_score: f32) -> f64 {
    match f64::from(null_score) {
        0.0 => 0.0,
        null => null / (null + f64::from(span_score)),
    }
}

/// "No answer" wins over a span where its [share](null_share) is above this: a number from 0 to 1. At 0.5, the default,
/// the more probable of the two wins, as in the reference.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serve", derive(serde::Serialize, serde::Deserialize), serde(try_from = "f64"))]
pub struct NoAnswerThreshold(f64);

/// It is never NaN.
impl Eq for NoAnswerThreshold {}

/// A number that is no threshold.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("it must be a number from 0 to 1")]
pub struct NoAnswerThresholdError;

impl NoAnswerThreshold {
    /// The threshold `share`.
    ///
    /// # Errors
    /// If it is not from 0 to 1.
    pub fn new(share: f64) -> Result<Self, NoAnswerThresholdError> {
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err(NoAnswerThresholdError) }
    }

    /// The share above which "no answer" wins.
    pub fn share(self) -> f64 {
        self.0
    }

    /// Whether "no answer" wins over a span.
    pub fn is_exceeded(self, null_score: f32, span_score: f32) -> bool {
        null_share(null_score, span_score) > self.0
    }
}

impl Default for NoAnswerThreshold {
    fn default() -> Self {
        Self(0.5)
    }
}

impl TryFrom<f64> for NoAnswerThreshold {
    type Error = NoAnswerThresholdError;

    fn try_from(share: f64) -> Result<Self, Self::Error> {
        Self::new(share)
    }
}

impl FromStr for NoAnswerThreshold {
    type Err = NoAnswerThresholdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map_err(|_| NoAnswerThresholdError).and_then(Self::new)
    }
}

impl fmt::Display for NoAnswerThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_threshold_is_from_0_to_1() {
        for text in ["-0.1", "1.1", "nan", "inf", "half", ""] {
            assert_eq!(text.parse::<NoAnswerThreshold>(), Err(NoAnswerThresholdError), "{text}");
        }
        for text in ["0", "1", "0.25"] {
            assert_eq!(text.parse::<NoAnswerThreshold>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn at_1_no_answer_never_wins_and_at_0_wherever_it_is_possible() {
        let exceeded =
            |threshold: &str, null, span| threshold.parse::<NoAnswerThreshold>().unwrap().is_exceeded(null, span);
        assert!(!exceeded("1", 1.0, f32::MIN_POSITIVE));
        assert!(exceeded("0", f32::MIN_POSITIVE, 1.0));
        assert!(!exceeded("0", 0.0, 1.0));
    }

    proptest! {
        #[test]
        fn by_default_the_more_probable_wins(null in 0.0f32..=1.0, span in f32::MIN_POSITIVE..=1.0, same in any::<bool>()) {
            let span = if same { null.max(f32::MIN_POSITIVE) } else { span };
            prop_assert_eq!(NoAnswerThreshold::default().is_exceeded(null, span), null > span);
        }
    }
}
