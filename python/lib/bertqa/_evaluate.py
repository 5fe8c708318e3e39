"""How good answers are, from the shapes that the metrics squad and squad_v2 of the library evaluate take."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ._bertqa import score

KEYS = {"id", "prediction_text", "no_answer_probability"}


def evaluate(
    predictions: Iterable[Mapping[str, Any]],
    references: Iterable[Mapping[str, Any]],
    *,
    no_answer_threshold: float = 1.0,
    normalization: Literal["en", "ja"] = "en",
) -> dict[str, float]:
    """The figures of `bertqa eval`, in percent, by the names that the library evaluate has for them.

    Args:
        predictions: Dicts with `id` and `prediction_text`, which is empty for "no answer"; for the figures of squad_v2
            also with `no_answer_probability`.
        references: Dicts with `id` and `answers`: {"text": [...]}, a list of {"text": ...}, or a list of texts. A
            question without answers has none.
        no_answer_threshold: What is surer than this to have no answer counts as that.
        normalization: "en", by words, as SQuAD defines it; "ja", by characters.

    Returns:
        `exact_match` and `f1`; with no_answer_probability `exact`, `f1`, `total`, the same with `HasAns_` and `NoAns_`
        before them where there are such questions, and the best figures that a threshold could give: `best_exact`,
        `best_exact_thresh`, `best_f1`, `best_f1_thresh`.

    Raises:
        KeyError, TypeError: A prediction or reference lacks a key, or has something else in it.
        ValueError: There is no reference, or some predictions only have a no_answer_probability.
    """
    rows = list(predictions)
    golds = [(str(row["id"]), _texts(row["answers"])) for row in references]
    if not golds:
        raise ValueError("there are no references")
    for row in rows:
        if unknown := row.keys() - KEYS:
            raise KeyError(f"a prediction has {', '.join(sorted(KEYS))}; this one has {', '.join(sorted(unknown))}")
    impossible = [row for row in rows if "no_answer_probability" in row]
    if 0 < len(impossible) < len(rows):
        raise ValueError(f"{len(impossible)} of {len(rows)} predictions have a no_answer_probability: all or none")

    found = [(str(row["id"]), row["prediction_text"], row.get("no_answer_probability", 0.0)) for row in rows]
    figures, missing = score(found, golds, no_answer_threshold, normalization)
    if missing:
        warnings.warn(f"{len(missing)} references have no prediction and count as wrong: {missing[0]}…", stacklevel=2)
    if not impossible:
        return {"exact_match": figures["exact"], "f1": figures["f1"]}
    return figures


def _texts(answers: Any) -> list[str]:
    if isinstance(answers, Mapping):
        answers = answers["text"]
    return [answer["text"] if isinstance(answer, Mapping) else answer for answer in answers]
