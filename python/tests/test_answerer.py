import itertools
import json
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import typing

import pytest

import bertqa
from conftest import ROOT

QUESTION, CONTEXT = "Who invented the telephone?", "It was invented by Alexander Graham Bell."


def shortest(score):
    """As JSON has it: the shortest text that reads back as the same f32."""
    return pytest.approx(score, rel=1e-6)


def test_a_question(answerer):
    answer = answerer.answer(QUESTION, CONTEXT)
    assert isinstance(answer, bertqa.Answer)
    assert answer.text.strip() == "Alexander Graham Bell"
    assert CONTEXT[answer.start : answer.end] == answer.text
    assert 0.5 < answer.score <= 1


def test_top_k_gives_a_list(answerer):
    answers = answerer.answer(QUESTION, CONTEXT, top_k=3)
    assert len(answers) == 3
    assert answers[0] == answerer.answer(QUESTION, CONTEXT)
    assert sorted(answers, key=lambda answer: -answer.score) == answers
    assert answerer.answer(QUESTION, CONTEXT, top_k=1) == answers[:1]


def test_answers_are_the_command_lines(answerer, rows, cli_answers):
    expected = cli_answers(ROOT / "samples/questions.jsonl")
    for answers in (answerer.answer_batch(rows), list(answerer.stream(iter(rows)))):
        assert len(answers) == len(expected) == 35
        for answer, row in zip(answers, expected, strict=True):
            assert (answer.text, answer.start, answer.end) == (row["answer"], row["start"], row["end"])
            assert answer.score == shortest(row["score"])


def test_options_are_the_command_lines(rows, cli_answers):
    options = {"max_seq_len": 48, "doc_stride": 12, "max_answer_len": 4, "align_to_words": True}
    flags = ["--max-seq-len=48", "--doc-stride=12", "--max-answer-len=4", "--align-to-words", "--top-k=2"]
    expected = cli_answers(ROOT / "samples/questions.jsonl", *flags)
    of_call = bertqa.QuestionAnswerer().answer_batch(rows, top_k=2, **options)
    of_class = bertqa.QuestionAnswerer(**options).answer_batch(rows, top_k=2)
    assert of_call == of_class
    texts = [[answer.text for answer in answers] for answers in of_call]
    assert texts == [[answer["answer"] for answer in row["answers"]] for row in expected]


def test_handle_impossible_answer(answerer):
    answer = answerer.answer("空は何色ですか?", "東京タワーは港区にある電波塔である。", handle_impossible_answer=True)
    assert answer[0::2] == ("", 0)


def test_rows_are_pairs_or_mappings(answerer):
    row = {"question": QUESTION, "context": CONTEXT, "id": 7}
    answers = answerer.answer_batch([(QUESTION, CONTEXT), [QUESTION, CONTEXT], row])
    assert len(answers) == 3 and len(set(answers)) == 1
    with pytest.raises(TypeError, match="a row is a pair"):
        answerer.answer_batch([QUESTION])


BAD = {
    "the question is empty": ("", CONTEXT),
    "`context` is null": (QUESTION, None),
    "`context` is missing": {"question": QUESTION},
    "`question` is int; it must be a string": (3, CONTEXT),
    "`question` is not valid text": ("\ud800", CONTEXT),
    "leaves 0 for the context": ("who " * 600, CONTEXT),
}


def test_a_bad_row_is_not_a_lost_row(answerer):
    rows = [row for bad in BAD.values() for row in ((QUESTION, CONTEXT), bad)]
    good = answerer.answer(QUESTION, CONTEXT)
    answers = answerer.answer_batch(rows, errors="return")
    assert answers[0::2] == [good] * len(BAD)
    for text, answer in zip(BAD, answers[1::2], strict=True):
        assert isinstance(answer, bertqa.RowError) and text in str(answer)
    # Raised, they end neither the iterator nor the answerer.
    stream = answerer.stream(rows)
    for text in BAD:
        assert next(stream) == good
        with pytest.raises(bertqa.RowError, match=re.escape(text)):
            next(stream)
    assert list(stream) == []
    with pytest.raises(bertqa.RowError):
        answerer.answer_batch(rows)


def test_the_exceptions_have_the_librarys_messages(answerer):
    with pytest.raises(bertqa.OptionsError, match="doc_stride: 512 must be less than max_seq_len, 512"):
        answerer.answer(QUESTION, CONTEXT, doc_stride=512)
    with pytest.raises(bertqa.OptionsError, match="max_seq_len: 513 is more than the 512 tokens"):
        answerer.answer_batch([], max_seq_len=513)
    with pytest.raises(bertqa.OptionsError, match="top_k: .*`0`"):
        answerer.answer(QUESTION, CONTEXT, top_k=0)
    with pytest.raises(TypeError, match="no option colour"):
        answerer.stream([], colour="green")
    with pytest.raises(TypeError, match="top_k is an option of a call"):
        bertqa.QuestionAnswerer(top_k=2)
    with pytest.raises(ValueError, match="errors"):
        answerer.stream([], errors="ignore")
    with pytest.raises(bertqa.OptionsError, match="precision: .*int4"):
        bertqa.QuestionAnswerer(precision="int4")
    with pytest.raises(bertqa.OptionsError, match="device: .*gpu"):
        bertqa.QuestionAnswerer(device="gpu")
    with pytest.raises(bertqa.ModelError, match="there is no folder ./nowhere"):
        bertqa.QuestionAnswerer("./nowhere")
    assert issubclass(bertqa.RowError, ValueError) and issubclass(bertqa.ModelError, bertqa.BertqaError)


def test_the_options_of_the_stub_are_those_of_the_library(answerer):
    for name in typing.get_type_hints(bertqa.Options):
        answerer.answer_batch([], **{name: None})


def test_a_folder_and_its_tokenizer(rows, cli_answers):
    model, tokenizer = ROOT / "models/default", ROOT / "tokenizer"
    answerer = bertqa.QuestionAnswerer(model, tokenizer=tokenizer, precision="f32", threads=1)
    flags = ["--model", model, "--tokenizer", tokenizer, "--precision=f32"]
    expected = cli_answers(ROOT / "samples/questions.jsonl", *flags)
    assert [answer.text for answer in answerer.answer_batch(rows)] == [row["answer"] for row in expected]


def test_a_stream_reads_only_some_rows_ahead(answerer):
    read = itertools.count()
    endless = ((next(read), (QUESTION, CONTEXT))[1] for _ in itertools.count())
    assert len(list(itertools.islice(answerer.stream(endless), 300))) == 300
    assert next(read) < 300 + 200


def test_a_stream_that_fails_gives_the_answers_before(answerer):
    def rows():
        yield QUESTION, CONTEXT
        yield QUESTION, CONTEXT
        raise LookupError("no more")

    stream = answerer.stream(rows())
    assert next(stream) == next(stream)
    with pytest.raises(LookupError, match="no more"):
        next(stream)
    assert list(stream) == []


def test_an_answer_does_not_wait_for_rows_that_are_slow_to_come(answerer):
    """An answer that is there goes out before more rows are read."""

    def rows():
        yield QUESTION, CONTEXT
        # The first is answered before these are.
        for _ in range(5):
            answerer.answer(QUESTION, CONTEXT)
        yield QUESTION, CONTEXT
        raise AssertionError("another row is read")

    next(answerer.stream(rows()))


def test_several_threads_share_one(answerer, rows):
    expected = answerer.answer_batch(rows)
    found = [None] * 4

    def work(place):
        found[place] = answerer.answer_batch(rows)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_other_threads_run_while_answers_are_waited_for(answerer):
    ticks, done = itertools.count(), threading.Event()

    def tick():
        while not done.wait(0.001):
            next(ticks)

    thread = threading.Thread(target=tick)
    thread.start()
    answerer.answer_batch([(QUESTION, CONTEXT * 200)] * 8)
    done.set()
    thread.join()
    assert next(ticks) > 5


def test_it_pickles_as_its_arguments(answerer):
    options = {"threads": 1, "max_answer_len": 2, "precision": "f32"}
    one = bertqa.QuestionAnswerer(ROOT / "models/default", tokenizer=ROOT / "tokenizer", **options)
    pickled = pickle.dumps(one)
    assert len(pickled) < 2000
    other = pickle.loads(pickled)
    # Also on another processor, where another might be chosen.
    assert answerer.precision in ("bf16", "int8") and one.precision == "f32"
    assert answerer.__getnewargs_ex__()[1]["precision"] == answerer.precision
    assert other.answer(QUESTION, CONTEXT) == one.answer(QUESTION, CONTEXT) != answerer.answer(QUESTION, CONTEXT)
    answer = pickle.loads(pickle.dumps(one.answer(QUESTION, CONTEXT)))
    assert isinstance(answer, bertqa.Answer)


def ask(answerer):
    return answerer.answer(QUESTION, CONTEXT)


def test_spawned_workers(answerer):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(ask, [answerer] * 2) == [ask(answerer)] * 2


def in_fork(work):
    """What `work` gives in a fork, as text."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(work()).encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_says_so_and_can_load_its_own(answerer):
    table = pytest.importorskip("pyarrow").table({"question": [QUESTION], "context": [CONTEXT]})
    stream = answerer.stream([(QUESTION, CONTEXT)])
    for work in (
        lambda: ask(answerer),
        lambda: answerer.answer_batch([]),
        lambda: next(stream),
        lambda: answerer.answer_table(table),
    ):
        assert in_fork(work).startswith("ForkError('this model was loaded before the process was forked")
    assert in_fork(lambda: ask(bertqa.QuestionAnswerer())) == str(ask(answerer))


@pytest.mark.parametrize(
    "work",
    [
        "answerer.answer('Who?', 'Ada built it. ' * 300_000)",
        "answerer.answer_batch([('Who?', 'Ada built it. ' * 1000)] * 10_000)",
        "for _ in answerer.stream(('Who?', 'Ada built it.') for _ in iter(int, 1)): pass",
        "answerer.answer_table(table).to_pyarrow().read_all()",
    ],
    ids=["answer", "answer_batch", "stream", "answer_table"],
)
def test_an_interrupt_is_heard(work):
    program = f"""
        import pyarrow, sys, bertqa
        answerer = bertqa.QuestionAnswerer()
        table = pyarrow.table({{"question": ["Who?"] * 999, "context": ["Ada did it. " * 999] * 999}})
        print("ready", flush=True)
        try:
            {work}
        except KeyboardInterrupt:
            print("interrupted", answerer.answer({QUESTION!r}, {CONTEXT!r}).text)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=600)
    finally:
        process.kill()
    assert out == "interrupted Alexander Graham Bell\n"


def test_threads_follow_omp_num_threads():
    program = """
        import bertqa, pathlib
        answerer = bertqa.QuestionAnswerer(**{arguments})
        answerer.answer("Who?", "Ada did.")
        names = [task.read_text() for task in pathlib.Path("/proc/self/task").glob("*/comm")]
        print(names.count("encode\\n"))
    """

    def started(arguments, **environment):
        code = textwrap.dedent(program).format(arguments=arguments)
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True)
        return int(done.stdout)

    assert started({"threads": 3}) == 3
    assert started({}, OMP_NUM_THREADS="3") == 3
    assert started({"threads": 1}, OMP_NUM_THREADS="3") == 1


def test_documentation_is_there():
    for name in bertqa.__all__:
        item = getattr(bertqa, name)
        if isinstance(item, type) or callable(item):
            assert item.__doc__, name
    assert "top_k" in bertqa.QuestionAnswerer.answer.__doc__


def test_mecabs_dictionary_is_a_package_of_this_python(tmp_path, monkeypatch):
    """And not of the one on PATH, which has none here."""
    model, site = tmp_path / "model", tmp_path / "site"
    shutil.copytree(ROOT / "tests/fixtures/families/bert", model)
    (model / "tokenizer.json").unlink(missing_ok=True)
    shutil.copy(ROOT / "tests/fixtures/mecab/vocab.txt", model)
    mecab = {"word_tokenizer_type": "mecab", "mecab_kwargs": {"mecab_dic": "unidic_lite"}}
    config = {"tokenizer_class": "BertJapaneseTokenizer", "subword_tokenizer_type": "wordpiece", **mecab}
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(bertqa.ModelError, match="unidic_lite"):
        bertqa.QuestionAnswerer(model)
    shutil.copytree(ROOT / "tests/fixtures/mecab/dictionary", site / "unidic_lite/dicdir")
    monkeypatch.syspath_prepend(site)
    answer = bertqa.QuestionAnswerer(model).answer("猫は?", "東京都に住む猫は大きな犬が走る。")
    assert answer.text in "東京都に住む猫は大きな犬が走る。"
