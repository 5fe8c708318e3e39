"""What each stage of a run costs: its threads' processor time for a row, and how many rows a second one such thread
could do if it had nothing to wait for. A stage of one thread has to be faster than all engines together; of the others
there are as many as it takes.

Takes rows in JSON Lines (question, context), and reads and writes them in each format. Linux only.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from subprocess import DEVNULL, Popen

from server import binary

SAMPLE_SECONDS = 0.02
# By the names of their threads, in the order of the rows.
STAGES = ["read", "encode", "pack", "infer", "native", "decode", "write"]
FORMATS = ["jsonl", "parquet", "arrow", "csv"]


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        work = Path(folder)
        rows, count = repeated(args.rows, work / "rows.jsonl", args.repeat)
        print(f"| format | {' | '.join(STAGES)} |")
        print(f"| --- | {' | '.join('---:' for _ in STAGES)} |")
        for name in args.formats:
            source = rows if name == "jsonl" else converted(rows, work / f"rows.{name}")
            costs = measure(source, work / f"answers.{name}", args.model)
            if missing := [stage for stage in STAGES if not costs[stage]]:
                sys.exit(f"too few rows to see {', '.join(missing)}: --repeat them")
            cells = [f"{costs[stage] / count * 1e6:.1f} µs, {count / costs[stage]:,.0f}/s" for stage in STAGES]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def repeated(path, target, times):
    """The rows, as many times as asked: each with the number that makes it another one."""
    lines = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line]
    with open(target, "w", encoding="utf-8") as file:
        for number in range(times * len(lines)):
            row = lines[number % len(lines)]
            row = {"id": number, "question": row["question"], "context": row["context"]}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return target, times * len(lines)


def converted(rows, target):
    """The rows in another format, which the program itself writes: with its answers, which are left out in reading."""
    run(rows, target, ["--columns", "id,question,context", "--prefix", "first_"])
    return target


def measure(rows, answers, model):
    """Seconds of processor time by stage."""
    return run(rows, answers, ["--columns", "id", "--model", model])


def run(rows, answers, options):
    command = [binary(), "run", rows, "-o", answers, "--force", "--quiet", *options]
    seconds = {}
    with Popen(command, stdin=DEVNULL, stderr=DEVNULL) as process:
        while process.poll() is None:
            seconds.update(threads(process.pid))
            time.sleep(SAMPLE_SECONDS)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {process.returncode}")
    stages = defaultdict(float)
    for (_, name), spent in seconds.items():
        stages[re.sub(r"-\d+$", "", name)] += spent
    return stages


def threads(pid):
    """Processor time of each thread by its number and name; a thread that is gone keeps what was seen last."""
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            name = (task / "comm").read_text().strip()
            spent = int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue
        yield (task.name, name), spent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", help="JSON Lines with question and context")
    parser.add_argument("--repeat", type=int, default=1, help="how many times each row is asked")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--scratch", help="a folder with room")
    parser.add_argument("--model", default="default", help="a tiny one shows what reading and writing take")
    return parser.parse_args()


if __name__ == "__main__":
    main()
