"""Cuts the XLM-R tokenizer of multilingual-e5-small to the pieces that Japanese and English text needs.

Multi-script pieces are left out (no piece mixes kanji, kana, Latin letters or digits), so that answers begin and end on
piece boundaries more often. Of the others, those that are expected most often stay: pieces are counted over the
training text and over the word frequencies of `wordfreq`, with the cut vocabulary's own segmentation.
"""

import collections
import json
import unicodedata

import tokenizers
import wordfreq

SPECIAL = 4  # <s>, <pad>, </s>, <unk>
SPACE = "▁"


def script(character):
    """The script that a piece must not mix with others; None for characters that may stand with any."""
    if character == SPACE:
        return None
    if character.isdigit():
        return "digit"
    if character in "々〆":
        return "kanji"
    if character == "ー":
        return "kana"
    name = unicodedata.name(character, "")
    for start, kind in [("CJK", "kanji"), ("HIRAGANA", "kana"), ("KATAKANA", "kana"), ("LATIN", "latin")]:
        if name.startswith(start):
            return kind
    return "letter" if character.isalpha() else "symbol"


def scripts(piece):
    return {script(character) for character in piece} - {None}


def japanese(piece):
    """Whether Japanese character sets have every character of the piece; those of other languages' words don't."""
    try:
        piece.replace(SPACE, "").encode("euc_jis_2004")
        return True
    except UnicodeEncodeError:
        return False


def unigram(template, pieces):
    """A tokenizer of these pieces, with the template's normalizer, pre-tokenizer and post-processor."""
    cut = dict(template, added_tokens=template["added_tokens"][:SPECIAL], truncation=None, padding=None)
    cut["model"] = {"type": "Unigram", "unk_id": 3, "vocab": pieces}
    return json.dumps(cut, ensure_ascii=False)


def expected(tokenizer, texts):
    """How often each piece is expected: in the training text, and in words by their frequency, at equal weight."""
    counts = collections.Counter()
    for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
        counts.update(encoding.ids)
    total = sum(counts.values())
    counts = collections.Counter({piece: count / total for piece, count in counts.items()})
    for language in ("ja", "en"):
        words = wordfreq.get_frequency_dict(language, "large")
        forms = [(form, weight * share) for word, weight in words.items() for form, share in cased(word, language)]
        for (_, weight), encoding in zip(
            forms, tokenizer.encode_batch([form for form, _ in forms], add_special_tokens=False)
        ):
            for piece in encoding.ids:
                counts[piece] += weight
    return counts


def cased(word, language):
    """The word as it stands in text: English words, in the list in lower case, also begin sentences and names."""
    if language == "en":
        return [(word, 0.8), (word.capitalize(), 0.15), (word.upper(), 0.05)]
    return [(word, 1.0)]


def cut(template, texts, size):
    """The tokenizer.json of `size` pieces, as text."""
    pieces = template["model"]["vocab"]
    candidates = pieces[:SPECIAL] + [
        (piece, score)
        for piece, score in pieces[SPECIAL:]
        if piece != "<mask>" and len(scripts(piece)) <= 1 and (japanese(piece) or scripts(piece) == {"latin"})
    ]
    tokenizer = tokenizers.Tokenizer.from_str(unigram(template, candidates))
    counts = expected(tokenizer, texts)
    # Every single character that Japanese or English text can have stays, so that nothing common becomes <unk>.
    always = {
        index
        for index, (piece, _) in enumerate(candidates)
        if index < SPECIAL or (len(piece.replace(SPACE, "")) <= 1 and japanese(piece))
    }
    ranked = [index for index, _ in counts.most_common() if index not in always]
    kept = sorted(always | set(ranked[: size - len(always)]))
    return unigram(template, [candidates[index] for index in kept])
