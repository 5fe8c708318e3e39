"""The command `bertqa-ray`: `bertqa run` on a Ray cluster, a part of the inputs a task."""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from typing import Any, NamedTuple

try:
    import ray
    from tqdm import tqdm
except ImportError as error:
    raise SystemExit(f"bertqa-ray needs Ray: pip install 'bertqa[ray]' ({error})") from error

USAGE = "bertqa-ray run INPUT... -o OUT [OPTIONS]"
EPILOG = """All other options are those of `bertqa run`, which see (bertqa run --help).

Inputs and OUT are in an object store, or in folders that all machines have under the same names. Each part has a file
of its own, as answers-00003-of-00064.parquet for answers.parquet: in the order of their names they have the rows in
order. Parts that are complete are left as they are, so the same command goes on where an earlier one broke off.

Exit status: the highest of the parts, as `bertqa run` has them."""


class Part(NamedTuple):
    """How a part ended."""

    number: int
    status: int
    rows: int
    failed: int
    messages: list[str]


def main() -> None:
    """Runs the command with this process's arguments, and ends the process."""
    parser = argparse.ArgumentParser(
        prog="bertqa-ray",
        usage=USAGE,
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=["run"], metavar="run")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="where the answers go")
    parser.add_argument("--address", metavar="ADDRESS", help="the cluster; without it RAY_ADDRESS, or this machine")
    parser.add_argument("--shards", type=int, default=64, metavar="N", help="parts of the inputs (64)")
    parser.add_argument("--num-cpus", type=int, default=1, metavar="N", help="processors, and threads, of a task (1)")
    parser.add_argument("--num-gpus", type=float, default=0, metavar="N", help="GPUs of a task (0)")
    parser.add_argument("--resources", type=json.loads, default={}, metavar="JSON", help="what else a task needs")
    parser.add_argument("--precision", metavar="PRECISION", help="without it, that which the first machine chooses")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress and no summary")
    arguments, others = parser.parse_known_args()
    if arguments.shards < 1 or arguments.num_cpus < 1:
        parser.error("--shards and --num-cpus are at least 1")
    sys.exit(_run(arguments, others))


def _run(arguments: argparse.Namespace, others: list[str]) -> int:
    began = time.monotonic()
    ray.init(address=arguments.address, log_to_driver=False, logging_level=logging.ERROR)
    # Who is lost takes his part along, and another takes it up.
    task = ray.remote(_part).options(
        num_cpus=arguments.num_cpus,
        num_gpus=arguments.num_gpus,
        resources=arguments.resources or None,
        max_retries=10,
    )
    here = os.getcwd()
    precision = arguments.precision or os.environ.get("BERTQA_PRECISION")
    if precision in (None, "auto"):
        # Processors differ, and so would the answers of parts.
        first = ray.get(task.remote(0, [*others, "-o", "-", "--limit", "0"], here, arguments.num_cpus))
        if first.status != 0:
            return _failed(first)
        precision = _summary(first.messages).get("precision")
    flags = [*others, "-o", arguments.output, "--resume", *(["--precision", precision] if precision else [])]
    running = [
        task.remote(index, [*flags, "--shard", f"{index}/{arguments.shards}"], here, arguments.num_cpus)
        for index in range(arguments.shards)
    ]
    status = rows = failed = 0
    with tqdm(total=arguments.shards, unit="part", disable=arguments.quiet or None) as progress:
        while running:
            done, running = ray.wait(running)
            part: Part = ray.get(done[0])
            if part.status not in (0, 1):
                for other in running:
                    ray.cancel(other, force=True)
                return _failed(part)
            status, rows, failed = max(status, part.status), rows + part.rows, failed + part.failed
            progress.set_postfix_str(f"{rows:,} rows", refresh=False)
            progress.update()
    if not arguments.quiet:
        seconds = time.monotonic() - began
        said = f"{rows:,} rows, {failed:,} failed in {arguments.shards} parts in {seconds:.2f} s"
        print(f"{said}: {rows / seconds:.1f} rows/s ({precision or 'as compiled'})", file=sys.stderr)
    return status


def _part(index: int, flags: list[str], folder: str, threads: int) -> Part:
    command = [sys.executable, "-m", "bertqa", "run", *flags, "--log-format", "json"]
    # Ray says in OMP_NUM_THREADS, too, how many threads a task has.
    environment = {**os.environ, "BERTQA_THREADS": os.environ.get("BERTQA_THREADS", str(threads))}
    done = subprocess.run(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    messages = done.stderr.splitlines()
    summary = _summary(messages)
    return Part(index, done.returncode, summary.get("rows", 0), summary.get("failed", 0), messages)


def _summary(messages: list[str]) -> dict[str, Any]:
    """The last message that counts rows: that of a run, or of one that had been complete already."""
    for message in reversed(messages):
        if message.startswith("{") and "rows" in (found := json.loads(message)):
            return dict(found)
    return {}


def _failed(part: Part) -> int:
    print(f"bertqa-ray: part {part.number} ended with status {part.status}:", file=sys.stderr)
    print("\n".join(part.messages[-5:]), file=sys.stderr)
    return part.status if part.status in (2, 130) else 2


if __name__ == "__main__":
    main()
