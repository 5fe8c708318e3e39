//! Figures for a terminal.

use std::fmt::{self, Display, Write};

use super::totals::{Group, Quality};
use super::{Evaluation, Figures, Miss, NoAnswer, ThresholdBy, count};
use crate::qa::NoAnswerThreshold;

/// Misses that are shown; the report has more.
const MISSES: usize = 5;

/// The widths of a bar of 100 %.
const BAR: f64 = 20.0;

/// The figures as a table.
pub(crate) fn render(evaluation: &Evaluation) -> Result<String, fmt::Error> {
    let Evaluation { gold, answers, figures, .. } = evaluation;
    let mut out = String::new();
    let by = format!("{:?}", figures.normalization).to_lowercase();
    writeln!(out, "{} answered by {answers}", gold.join(", "))?;
    writeln!(out, "normalization {by}: {}\n", figures.normalization.description())?;

    writeln!(out, "{:<24}{:>10}{:>9}{:>9}", "", "rows", "EM", "F1")?;
    row(&mut out, &"all", figures.all)?;
    if figures.failed > 0 {
        writeln!(out, "  {:<22}{:>10}  counted as wrong", "of them failed", count(figures.failed))?;
    }
    if let Some(no_answer) = &figures.no_answer {
        no_answer_rows(&mut out, no_answer)?;
    }
    let unit = figures.normalization.unit();
    groups(&mut out, "question type", &figures.by_question_type, |kind| kind.name().to_owned())?;
    groups(&mut out, &format!("gold answer, {unit}"), &figures.by_answer_length, |length| match length.to {
        Some(0) => "no answer".to_owned(),
        _ => length.to_string(),
    })?;
    groups(&mut out, &format!("context, {unit}"), &figures.by_context_length, ToString::to_string)?;
    groups(&mut out, "windows", &figures.by_windows, ToString::to_string)?;
    calibration(&mut out, figures)?;
    misses(&mut out, &figures.worst_misses)?;
    Ok(out)
}

fn row(out: &mut String, name: &dyn Display, quality: Quality) -> fmt::Result {
    let Quality { rows, exact_match, f1 } = quality;
    let bar = "█".repeat((BAR * f1 / 100.0).round() as usize);
    writeln!(out, "{name:<24}{:>10}{exact_match:>9.2}{f1:>9.2}  {bar}", count(rows))
}

fn groups<K>(out: &mut String, title: &str, groups: &[Group<K>], name: impl Fn(&K) -> String) -> fmt::Result {
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    groups.iter().try_for_each(|group| row(out, &format!("  {}", name(&group.group)), group.quality))
}

fn no_answer_rows(out: &mut String, figures: &NoAnswer) -> fmt::Result {
    let NoAnswer { has_answer, no_answer, best } = figures;
    row(out, &"  with an answer", *has_answer)?;
    row(out, &"  without", *no_answer)?;
    match best {
        None => writeln!(out, "  (no best threshold: the predictions have no scores)"),
        Some(best) => {
            writeln!(out, "\nbest threshold, on {}", threshold(best.by))?;
            write!(out, "{:<34}{:>9.2}{:>9}  at {:.4}", "  exact match", best.best_exact, "", best.best_exact_thresh)?;
            writeln!(out, "{}", flag(best.best_exact_option))?;
            write!(out, "{:<34}{:>9}{:>9.2}  at {:.4}", "  F1", "", best.best_f1, best.best_f1_thresh)?;
            writeln!(out, "{}", flag(best.best_f1_option))?;
            if best.unlisted > 0 {
                let unlisted = count(best.unlisted);
                writeln!(
                    out,
                    "  ({unlisted} rows do not list \"no answer\" and count as sure; a larger top_k lets it in)"
                )?;
            }
            Ok(())
        }
    }
}

/// What the command line takes to get there, behind what stands before it; empty if there is no such flag.
pub(super) fn flag(option: Option<NoAnswerThreshold>) -> String {
    option.map_or_else(String::new, |threshold| format!("  --no-answer-threshold {threshold}"))
}

/// What a threshold is on, for people.
pub(super) fn threshold(by: ThresholdBy) -> &'static str {
    match by {
        ThresholdBy::NullScore => "the share of \"no answer\", null score / (null score + score of the best span)",
        ThresholdBy::Score => "1 - score of the answer (the predictions have no null score)",
    }
}

fn calibration(out: &mut String, figures: &Figures) -> fmt::Result {
    let Some(calibration) = &figures.calibration else { return Ok(()) };
    writeln!(
        out,
        "\ncalibration: expected error {:.2}, mean score {:.2}, exact match {:.2}",
        calibration.expected_error, calibration.mean_score, calibration.exact_match
    )?;
    writeln!(out, "{:<24}{:>10}{:>9}{:>9}", "  score", "rows", "EM", "mean")?;
    for bin in calibration.bins.iter().filter(|bin| bin.rows > 0) {
        let name = format!("  {:.1}–{:.1}", bin.from, bin.to);
        writeln!(out, "{name:<24}{:>10}{:>9.2}{:>9.2}", count(bin.rows), bin.exact_match, bin.mean_score)?;
    }
    Ok(())
}

fn misses(out: &mut String, misses: &[Miss]) -> fmt::Result {
    if misses.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nworst misses")?;
    for Miss { position, question, gold, answer, score, f1, .. } in misses.iter().take(MISSES) {
        let score = score.map(|score| format!("score {score:.3}, ")).unwrap_or_default();
        writeln!(out, "  {position} {question}")?;
        writeln!(out, "    {score}F1 {f1:.0}: {} instead of {}", shown(answer), gold_shown(gold))?;
    }
    Ok(())
}

fn shown(answer: &str) -> String {
    if answer.is_empty() { "no answer".to_owned() } else { format!("{answer:?}") }
}

fn gold_shown(gold: &[String]) -> String {
    let mut texts: Vec<String> = gold.iter().map(|text| shown(text)).collect();
    texts.dedup();
    if texts.is_empty() { shown("") } else { texts.join(" or ") }
}
