import json

import pytest

import bertqa
from conftest import ROOT

pa = pytest.importorskip("pyarrow")
ROWS = ROOT / "samples/questions.jsonl"
COLUMNS = ["id", "question", "context"]


@pytest.fixture(scope="module")
def table(rows):
    return pa.table({name: [row[name] for row in rows] for name in COLUMNS})


def texts(answered):
    return pa.table(answered)["answer"].to_pylist()


def test_answers_are_the_command_lines(answerer, table, cli_answers):
    expected = cli_answers(ROWS, "--columns=id,question,context")
    answered = pa.table(answerer.answer_table(table)).to_pylist()
    for row, other in zip(answered, expected, strict=True):
        assert row["score"] == pytest.approx(other.pop("score"), rel=1e-6)
        del row["score"]
        assert row == other


def test_several_answers_are_a_list(answerer, table, cli_answers):
    expected = cli_answers(ROWS, "--top-k=3")
    answered = pa.table(answerer.answer_table(table, top_k=3))
    assert answered.column_names == [*table.column_names, "answers", "error"]
    for answers, row in zip(answered["answers"].to_pylist(), expected, strict=True):
        assert [answer["answer"] for answer in answers] == [answer["answer"] for answer in row["answers"]]


def test_columns_come_out_as_they_came_in(answerer):
    table = pa.table(
        {
            "question": pa.array(["Who?", "Who?"]).dictionary_encode(),
            "context": pa.array(["Ada did.", "Bell did."], pa.large_string()),
            "id": pa.array([1, None], pa.uint8()),
            "when": pa.array([0, 1], pa.timestamp("us", "Asia/Tokyo")),
            "price": pa.array([1, 2]).cast(pa.decimal128(30, 3)),
            "half": pa.array([0.5, None], pa.float32()).cast(pa.float16()),
            "tags": pa.array([["a"], None], pa.list_(pa.string())),
            "map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int8())),
            "struct": pa.array([{"a": b"x"}, {"a": None}], pa.struct({"a": pa.binary(1)})),
            "nothing": pa.nulls(2),
        }
    )
    answered = answerer.answer_table(table).to_pyarrow().read_all()
    assert answered.select(table.column_names).equals(table)
    assert answered.schema.names[-5:] == ["answer", "score", "start", "end", "error"]
    assert answered.schema.types[-5:] == [pa.large_string(), pa.float32(), pa.int64(), pa.int64(), pa.large_string()]
    # Not a copy.
    of = [batch.column("tags").buffers()[-1].address for table in (table, answered) for batch in table.to_batches()]
    assert len(set(of)) == 1


def test_polars(answerer, table):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(answerer.answer_table(polars.DataFrame(table)))
    assert frame["answer"].to_list() == texts(answerer.answer_table(table))


def test_pandas(answerer, table):
    pandas = pytest.importorskip("pandas")
    assert texts(answerer.answer_table(pandas.DataFrame(table.to_pandas()))) == texts(answerer.answer_table(table))


def test_duckdb(answerer, table):
    duckdb = pytest.importorskip("duckdb")
    source, target = duckdb.connect(), duckdb.connect()
    source.register("rows", table)
    answered = answerer.answer_table(source.sql("select * from rows")).to_pyarrow()
    target.register("answered", answered)
    found = [answer for (answer,) in target.sql("select answer from answered").fetchall()]
    assert found == texts(answerer.answer_table(table))


def test_tables_within_streams(answerer, table):
    """Each of the two lets go of the interpreter's lock, and takes it back, inside the other."""

    def rows():
        for row in answerer.answer_table(table, prefix="first_").to_pyarrow().read_all().to_pylist():
            yield {**row, "question": row["question"] * 2}

    assert len(list(answerer.stream(rows()))) == 35


def test_a_reader_is_read_while_answers_are(answerer):
    read = []

    def batches():
        for number in range(100):
            read.append(number)
            yield batch

    batch = pa.record_batch({"question": ["Who?"] * 10, "context": ["Ada did."] * 10})
    reader = pa.RecordBatchReader.from_batches(batch.schema, batches())
    answered = answerer.answer_table(reader).to_pyarrow()
    assert read == []
    first = answered.read_next_batch()
    assert first.num_rows == 10 and len(read) < 50
    assert len(answered.read_all()) == 990


def test_large_batches_come_out_in_parts(answerer):
    many = pa.table({"question": ["Who?"] * 5000, "context": ["Ada did."] * 5000, "id": range(5000)})
    parts = list(answerer.answer_table(many).to_pyarrow())
    assert [part.num_rows for part in parts] == [4096, 904]
    assert parts[1]["id"].to_pylist() == list(range(4096, 5000))


def test_bad_rows_are_as_in_the_command_line(answerer, cli_answers, tmp_path):
    rows = [
        {"question": question, "context": context}
        for question, context in [("Who?", "Ada did."), (None, "Ada."), ("Who?", None), ("", "Ada."), ("Who?", " ")]
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answered = pa.table(answerer.answer_table(pa.Table.from_pylist(rows)))
    errors = [error and error.removeprefix("<table>:") for error in answered["error"].to_pylist()]
    expected = [row["error"] and row["error"].removeprefix(f"{path}:") for row in cli_answers(path)]
    assert errors == expected and errors[1] == "2: `question` is null"
    assert answered["answer"].to_pylist() == ["Ada", None, None, None, None]


def test_names_of_columns(answerer):
    table = pa.table({"q": ["Who?"], "passage": ["Ada did."], "answer": ["gold"]})
    answered = pa.table(answerer.answer_table(table, "q", "passage", columns=["answer"], prefix="model_"))
    assert answered.column_names == ["answer", "model_answer", "model_score", "model_start", "model_end", "model_error"]
    assert answered["model_answer"].to_pylist() == ["Ada"]
    with pytest.raises(bertqa.InputError, match="<table>.*`question`"):
        answerer.answer_table(table)
    with pytest.raises(bertqa.InputError, match="`answer`"):
        answerer.answer_table(table, question="q", context="passage")
    with pytest.raises(bertqa.InputError, match="`colour`"):
        answerer.answer_table(table, "q", "passage", columns=["colour"])
    numbers = pa.table({"question": [1], "context": ["Ada."]})
    with pytest.raises(bertqa.InputError, match="`question`"):
        answerer.answer_table(numbers)


def test_what_is_no_table(answerer):
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        answerer.answer_table([{"question": "Who?", "context": "Ada."}])
    with pytest.raises(bertqa.InputError, match="not of record batches"):
        answerer.answer_table(pa.chunked_array([["Who?"]]))


def test_no_rows(answerer):
    none = pa.table({"question": pa.array([], pa.string()), "context": pa.array([], pa.string())})
    answered = pa.table(answerer.answer_table(none))
    assert len(answered) == 0 and answered.column_names[-1] == "error"


def test_answers_are_read_once(answerer, table):
    answered = answerer.answer_table(table.slice(0, 1))
    assert len(texts(answered)) == 1
    with pytest.raises(ValueError, match="read already"):
        pa.table(answered)


def test_a_reader_that_fails(answerer, table):
    def batches():
        yield from table.to_batches()
        raise LookupError("the file is gone")

    reader = answerer.answer_table(pa.RecordBatchReader.from_batches(table.schema, batches())).to_pyarrow()
    assert reader.read_next_batch().num_rows == 35
    with pytest.raises(Exception, match="cannot read on after row 35.*the file is gone"):
        reader.read_next_batch()
