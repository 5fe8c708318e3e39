"""Bulk extractive question answering with BERT-family models.

`QuestionAnswerer` answers one question, many, a stream, or a table; `pipeline` has the call shapes of the
question-answering pipeline that transformers removed in 5.3; `evaluate` says how good answers are.
"""

from typing import TYPE_CHECKING

from ._answer import Answer
from ._bertqa import AnsweredTable, AnswerIterator, QuestionAnswerer, __version__
from ._errors import BertqaError, EndedError, ForkError, InputError, ModelError, OptionsError, RowError
from ._evaluate import evaluate
from ._pipeline import QuestionAnsweringPipeline, SquadExample, pipeline
from ._types import ArrowStreamExportable, Options, Row

__all__ = [
    "Answer",
    "AnswerIterator",
    "AnsweredTable",
    "ArrowStreamExportable",
    "BertqaError",
    "EndedError",
    "ForkError",
    "InputError",
    "ModelError",
    "Options",
    "OptionsError",
    "QuestionAnswerer",
    "QuestionAnsweringPipeline",
    "Row",
    "RowError",
    "SquadExample",
    "__version__",
    "evaluate",
    "pipeline",
]

if not TYPE_CHECKING:

    def __getattr__(name):
        """`bertqa.ray` and `bertqa.spark`, which need packages that bertqa does not."""
        if name in ("ray", "spark"):
            from importlib import import_module

            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
