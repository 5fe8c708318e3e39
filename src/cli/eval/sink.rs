use crate::cli::output::FAILURES_SHOWN;
use crate::eval::{Gold, Prediction, Scorer};
use crate::pipeline::{Answered, RowTag, Sink};
use crate::qa::NoAnswerThreshold;

/// Scores what the pipeline answers.
pub(super) struct ScoringSink {
    pub(super) scorer: Scorer,
    /// `None`: "no answer" may not win.
    pub(super) threshold: Option<NoAnswerThreshold>,
    pub(super) failed: u64,
}

impl RowTag for Gold {}

impl Sink<Gold> for ScoringSink {
    fn write(&mut self, row: Answered<Gold>) -> anyhow::Result<()> {
        let Answered { tag: gold, answers, details } = row;
        let prediction = match answers {
            Ok(answers) => answers.into_iter().next().map(|best| Prediction::new(best, details, self.threshold)),
            Err(error) => {
                self.failed += 1;
                if self.failed <= FAILURES_SHOWN {
                    tracing::warn!("{}: {error}", gold.position);
                }
                None
            }
        };
        self.scorer.add(&gold, prediction.as_ref(), details.map(|details| details.windows));
        Ok(())
    }
}
