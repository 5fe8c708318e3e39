"""Rows of SQuAD-format files as token ids, and the training examples that are drawn from them."""

import dataclasses
import json
import pathlib

import numpy

CLS, PAD, SEP = 0, 1, 2


@dataclasses.dataclass
class Paragraph:
    article: int
    title: list  # "title [SEP]", as some data sets head their contexts; empty where the article has no title
    text: str
    ids: numpy.ndarray
    offsets: numpy.ndarray  # [tokens, 2], in characters


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
    titled: float = 0.3  # contexts headed by the article's title


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
        title = tokenizer.encode(f"{title} [SEP]", add_special_tokens=False).ids if title else []
        for paragraph in article["paragraphs"]:
            encoding = tokenizer.encode(paragraph["context"], add_special_tokens=False)
            offsets = numpy.array(encoding.offsets).reshape(-1, 2)
            index = len(self.paragraphs)
            self.articles.setdefault(number, []).append(index)
            ids = numpy.array(encoding.ids)
            self.paragraphs.append(Paragraph(number, title, paragraph["context"], ids, offsets))
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
        """Token ids, and the places of the answer's first and last token: 0 twice where there is none."""
        question = row.question[: length // 2]
        paragraph, span = self.paragraphs[row.paragraph], row.span
        titled = random.random() < mix.titled and len(paragraph.title) <= length // 8
        title = paragraph.title if titled else []
        room = length - len(question) - len(title) - 4
        kind = random.random()
        if kind < mix.cropped_away:
            ids, span = self.without_answer(paragraph, span, room, random)
        elif kind < mix.cropped_away + mix.same_article:
            ids, span = self.elsewhere(row, self.articles[paragraph.article], room, random)
        elif kind < mix.cropped_away + mix.same_article + mix.other_article:
            ids, span = self.elsewhere(row, range(len(self.paragraphs)), room, random)
        else:
            ids, span = crop(paragraph.ids, span, room, random)
        head = [CLS, *question, SEP, SEP, *title]
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

    def elsewhere(self, row, indices, room, random):
        """Another context, one that does not have the answer's text."""
        paragraph = self.paragraphs[indices[random.integers(len(indices))]]
        if row.span is None or row.answer in paragraph.text:
            own = self.paragraphs[row.paragraph]
            return crop(own.ids, row.span, room, random)
        return crop(paragraph.ids, None, room, random)


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
