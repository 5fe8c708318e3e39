import json

import pytest

import bertqa
from conftest import ROOT

FIXTURES = ROOT / "tests/fixtures/eval"
# The figures below are those of evaluate 0.4.6, with its metrics squad and squad_v2.
REFERENCES = [
    {"id": id, "answers": {"text": texts, "answer_start": [0] * len(texts)}}
    for id, texts in [
        ("a", ["Ada Lovelace", "Lovelace"]),
        ("b", ["in Paris"]),
        ("c", []),
        ("d", ["1931"]),
        ("e", []),
        ("f", ["the oar"]),
    ]
]
PREDICTIONS = [
    {"id": id, "prediction_text": text, "no_answer_probability": probability}
    for id, text, probability in [
        ("a", "Countess Lovelace", 0.0),
        ("c", "Bell", 0.0),
        ("b", "Paris", 0.0),
        ("e", "", 0.75),
        ("d", "1931.", 0.25),
        ("f", "an oar", 0.75),
    ]
]
ANSWERABLE = [row for row in REFERENCES if row["answers"]["text"]]
SECOND = {
    "exact": 50.0,
    "f1": 72.22222222222221,
    "total": 6,
    "HasAns_exact": 50.0,
    "HasAns_f1": 83.33333333333333,
    "HasAns_total": 4,
    "NoAns_exact": 50.0,
    "NoAns_f1": 50.0,
    "NoAns_total": 2,
    "best_exact": 50.0,
    "best_exact_thresh": 0.75,
    "best_f1": 72.22222222222221,
    "best_f1_thresh": 0.75,
}


def without_probability(predictions):
    return [{"id": row["id"], "prediction_text": row["prediction_text"]} for row in predictions]


def of_answerable(predictions):
    ids = {row["id"] for row in ANSWERABLE}
    return [row for row in predictions if row["id"] in ids]


def test_squad():
    figures = bertqa.evaluate(without_probability(of_answerable(PREDICTIONS)), ANSWERABLE)
    assert figures == pytest.approx({"exact_match": 50.0, "f1": 83.33333333333333})


def test_squad_v2():
    assert bertqa.evaluate(PREDICTIONS, REFERENCES) == pytest.approx(SECOND)
    halfway = {"exact": 100 / 3, "f1": 55.55555555555555, "HasAns_exact": 25.0, "HasAns_f1": 58.33333333333333}
    assert bertqa.evaluate(PREDICTIONS, REFERENCES, no_answer_threshold=0.5) == pytest.approx(SECOND | halfway)
    # Nothing is said of questions that there are none of.
    figures = bertqa.evaluate(of_answerable(PREDICTIONS), ANSWERABLE)
    assert not [name for name in figures if name.startswith("NoAns")]
    assert (figures["total"], figures["best_f1"]) == (4, pytest.approx(83.33333333333333))


def test_equal_probabilities_are_taken_in_the_order_of_the_predictions():
    certain = [{**row, "no_answer_probability": 0.0} for row in PREDICTIONS]
    figures = bertqa.evaluate(certain, REFERENCES)
    assert (figures["best_exact"], figures["best_f1"]) == pytest.approx((50.0, 72.22222222222221))
    certain.sort(key=lambda row: row["id"] not in "df")
    figures = bertqa.evaluate(certain, REFERENCES)
    assert (figures["best_exact"], figures["best_f1"]) == pytest.approx((66.66666666666667, 77.77777777777779))


def test_figures_are_the_command_lines():
    """Those that tests/fixtures/eval has of SQuAD 2.0's own definition."""
    gold = json.loads((FIXTURES / "gold.json").read_text(encoding="utf-8"))
    references = [row for entry in gold["data"] for paragraph in entry["paragraphs"] for row in paragraph["qas"]]
    lines = (FIXTURES / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    predictions = [
        {
            "id": row["id"],
            "prediction_text": row["answers"][0]["answer"],
            "no_answer_probability": next(answer["score"] for answer in row["answers"] if not answer["answer"]),
        }
        for row in map(json.loads, lines)
    ]
    expected = json.loads((FIXTURES / "figures.json").read_text(encoding="utf-8"))["squad"]
    figures = bertqa.evaluate(predictions, references)
    assert (figures["exact"], figures["f1"]) == pytest.approx((expected["exact_match"], expected["f1"]))
    for prefix, name in (("HasAns", "has_answer"), ("NoAns", "no_answer")):
        of = {"total": "rows", "exact": "exact_match", "f1": "f1"}
        for ours, theirs in of.items():
            assert figures[f"{prefix}_{ours}"] == pytest.approx(expected[name][theirs])


def test_shapes():
    expected = bertqa.evaluate(PREDICTIONS, REFERENCES)
    as_objects = [{**row, "answers": [{"text": text} for text in row["answers"]["text"]]} for row in REFERENCES]
    as_texts = ({**row, "answers": row["answers"]["text"]} for row in REFERENCES)
    assert bertqa.evaluate(iter(PREDICTIONS), as_objects) == bertqa.evaluate(PREDICTIONS, as_texts) == expected
    numbered = [{"id": 7, "prediction_text": "Ada"}]
    assert bertqa.evaluate(numbered, [{"id": "7", "answers": ["ada"]}]) == {"exact_match": 100.0, "f1": 100.0}


def test_japanese_is_compared_by_characters():
    predictions, references = [{"id": 1, "prediction_text": "東京都"}], [{"id": 1, "answers": ["東京"]}]
    assert bertqa.evaluate(predictions, references)["f1"] == 0
    assert bertqa.evaluate(predictions, references, normalization="ja")["f1"] == pytest.approx(80)


def test_mistakes():
    with pytest.warns(UserWarning, match="1 references have no prediction.*: d"):
        figures = bertqa.evaluate([row for row in PREDICTIONS if row["id"] != "d"], REFERENCES)
    assert (figures["total"], figures["HasAns_exact"]) == (6, 25.0)
    with pytest.raises(ValueError, match="no references"):
        bertqa.evaluate(PREDICTIONS, [])
    with pytest.raises(ValueError, match="1 of 2 predictions have a no_answer_probability"):
        bertqa.evaluate([PREDICTIONS[0], *without_probability(PREDICTIONS[1:2])], REFERENCES)
    with pytest.raises(KeyError, match="this one has text"):
        bertqa.evaluate([{"id": 1, "text": "x"}], REFERENCES)
    with pytest.raises(KeyError, match="prediction_text"):
        bertqa.evaluate([{"id": 1}], REFERENCES)
    with pytest.raises(bertqa.OptionsError, match="normalization"):
        bertqa.evaluate(PREDICTIONS, REFERENCES, normalization="fr")
    with pytest.raises(TypeError):
        bertqa.evaluate([{"id": 1, "prediction_text": None}], REFERENCES)
