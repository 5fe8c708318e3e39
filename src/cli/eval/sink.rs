use crate::cli::rows::FAILURES_SHOWN;
use crate::eval::{Gold, Prediction, Scorer};
use crate::pipeline::{Answered, Payload, Sink};

/// Scores what the pipeline answers.
pub(super) struct ScoringSink {
    pub(super) scorer: Scorer,
    pub(super) null_may_win: bool,
    pub(super) failed: u64,
}

impl Payload for Gold {}

impl Sink<Gold> for ScoringSink {
    fn write(&mut self, row: Answered<Gold>) -> anyhow::Result<()> {
        let Answered { payload: gold, answers, evidence } = row;
        let prediction = match answers {
            Ok(answers) => answers.into_iter().next().map(|best| Prediction::new(best, evidence, self.null_may_win)),
            Err(error) => {
                self.failed += 1;
                if self.failed <= FAILURES_SHOWN {
                    tracing::warn!("{}: {error}", gold.position);
                }
                None
            }
        };
        self.scorer.add(&gold, prediction.as_ref(), evidence.map(|evidence| evidence.windows));
        Ok(())
    }
}
