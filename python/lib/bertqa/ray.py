"""Answers the rows of a data set of Ray Data, on the machines of a Ray cluster: `pip install bertqa[ray]`.

bertqa has to be installed on all of them, and a model that is a folder has to be there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

try:
    import pyarrow
    import ray
    from ray.data import ActorPoolStrategy, Dataset
except ImportError as error:
    raise ImportError("bertqa.ray needs Ray Data: pip install 'bertqa[ray]'") from error

from ._bertqa import QuestionAnswerer

BATCH_ROWS = 1024


class QA:
    """What `Dataset.map_batches` takes, to answer batches of rows in actors that keep the model.

        ds.map_batches(
            QA,
            fn_constructor_kwargs={"model": "deepset/roberta-base-squad2"},
            batch_format="pyarrow",
            compute=ActorPoolStrategy(min_size=1, max_size=8),
            num_cpus=2,
        )

    A row that cannot be answered has an `error` that says why, and its number in the batch. What is raised is that the
    model cannot be loaded, a column is missing, or the last device failed.

    Args:
        model: A Hugging Face folder, the id of a model on the hub, or None for the built-in model.
        question: The column of the question.
        context: The column of the context.
        columns: The columns to carry along; None for all.
        prefix: Put before the names of the answer columns.
        top_k: How many answers to give for each row.
        threads: Processor threads; None for as many as Ray gave the actor (num_cpus).
        **options: The other arguments of QuestionAnswerer.
    """

    def __init__(
        self,
        model: str | PathLike[str] | None = None,
        *,
        question: str = "question",
        context: str = "context",
        columns: Sequence[str] | None = None,
        prefix: str | None = None,
        top_k: int | None = None,
        threads: int | None = None,
        **options: Any,
    ) -> None:
        self._answerer = QuestionAnswerer(model, threads=threads or _assigned_cpus(), **options)
        self._of_table: dict[str, Any] = {
            "question": question,
            "context": context,
            "columns": columns,
            "prefix": prefix,
            "top_k": top_k,
        }

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        for name in (self._of_table["question"], self._of_table["context"]):
            batch = _with_texts(batch, name)
        return self._answerer.answer_table(batch, **self._of_table).to_pyarrow().read_all()


def answer(
    ds: Dataset,
    question: str = "question",
    context: str = "context",
    *,
    model: str | PathLike[str] | None = None,
    columns: Sequence[str] | None = None,
    prefix: str | None = None,
    top_k: int | None = None,
    order_by: str | None = None,
    actors: int | None = None,
    num_cpus: float = 1,
    num_gpus: float | None = None,
    resources: Mapping[str, float] | None = None,
    batch_rows: int = BATCH_ROWS,
    **options: Any,
) -> Dataset:
    """Answers the rows of a data set: its columns, then those of `QuestionAnswerer.answer_table`, one row for each.

    Rows come in any order. A pool of actors keeps the model; it has as few as one and as many as there is room for, so
    that a job goes on when a machine is lost. What else the job does, as reading, needs a processor of its own.

    Args:
        ds: The rows.
        question, context, columns, prefix, top_k: As those of `QuestionAnswerer.answer_table`.
        model: A Hugging Face folder, the id of a model on the hub, or None for the built-in model.
        order_by: A column that tells the order of rows, as their number, by which the answers are sorted.
        actors: Most actors; by default as many as the cluster has room for, less one processor.
        num_cpus: Processors, and threads, of each actor.
        num_gpus, resources: What else Ray is to set aside for each, such as resources={"neuron_cores": 1}.
        batch_rows: Rows that an actor is given at a time.
        **options: The other arguments of QuestionAnswerer. Where they name no precision, the machine that loads the
            model first chooses it for all, so that they give the same answers.
    """
    if order_by is not None and columns is not None and order_by not in columns:
        columns = [*columns, order_by]
    wanted: dict[str, float] = {"CPU": num_cpus, "GPU": num_gpus or 0, **(resources or {})}
    if options.get("precision", "auto") == "auto":
        chosen = ray.remote(_chosen_precision).options(
            num_cpus=num_cpus, num_gpus=num_gpus, resources=dict(resources) if resources else None
        )
        options["precision"] = ray.get(chosen.remote(model, options)) or "auto"
    answered = ds.map_batches(
        QA,
        fn_constructor_kwargs={
            "model": model,
            "question": question,
            "context": context,
            "columns": columns,
            "prefix": prefix,
            "top_k": top_k,
            **options,
        },
        batch_format="pyarrow",
        batch_size=batch_rows,
        # Where fewer processors are left than the least number of actors wants, a job would wait for ever.
        compute=ActorPoolStrategy(min_size=1, max_size=actors or _room(wanted)),
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        resources=dict(resources) if resources else None,
    )
    return answered if order_by is None else answered.sort(order_by)


def _chosen_precision(model: str | PathLike[str] | None, options: dict[str, Any]) -> str | None:
    return QuestionAnswerer(model, **options).precision


def _with_texts(batch: pyarrow.Table, name: str) -> pyarrow.Table:
    """Ray's type for a column is that of the rows of a block: null, where none has a text."""
    at = batch.schema.get_field_index(name)
    if at < 0 or not pyarrow.types.is_null(batch.schema.field(at).type):
        return batch
    return batch.set_column(at, name, batch.column(at).cast(pyarrow.string()))


def _assigned_cpus() -> int | None:
    """How many processors Ray gave this actor; None outside of one, and where it has but a part of one."""
    if not ray.is_initialized() or ray.get_runtime_context().get_actor_id() is None:
        return None
    resources = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 0)) or None


def _room(wanted: Mapping[str, float]) -> int:
    """How many actors the cluster has room for, if one processor is left for other work."""
    there = dict(ray.cluster_resources())  # type: ignore[no-untyped-call]
    there["CPU"] = there.get("CPU", 0) - 1
    return max(1, int(min(there.get(name, 0) / amount for name, amount in wanted.items() if amount > 0)))
