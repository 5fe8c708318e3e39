import json
import pickle
import warnings
from pathlib import Path

import pytest

import bertqa
import cases
from conftest import ROOT

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))

# Where bertqa is meant to differ from transformers, and why. docs/python.md says the same.
DIFFERENT = {
    "one question, several contexts": "the question goes with each; transformers has that the other way round only",
    "empty lists": "no questions have no answers; transformers ends in an IndexError",
    "a tuple of questions": "all sequences are as good as lists",
    "topk": "the old name of top_k is one still; transformers 5.2.0 ignores it",
    "top_k 20 of one word": "spans of probability 0 are no answers",
    "doc_stride over the room": "a ValueError; transformers ends in a PanicException, which is no Exception",
    "a blank context": "there is no answer in it: a ValueError",
    "a dict with another key": "rows of data sets have other keys",
    "an example": "one is as good as a list of one",
}


@pytest.fixture(scope="module")
def pipe():
    model, tokenizer = str(ROOT / "models/default"), str(ROOT / "tokenizer")
    return bertqa.pipeline("question-answering", model=model, tokenizer=tokenizer, compat="transformers")


def same(found, expected):
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(same(found[key], expected[key]) for key in expected)
        )
    if isinstance(expected, float):
        return abs(found - expected) < 1e-4
    return found == expected


def agrees(found, expected):
    if "raises" in expected:
        return expected["raises"][0] in found.get("raises", ())
    return "value" in found and same(found["value"], expected["value"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("version", "name"),
    [("5.2.0", name) for name in cases.NAMED] + [("4.57.1", name) for name in cases.POSITIONAL],
)
def test_calls_give_what_transformers_gives(pipe, version, name):
    case = (cases.NAMED | cases.POSITIONAL)[name]
    found = cases.outcome(case, pipe, bertqa.SquadExample)
    assert agrees(found, GOLDEN[version][name]) != (name in DIFFERENT), f"{found} {GOLDEN[version][name]}"


def test_answers_are_the_command_lines(rows, cli_answers):
    pipe = bertqa.pipeline("question-answering", align_to_words=True)
    found = pipe([{"question": row["question"], "context": row["context"]} for row in rows])
    expected = cli_answers(ROOT / "samples/questions.jsonl", "--max-seq-len=384", "--align-to-words")
    for span, row in zip(found, expected, strict=True):
        assert (span["answer"], span["start"], span["end"]) == (row["answer"], row["start"], row["end"])
        assert span["score"] == pytest.approx(row["score"], rel=1e-6)


def test_streams_are_lazy(pipe):
    read = []

    def endless():
        while True:
            read.append(1)
            yield cases.EXAMPLE

    answers = pipe(endless(), top_k=2)
    assert iter(answers) is answers and read == []
    assert len(next(answers)) == 2
    assert [next(answers) for _ in range(200)] and len(read) < 400


def test_a_dataset_is_a_stream(pipe):
    answers = pipe(cases.Dataset())
    assert len(answers) == 2
    assert list(answers) == pipe([cases.EXAMPLE, cases.OTHER])
    # As data sets' columns are.
    columns = {name: tuple(row[name] for row in (cases.EXAMPLE, cases.OTHER)) for name in cases.EXAMPLE}
    assert pipe(**columns) == pipe([cases.EXAMPLE, cases.OTHER])


def test_a_mistake_in_a_stream_comes_after_the_answers_before(pipe):
    answers = pipe(cases.generated(cases.EXAMPLE, {"question": "Who?"}))
    assert next(answers) == pipe(cases.EXAMPLE)
    with pytest.raises(KeyError, match="no `context`"):
        next(answers)


def test_options_of_the_pipeline_hold_unless_a_call_says_otherwise():
    pipe = bertqa.pipeline("question-answering", top_k=3, max_answer_len=2)
    assert len(pipe(cases.EXAMPLE)) == 3
    assert isinstance(pipe(cases.EXAMPLE, top_k=1), dict)
    numpy = pytest.importorskip("numpy")
    assert len(pipe(cases.EXAMPLE, top_k=numpy.int64(2))) == 2


def test_it_pickles():
    pipe = bertqa.pipeline(top_k=2, compat="transformers")
    assert pickle.loads(pickle.dumps(pipe))(cases.EXAMPLE) == pipe(cases.EXAMPLE)


def test_arguments_of_the_pipeline():
    with pytest.raises(KeyError, match="summarization"):
        bertqa.pipeline("summarization")
    with pytest.raises(TypeError, match="model: a folder or a hub id is needed, not a dict"):
        bertqa.pipeline("question-answering", model={})
    with pytest.raises(ValueError, match="compat"):
        bertqa.pipeline(compat="keras")
    with pytest.raises(ValueError, match="dtype: float64"):
        bertqa.pipeline(dtype="torch.float64")
    with pytest.raises(bertqa.ModelError, match="not on cuda:0"):
        bertqa.pipeline(device=0)
    with pytest.raises(bertqa.ModelError, match="there is no folder ./nowhere"):
        bertqa.pipeline(model="./nowhere")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bertqa.pipeline(device=-1, torch_dtype="torch.float32", use_fast=True, framework="pt", batch_size=8)
        # There is none: the fastest that keeps the answers.
        assert bertqa.pipeline(dtype="torch.float16")(cases.EXAMPLE) == bertqa.pipeline()(cases.EXAMPLE)
        with pytest.raises(UserWarning, match="bertqa ignores colour"):
            bertqa.pipeline(colour="green")


def test_topk_is_an_old_name(pipe):
    with pytest.warns(DeprecationWarning, match="top_k"):
        assert len(pipe(cases.EXAMPLE, topk=2)) == 2


def test_examples_may_be_named_data_or_x(pipe):
    for name in ("data", "X"):
        assert pipe(**{name: cases.EXAMPLE}) == pipe(cases.EXAMPLE)
        assert pipe(**{name: [cases.EXAMPLE, cases.OTHER]}) == pipe([cases.EXAMPLE, cases.OTHER])
    with pytest.raises(ValueError, match="question and a context are needed"):
        pipe(top_k=2)
