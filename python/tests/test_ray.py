import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'bertqa[ray]'")
pytest.importorskip("ray.data", reason="Ray Data is not installed: pip install 'bertqa[ray]'")
from ray._private.state import available_resources_per_node  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

import bertqa.ray  # noqa: E402

# Every node has some, and an actor takes one.
SEAT = "seat"


@pytest.fixture(scope="module")
def cluster():
    # A dead node is noticed within seconds, not a minute.
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 4}
    head = {"num_cpus": 4, "num_gpus": 1, "resources": {SEAT: 4}, "include_dashboard": False, "_system_config": quick}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def numbered(rows):
    """The rows several times, as lines and as they are in a data set."""
    return [{"n": n, "question": row["question"], "context": row["context"]} for n, row in enumerate(rows * 10)]


@pytest.fixture(scope="module")
def expected(numbered, cli_answers, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in numbered), encoding="utf-8")
    return cli_answers(path, "--columns=n")


def agree(found, expected):
    for row, other in zip(found, expected, strict=True):
        assert row["score"] == pytest.approx(other["score"], rel=1e-6)
        assert {**row, "score": 0} == {**other, "score": 0}
    return True


def test_a_node_that_is_lost_loses_no_row(cluster, numbered, expected):
    node = cluster.add_node(num_cpus=2, resources={SEAT: 1})
    ds = ray.data.from_items(numbered, override_num_blocks=35)
    answered = bertqa.ray.answer(ds, columns=["n"], actors=2, resources={SEAT: 1}, batch_rows=10)
    found, was_busy = [], False
    for row in answered.iter_rows():
        # Before the end, and while an actor is there.
        if not was_busy and SEAT not in available_resources_per_node()[node.node_id]:
            was_busy = True
            cluster.remove_node(node, allow_graceful=False)
        found.append(row)
    assert was_busy, f"the second node had no actor before the {len(found)} rows were through"
    found.sort(key=lambda row: row["n"])
    assert agree(found, expected)


def test_rows_in_order(cluster, numbered, expected):
    ds = ray.data.from_items(numbered[69::-1], override_num_blocks=7)
    assert agree(bertqa.ray.answer(ds, columns=[], order_by="n", batch_rows=10).take_all(), expected[:70])


def test_a_bad_row_is_not_a_lost_job(cluster):
    texts = [("Who?", "Ada did."), (None, "Ada."), ("Who?", None), ("", "Ada."), ("who " * 600, "Ada.")]
    rows = [{"question": question, "context": context} for question, context in texts]
    # One block each: where all questions are null, Ray's column is no text.
    ds = ray.data.from_items(rows, override_num_blocks=5)
    found = bertqa.ray.answer(ds, actors=1, num_gpus=1, prefix="model_", batch_rows=1).take_all()
    found.sort(key=lambda row: texts.index((row["question"], row["context"])))
    assert [row["model_answer"] for row in found] == ["Ada", None, None, None, None]
    assert [bool(row["model_error"]) for row in found] == [False, True, True, True, True]
    assert "`question` is null" in found[1]["model_error"]


def test_options_go_to_the_model_and_mistakes_are_raised(cluster, numbered):
    ds = ray.data.from_items(numbered[:3])
    (row, *_) = bertqa.ray.answer(ds, top_k=2, max_answer_len=1, precision="f32", actors=1).take_all()
    assert len(row["answers"]) == 2
    with pytest.raises(Exception, match="`passage`"):
        bertqa.ray.answer(ds, context="passage", actors=1).take_all()


def test_the_class_for_map_batches(cluster, numbered, expected):
    class Watched(bertqa.ray.QA):
        def __call__(self, batch):
            answered = super().__call__(batch)
            return answered.append_column("cpus", [[bertqa.ray._assigned_cpus()] * len(answered)])

    found = (
        ray.data.from_items(numbered[:20], override_num_blocks=1)
        .map_batches(
            Watched,
            fn_constructor_kwargs={"columns": ["n"]},
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=1),
            num_cpus=2,
        )
        .take_all()
    )
    # As many threads as the actor has processors.
    assert {row.pop("cpus") for row in found} == {2}
    assert agree(found, expected[:20])


def test_room_for_actors(cluster):
    assert bertqa.ray._room({"CPU": 1}) == 3
    assert bertqa.ray._room({"CPU": 2}) == bertqa.ray._room({"CPU": 8}) == 1
    assert bertqa.ray._room({"CPU": 1, "GPU": 0.5, SEAT: 1}) == 2
    assert bertqa.ray._room({"CPU": 1, "neuron_cores": 1}) == 1


def command(cluster, folder, *arguments, status=0):
    command = [Path(sys.executable).with_name("bertqa-ray"), "run", *arguments, f"--address={cluster.address}"]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "RAY_ADDRESS": ""}, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stderr


def test_the_command_answers_files(cluster, numbered, cli_answers, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        rows = numbered[number * 30 : number * 30 + 30]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"in/{number}.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / "out").mkdir()
    job = ["in", "-o", "out/x.jsonl", "--columns=n", "--shards=4"]
    said = command(cluster, tmp_path, *job)
    assert "90 rows, 0 failed in 4 parts" in said and "(int8)" in said
    parts = sorted(path for path in (tmp_path / "out").iterdir() if not path.name.startswith("."))
    assert [path.name for path in parts] == [f"x-0000{index}-of-00004.jsonl" for index in range(4)]
    found = [json.loads(line) for path in parts for line in path.read_text(encoding="utf-8").splitlines()]
    assert agree(found, cli_answers(tmp_path / "in", "--columns=n", "--precision=int8"))
    # What is complete is left, and counted.
    before = parts[2].stat().st_mtime_ns
    parts[1].unlink()
    assert "90 rows, 0 failed in 4 parts" in command(cluster, tmp_path, *job, "--precision=int8")
    assert parts[1].exists() and parts[2].stat().st_mtime_ns == before


def test_the_command_ends_as_the_parts_do(cluster, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"question": "Who?", "context": "Ada did."}\n{"question": "Who?"}\n')
    assert "2 rows, 1 failed" in command(cluster, tmp_path, "rows.jsonl", "-o", "x.jsonl", "--shards=2", status=1)
    command(cluster, tmp_path, "rows.jsonl", "-o", "y.jsonl", "--shards=2", "--max-failed=1")
    said = command(cluster, tmp_path, "absent.jsonl", "-o", "z.jsonl", status=2)
    assert "absent.jsonl: no such file" in said
