"""The comparison behind serve.sh: see there."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from server import ROOT, Server, bench, free_port, report, serve


def main():
    args = arguments()
    logs = Path(tempfile.mkdtemp(prefix="bertqa-serve-"))
    servers = {"bertqa serve": lambda: ours(args, logs), "FastAPI": lambda: theirs(args, logs)}
    figures = {}
    for name, start in servers.items():
        with start() as server:
            for concurrency in args.concurrency:
                # A server that is slow has to answer what it was asked at the end, however long that takes.
                options = ["--concurrency", concurrency, "--duration", args.duration, "--timeout", 3600]
                measured = report(bench(server.url, args.rows, *options))
                if measured["failed"] or measured["rows_failed"]:
                    sys.exit(f"{name} failed: {measured}")
                figures[name, concurrency] = measured
                print(
                    f"{name}, {concurrency} at a time: {measured['requests_per_second']:.1f} requests/s",
                    file=sys.stderr,
                )
    print(markdown(args, list(servers), figures), end="")


def ours(args, logs):
    return serve(logs / "bertqa.log", "--model", args.model, "--tokenizer", args.tokenizer, "--threads", args.threads)


def theirs(args, logs):
    port = free_port()
    command = [
        args.python,
        str(ROOT / "benches/sample_server.py"),
        "--port",
        str(port),
        "--model",
        args.model,
        "--tokenizer",
        args.tokenizer,
        "--threads",
        str(args.threads),
    ]
    return Server(command, port, logs / "sample.log", "/openapi.json")


def markdown(args, names, figures):
    lines = [
        f"{Path(args.rows).name}, {args.threads} threads, {args.duration} s each, one row a request",
        "",
        "| clients | "
        + " | ".join(f"{name}: requests/s | p50 ms | p99 ms" for name in names)
        + " | times the requests/s |",
        "| --- |" + " --- | --- | --- |" * len(names) + " --- |",
    ]
    for concurrency in args.concurrency:
        cells = [str(concurrency)]
        for name in names:
            measured = figures[name, concurrency]
            latency = measured["latency_ms"]
            cells += [f"{measured['requests_per_second']:.1f}", f"{latency['p50']:.0f}", f"{latency['p99']:.0f}"]
        first, second = (figures[name, concurrency]["requests_per_second"] for name in names)
        lines.append("| " + " | ".join(cells) + f" | {first / second:.2f} |")
    return "\n".join(lines) + "\n"


def arguments():
    parser = argparse.ArgumentParser(prog="serve.sh", description="Compares bertqa serve with the sample's server.")
    parser.add_argument("rows", help="rows of question and context, in any format that bertqa reads")
    parser.add_argument(
        "--concurrency",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[1, 8, 64, 256],
        help="clients, separated by commas (default: 1,8,64,256)",
    )
    parser.add_argument("--duration", type=float, default=30, help="seconds of each measurement (default: 30)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--model", default=str(ROOT / "models/default"))
    parser.add_argument("--tokenizer", default=str(ROOT / "tokenizer"))
    parser.add_argument(
        "--python",
        default=os.environ.get("PYTHON", sys.executable),
        help="interpreter that has the sample server's packages (default: $PYTHON)",
    )
    args = parser.parse_args()
    packages = "import torch, transformers, fastapi, uvicorn"
    if subprocess.run([args.python, "-c", packages], capture_output=True).returncode != 0:
        parser.error(f"{args.python} lacks packages: pip install torch transformers==5.2.0 fastapi uvicorn")
    return args


if __name__ == "__main__":
    main()
