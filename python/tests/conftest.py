import json
import subprocess
import sys
from pathlib import Path

import pytest

import bertqa

ROOT = Path(__file__).parent.parent.parent
BERTQA = Path(sys.executable).with_name("bertqa")


@pytest.fixture(scope="session")
def answerer():
    return bertqa.QuestionAnswerer()


@pytest.fixture(scope="session")
def rows():
    text = (ROOT / "samples/questions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="session")
def cli_answers(tmp_path_factory):
    """Rows as the command line answers them, of a file and with flags."""

    def answers(path, *flags):
        out = tmp_path_factory.mktemp("answers") / "answers.jsonl"
        done = subprocess.run([BERTQA, "run", path, "-o", out, *flags, "--quiet"])
        assert done.returncode in (0, 1)
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]

    return answers
