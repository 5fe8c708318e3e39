//! How good answers are: exact match and F1 against gold, overall and by kind of row, how well "no answer" is detected,
//! and how far scores can be trusted.
//!
//! [`GoldColumns`] reads gold rows, a [`Prediction`] for each comes from the pipeline or from a file ([`Join`] finds the
//! right one), and a [`Scorer`] takes them one by one and ends in [`Figures`]. [`text`] and [`report`] show those.

mod calibration;
mod error;
mod gold;
mod join;
mod misses;
mod no_answer;
mod normalize;
mod prediction;
mod predictions;
mod python_literal;
mod question;
pub(crate) mod report;
mod right;
mod scorer;
pub mod squad;
pub(crate) mod text;
mod totals;

use serde::Serialize;

pub(crate) use calibration::{Calibration, CalibrationBin, HistogramBin};
pub(crate) use error::EvalError;
pub(crate) use gold::{Gold, GoldColumns, Golds, normalization};
pub(crate) use join::Join;
pub(crate) use misses::Miss;
pub(crate) use no_answer::{NoAnswer, ThresholdBy};
pub(crate) use normalize::Normalization;
pub(crate) use prediction::Prediction;
pub(crate) use predictions::PredictionColumns;
pub(crate) use scorer::{Figures, Scorer};
pub(crate) use totals::Quality;

/// What was evaluated, and the figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Evaluation {
    pub bertqa: &'static str,
    /// The gold files, as they were named.
    pub gold: Vec<String>,
    pub answers: Answers,
    #[serde(flatten)]
    pub figures: Figures,
}

/// Where the answers came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answers {
    /// A file of them.
    Predictions(String),
    /// A model, by its name.
    Model(String),
}

impl std::fmt::Display for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Predictions(path) => f.write_str(path),
            Self::Model(name) => write!(f, "model {name}"),
        }
    }
}

/// A count with separators between the thousands.
fn count(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io;

    #[test]
    fn a_row_of_a_file_is_scored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gold.jsonl").display().to_string();
        std::fs::write(&path, "{\"question\": \"Who?\", \"context\": \"Bell did.\", \"answers\": [\"Bell\"]}\n")
            .unwrap();
        let mut scorer = Scorer::new(Normalization::En, 20);
        for row in io::open(&[path], &io::ReadOptions::default()).unwrap().rows() {
            let gold = GoldColumns::default().read(row.unwrap()).unwrap();
            scorer.add(&gold, Some(&Prediction::only("bell".to_owned(), Some(0.9), None)), None);
        }
        assert_eq!(scorer.finish().all.exact_match, 100.0);
    }
}
