use std::collections::HashMap;
use std::iter::Peekable;

use anyhow::bail;

use super::error::EvalError;
use super::gold::Gold;
use super::predictions::{PredictionRow, Predictions};

/// Finds the prediction for each gold row: by id where both have ids, else by their order.
///
/// Predictions usually come in the order of the gold rows, and then none is kept: one is held only until its gold
/// row comes.
pub(crate) struct Join {
    /// For messages.
    path: String,
    predictions: Peekable<Predictions>,
    by: Option<By>,
}

enum By {
    /// Predictions whose gold row is still to come.
    Id(HashMap<String, PredictionRow>),
    Order,
}

impl Join {
    pub(crate) fn new(path: &str, predictions: Predictions) -> Self {
        Self { path: path.to_owned(), predictions: predictions.peekable(), by: None }
    }

    /// # Errors
    /// A gold row for which there is no prediction, or one that is evidently for another question.
    pub(crate) fn find(&mut self, gold: &Gold) -> anyhow::Result<PredictionRow> {
        let by = match &mut self.by {
            Some(by) => by,
            None => {
                let first_has_id = matches!(self.predictions.peek(), Some(Ok(PredictionRow { id: Some(_), .. })));
                let has_ids = first_has_id && gold.id.is_some();
                self.by.insert(if has_ids { By::Id(HashMap::new()) } else { By::Order })
            }
        };
        let prediction = match by {
            By::Order => match self.predictions.next().transpose()? {
                Some(prediction) => prediction,
                None => {
                    let (path, position) = (self.path.clone(), gold.position.clone());
                    return Err(EvalError::PredictionsEnd { path, position }.into());
                }
            },
            By::Id(early) => {
                let Some(id) = &gold.id else {
                    bail!("{}: the row has no id, as those before it have; give it one", gold.position)
                };
                match early.remove(id) {
                    Some(prediction) => prediction,
                    None => next_of(id, &mut self.predictions, early, gold, &self.path)?,
                }
            }
        };
        check(&prediction, gold, matches!(by, By::Order))?;
        Ok(prediction)
    }

    /// # Errors
    /// Predictions that no gold row was found for.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Self { predictions, by, .. } = self;
        let early = match by {
            Some(By::Id(early)) => early,
            Some(By::Order) | None => HashMap::new(),
        };
        // The first in the file, whatever the order of the map.
        let first_early = early.into_values().min_by_key(|prediction| prediction.position.number).map(Ok);
        let Some(first) = first_early.into_iter().chain(predictions).next().transpose()? else { return Ok(()) };
        let id = first.id.map(|id| format!(" (id {id})")).unwrap_or_default();
        bail!(
            "{}{id}: this prediction, and perhaps others, belongs to no gold row; are both of the same set? \
             If the gold is only a part of it, cut the predictions down to that",
            first.position
        )
    }
}

/// Reads predictions up to the one with this id.
fn next_of(
    id: &str,
    predictions: &mut Peekable<Predictions>,
    early: &mut HashMap<String, PredictionRow>,
    gold: &Gold,
    path: &str,
) -> anyhow::Result<PredictionRow> {
    for prediction in predictions {
        let prediction = prediction?;
        let Some(other) = &prediction.id else {
            bail!("{}: the row has no id, as those before it have", prediction.position)
        };
        if other == id {
            return Ok(prediction);
        }
        let other = other.clone();
        let position = prediction.position.clone();
        if let Some(twin) = early.insert(other, prediction) {
            let id = twin.id.unwrap_or_default();
            bail!("{position}: the id {id} was there before, at {}; ids must be unique to match by", twin.position);
        }
    }
    let (path, id, position) = (path.to_owned(), id.to_owned(), gold.position.clone());
    Err(EvalError::NoPrediction { path, id, position }.into())
}

/// Checks that a prediction is for this question, as far as it says.
fn check(prediction: &PredictionRow, gold: &Gold, by_order: bool) -> anyhow::Result<()> {
    let PredictionRow { position, question, answer, .. } = prediction;
    match question {
        Some(question) if question != gold.example.question() => bail!(
            "{position}: answers the question {question:?}, but {} asks {:?}; are both of the same set?",
            gold.position,
            gold.example.question()
        ),
        Some(_) => Ok(()),
        None if by_order => match answer {
            Some(answer) if !gold.example.context().contains(&answer.text) => {
                let (position, answer) = (position.clone(), answer.text.clone());
                Err(EvalError::NotInContext { position, answer, gold: gold.position.clone() }.into())
            }
            _ => Ok(()),
        },
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::prediction::Prediction;
    use super::*;
    use crate::io::Position;
    use crate::qa::Example;

    fn gold(number: u64, id: Option<&str>) -> Gold {
        let example = Example::new(format!("{number}?"), format!("The answer is {number}.")).unwrap();
        Gold { position: position("gold", number), id: id.map(str::to_owned), example, answers: Vec::new() }
    }

    fn position(source: &str, number: u64) -> Position {
        Position { source: source.into(), number }
    }

    fn join(rows: &[(Option<&str>, &str)]) -> Join {
        let rows: Vec<_> = (1..)
            .zip(rows)
            .map(|(number, (id, text))| {
                let answer = Some(Prediction::only((*text).to_owned(), None, None));
                Ok(PredictionRow { position: position("p", number), id: id.map(str::to_owned), question: None, answer })
            })
            .collect();
        Join::new("p", Box::new(rows.into_iter()))
    }

    #[test]
    fn by_id_in_any_order() {
        let mut join = join(&[(Some("c"), "3"), (Some("a"), "1"), (Some("b"), "2")]);
        for (number, id) in [(1, "a"), (2, "b"), (3, "c")] {
            assert_eq!(join.find(&gold(number, Some(id))).unwrap().answer.unwrap().text, number.to_string());
        }
        join.finish().unwrap();
    }

    #[test]
    fn by_order_where_an_id_is_missing() {
        let mut join = join(&[(Some("x"), "1"), (Some("y"), "3")]);
        join.find(&gold(1, None)).unwrap();
        let error = join.find(&gold(2, None)).unwrap_err().to_string();
        assert!(error.contains("\"3\" is not in the context of gold:2"), "{error}");
    }

    #[test]
    fn what_does_not_match_is_an_error() {
        let mut missing = join(&[(Some("a"), "1"), (Some("b"), "2")]);
        let error = missing.find(&gold(3, Some("c"))).unwrap_err().to_string();
        assert!(error.contains("no prediction for the id c of gold:3"), "{error}");

        let mut left = join(&[(Some("a"), "1"), (Some("b"), "2")]);
        left.find(&gold(2, Some("b"))).unwrap();
        let error = left.finish().unwrap_err().to_string();
        assert!(error.contains("p:1 (id a)"), "{error}");

        let mut twice = join(&[(Some("a"), "1"), (Some("a"), "2"), (Some("b"), "3")]);
        let error = twice.find(&gold(3, Some("b"))).unwrap_err().to_string();
        assert!(error.contains("p:2: the id a was there before, at p:1"), "{error}");

        let mut short = join(&[(None, "1")]);
        short.find(&gold(1, Some("a"))).unwrap();
        assert!(short.find(&gold(2, Some("b"))).unwrap_err().to_string().contains("the gold rows after it"));
    }
}
