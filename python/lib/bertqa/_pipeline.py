"""The call shapes of the question-answering pipeline of transformers. What answers is `QuestionAnswerer`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, MappingView, Sequence, Set, Sized
from dataclasses import dataclass
from operator import index
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Union

from ._answer import Answer
from ._bertqa import QuestionAnswerer

if TYPE_CHECKING:
    from ._types import Compat, Options

TASK = "question-answering"

# transformers' windows are shorter than those that bertqa takes by default, and its answers end where words do.
WINDOW = 384
COUNTS = frozenset({"top_k", "doc_stride", "max_answer_len", "max_seq_len"})
OPTIONS = COUNTS | {"handle_impossible_answer", "align_to_words", "compat"}
# What has no bearing on the answers: bertqa pads nothing, and makes batches by itself. transformers does not look at
# max_question_len with its fast tokenizers.
WITHOUT_EFFECT = frozenset({"batch_size", "num_workers", "padding", "max_question_len"})
# By which examples may be named, too.
KEYWORDS = frozenset({"X", "data"})
LOADING_WITHOUT_EFFECT = frozenset({"framework", "use_fast", "trust_remote_code"})
PRECISIONS: dict[str, Literal["auto", "f32", "bf16"]] = {"auto": "auto", "float32": "f32", "bfloat16": "bf16"}
# There is no such precision; who asks for it wants a fast one that is about as close to the model's answers as this.
HALF = "float16"


class Span(TypedDict):
    """An answer, as transformers gives it."""

    score: float
    start: int
    end: int
    answer: str


Result: TypeAlias = Union[Span, "list[Span]"]


@dataclass
class SquadExample:
    """A question and its context. What has these two attributes may stand in its place."""

    question_text: str
    context_text: str


class QuestionAnsweringPipeline:
    """Answers questions from contexts, with the calls and results of transformers' pipeline; `pipeline` makes it.

    A call takes, by position or by name:

    - `question=` and `context=`: texts, or lists of equal length, or a list and a text that goes with each of it;
    - a dict with `question` and `context`, an object with `question_text` and `context_text`, or a list of such;
    - a generator, an iterator or a dataset of such: its answers come while it is read.

    What goes by position may also be named `data` or `X`.

    One question gives a dict with `score`, `start`, `end` and `answer`, or with `top_k` a list of them; several give a
    list of that; a stream gives an iterator.
    """

    task = TASK

    def __init__(self, answerer: QuestionAnswerer, **defaults: Any) -> None:
        self.answerer = answerer
        self._defaults = _options(defaults)

    def __call__(
        self, *inputs: Any, question: Any = None, context: Any = None, **parameters: Any
    ) -> Result | list[Result] | Iterator[Result]:
        if not inputs:
            inputs = tuple(parameters.pop(name) for name in KEYWORDS & parameters.keys())
        options = {**self._defaults, **_options(parameters)}
        rows = _rows(inputs, question, context)
        if _is_stream(rows):
            return _Stream(self, rows, options)
        results = list(self._answers(_examples(rows), options))
        return results[0] if len(results) == 1 else results

    def _answers(self, pairs: Iterable[tuple[Any, Any]], options: dict[str, Any]) -> Iterator[Result]:
        top_k, rest = self._resolved(options)
        for answers in self.answerer.stream(pairs, top_k=top_k, **rest):
            spans = [_span(answer) for answer in answers]
            yield spans[0] if len(spans) == 1 else spans

    def _resolved(self, options: dict[str, Any]) -> tuple[int, Options]:
        """The options as the answerer takes them, with transformers' defaults."""
        resolved: Any = {"max_seq_len": WINDOW, "align_to_words": True, **options}
        resolved["max_seq_len"] = min(resolved["max_seq_len"], self.answerer.longest_window)
        return resolved.pop("top_k", 1), resolved


class _Stream(Iterator[Result]):
    """Answers to a stream, which has a length if what it reads has one."""

    def __init__(self, pipe: QuestionAnsweringPipeline, rows: Any, options: dict[str, Any]) -> None:
        self._rows = rows
        pairs = (_single(row) for row in _items(rows))
        self._answers = pipe._answers(pairs, options)

    def __next__(self) -> Result:
        return next(self._answers)

    def __len__(self) -> int:
        if isinstance(self._rows, Sized):
            return len(self._rows)
        raise TypeError("what is read has no length")


def pipeline(
    task: str | None = None,
    model: str | PathLike[str] | None = None,
    config: object = None,
    tokenizer: str | PathLike[str] | None = None,
    *,
    revision: str | None = None,
    device: object = None,
    dtype: object = None,
    precision: Literal["auto", "f32", "bf16", "int8"] | None = None,
    threads: int | None = None,
    compat: Compat | None = None,
    **parameters: Any,
) -> QuestionAnsweringPipeline:
    """A question-answering pipeline with the interface of transformers', which that dropped in 5.3.

    Args:
        task: "question-answering", or None.
        model: A Hugging Face folder, the id of a model on the hub, or None for the built-in model.
        tokenizer: A folder whose tokenizer replaces the model's own.
        revision: Branch, tag or commit of a hub model.
        device: None, "cpu", -1, or a torch.device of the processor.
        dtype: transformers' name for a precision: "auto", "float32" or "bfloat16", or torch's. With "float16", which
            bertqa has not, it is as if nothing were said.
        precision: "f32", "bf16", "int8", or "auto", the fastest that keeps the model's answers.
        threads: Processor threads.
        compat: "transformers" for its white space, equal texts and scores to within 1e-4: in f32, unless another
            precision is named. Otherwise answers have no white space at their ends and scores are probabilities.
        **parameters: Options that calls have unless they say otherwise: top_k, doc_stride, max_answer_len, max_seq_len,
            max_question_len, handle_impossible_answer, align_to_words, with the defaults of transformers.

    Raises:
        KeyError: Another task.
        ModelError: The model cannot be found, read or run.
    """
    if task is not None and task != TASK:
        raise KeyError(f"bertqa has no task {task!r}; it has {TASK!r}")
    if compat not in (None, "none", "transformers"):
        raise ValueError(f"compat: {compat!r} is not 'transformers'")
    for name, value in (("model", model), ("tokenizer", tokenizer)):
        if value is not None and not isinstance(value, str | PathLike):
            raise TypeError(f"{name}: a folder or a hub id is needed, not a {type(value).__name__}")
    if config is not None:
        warnings.warn("bertqa reads the configuration in the model's folder, not config=", stacklevel=2)
    dtype = parameters.pop("torch_dtype", None) if dtype is None else dtype
    if precision is None and dtype is not None:
        precision = _precision(dtype)
    if precision is None:
        precision = "f32" if compat == "transformers" else "auto"
    for name in LOADING_WITHOUT_EFFECT:
        parameters.pop(name, None)
    answerer = QuestionAnswerer(
        model, tokenizer=tokenizer, revision=revision, device=_device(device), precision=precision, threads=threads
    )
    return QuestionAnsweringPipeline(answerer, compat=compat, **parameters)


def _precision(dtype: object) -> Literal["auto", "f32", "bf16"] | None:
    """What a dtype of torch asks for; None where that is left to bertqa."""
    name = str(dtype).removeprefix("torch.")
    if name == HALF:
        return None
    if name not in PRECISIONS:
        raise ValueError(f"dtype: {name} is none of {', '.join([*PRECISIONS, HALF])}")
    return PRECISIONS[name]


def _device(device: object) -> str:
    if device is None:
        return "auto"
    if isinstance(device, int):
        return "cpu" if device < 0 else f"cuda:{device}"
    return str(device)


def _options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The options among the parameters, those that are None left out."""
    given = {name: value for name, value in parameters.items() if value is not None}
    if "topk" in given:
        warnings.warn("topk is called top_k now", DeprecationWarning, stacklevel=3)
        given.setdefault("top_k", given.pop("topk"))
    unknown = given.keys() - OPTIONS - WITHOUT_EFFECT
    if unknown:
        # As transformers does, but not without a word.
        warnings.warn(f"bertqa ignores {', '.join(sorted(unknown))}", stacklevel=3)
    options = {name: value for name, value in given.items() if name in OPTIONS}
    for name in COUNTS & options.keys():
        options[name] = index(options[name])
    for name in ("top_k", "max_answer_len"):
        if name in options and options[name] < 1:
            raise ValueError(f"{name}: {options[name]} is less than 1")
    return options


def _is_example(row: object) -> bool:
    return isinstance(row, Mapping) or (hasattr(row, "question_text") and hasattr(row, "context_text"))


def _is_stream(rows: object) -> bool:
    """Whether the answers are to come one by one: of an iterator or a dataset."""
    if isinstance(rows, Sequence | Set | MappingView) or _is_example(rows):
        return False
    return isinstance(rows, Iterable) or hasattr(rows, "__getitem__")


def _items(rows: Any) -> Iterator[Any]:
    if isinstance(rows, Iterable):
        yield from rows
    else:
        # A torch dataset need not be iterable.
        for place in range(len(rows)):
            yield rows[place]


def _rows(inputs: tuple[Any, ...], question: Any, context: Any) -> Any:
    """What a call asks: an example, several, or a stream."""
    if inputs:
        return inputs[0] if len(inputs) == 1 else _positional(inputs)
    if question is None or context is None:
        raise ValueError("a question and a context are needed, as question=... and context=...")
    return _named(question, context)


def _examples(rows: Any) -> list[tuple[Any, Any]]:
    """The questions and contexts of what is no stream."""
    single = _is_example(rows)
    if not single and not isinstance(rows, Iterable):
        raise ValueError(f"{type(rows).__name__} is neither an example nor several")
    return [pair for row in ([rows] if single else rows) for pair in _pairs(row)]


def _positional(inputs: tuple[Any, ...]) -> Any:
    if len(inputs) == 2 and all(isinstance(text, str) for text in inputs):
        return {"question": inputs[0], "context": inputs[1]}
    return list(inputs)


def _named(question: Any, context: Any) -> list[dict[str, Any]]:
    questions, contexts = _texts(question), _texts(context)
    if questions is None or contexts is None:
        raise ValueError("question and context are texts, or lists of them")
    if not isinstance(question, str) and not isinstance(context, str) and len(questions) != len(contexts):
        raise ValueError(f"there are {len(questions)} questions and {len(contexts)} contexts")
    if isinstance(question, str):
        questions = questions * len(contexts)
    elif isinstance(context, str):
        contexts = contexts * len(questions)
    return [{"question": question, "context": context} for question, context in zip(questions, contexts, strict=True)]


def _texts(value: Any) -> list[Any] | None:
    if isinstance(value, str):
        return [value]
    return list(value) if isinstance(value, Sequence) else None


def _pairs(row: Any) -> list[tuple[Any, Any]]:
    """The questions and contexts of an example: one, or several where they are lists."""
    if isinstance(row, Mapping):
        for name in ("question", "context"):
            if name not in row:
                raise KeyError(f"an example is a dict with `question` and `context`; this one has no `{name}`")
            if row[name] is None:
                raise ValueError(f"`{name}` is None")
            if row[name] == "":
                raise ValueError(f"`{name}` is empty")
        question, context = row["question"], row["context"]
        if isinstance(question, list):
            return [(item["question"], item["context"]) for item in _named(question, context)]
        return [(question, context)]
    if _is_example(row):
        return [(row.question_text, row.context_text)]
    raise ValueError(f"{row!r} is no example: a dict, or an object with question_text and context_text")


def _single(row: Any) -> tuple[Any, Any]:
    pairs = _pairs(row)
    if len(pairs) != 1:
        raise ValueError("an example of a stream has one question and one context")
    return pairs[0]


def _span(answer: Answer) -> Span:
    return {"score": answer.score, "start": answer.start, "end": answer.end, "answer": answer.text}
