"""The native part of bertqa."""

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import Any, Generic, Literal, TypeVar, final, overload

import pyarrow
from typing_extensions import Self, Unpack, disjoint_base

from ._answer import Answer
from ._errors import RowError
from ._types import ArrowStreamExportable, Options, Row

__all__ = ["AnswerIterator", "AnsweredTable", "QuestionAnswerer", "__version__", "run", "score"]

__version__: str

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

@disjoint_base
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
    def __getnewargs_ex__(self) -> tuple[tuple[str | None], dict[str, Any]]: ...
    @property
    def longest_window(self) -> int: ...
    @property
    def precision(self) -> Literal["f32", "bf16", "int8"] | None: ...
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
def score(
    predictions: Sequence[tuple[str, str, float]],
    references: Sequence[tuple[str, Sequence[str]]],
    no_answer_threshold: float,
    normalization: str,
) -> tuple[dict[str, float], list[str]]: ...
