"""Rows of SQuAD-format files as token ids, and the training examples that are drawn from them."""

import dataclasses
import json
import pathlib

import numpy

CLS, PAD, SEP = 0, 1, 2


@dataclasses.dataclass
class Text:
    text: str
    ids: numpy.ndarray
    offsets: numpy.ndarray  # [tokens, 2], in characters

    def find(self, answer):
        """First and last token of the first place where the answer stands, if it does."""
        start = self.text.find(answer)
        return None if start < 0 else token_span(self.offsets, start, len(answer))


@dataclasses.dataclass
class Paragraph(Text):
    article: int
    title: Text | None  # "title [SEP]", as some data sets head their contexts


@dataclasses.dataclass
class Row:
    question: list
    paragraph: int
    span: tuple | None  # first and last token of the answer in the paragraph; None where it has none
    answer: str


@dataclasses.dataclass
class Mix:
    """How rows become examples: shares of those that are turned into questions without an answer, and of titles."""

    cropped_away: float = 0.06  # a part of the context without the answer
    same_article: float = 0.05  # another paragraph of the article
    other_article: float = 0.03  # any paragraph
    titled: float = 0.5  # contexts headed by the article's title; all whose title has the answer


def articles(path):
    """The articles of a SQuAD-format file, or of all files of a folder."""
    path = pathlib.Path(path)
    for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
        yield from json.loads(file.read_text())["data"]


class Rows:
    """The rows of several sources, each given as PATH or PATH*N: a file or folder, whose rows are drawn N times."""

    def __init__(self, sources, tokenizer):
        self.paragraphs, self.rows, self.order, self.articles = [], [], [], {}
        self.shuffled = None, None  # an epoch, and its order
        for source in sources:
            path, _, times = source.partition("*")
            before = len(self.rows)
            for article in articles(path):
                self.add(article, tokenizer)
            self.order += list(range(before, len(self.rows))) * int(times or 1)

    def add(self, article, tokenizer):
        number = len(self.articles)
        title = article.get("title", "")
        title = encode(f"{title} [SEP]", tokenizer) if title else None
        for paragraph in article["paragraphs"]:
            text, ids, offsets = encode(paragraph["context"], tokenizer)
            index = len(self.paragraphs)
            self.articles.setdefault(number, []).append(index)
            self.paragraphs.append(Paragraph(text, ids, offsets, number, title and Text(*title)))
            for qa in paragraph["qas"]:
                answer = (qa["answers"] or [None])[0]
                span = answer and token_span(offsets, answer["answer_start"], len(answer["text"]))
                question = tokenizer.encode(qa["question"].strip(), add_special_tokens=False).ids
                self.rows.append(Row(question, index, span, answer["text"] if answer else ""))

    def draw(self, position, count, lengths, mix, seed):
        """Examples `position` to `position + count` of all epochs; the same for a seed.

        `lengths` are the most tokens that an example may have, each with the share of examples that get it.
        """
        examples = []
        lengths, shares = zip(*lengths)
        for place in range(position, position + count):
            random = numpy.random.default_rng([seed, place])
            length = int(random.choice(lengths, p=shares))
            examples.append(self.example(self.row(place, seed), length, mix, random))
        return examples

    def row(self, position, seed):
        epoch, place = divmod(position, len(self.order))
        known, shuffled = self.shuffled
        if known != epoch:
            shuffled = numpy.random.default_rng([seed, epoch]).permutation(len(self.order))
            self.shuffled = epoch, shuffled
        return self.rows[self.order[shuffled[place]]]

    def example(self, row, length, mix, random):
        """Token ids, and the places of the answer's first and last token: 0 twice where there is none.

        An answer that the title has is to be found there: the first place counts, as in SQuAD's data.
        """
        question = row.question[: length // 2]
        paragraph, span = self.paragraphs[row.paragraph], row.span
        kind = random.random()
        if mix.cropped_away <= kind < mix.cropped_away + mix.same_article:
            paragraph = self.other(row, self.articles[paragraph.article], random)
        elif mix.cropped_away <= kind < mix.cropped_away + mix.same_article + mix.other_article:
            paragraph = self.other(row, range(len(self.paragraphs)), random)
        if paragraph is not self.paragraphs[row.paragraph]:
            span = None

        title = paragraph.title
        in_title = title.find(row.answer) if title and row.answer else None
        titled = (random.random() < mix.titled) if in_title is None else (span is not None)
        if not (titled and title and len(title.ids) <= length // 8):
            title = in_title = None
        head = [CLS, *question, SEP, SEP, *(title.ids if title else [])]
        room = length - len(head) - 1
        if kind < mix.cropped_away and in_title is None:
            ids, span = self.without_answer(paragraph, span, room, random)
        else:
            ids, span = crop(paragraph.ids, span, room, random)
        if in_title is not None:
            begin = len(question) + 3
            return [*head, *ids, SEP], (begin + in_title[0], begin + in_title[1])
        place = (0, 0) if span is None else (len(head) + span[0], len(head) + span[1])
        return [*head, *ids, SEP], place

    def without_answer(self, paragraph, span, room, random):
        """A part of the context beside the answer, if one of them is long enough to be a context."""
        if span is not None:
            sides = [paragraph.ids[: span[0]], paragraph.ids[span[1] + 1 :]]
            sides = [side for side in sides if len(side) >= min(48, room)]
            if sides:
                return crop(sides[random.integers(len(sides))], None, room, random)
        return crop(paragraph.ids, span, room, random)

    def other(self, row, indices, random):
        """Another paragraph, one that does not have the answer's text; the row's own where that is not to be had."""
        paragraph = self.paragraphs[indices[random.integers(len(indices))]]
        return self.paragraphs[row.paragraph] if row.span is None or row.answer in paragraph.text else paragraph


def encode(text, tokenizer):
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return text, numpy.array(encoding.ids), numpy.array(encoding.offsets).reshape(-1, 2)


def crop(ids, span, room, random):
    """At most `room` tokens, with the answer somewhere in them."""
    if len(ids) <= room:
        return ids, span
    first, last = (0, len(ids) - room) if span is None else (max(0, span[1] + 1 - room), min(span[0], len(ids) - room))
    start = int(random.integers(first, last + 1)) if last >= first else span[0]
    ids = ids[start : start + room]
    return ids, span and (span[0] - start, min(span[1] - start, room - 1))


def token_span(offsets, start, length):
    """The tokens that the characters from `start` lie in."""
    first = int(numpy.searchsorted(offsets[:, 1], start, side="right"))
    last = int(numpy.searchsorted(offsets[:, 0], start + length, side="left")) - 1
    return (first, max(first, last)) if first < len(offsets) else None
