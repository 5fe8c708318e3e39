use std::ops::Range;

use crate::eval::Miss;

/// Characters that are shown before and after a marked span.
const AROUND: usize = 60;

/// A part of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub text: String,
    /// A right answer, or a part of one.
    pub gold: bool,
    /// What was answered, or a part of it.
    pub answer: bool,
}

/// Where text of the context is left out.
const ELLIPSIS: &str = " … ";

/// The context of a miss, cut down to what lies around the right and the given answer, and these marked.
pub(super) fn pieces(miss: &Miss) -> Vec<Piece> {
    let context: Vec<char> = miss.context.chars().collect();
    let mut gold: Vec<Range<usize>> =
        miss.gold.iter().zip(&miss.gold_starts).filter_map(|(text, start)| place(&context, text, *start)).collect();
    gold.sort_by_key(|range| (range.start, range.end));
    let answer = place(&context, &miss.answer, miss.start);
    let marked: Vec<&Range<usize>> = gold.iter().chain(&answer).collect();

    let mut pieces = Pieces::default();
    let mut shown_to = 0;
    for window in windows(&marked, &context) {
        if window.start > shown_to {
            pieces.push(ELLIPSIS, false, false);
        }
        shown_to = window.end;
        let mut cuts = vec![window.start, window.end];
        cuts.extend(marked.iter().flat_map(|range| [range.start, range.end]).filter(|cut| window.contains(cut)));
        cuts.sort_unstable();
        cuts.dedup();
        for cut in cuts.windows(2) {
            let holds = |range: &Range<usize>| range.start <= cut[0] && cut[1] <= range.end;
            let text: String = context[cut[0]..cut[1]].iter().collect();
            pieces.push(&text, gold.iter().any(holds), answer.as_ref().is_some_and(holds));
        }
    }
    if shown_to < context.len() {
        pieces.push(ELLIPSIS, false, false);
    }
    pieces.0
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    /// Appends text, to the last piece if that is marked alike.
    fn push(&mut self, text: &str, gold: bool, answer: bool) {
        match self.0.last_mut() {
            Some(last) if (last.gold, last.answer) == (gold, answer) => last.text.push_str(text),
            _ => self.0.push(Piece { text: text.to_owned(), gold, answer }),
        }
    }
}

/// Where a text stands: at `start` if it does, else where it stands first.
fn place(context: &[char], text: &str, start: Option<usize>) -> Option<Range<usize>> {
    let text: Vec<char> = text.chars().collect();
    if text.is_empty() {
        return None;
    }
    let given = start.filter(|&start| context.get(start..).is_some_and(|rest| rest.starts_with(&text)));
    let start = given.or_else(|| context.windows(text.len()).position(|window| window == text))?;
    Some(start..start + text.len())
}

/// What is shown of a context, in order and apart from each other; its beginning where nothing is marked.
fn windows(marked: &[&Range<usize>], context: &[char]) -> Vec<Range<usize>> {
    if marked.is_empty() {
        return vec![whole_words(0..context.len().min(3 * AROUND), context)];
    }
    let around = |range: &&Range<usize>| {
        whole_words(range.start.saturating_sub(AROUND)..(range.end + AROUND).min(context.len()), context)
    };
    let mut marked: Vec<Range<usize>> = marked.iter().map(around).collect();
    marked.sort_by_key(|range| range.start);
    let mut windows: Vec<Range<usize>> = Vec::new();
    for range in marked {
        match windows.last_mut() {
            // A gap that an ellipsis would hardly shorten is shown.
            Some(last) if range.start <= last.end + ELLIPSIS.len() => last.end = last.end.max(range.end),
            _ => windows.push(range),
        }
    }
    windows
}

/// A range that begins and ends between words, where there are such.
fn whole_words(mut range: Range<usize>, context: &[char]) -> Range<usize> {
    let is_inside =
        |at: usize| at > 0 && context.get(at - 1..=at).is_some_and(|pair| pair.iter().all(char::is_ascii_alphanumeric));
    while is_inside(range.start) {
        range.start -= 1;
    }
    while is_inside(range.end) {
        range.end += 1;
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    fn miss(context: &str, gold: &[(&str, Option<usize>)], answer: (&str, Option<usize>)) -> Miss {
        Miss {
            position: "gold:1".to_owned(),
            id: None,
            question: "?".to_owned(),
            context: context.to_owned(),
            gold: gold.iter().map(|(text, _)| (*text).to_owned()).collect(),
            gold_starts: gold.iter().map(|(_, start)| *start).collect(),
            answer: answer.0.to_owned(),
            start: answer.1,
            score: None,
            f1: 0.0,
            severity: 1.0,
        }
    }

    /// Gold in brackets, the answer in braces.
    fn shown(miss: &Miss) -> String {
        let mark = |piece: Piece| match (piece.gold, piece.answer) {
            (true, true) => format!("[{{{}}}]", piece.text),
            (true, false) => format!("[{}]", piece.text),
            (false, true) => format!("{{{}}}", piece.text),
            (false, false) => piece.text,
        };
        pieces(miss).into_iter().map(mark).collect()
    }

    #[test]
    fn spans_are_marked_where_they_stand() {
        let context = "湖は琵琶湖、川は信濃川。";
        assert_eq!(shown(&miss(context, &[("琵琶湖", Some(2))], ("信濃川", Some(8)))), "湖は[琵琶湖]、川は{信濃川}。");
        // Overlapping, touching, and the same.
        assert_eq!(shown(&miss(context, &[("琵琶湖", None)], ("湖、川", None))), "湖は[琵琶][{湖}]{、川}は信濃川。");
        assert_eq!(
            shown(&miss(context, &[("琵琶", None), ("琵琶湖", None)], ("琵琶", None))),
            "湖は[{琵琶}][湖]、川は信濃川。"
        );
        // A start that is wrong is not believed, and what is not there is not marked.
        assert_eq!(
            shown(&miss(context, &[("湖", Some(1)), ("海", Some(0))], ("", None))),
            "[湖]は琵琶湖、川は信濃川。"
        );
    }

    #[test]
    fn what_lies_far_from_spans_is_cut_out() {
        let context = format!("{}金{}答え{}", "あ".repeat(100), "い".repeat(200), "う".repeat(10));
        let text = shown(&miss(&context, &[("金", None)], ("答え", None)));
        let (before, between, after) = ("あ".repeat(60), "い".repeat(60), "う".repeat(10));
        assert_eq!(text, format!(" … {before}[金]{between} … {between}{{答え}}{after}"));
        // Without a span, the beginning.
        assert_eq!(shown(&miss(&context, &[], ("", None))).chars().count(), 183);
        // A word is not cut.
        let context = format!("start {} gold", "longword".repeat(9));
        assert_eq!(
            shown(&miss(&context, &[("gold", None)], ("", None))),
            format!(" … {} [gold]", "longword".repeat(9))
        );
    }
}
