// Places in texts. The API counts Unicode code points, as Python does; JavaScript counts UTF-16 units.

/// UTF-16 indices of code point offsets; `offsets` ascend.
export function toUtf16(text, offsets) {
  const indices = [];
  let points = 0;
  let units = 0;
  for (const offset of offsets) {
    while (points < offset && units < text.length) {
      units += text.codePointAt(units) > 0xffff ? 2 : 1;
      points += 1;
    }
    indices.push(units);
  }
  return indices;
}

export function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/// An answer's place in the context in UTF-16 units, without the white space that some tokenizers count to a word.
export function place(context, { start, end }) {
  let [from, to] = toUtf16(context, [start, end]);
  const span = context.slice(from, to);
  if (span.trim()) {
    to -= span.length - span.trimEnd().length;
    from += span.length - span.trimStart().length;
  }
  return { from, to };
}

/// The context cut wherever an answer begins or ends: `{ text, ranks }`, with the answers that each piece belongs to.
export function pieces(context, places) {
  const cuts = new Set([0, context.length]);
  for (const { from, to } of places) cuts.add(from).add(to);
  const sorted = [...cuts].sort((a, b) => a - b);
  return sorted.slice(1).map((to, i) => ({
    text: context.slice(sorted[i], to),
    ranks: places.flatMap((place, rank) => (place.from <= sorted[i] && to <= place.to ? [rank] : [])),
  }));
}

const words = new Intl.Segmenter(undefined, { granularity: "word" });

/// What stands before and after a place on one line: whole words, of `length` characters at most.
export function surroundings(context, { from, to }, length) {
  // More than is shown, so that what the first cut breaks is cut off again.
  const near = context.slice(Math.max(0, from - 2 * length), from).replace(/\s+/g, " ");
  const next = context.slice(to, to + 2 * length).replace(/\s+/g, " ");
  const before = fitting([...words.segment(near)].reverse(), length).reverse().join("");
  const after = fitting([...words.segment(next)], length).join("");
  return {
    before: before.length < near.length || from > 2 * length ? `…${before.trimStart()}` : before,
    after: after.length < next.length || to + 2 * length < context.length ? `${after.trimEnd()}…` : after,
  };
}

function fitting(segments, length) {
  let room = length;
  const end = segments.findIndex(({ segment }) => (room -= segment.length) < 0);
  return segments.slice(0, end < 0 ? undefined : end).map(({ segment }) => segment);
}

/// The language to set a text in: characters that Japanese and Chinese share look different in the two.
export function language(text) {
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return "ja";
  return /\p{Script=Han}/u.test(text) ? "ja" : "en";
}

/// A probability. Spans with the same text add up over windows, so it can be above 1.
export function score(value) {
  return value < 0.001 ? "< 0.001" : value.toFixed(3);
}
