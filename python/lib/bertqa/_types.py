"""What the stubs of the native part and its callers say of arguments."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias, TypedDict

Row: TypeAlias = tuple[str | None, str | None] | Mapping[str, Any]
"""A question and its context: a pair, or a mapping with `question` and `context`."""


Compat: TypeAlias = Literal["none", "transformers"]
"""Whose white space at an answer's ends, equal texts and scores."""


class Options(TypedDict, total=False):
    """How questions are answered; what is left out or None keeps its default."""

    max_seq_len: int | None
    """Longest window in tokens, question and special tokens included; longer contexts are read in overlapping windows.
    By default 512, or what the model can take."""
    doc_stride: int | None
    """How many tokens neighbouring windows of a long context share. By default 128, or half a window."""
    max_answer_len: int | None
    """Longest answer in tokens. By default 15."""
    max_question_len: int | None
    """Questions are cut after this many tokens. By default they are not."""
    handle_impossible_answer: bool | None
    """Let "no answer" (an empty answer) compete with the spans."""
    align_to_words: bool | None
    """Widen answers to whole words; not for languages that write no spaces."""
    compat: Compat | None
    """Whose answers: "transformers" for its own to the letter. By default an answer has no white space at its ends,
    equal texts are one answer, and a score is a probability."""


class ArrowStreamExportable(Protocol):
    """A table, or a reader of record batches, of any Arrow library."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
