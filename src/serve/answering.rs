//! Rows of a request: checked against the limits, queued, and answered.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::app::{Serving, Shared};
use super::error::{ApiError, Problem};
use super::observe::Rows;
use super::queue::{Answers, Ask, Full};
use crate::qa::{Example, Options, RequestOptions, RowError, TextField};

impl Shared {
    /// The options of a request, within the limits.
    pub(super) fn resolve(&self, given: &RequestOptions) -> Result<Arc<Options>, ApiError> {
        self.resolve_over(&self.serving()?.defaults, given)
    }

    /// The options of a row, within the limits, with those of its request for what it leaves out.
    pub(super) fn resolve_over(&self, request: &Options, given: &RequestOptions) -> Result<Arc<Options>, ApiError> {
        let serving = self.serving()?;
        let Serving { info, defaults, .. } = &*serving;
        given
            .resolve_within(request, &self.limits.of_options(info.max_seq_len, defaults))
            .map(Arc::new)
            .map_err(ApiError::from)
    }

    /// A row's example, if it keeps to the limits.
    pub(super) fn example(&self, question: String, context: String) -> Result<Example, RowError> {
        self.check(Example::new(question, context)?)
    }

    /// An example, if it keeps to the limits.
    pub(super) fn check(&self, example: Example) -> Result<Example, RowError> {
        let most = self.limits.max_context_chars.get();
        for (field, text) in [(TextField::Question, example.question()), (TextField::Context, example.context())] {
            // A text has no more characters than bytes, which are counted at once.
            if text.len() > most && text.chars().nth(most).is_some() {
                return Err(RowError::TooManyCharacters { field, limit: most });
            }
        }
        Ok(example)
    }

    /// Refuses a request of too many rows.
    pub(super) fn check_rows(&self, rows: usize) -> Result<(), ApiError> {
        let most = self.limits.max_rows;
        if rows > most.get() {
            return Err(Problem::TooManyRows { rows, limit: most.get() }.into());
        }
        Ok(())
    }

    /// Answers the rows of a request, in their order, and counts them. A bad row of a list is not a lost row; alone,
    /// it is what is wrong with the request.
    pub(super) async fn answer(
        &self,
        rows: Vec<Result<Ask, RowError>>,
        is_list: bool,
        counter: &Rows,
        deadline: Instant,
    ) -> Result<Vec<Answers>, ApiError> {
        let mut answers = Vec::with_capacity(rows.len());
        let (mut asks, mut places) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for (place, row) in rows.into_iter().enumerate() {
            match row {
                Ok(ask) => {
                    asks.push(ask);
                    places.push(place);
                    // What is here until the answers are is never seen.
                    answers.push(Ok(Vec::new()));
                }
                Err(error) => answers.push(Err(error)),
            }
        }
        let lane = self.queue.open();
        let replies = lane.submit(asks).map_err(|Full { wait }| Problem::QueueFull { wait })?;
        for (place, reply) in places.into_iter().zip(replies) {
            answers[place] = timeout_at(deadline, reply).await.map_err(|_| self.late())?.map_err(|_| Problem::Lost)?;
        }
        answers.iter().for_each(|answers| counter.count(answers));
        match answers.pop() {
            Some(Err(error)) if !is_list => Err(error.into()),
            last => {
                answers.extend(last);
                Ok(answers)
            }
        }
    }

    fn late(&self) -> ApiError {
        Problem::Late { seconds: self.limits.request_timeout.as_secs_f64() }.into()
    }
}
