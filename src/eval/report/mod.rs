//! Figures as one HTML page that needs nothing else.

mod charts;
mod excerpt;

use std::path::Path;

use askama::Template;

use super::text::{flag, threshold};
use super::totals::Group;
use super::{Evaluation, Miss, NoAnswer, Normalization, Quality, count};
use charts::{Histogram, Reliability};
use excerpt::Piece;

/// Groups with fewer rows are shown paler: their figures are mostly chance.
const FEW_ROWS: u64 = 30;

/// Gold files that are named in the title.
const MOST_NAMES: usize = 3;

/// The page.
///
/// # Errors
/// None that depends on the figures.
pub(crate) fn render(evaluation: &Evaluation) -> Result<String, askama::Error> {
    Page::new(evaluation).render()
}

#[derive(Template)]
#[template(path = "eval/report/page.html")]
struct Page<'a> {
    evaluation: &'a Evaluation,
    title: String,
    /// Of questions, contexts and answers.
    language: &'static str,
    normalization: String,
    headlines: Vec<Headline>,
    sections: Vec<Section>,
    no_answer: Option<NoAnswerView>,
    reliability: Option<Reliability>,
    histogram: Option<Histogram>,
    misses: Vec<MissView<'a>>,
}

struct Headline {
    name: &'static str,
    value: String,
    note: String,
}

/// A table of groups, with a bar for each.
struct Section {
    title: &'static str,
    note: String,
    bars: Vec<Bar>,
}

struct Bar {
    name: String,
    /// The Japanese name, where there is one.
    japanese: &'static str,
    rows: String,
    exact_match: String,
    f1: String,
    few: bool,
}

struct NoAnswerView {
    bars: Vec<Bar>,
    /// Best thresholds: name, value, threshold, flag.
    best: Vec<(&'static str, String, String, String)>,
    by: &'static str,
}

struct MissView<'a> {
    miss: &'a Miss,
    score: Option<String>,
    f1: String,
    gold: Vec<&'a str>,
    pieces: Vec<Piece>,
}

impl<'a> Page<'a> {
    fn new(evaluation: &'a Evaluation) -> Self {
        let figures = &evaluation.figures;
        let normalization = figures.normalization;
        let calibration = figures.calibration.as_ref();
        Self {
            evaluation,
            title: title(&evaluation.gold),
            language: match normalization {
                Normalization::Ja => "ja",
                Normalization::En => "en",
            },
            normalization: format!("{normalization:?}").to_lowercase(),
            headlines: headlines(evaluation),
            sections: sections(evaluation),
            no_answer: figures.no_answer.as_ref().map(no_answer),
            reliability: calibration.map(Reliability::new),
            histogram: calibration.map(Histogram::new),
            misses: figures.worst_misses.iter().map(MissView::new).collect(),
        }
    }
}

/// The names of the gold files, without their folders.
fn title(gold: &[String]) -> String {
    let name = |path: &String| Path::new(path).file_name().map_or(path.clone(), |name| name.to_string_lossy().into());
    let names: Vec<String> = gold.iter().take(MOST_NAMES).map(name).collect();
    let more = if gold.len() > MOST_NAMES { " …" } else { "" };
    names.join(", ") + more
}

fn headlines(evaluation: &Evaluation) -> Vec<Headline> {
    let figures = &evaluation.figures;
    let unit = figures.normalization.unit();
    let headline = |name, value, note: &str| Headline { name, value, note: note.to_owned() };
    let failed = match figures.failed {
        0 => "all answered".to_owned(),
        failed => format!("{} failed, counted as wrong", count(failed)),
    };
    let mut headlines = vec![
        headline("Exact match", two(figures.all.exact_match), "% of the answers are exactly right"),
        headline("F1", two(figures.all.f1), &format!("% overlap with the right answer, by {unit}")),
        headline("Rows", count(figures.all.rows), &failed),
    ];
    if let Some(calibration) = &figures.calibration {
        let (error, score) = (two(calibration.expected_error), two(calibration.mean_score));
        headlines.push(headline(
            "Calibration error",
            error,
            &format!("points between score and truth; mean score {score} %"),
        ));
    }
    headlines
}

fn sections(evaluation: &Evaluation) -> Vec<Section> {
    let figures = &evaluation.figures;
    let unit = figures.normalization.unit();
    let section = |title, note: String, bars: Vec<Bar>| Section { title, note, bars };
    let kinds = figures.by_question_type.iter().map(|group| Bar {
        japanese: if figures.normalization == Normalization::Ja { group.group.japanese() } else { "" },
        ..bar(group.group.name().to_owned(), group.quality)
    });
    let mut sections = vec![
        section("Question type", "by the question word".to_owned(), kinds.collect()),
        section(
            "Length of the right answer",
            unit.to_owned(),
            bars(&figures.by_answer_length, |length| match length.to {
                Some(0) => "no answer".to_owned(),
                _ => length.to_string(),
            }),
        ),
        section("Length of the context", unit.to_owned(), bars(&figures.by_context_length, ToString::to_string)),
    ];
    if !figures.by_windows.is_empty() {
        let note = "how many times the model had to look to read the whole context".to_owned();
        sections.push(section("Windows", note, bars(&figures.by_windows, ToString::to_string)));
    }
    sections
}

fn bars<K>(groups: &[Group<K>], name: impl Fn(&K) -> String) -> Vec<Bar> {
    groups.iter().map(|group| bar(name(&group.group), group.quality)).collect()
}

fn bar(name: String, quality: Quality) -> Bar {
    Bar {
        name,
        japanese: "",
        rows: count(quality.rows),
        exact_match: one(quality.exact_match),
        f1: one(quality.f1),
        few: quality.rows < FEW_ROWS,
    }
}

fn no_answer(figures: &NoAnswer) -> NoAnswerView {
    let named = [("with an answer", figures.has_answer), ("without", figures.no_answer)];
    let best = figures.best.iter().flat_map(|best| {
        let threshold = |value: f64| format!("{value:.4}");
        [
            ("exact match", two(best.best_exact), threshold(best.best_exact_thresh), flag(best.best_exact_option)),
            ("F1", two(best.best_f1), threshold(best.best_f1_thresh), flag(best.best_f1_option)),
        ]
    });
    NoAnswerView {
        bars: named.into_iter().map(|(name, quality)| bar(name.to_owned(), quality)).collect(),
        best: best.collect(),
        by: figures.best.as_ref().map_or("", |best| threshold(best.by)),
    }
}

impl<'a> MissView<'a> {
    fn new(miss: &'a Miss) -> Self {
        let mut gold: Vec<&str> = Vec::new();
        for text in &miss.gold {
            if !gold.contains(&text.as_str()) {
                gold.push(text);
            }
        }
        let score = miss.score.map(|score| format!("{score:.3}"));
        Self { miss, score, f1: format!("{:.0}", miss.f1), gold, pieces: excerpt::pieces(miss) }
    }
}

fn one(percent: f64) -> String {
    format!("{percent:.1}")
}

fn two(percent: f64) -> String {
    format!("{percent:.2}")
}
