"""The race behind race.sh: see there. Needs nothing but Python; the peers' packages are looked for in --python."""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "hf": ["torch", "transformers"],
    "sample": ["torch", "transformers"],
    "ort-f32": ["torch", "transformers", "onnx", "onnxruntime"],
    "ort-int8": ["torch", "transformers", "onnx", "onnxruntime"],
    "ov-f32": ["torch", "transformers", "onnx", "openvino"],
    "ov-bf16": ["torch", "transformers", "onnx", "openvino"],
}
# Of stronger.py, each at its best batch size.
STRONGER = {
    "ort": ["torch", "transformers", "onnxruntime"],
    "ov": ["torch", "transformers", "openvino"],
    "ct2": ["torch", "transformers", "ctranslate2"],
    "torch": ["torch", "transformers"],
    "torchao": ["torch", "transformers", "torchao"],
    "inductor": ["torch", "transformers", "torchao"],
}


def main():
    args = arguments()
    check_packages(args)
    out = Path(args.out or tempfile.mkdtemp(prefix="bertqa-race-"))
    out.mkdir(parents=True, exist_ok=True)

    speeds = {peer: [] for peer in args.peers}
    raw = args.raw or out / "rounds.jsonl"
    with open(raw, "w", encoding="utf-8") as log:
        log.write(json.dumps(conditions(args)) + "\n")
        for round_number in range(1, args.rounds + 1):
            for peer in args.peers:
                run = run_bertqa if is_bertqa(peer) else run_stronger if args.models else run_peer
                figures = run(args, peer, answers_of(out, peer))
                speeds[peer].append(figures["rows_per_second"])
                log.write(json.dumps({"round": round_number, "peer": peer} | figures) + "\n")
                log.flush()
                print(f"round {round_number}  {peer}  {figures['rows_per_second']:.2f} rows/s", file=sys.stderr)

    scores = {peer: accuracy(args, answers_of(out, peer)) for peer in args.peers}
    table = markdown(args, speeds, scores)
    (out / "table.md").write_text(table, encoding="utf-8")
    print(table, end="")
    print(f"raw figures: {raw}; answers: {out}", file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(prog="race.sh", description="Races bertqa and its peers on the same rows.")
    parser.add_argument("peers_dir", type=Path, help="the folder with peer.py and score.py")
    parser.add_argument("input", help="JSONL rows: id, question, context")
    parser.add_argument("gold", nargs="+", help="SQuAD-format JSON with the right answers")
    parser.add_argument(
        "--peers",
        type=str.split,
        default=["bertqa", "hf", "ort-f32"],
        help=f"what runs, in one argument: bertqa, bertqa:PRECISION, bertqa:PRECISION:ISA (as BERTQA_ISA), "
        f"{' '.join(PACKAGES)}, or with --models those of stronger.py (default: bertqa hf ort-f32)",
    )
    parser.add_argument("--models", type=Path, help="what build_models.py made: the other peers are stronger.py's")
    parser.add_argument("--batch-sizes", default="8,16,32", help="of stronger.py, of which the best counts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="only the first rows")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--model", default=str(ROOT / "models/default"))
    parser.add_argument("--tokenizer", default=str(ROOT / "tokenizer"))
    parser.add_argument("--out", help="folder for answers and raw figures (default: a new temporary one)")
    parser.add_argument("--raw", type=Path, help="file for the figures of every round (default: in --out)")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the peers' packages")
    args = parser.parse_intermixed_args()
    unknown = [peer for peer in args.peers if not is_bertqa(peer) and not packages(args, peer)]
    if unknown:
        parser.error(f"unknown peer {unknown[0]!r}; known: bertqa {' '.join(PACKAGES)}, with --models stronger.py's")
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    return args


def answers_of(out, peer):
    return out / f"{peer.replace(':', '-')}.jsonl"


def is_bertqa(peer):
    return peer.split(":")[0] == "bertqa"


def packages(args, peer):
    return STRONGER.get(peer.split("-")[0], []) if args.models else PACKAGES.get(peer, [])


def conditions(args):
    """Where and of what the figures are."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "commit": commit.stdout.strip(),
        "processor": cpu(),
        "input": Path(args.input).name,
        "limit": args.limit,
        "threads": args.threads,
    }


def check_packages(args):
    needed = sorted({package for peer in args.peers for package in packages(args, peer)})
    code = "import importlib.util, sys; print(*[p for p in sys.argv[1:] if not importlib.util.find_spec(p)])"
    found = subprocess.run([args.python, "-c", code, *needed], check=True, capture_output=True, text=True)
    missing = found.stdout.split()
    if missing:
        sys.exit(
            f"{args.python} lacks {', '.join(missing)}: {args.python} -m pip install -r "
            f"{args.peers_dir / 'requirements.txt'}, or name another interpreter by --python"
        )


def binary():
    if "BERTQA" in os.environ:
        path = Path(os.environ["BERTQA"])
    else:
        command = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
        metadata = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        path = Path(json.loads(metadata)["target_directory"]) / "release" / "bertqa"
    if not path.is_file():
        sys.exit(f"no {path}: cargo build --release, or name the binary by BERTQA")
    return path


def run_bertqa(args, peer, output):
    """Its speed is by the whole wall time of the process, start-up and reading the model included."""
    precision, isa = (*peer.split(":")[1:], None, None)[:2]
    command = [str(binary()), "run", args.input, "-o", str(output), "--force", "--log-format", "json", *settings(args)]
    command += ["--precision", precision] if precision else []
    environment = os.environ | ({"BERTQA_ISA": isa} if isa else {})
    begin = time.perf_counter()
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment)
    wall = time.perf_counter() - begin
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")
    with open(output, "rb") as answers:
        rows = sum(1 for _ in answers)
    return {"rows": rows, "seconds": wall, "rows_per_second": rows / wall, "summary": summary(done.stderr)}


def summary(stderr):
    """bertqa's own figures: the last line of its log that is a summary."""
    for line in reversed(stderr.splitlines()):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "rows_per_second" in record:
            return record
    return None


def run_peer(args, peer, output):
    """Its speed is by its own clock, which leaves out loading and compiling the model."""
    command = [args.python, str(args.peers_dir / "peer.py"), peer, args.input, str(output), *settings(args)]
    done = subprocess.run(command, capture_output=True, text=True)
    figures = re.search(r"rows (\d+)\s+seconds ([\d.]+)\s+rows_per_second ([\d.]+)", done.stdout)
    if done.returncode != 0 or not figures:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    rows, seconds = int(figures[1]), float(figures[2])
    return {"rows": rows, "seconds": seconds, "rows_per_second": float(figures[3])}


def run_stronger(args, peer, output):
    """As run_peer, at the best of several batch sizes, with the figures of each."""
    command = [args.python, str(args.peers_dir / "stronger.py"), peer, args.input, str(output), *settings(args)]
    command += ["--models", str(args.models), "--batch-sizes", args.batch_sizes]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.findall(r"batch (\d+) .*rows (\d+) .*seconds ([\d.]+) rows_per_second ([\d.]+)", done.stdout)
    if done.returncode != 0 or not found:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    by_batch = {int(batch): float(speed) for batch, _, _, speed in found}
    batch, rows, seconds, speed = max(found, key=lambda figures: float(figures[3]))
    best = {"rows": int(rows), "seconds": float(seconds), "rows_per_second": float(speed)}
    return best | {"batch_size": int(batch), "rows_per_second_by_batch_size": by_batch}


def settings(args):
    limit = ["--limit", str(args.limit)] if args.limit else []
    return ["--model", args.model, "--tokenizer", args.tokenizer, "--threads", str(args.threads), *limit]


def accuracy(args, answers):
    """Exact match and F1 of the last round's answers."""
    command = [sys.executable, str(args.peers_dir / "score.py"), *args.gold, str(answers)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = re.search(r"exact_match ([\d.]+)\s+f1 ([\d.]+)", printed)
    if not figures:
        sys.exit(f"{' '.join(command)} printed {printed!r}")
    return figures[1], figures[2]


def markdown(args, speeds, scores):
    first = next((peer for peer in speeds if is_bertqa(peer)), None)
    base = statistics.median(speeds[first]) if first else None
    lines = [
        f"{Path(args.input).name}, {args.threads} threads, {args.rounds} rounds, {cpu()}",
        "",
        f"| runner | rows/s, median (min–max) | {first or 'bertqa'} is faster by | EM | F1 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for peer, rates in speeds.items():
        median = statistics.median(rates)
        ratio = f"{base / median:.2f} ×" if base else "–"
        em, f1 = scores[peer]
        lines.append(f"| {peer} | {median:.2f} ({min(rates):.2f}–{max(rates):.2f}) | {ratio} | {em} | {f1} |")
    lines += ["", "bertqa: whole wall time of the process. Others: without loading and compiling the model."]
    return "\n".join(lines) + "\n"


def cpu():
    try:
        text = Path("/proc/cpuinfo").read_text()
        return re.search(r"model name\s*: (.+)", text)[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
