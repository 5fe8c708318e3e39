"""Very many rows, one in a hundred bad, with checkpoints: from JSON Lines to Parquet, and from that to JSON Lines.

Fails if a row is missing, in another place, or answered otherwise than its neighbours are, if memory grows with the
rows, or time faster than they do. Prints peak memory and rows per second at a tenth of the rows, and at all.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from subprocess import DEVNULL, Popen

from server import ROOT, binary

TINY = ROOT / "tests/fixtures/families/bert"
BAD_EVERY = 100
SAMPLE_SECONDS = 0.5
# What may come on top: what malloc keeps, and what Parquet notes of each row group until the end.
MEMORY_SLACK = 64e6
TIME_SLACK = 1.25


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        work = Path(folder)
        few, many = [measure(work, count, args.model) for count in (args.rows // 10, args.rows)]
    wrong = []
    for name in few:
        (peak_few, rate_few), (peak_many, rate_many) = few[name], many[name]
        print(f"{name:18} {peak_few / 1e6:6.0f} MB {rate_few:8.0f} rows/s, ten times the rows: ", end="")
        print(f"{peak_many / 1e6:6.0f} MB {rate_many:8.0f} rows/s")
        if peak_many > peak_few + MEMORY_SLACK:
            wrong.append(f"{name}: memory grows with the rows")
        if rate_few > TIME_SLACK * rate_many:
            wrong.append(f"{name}: time grows faster than the rows")
    if wrong:
        sys.exit("\n".join(wrong))
    print("every row is there once, in its place, and the bad ones are those that failed")


def measure(work, count, model):
    """Peak memory and rows per second of both ways."""
    rows, parquet, again = work / "rows.jsonl", work / "answers.parquet", work / "again.jsonl"
    with open(rows, "w", encoding="utf-8") as file:
        file.writelines(map(line, range(count)))
    figures = {"JSONL to Parquet": run(count, rows, parquet, model)}
    rows.unlink()
    options = ["--columns", "id,error", "--prefix", "second_"]
    figures["Parquet to JSONL"] = run(count, parquet, again, model, *options)
    parquet.unlink()
    check(again, count)
    again.unlink()
    return figures


def line(number):
    row = {"id": number, "question": f"Who won race {number}?", "context": f"Ann won race {number}."}
    if is_bad(number):
        kind = number // BAD_EVERY % 4
        if kind == 0:
            row["question"] = None
        elif kind == 1:
            row["context"] = " "
        elif kind == 2:
            del row["context"]
        else:
            return f'{{"id": {number}, "question": \n'
    return json.dumps(row) + "\n"


def is_bad(number):
    return number % BAD_EVERY == BAD_EVERY // 2


def run(count, rows, answers, model, *options):
    command = [binary(), "run", rows, "-o", answers, "--model", model, "--precision", "f32", "--quiet", *options]
    began = time.monotonic()
    peak = 0
    with Popen(command, stdin=DEVNULL, stderr=DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(SAMPLE_SECONDS)
    if process.returncode != 1:
        sys.exit(f"{rows.name}: exit status {process.returncode}, where some rows fail")
    return peak, count / (time.monotonic() - began)


def resident(pid):
    """Resident memory but for what is mapped of files, in bytes; 0 when the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:"))


def check(path, count):
    number = -1
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file):
            row = json.loads(text)
            # What is no JSON has no id.
            is_number = row["id"] == number or (is_bad(number) and row["id"] is None)
            failed = row["error"] is not None and row["second_error"] is not None
            if not is_number or failed != is_bad(number) or (row["second_answer"] is None) != failed:
                sys.exit(f"row {number} came out as {text}")
    if number + 1 != count:
        sys.exit(f"{number + 1} rows came out of {count}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--model", default=TINY, help="without it, a tiny one of random numbers")
    parser.add_argument("--scratch", help="a folder with room: about 500 bytes a row")
    return parser.parse_args()


if __name__ == "__main__":
    main()
