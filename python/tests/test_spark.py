import json
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("pyspark", reason="Spark is not installed: pip install 'bertqa[spark]'")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java 17", allow_module_level=True)
import pyarrow as pa  # noqa: E402
from pyspark.sql import Row, SparkSession  # noqa: E402

import bertqa.spark  # noqa: E402

ROW = "n long, question string, context string"


@pytest.fixture(scope="module")
def spark():
    os.environ["PYSPARK_PYTHON"] = sys.executable
    options = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "16",
        "spark.log.level": "OFF",
    }
    # Two executors of one processor and 1024 MiB.
    builder = SparkSession.builder.master("local-cluster[2,1,1024]")
    for name, value in options.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    logs = Path(os.environ.get("SPARK_HOME", Path(sys.modules["pyspark"].__file__).parent), "work")
    logs /= spark.sparkContext.applicationId
    yield spark
    spark.stop()
    shutil.rmtree(logs, ignore_errors=True)


@pytest.fixture(scope="module")
def numbered(rows):
    return [(n, row["question"], row["context"]) for n, row in enumerate(rows * 3)]


@pytest.fixture(scope="module")
def expected(numbered, cli_answers, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [json.dumps(dict(zip(("n", "question", "context"), row, strict=True))) + "\n" for row in numbered]
    path.write_text("".join(lines), encoding="utf-8")
    return cli_answers(path, "--columns=n")


def agree(found, expected):
    for row, other in zip(sorted(found, key=lambda row: row["n"]), expected, strict=True):
        assert row["score"] == pytest.approx(other["score"], rel=1e-6)
        assert {**row.asDict(), "score": 0} == {**other, "score": 0}
    return True


def test_answers_are_the_command_lines(spark, numbered, expected):
    df = spark.createDataFrame(numbered, ROW).repartition(8)
    answered = bertqa.spark.answer(df, columns=["n"])
    assert answered.columns == ["n", "answer", "score", "start", "end", "error"]
    assert agree(answered.collect(), expected)

    def loaded(batches):
        """How often this worker loaded a model."""
        for _ in batches:
            yield pa.record_batch({"pid": [os.getpid()], "loaded": [bertqa.spark._answerer.cache_info().misses]})

    # All columns, and a second job in the same workers.
    assert len(bertqa.spark.answer(df.limit(20)).collect()) == 20
    workers = df.mapInArrow(loaded, "pid long, loaded long").distinct().collect()
    assert {row["loaded"] for row in workers} <= {0, 1} and any(row["loaded"] for row in workers)


def test_an_executor_chooses_the_precision_for_all(spark):
    arguments = {"model": None, "threads": None}
    assert bertqa.spark._chosen_precision(spark, arguments) == bertqa.QuestionAnswerer().precision


def test_several_answers_bad_rows_and_names(spark):
    rows = [(0, "Who?", "Ada did."), (1, None, "Ada."), (2, "Who?", ""), (3, "who " * 600, "Ada.")]
    df = spark.createDataFrame(rows, "n long, `the question` string, context string").coalesce(1)
    answered = bertqa.spark.answer(df, "the question", columns=["n"], prefix="model_", top_k=2, max_answer_len=3)
    assert answered.columns == ["n", "model_answers", "model_error"]
    found = sorted(answered.collect())
    best = found[0]["model_answers"][0]
    assert isinstance(best, Row) and (best["answer"], best["start"], best["end"]) == ("Ada", 0, 3)
    assert [row["model_answers"] for row in found[1:]] == [None] * 3
    assert [bool(row["model_error"]) for row in found] == [False, True, True, True]
    with pytest.raises(Exception, match="passage"):
        bertqa.spark.answer(df, "the question", context="passage")
    assert bertqa.spark.answer(df.limit(0), "the question").collect() == []


def executor(application):
    """The process of an executor."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if "org.apache.spark.executor.CoarseGrainedExecutorBackend" in arguments and application in arguments:
            return int(folder.name)
    raise AssertionError("there is no executor")


def test_an_executor_that_is_killed_loses_no_row(spark, numbered, expected):
    parts = 14
    answered = bertqa.spark.answer(spark.createDataFrame(numbered, ROW).repartition(parts), columns=["n"])
    tracker = spark.sparkContext.statusTracker()

    def done():
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        return max((stage.numCompletedTasks for stage in stages if stage and stage.numTasks == parts), default=0)

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(answered.collect)
        while done() < 2 and not job.done():
            time.sleep(0.01)
        assert not job.done(), "the job was over before an executor was killed"
        os.kill(executor(spark.sparkContext.applicationId), signal.SIGKILL)
        assert agree(job.result(), expected)
