"""The native part of bertqa."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypedDict, TypeVar, final, overload

import pyarrow
from typing_extensions import Self, Unpack

from ._answer import Answer
from ._errors import RowError

__version__: str

Row: TypeAlias = tuple[str | None, str | None] | Mapping[str, Any]
"""A question and its context: a pair, or a mapping with `question` and `context`."""

class Options(TypedDict, total=False):
    """How questions are answered; what is left out or None keeps its default."""

    max_seq_len: int | None
    """Longest window in tokens, question and special tokens included; longer contexts are read in overlapping
    windows. By default 512, or what the model can take."""
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

class ArrowStreamExportable(Protocol):
    """A table, or a reader of record batches, of any Arrow library."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

_T_co = TypeVar("_T_co", covariant=True)

@final
class AnswerIterator(Iterator[_T_co], Generic[_T_co]):
    """Answers in the order of their rows, which are read while the answers are."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> _T_co: ...

@final
class AnsweredTable:
    """The rows of a table with their answers, as an Arrow stream that is read once."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def to_pyarrow(self) -> pyarrow.RecordBatchReader: ...

class QuestionAnswerer:
    """Answers questions from contexts."""

    def __new__(
        cls,
        model: str | PathLike[str] | None = None,
        *,
        tokenizer: str | PathLike[str] | None = None,
        revision: str | None = None,
        device: str = "auto",
        precision: Literal["auto", "f32", "bf16", "int8"] = "auto",
        threads: int | None = None,
        batch_size: int | None = None,
        mecab_dict: str | PathLike[str] | None = None,
        **options: Unpack[Options],
    ) -> Self: ...
    @property
    def longest_window(self) -> int: ...
    @overload
    def answer(self, question: str, context: str, *, top_k: None = None, **options: Unpack[Options]) -> Answer: ...
    @overload
    def answer(self, question: str, context: str, *, top_k: int, **options: Unpack[Options]) -> list[Answer]: ...
    @overload
    def answer_batch(
        self, rows: Iterable[Row], *, errors: Literal["raise"] = "raise", top_k: None = None, **options: Unpack[Options]
    ) -> list[Answer]: ...
    @overload
    def answer_batch(
        self, rows: Iterable[Row], *, errors: Literal["return"], top_k: None = None, **options: Unpack[Options]
    ) -> list[Answer | RowError]: ...
    @overload
    def answer_batch(
        self, rows: Iterable[Row], *, errors: Literal["raise"] = "raise", top_k: int, **options: Unpack[Options]
    ) -> list[list[Answer]]: ...
    @overload
    def answer_batch(
        self, rows: Iterable[Row], *, errors: Literal["return"], top_k: int, **options: Unpack[Options]
    ) -> list[list[Answer] | RowError]: ...
    @overload
    def stream(
        self, rows: Iterable[Row], *, errors: Literal["raise"] = "raise", top_k: None = None, **options: Unpack[Options]
    ) -> AnswerIterator[Answer]: ...
    @overload
    def stream(
        self, rows: Iterable[Row], *, errors: Literal["return"], top_k: None = None, **options: Unpack[Options]
    ) -> AnswerIterator[Answer | RowError]: ...
    @overload
    def stream(
        self, rows: Iterable[Row], *, errors: Literal["raise"] = "raise", top_k: int, **options: Unpack[Options]
    ) -> AnswerIterator[list[Answer]]: ...
    @overload
    def stream(
        self, rows: Iterable[Row], *, errors: Literal["return"], top_k: int, **options: Unpack[Options]
    ) -> AnswerIterator[list[Answer] | RowError]: ...
    def answer_table(
        self,
        table: ArrowStreamExportable,
        question: str = "question",
        context: str = "context",
        *,
        columns: Sequence[str] | None = None,
        prefix: str | None = None,
        top_k: int | None = None,
        **options: Unpack[Options],
    ) -> AnsweredTable: ...

def run(arguments: Sequence[str]) -> int: ...
