//! Whose answers these are, where people mean other ones than the reference gives.

/// Whose white space at an answer's ends, equal texts and scores
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[cfg_attr(
    feature = "serve",
    derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema),
    serde(rename_all = "lowercase")
)]
pub enum Compat {
    /// No white space at the ends; equal texts are one answer, however they are written; a score is a probability: the
    /// text's within the window where it is the most probable
    #[default]
    None,
    /// As the pipeline of transformers 5.2.0 has them, to the letter: texts that differ in white space are several
    /// answers, and the probabilities of equal ones add up over all windows, also to more than 1
    Transformers,
}
