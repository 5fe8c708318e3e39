use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use indicatif::ProgressBar;

use super::args::{Args, NormalizationArg, RowArgs};
use super::sink::ScoringSink;
use crate::cli::progress::Progress;
use crate::cli::rows::RowRange;
use crate::cli::session::Ready;
use crate::cli::summary::Summary;
use crate::eval::{self, GoldColumns, Golds, Join, Normalization, PredictionColumns, Scorer};
use crate::io::Input;
use crate::pipeline::{Item, Stats, Stop};

/// Scores rows, with what both ways to do it need.
pub(super) struct Job<'a> {
    pub(super) args: &'a Args,
    pub(super) bar: ProgressBar,
    pub(super) stop: Stop,
    pub(super) columns: GoldColumns,
    pub(super) began: Instant,
}

impl Job<'_> {
    /// Gold rows, and a scorer for them.
    fn golds(&self, input: Input) -> anyhow::Result<(Golds, Scorer)> {
        let columns = self.columns.clone();
        let limit = self.args.limit.unwrap_or(usize::MAX);
        let golds: Golds = Box::new(input.rows().take(limit).map(move |row| columns.read(row?)));
        let (inferred, golds) = eval::normalization(golds)?;
        let normalization = match self.args.normalization {
            NormalizationArg::Auto => inferred,
            NormalizationArg::Ja => Normalization::Ja,
            NormalizationArg::En => Normalization::En,
        };
        Ok((golds, Scorer::new(normalization, self.args.misses)))
    }

    fn range(&self) -> RowRange {
        RowRange { limit: self.args.limit.map(|limit| limit as u64), ..RowRange::default() }
    }

    /// Scores answers that were made earlier.
    pub(super) fn score(self, input: Input, path: &Path) -> anyhow::Result<(Scorer, Arc<Stats>)> {
        let RowArgs { id, question, prefix, max_line_bytes, .. } = &self.args.rows;
        let columns = PredictionColumns { id: id.clone(), question: question.clone(), prefix: prefix.clone() };
        let mut join = Join::new(&path.display().to_string(), columns.open(path, max_line_bytes.get())?);
        let stats = Arc::new(Stats::default());
        let progress = Progress::start(self.bar.clone(), &input, self.range(), stats.clone())?;
        let (golds, mut scorer) = self.golds(input)?;
        for gold in golds {
            if self.stop.is_stopped() {
                return Ok((scorer, stats));
            }
            let gold = gold?;
            let prediction = join.find(&gold)?;
            stats.read.add(1);
            stats.rows.add(1);
            stats.failed.add(usize::from(prediction.answer.is_none()));
            scorer.add(&gold, prediction.answer.as_ref(), None);
        }
        // Of the rows after a limit there may be predictions, and why not.
        if self.args.limit.is_none() {
            join.finish()?;
        }
        drop(progress);
        Ok((scorer, stats))
    }

    /// Answers the gold rows with the model, and scores that.
    pub(super) fn answer(self, input: Input) -> anyhow::Result<(Scorer, Arc<Stats>)> {
        let Args { answers, model, messages, .. } = self.args;
        let Ready { pipeline, mut options, engine, model: identity, .. } =
            Ready::load(model, answers, &self.stop, false)?;
        // The scorer wants to see the best span also where "no answer" wins.
        let may_win = std::mem::take(&mut options.handle_impossible_answer);
        let threshold = may_win.then_some(options.no_answer_threshold);
        let options = Arc::new(options);
        let stats = pipeline.stats.clone();
        let progress = Progress::start(self.bar.clone(), &input, self.range(), stats.clone())?;
        let (golds, scorer) = self.golds(input)?;
        let items = golds.map(move |gold| {
            let gold = gold?;
            // The context goes along twice: to be asked, and to be shown if the answer is a bad miss.
            let bytes = 2 * (gold.example.question().len() + gold.example.context().len());
            Ok(Item { example: Ok(gold.example.clone()), tag: gold, options: options.clone(), bytes })
        });
        let ScoringSink { scorer, .. } = pipeline.run(items, ScoringSink { scorer, threshold, failed: 0 })?;
        drop(progress);
        Summary::new(&stats, 0, self.began, engine, identity.precision).print(messages)?;
        Ok((scorer, stats))
    }
}
