"""What type checkers have to make of the package; mypy --strict reads it, and nothing runs it."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow
import pyspark.sql
import ray.data
from typing_extensions import assert_type

import bertqa
import bertqa.ray
import bertqa.spark


def answers(answerer: bertqa.QuestionAnswerer, rows: list[bertqa.Row]) -> None:
    assert_type(answerer.answer("Who?", "Ada."), bertqa.Answer)
    assert_type(answerer.answer("Who?", "Ada.", top_k=2, max_seq_len=64), list[bertqa.Answer])
    assert_type(answerer.answer_batch(rows), list[bertqa.Answer])
    assert_type(answerer.answer_batch(rows, errors="return"), list[bertqa.Answer | bertqa.RowError])
    assert_type(answerer.answer_batch([("Who?", "Ada.")], top_k=2), list[list[bertqa.Answer]])
    assert_type(next(answerer.stream(iter(rows))), bertqa.Answer)
    assert_type(list(answerer.stream(rows, top_k=2, errors="return")), list[list[bertqa.Answer] | bertqa.RowError])
    answerer.answer("Who?", "Ada.", colour="green")  # type: ignore[call-overload]
    answerer.answer("Who?", "Ada.", doc_stride="8")  # type: ignore[call-overload]


def tables(answerer: bertqa.QuestionAnswerer, table: pyarrow.Table, answered: bertqa.AnsweredTable) -> None:
    assert_type(answerer.answer_table(table, columns=["id"], align_to_words=True), bertqa.AnsweredTable)
    # Answered tables are tables.
    answerer.answer_table(answered, prefix="second_")
    answerer.answer_table([])  # type: ignore[arg-type]


def pipes(rows: Iterator[dict[str, str]]) -> None:
    pipe = bertqa.pipeline("question-answering", precision="f32", top_k=2)
    assert_type(pipe, bertqa.QuestionAnsweringPipeline)
    pipe(question="Who?", context="Ada.")
    pipe(rows)
    bertqa.pipeline(precision="f64")  # type: ignore[arg-type]


def figures(predictions: list[dict[str, str]], references: list[dict[str, object]]) -> None:
    assert_type(bertqa.evaluate(predictions, references, normalization="ja"), dict[str, float])
    bertqa.evaluate(predictions, references, normalization="fr")  # type: ignore[arg-type]


def clusters(rows: ray.data.Dataset, frame: pyspark.sql.DataFrame) -> None:
    assert_type(bertqa.ray.answer(rows, num_cpus=2, resources={"neuron_cores": 1}), ray.data.Dataset)
    bertqa.ray.answer(frame)  # type: ignore[arg-type]
    assert_type(bertqa.spark.answer(frame, columns=["id"], precision="int8"), pyspark.sql.DataFrame)
    bertqa.spark.answer(rows)  # type: ignore[arg-type]
