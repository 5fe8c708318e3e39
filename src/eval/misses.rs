use serde::Serialize;

use super::gold::{Gold, GoldAnswer};
use super::prediction::Prediction;

/// Keeps the worst misses, and no more.
#[derive(Debug)]
pub(super) struct Misses {
    limit: usize,
    /// Worst first.
    worst: Vec<Miss>,
}

/// A row whose answer is not exactly right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Miss {
    /// Where the gold row stands.
    pub position: String,
    pub id: Option<String>,
    pub question: String,
    #[serde(skip)]
    pub context: String,
    pub gold: Vec<String>,
    #[serde(skip)]
    pub gold_starts: Vec<Option<usize>>,
    /// Empty for "no answer".
    pub answer: String,
    pub start: Option<usize>,
    pub score: Option<f32>,
    /// In percent.
    pub f1: f64,
    /// How sure of how wrong an answer: `score * (1 - F1)`.
    pub severity: f64,
}

impl Misses {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, worst: Vec::new() }
    }

    /// Notes a miss with F1 from 0 to 1. Of equally bad ones the first stays.
    pub(super) fn add(&mut self, gold: &Gold, prediction: &Prediction, f1: f64) {
        // Without a score, only F1 counts.
        let severity = prediction.score.map_or(1.0, |score| f64::from(score).min(1.0)) * (1.0 - f1);
        let place = self.worst.partition_point(|other| other.severity >= severity);
        if place >= self.limit {
            return;
        }
        let (texts, starts) = gold.answers.iter().map(|GoldAnswer { text, start }| (text.clone(), *start)).unzip();
        let miss = Miss {
            position: gold.position.to_string(),
            id: gold.id.clone(),
            question: gold.example.question().to_owned(),
            context: gold.example.context().to_owned(),
            gold: texts,
            gold_starts: starts,
            answer: prediction.text.clone(),
            start: prediction.start,
            score: prediction.score,
            f1: 100.0 * f1,
            severity,
        };
        self.worst.insert(place, miss);
        self.worst.truncate(self.limit);
    }

    /// Worst first.
    pub(super) fn finish(self) -> Vec<Miss> {
        self.worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Position;
    use crate::qa::Example;

    #[test]
    fn the_worst_stay() {
        let mut misses = Misses::new(3);
        for (number, score, f1) in [(1, 0.5, 0.0), (2, 0.9, 0.5), (3, 0.9, 0.0), (4, 0.2, 0.0), (5, 0.5, 0.0)] {
            let example = Example::new("?".to_owned(), "x".to_owned()).unwrap();
            let position = Position { source: "gold".into(), number };
            let gold = Gold { position, id: None, example, answers: Vec::new() };
            misses.add(&gold, &Prediction::only("x".to_owned(), Some(score), None), f1);
        }
        let positions: Vec<_> = misses.finish().into_iter().map(|miss| miss.position).collect();
        assert_eq!(positions, ["gold:3", "gold:1", "gold:5"]);
    }
}
