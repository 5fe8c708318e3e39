"""Answers the rows of a Spark data frame, in its executors: `pip install bertqa[spark]`.

bertqa has to be installed where they run, and a model that is a folder has to be there too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from os import PathLike
from typing import Any

try:
    import pyarrow
    from pyspark import TaskContext
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.pandas.types import to_arrow_type
    from pyspark.sql.types import ArrayType, DataType, FloatType, LongType, StringType, StructField, StructType
except ImportError as error:
    raise ImportError("bertqa.spark needs pyspark and pyarrow: pip install 'bertqa[spark]'") from error

from ._bertqa import QuestionAnswerer

ANSWER: dict[str, DataType] = {"answer": StringType(), "score": FloatType(), "start": LongType(), "end": LongType()}


def answer(
    df: DataFrame,
    question: str = "question",
    context: str = "context",
    *,
    model: str | PathLike[str] | None = None,
    columns: Sequence[str] | None = None,
    prefix: str | None = None,
    top_k: int | None = None,
    threads: int | None = None,
    **options: Any,
) -> DataFrame:
    """Answers the rows of a data frame: its columns, then those of `QuestionAnswerer.answer_table`, one row for each.

    Each Python worker of an executor loads the model once and keeps it. A row that cannot be answered has an `error`
    that says why, and its number in the partition. Without a precision, a job of one task is run at once, in which an
    executor chooses it for all, so that they give the same answers.

    Args:
        df: The rows.
        question, context, columns, prefix, top_k: As those of `QuestionAnswerer.answer_table`.
        model: A Hugging Face folder, the id of a model on the hub, or None for the built-in model.
        threads: Processor threads of a task; None for as many as Spark gives it (spark.task.cpus).
        **options: The other arguments of QuestionAnswerer.
    """
    carried = df.columns if columns is None else list(columns)
    needed = dict.fromkeys([*carried, question, context])
    answers = _answer_fields(prefix or "", top_k)
    schema = StructType([*(df.schema[name] for name in carried), *answers])
    arguments = {"model": None if model is None else str(model), "threads": threads, **options}
    if options.get("precision", "auto") == "auto":
        arguments["precision"] = _chosen_precision(df.sparkSession, arguments)
    of_table = {"question": question, "context": context, "columns": carried, "prefix": prefix, "top_k": top_k}
    rows = df.select(*(f"`{name}`" for name in needed))
    return rows.mapInArrow(_Task(arguments, of_table, answers), schema)


def _answer_fields(prefix: str, top_k: int | None) -> list[StructField]:
    one = [StructField(name, kind) for name, kind in ANSWER.items()]
    several = StructField("answers", ArrayType(StructType(one)))
    fields = [several] if top_k is not None and top_k > 1 else one
    return [StructField(prefix + field.name, field.dataType) for field in [*fields, StructField("error", StringType())]]


def _chosen_precision(spark: SparkSession, arguments: dict[str, Any]) -> str:
    choice = spark.range(1, numPartitions=1).mapInArrow(_Choice(arguments), "precision string").first()
    return (choice and choice["precision"]) or "auto"


class _Choice:
    """The precision that the model has where it is loaded."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments

    def __call__(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        for _ in batches:
            yield pyarrow.RecordBatch.from_pydict(
                {"precision": [QuestionAnswerer(**_of_task(self._arguments)).precision]}
            )


class _Task:
    """Answers the batches of a partition."""

    def __init__(self, arguments: dict[str, Any], of_table: dict[str, Any], answers: list[StructField]) -> None:
        self._arguments = arguments
        self._of_table = of_table
        self._answers = answers

    def __call__(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        batches = iter(batches)
        first = next(batches, None)
        if first is None:
            return
        answerer = _answerer(tuple(_of_task(self._arguments).items()))
        reader = pyarrow.RecordBatchReader.from_batches(first.schema, chain([first], batches))
        for batch in answerer.answer_table(reader, **self._of_table).to_pyarrow():
            yield self._as_spark_reads_it(batch)

    def _as_spark_reads_it(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Spark reads no large lists, and older ones no large texts."""
        types = [to_arrow_type(field.dataType) for field in self._answers]
        carried = batch.columns[: -len(types)]
        answers = [column.cast(kind) for column, kind in zip(batch.columns[-len(types) :], types, strict=True)]
        return pyarrow.RecordBatch.from_arrays([*carried, *answers], names=batch.schema.names)


@lru_cache(maxsize=1)
def _answerer(arguments: tuple[tuple[str, Any], ...]) -> QuestionAnswerer:
    """The model, which a worker keeps from task to task."""
    return QuestionAnswerer(**dict(arguments))


def _of_task(arguments: dict[str, Any]) -> dict[str, Any]:
    return {**arguments, "threads": arguments["threads"] or _task_cpus()}


def _task_cpus() -> int | None:
    context = TaskContext.get()
    return None if context is None else context.cpus()
