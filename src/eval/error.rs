use crate::io::Position;

/// Why rows cannot be scored, where there is something to choose otherwise.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvalError {
    /// The gold files have no such column.
    #[error("{file}: there is no column `{column}` with the right answers, only {names}")]
    NoGoldColumn {
        /// The first of the files.
        file: String,
        /// The column that is asked for.
        column: String,
        /// Those that there are.
        names: String,
    },
    /// A gold row has no answers.
    #[error("{position}: the row has no `{column}` with its right answers (an empty list if it has none)")]
    NoGoldAnswers {
        /// Where the row stands.
        position: Position,
        /// The column that is asked for.
        column: String,
    },
    /// There are fewer predictions than gold rows.
    #[error(
        "{path}: there is no prediction for {position} and the gold rows after it, and there are no ids to match by"
    )]
    PredictionsEnd {
        /// The predictions.
        path: String,
        /// The first gold row without one.
        position: Position,
    },
    /// No prediction has the id of a gold row.
    #[error("{path}: there is no prediction for the id {id} of {position}; are both of the same set?")]
    NoPrediction {
        /// The predictions.
        path: String,
        /// The row's id.
        id: String,
        /// The gold row.
        position: Position,
    },
    /// Rows are matched by their order, and an answer is not in its context.
    #[error(
        "{position}: the answer {answer:?} is not in the context of {gold}, which has the same place in its file; are \
         both in the same order?"
    )]
    NotInContext {
        /// The prediction.
        position: Position,
        /// Its answer.
        answer: String,
        /// The gold row.
        gold: Position,
    },
    /// The predictions have no answers.
    #[error(
        "{path}: has no column `{one}` or `{several}` with answers, only {names}; is it an output of `bertqa run`?"
    )]
    NoPredictionColumn {
        /// The predictions.
        path: String,
        /// The column of one answer.
        one: String,
        /// The column of several.
        several: String,
        /// Those that there are.
        names: String,
    },
}
