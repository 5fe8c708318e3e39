from typing import NamedTuple


class Answer(NamedTuple):
    """A span of the context that answers the question."""

    text: str
    """The text of the span; empty where "no answer" wins under handle_impossible_answer."""
    score: float
    """Its probability, as transformers defines it."""
    start: int
    """Its first character: `context[start:end] == text`."""
    end: int
    """One past its last character."""
