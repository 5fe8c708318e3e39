//! Where the parts of a chart stand. Both are 360 units wide, so that their text can be read on a phone.

use crate::eval::{Calibration, CalibrationBin, HistogramBin, count};

/// The plot's left edge and width.
const LEFT: f64 = 40.0;
const WIDTH: f64 = 310.0;

fn x(share: f64) -> f64 {
    LEFT + WIDTH * share
}

/// A coordinate, as far as it can be seen.
fn at(value: f64) -> String {
    format!("{value:.1}")
}

/// A rectangle, and what is said of it.
pub(super) struct Rect {
    pub x: String,
    pub y: String,
    pub width: String,
    pub height: String,
    pub title: String,
}

/// A point, and what is said of it.
pub(super) struct Dot {
    pub x: String,
    pub y: String,
    pub title: String,
}

/// Text at the middle of where it belongs.
pub(super) struct Label {
    pub x: String,
    pub y: String,
    pub text: String,
}

/// Share of right answers over score, and how many rows stand behind each share.
pub(super) struct Reliability {
    pub bars: Vec<Rect>,
    /// Where a bar would end if scores were right.
    pub targets: Vec<Dot>,
    pub counts: Vec<Rect>,
    pub count_labels: Vec<Label>,
}

impl Reliability {
    /// The plot is from 20 (100 %) to 200 (0 %), the counts from 272 up to 60 high.
    pub(super) fn new(calibration: &Calibration) -> Self {
        let y = |percent: f64| 200.0 - 1.8 * percent;
        let most = calibration.bins.iter().map(|bin| bin.rows).max().unwrap_or(1).max(1) as f64;
        let said = |bin: &CalibrationBin| {
            let CalibrationBin { from, to, rows, mean_score, exact_match } = bin;
            format!(
                "score {from:.1} to {to:.1}: {rows} rows, mean score {mean_score:.1} %, exact match {exact_match:.1} %"
            )
        };
        let rect = |bin: &CalibrationBin, bottom: f64, height: f64| Rect {
            x: at(x(bin.from) + 2.0),
            y: at(bottom - height),
            width: at(WIDTH * (bin.to - bin.from) - 4.0),
            height: at(height),
            title: said(bin),
        };
        let shown: Vec<&CalibrationBin> = calibration.bins.iter().filter(|bin| bin.rows > 0).collect();
        Self {
            bars: shown.iter().map(|bin| rect(bin, 200.0, 1.8 * bin.exact_match)).collect(),
            targets: shown
                .iter()
                .map(|bin| Dot { x: at(x(bin.mean_score / 100.0)), y: at(y(bin.mean_score)), title: said(bin) })
                .collect(),
            counts: shown.iter().map(|bin| rect(bin, 290.0, 56.0 * bin.rows as f64 / most)).collect(),
            count_labels: shown
                .iter()
                .map(|bin| label(x((bin.from + bin.to) / 2.0), 286.0 - 56.0 * bin.rows as f64 / most, short(bin.rows)))
                .collect(),
        }
    }
}

/// How many right and wrong answers have which score: right ones above the line, wrong ones below.
pub(super) struct Histogram {
    pub right: Vec<Rect>,
    pub wrong: Vec<Rect>,
    /// Of the highest bar.
    pub most: String,
    pub right_rows: String,
    pub wrong_rows: String,
    /// Where the line is.
    pub line: String,
}

impl Histogram {
    /// The plot is from 20 to 260, its line where both sides have the same scale.
    pub(super) fn new(calibration: &Calibration) -> Self {
        let bins = &calibration.histogram;
        let most = |side: fn(&HistogramBin) -> u64| bins.iter().map(side).max().unwrap_or(0);
        let (most_right, most_wrong) = (most(|bin| bin.right), most(|bin| bin.wrong));
        let scale = 240.0 / (most_right + most_wrong).max(1) as f64;
        let line = 20.0 + scale * most_right as f64;
        let rect = |bin: &HistogramBin, rows: u64, up: bool| {
            let height = scale * rows as f64;
            Rect {
                x: at(x(bin.from) + 1.0),
                y: at(if up { line - height } else { line }),
                width: at(WIDTH * (bin.to - bin.from) - 2.0),
                height: at(height),
                title: format!(
                    "score {:.2} to {:.2}: {} right, {} wrong",
                    bin.from,
                    bin.to,
                    count(bin.right),
                    count(bin.wrong)
                ),
            }
        };
        let sum = |side: fn(&HistogramBin) -> u64| count(bins.iter().map(side).sum());
        Self {
            right: bins.iter().filter(|bin| bin.right > 0).map(|bin| rect(bin, bin.right, true)).collect(),
            wrong: bins.iter().filter(|bin| bin.wrong > 0).map(|bin| rect(bin, bin.wrong, false)).collect(),
            most: short(most_right.max(most_wrong)),
            right_rows: sum(|bin| bin.right),
            wrong_rows: sum(|bin| bin.wrong),
            line: at(line),
        }
    }
}

fn label(x: f64, y: f64, text: String) -> Label {
    Label { x: at(x), y: at(y), text }
}

/// A count in at most five characters.
fn short(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{:.0}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}
