import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import bertqa
from conftest import BERTQA, ROOT


def run(*arguments, **options):
    return subprocess.run(arguments, capture_output=True, text=True, **options)


def test_the_command_is_the_program():
    assert run(BERTQA, "--version").stdout == f"bertqa {bertqa.__version__}\n"
    assert run(sys.executable, "-m", "bertqa", "--version").stdout == f"bertqa {bertqa.__version__}\n"
    helped = run(BERTQA, "run", "--help")
    assert helped.returncode == 0 and "Usage: bertqa run" in helped.stdout


def test_rows_through_pipes():
    done = run(BERTQA, "stdin", input='{"question": "Who?", "context": "Ada did."}\n{"question": "Who?"}\n')
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["answer"] == "Ada" and "`context` is missing" in second["error"]
    assert done.returncode == 1


def test_statuses():
    assert run(BERTQA, "run", "nowhere.jsonl", "-o", "-").returncode == 2
    assert run(BERTQA, "swim").returncode == 2
    done = run(BERTQA, "run", ROOT / "samples/questions.jsonl", "-o", "-", "--quiet")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 35


def test_a_reader_that_is_gone_is_no_error():
    command = f"{BERTQA} run {ROOT / 'samples/questions.jsonl'} -o - --quiet | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = run("bash", "-c", command)
    assert done.stdout.splitlines()[1] == "0" and done.stderr == ""


def interrupt(process):
    # Once it has a handler of its own; Python has one for SIGINT only.
    wait(lambda: caught(process) & 1 << signal.SIGTERM - 1)
    process.send_signal(signal.SIGINT)
    return process.wait(600)


def caught(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE).group(1), 16)


def wait(condition):
    while not condition():
        time.sleep(0.05)


def test_an_interrupt_keeps_what_was_answered(tmp_path):
    rows, out = tmp_path / "rows.jsonl", tmp_path / "answers.jsonl"
    rows.write_text(json.dumps({"question": "Who?", "context": "Ada did it. " * 20}) + "\n")
    rows.write_text(rows.read_text() * 200_000)
    process = subprocess.Popen([BERTQA, "run", rows, "-o", out, "--quiet"])
    wait(lambda: any(file.stat().st_size for file in tmp_path.iterdir() if file != rows))
    assert interrupt(process) == 130
    assert (tmp_path / "answers.jsonl.partial").stat().st_size > 0


def test_a_server_is_interrupted():
    process = subprocess.Popen([BERTQA, "serve", "--port=0"], stderr=subprocess.PIPE, text=True)
    assert "http://" in process.stderr.readline()
    assert interrupt(process) == 0


def test_a_pipe_may_be_gone_before_its_end(tmp_path):
    pipe = tmp_path / "rows.jsonl"
    os.mkfifo(pipe)
    process = subprocess.Popen([BERTQA, "run", pipe, "-o", "-", "--quiet"], stdout=subprocess.PIPE, text=True)
    with pipe.open("w") as rows:
        pipe.unlink()
        rows.write('{"question": "Who?", "context": "Ada did."}\n')
    assert json.loads(process.communicate(timeout=60)[0])["answer"] == "Ada"
    assert process.returncode == 0
