//! The cheapest way to cut a text into words.
//!
//! Ties are broken as MeCab breaks them, which depends on the order in which it meets words: of words that begin at
//! the same place, later ones are tried first, and of words that end at the same place, the ones added last.

use std::ops::Range;

use super::characters::Character;
use super::{Dictionary, Word};

/// A word at a place of the text, with the cheapest way to it.
#[derive(Clone, Copy)]
struct Node {
    /// From the beginning of the text up to here.
    cost: i64,
    /// The node before it.
    previous: u32,
    /// The next node that ends where this one does.
    next: u32,
    start: u32,
    end: u32,
    right: u16,
}

const NONE: u32 = u32::MAX;

/// A way to the place at which words are to begin: the last node of it.
#[derive(Clone, Copy)]
struct Way {
    cost: i64,
    right: u16,
    node: u32,
}

/// The best way to a place for words with the same left side.
#[derive(Clone, Copy)]
struct Best {
    place: u32,
    node: u32,
    cost: i64,
}

/// A word that begins at a place.
struct Candidate {
    word: Word,
    end: u32,
}

pub(super) struct Lattice<'a> {
    dictionary: &'a Dictionary,
    text: &'a str,
    /// The character that begins at each byte.
    characters: Vec<Character>,
    nodes: Vec<Node>,
    /// For each place of the text, the first of the nodes that end there.
    ends: Vec<u32>,
    ways: Vec<Way>,
    candidates: Vec<Candidate>,
    /// For each right side, the place for which `ways` was last made with it, and the index there.
    rights: Vec<(u32, u32)>,
    /// For each left side, the best way to the place at which a word with it last began.
    lefts: Vec<Best>,
}

impl<'a> Lattice<'a> {
    /// The text is shorter than 2^32 bytes.
    pub(super) fn new(dictionary: &'a Dictionary, text: &'a str) -> Self {
        let mut characters = vec![Character::default(); text.len()];
        for (place, character) in text.char_indices() {
            characters[place] = dictionary.characters.of(character);
        }
        Self {
            dictionary,
            text,
            characters,
            nodes: Vec::with_capacity(4 * text.len()),
            ends: vec![NONE; text.len() + 1],
            ways: Vec::new(),
            candidates: Vec::new(),
            rights: vec![(NONE, 0); dictionary.matrix.rights()],
            lefts: vec![Best { place: NONE, node: NONE, cost: 0 }; dictionary.matrix.lefts()],
        }
    }

    /// The words, in bytes.
    pub(super) fn words(mut self) -> Vec<Range<usize>> {
        let begin = Node { cost: 0, previous: NONE, next: NONE, start: 0, end: 0, right: 0 };
        self.nodes.push(begin);
        self.ends[0] = 0;
        for place in 0..self.text.len() {
            if self.ends[place] != NONE {
                let start = self.find_candidates(place);
                self.add_candidates(place, start);
            }
        }
        self.cheapest()
    }

    /// Finds whatever may begin at `place`, after white space: words of the dictionary, and unknown ones. Returns where
    /// they begin.
    fn find_candidates(&mut self, place: usize) -> usize {
        let Self { dictionary, text, characters, candidates, .. } = self;
        candidates.clear();
        let next = |place: usize| place + width(text.as_bytes()[place]);
        let length = text.len();

        let mut start = place;
        let mut before = dictionary.space;
        while start < length && before.is_like(characters[start]) {
            before = characters[start];
            start = next(start);
        }
        if start == length {
            return start;
        }
        dictionary.words.prefixes(&text.as_bytes()[start..], |length, words| {
            let end = start + length;
            // Keys are whole characters, but for damaged ones.
            if length > 0 && text.is_char_boundary(end) {
                let words = dictionary.words.words(words);
                candidates.extend(words.map(|word| Candidate { word, end: end as u32 }));
            }
        });
        let first = characters[start];
        if !candidates.is_empty() && !first.invokes() {
            return start;
        }

        let unknown = dictionary.characters.unknown(first.category());
        let mut add = |end: usize| {
            candidates.extend(unknown.iter().map(|&word| Candidate { word, end: end as u32 }));
        };
        let mut end = next(start);
        let mut group = None;
        if first.groups() {
            let (mut group_end, mut grouped, mut before) = (end, 0, first);
            // Long groups are not looked through to their end: from each place of one it would take as long as it is.
            let enough = dictionary.longest_group.max(Character::LONGEST);
            while group_end < length && before.is_like(characters[group_end]) && grouped <= enough {
                before = characters[group_end];
                group_end = next(group_end);
                grouped += 1;
            }
            if grouped <= dictionary.longest_group {
                add(group_end);
            }
            group = Some(group_end);
        }
        for _ in 0..first.length() {
            if Some(end) == group {
                break;
            }
            add(end);
            if end == length || !first.is_like(characters[end]) {
                break;
            }
            end = next(end);
        }
        if candidates.is_empty() {
            candidates.extend(unknown.iter().map(|&word| Candidate { word, end: end as u32 }));
        }
        start
    }

    /// Makes nodes of the candidates, each with the cheapest way to it.
    fn add_candidates(&mut self, place: usize, start: usize) {
        if self.candidates.is_empty() {
            return;
        }
        self.find_ways(place);
        let candidates = std::mem::take(&mut self.candidates);
        for Candidate { word, end } in candidates.iter().rev() {
            let known = self.lefts[usize::from(word.left)];
            let best = if known.place == place as u32 { known } else { self.best_way(place, word.left) };
            let next = std::mem::replace(&mut self.ends[*end as usize], self.nodes.len() as u32);
            let cost = best.cost + i64::from(word.cost);
            let (start, end) = (start as u32, *end);
            self.nodes.push(Node { cost, previous: best.node, next, start, end, right: word.right });
        }
        self.candidates = candidates;
    }

    /// The ways to `place`: of those with the same right side, only the cheapest can be part of the best.
    fn find_ways(&mut self, place: usize) {
        self.ways.clear();
        let mut number = self.ends[place];
        while let Some(&Node { cost, next, right, .. }) = self.nodes.get(number as usize) {
            let (known, index) = &mut self.rights[usize::from(right)];
            if *known == place as u32 {
                let other = &mut self.ways[*index as usize];
                if cost < other.cost {
                    // It must not take the other's turn, which decides ties.
                    other.cost = i64::MAX / 2;
                    *index = self.ways.len() as u32;
                    self.ways.push(Way { cost, right, node: number });
                }
            } else {
                (*known, *index) = (place as u32, self.ways.len() as u32);
                self.ways.push(Way { cost, right, node: number });
            }
            number = next;
        }
    }

    /// The best of the ways to `place` for a word with that left side; the first of those that cost the same.
    fn best_way(&mut self, place: usize, left: u16) -> Best {
        let row = self.dictionary.matrix.row(left);
        let mut best = Best { place: place as u32, node: NONE, cost: i64::MAX };
        for way in &self.ways {
            let cost = way.cost + i64::from(i16::from_le_bytes(row[usize::from(way.right)]));
            if cost < best.cost {
                best = Best { node: way.node, cost, ..best };
            }
        }
        self.lefts[usize::from(left)] = best;
        best
    }

    /// The words of the cheapest way to the last place that has one; what is left after it is white space.
    fn cheapest(mut self) -> Vec<Range<usize>> {
        let place = self.ends.iter().rposition(|end| *end != NONE).unwrap_or_default();
        self.find_ways(place);
        // The end of a text has the sides with the number 0, as its beginning has.
        let mut number = self.best_way(place, 0).node;
        let mut words = Vec::new();
        while let Some(node) = self.nodes.get(number as usize).filter(|node| node.previous != NONE) {
            words.push(node.start as usize..node.end as usize);
            number = node.previous;
        }
        words.reverse();
        words
    }
}

/// The length of a character in UTF-8, by its first byte.
fn width(first: u8) -> usize {
    match first {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    }
}
