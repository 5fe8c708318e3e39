"""Measures bertqa on this machine's GPU, against torch in f16 on padded batches, eager and compiled, on the same rows.

Needs Python 3.10 or newer with the torch that the program of this kit was built for; nothing is installed. Writes
result.md and, step by step, raw.jsonl: a step that fails or takes too long is noted there, and the others go on.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import report
import rows
from unpacked import Unpacked, read_json

HERE = Path(__file__).resolve().parent
BUILT_FOR = "2.11"
# Whose answers are compared with whose.
PAIRS = (
    ("bertqa", "reference"),
    ("eager", "reference"),
    ("compile", "reference"),
    ("bertqa", "eager"),
)


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bertqa-device-", dir=args.scratch) as folder:
        Measurement(args, Path(folder)).run()
    print((args.out / "result.md").read_text(encoding="utf-8"))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="the processor is to try the kit only"
    )
    parser.add_argument("--count", type=int, default=100_000, metavar="N", help="rows to make (default: 100,000)")
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="rows to take instead: JSON Lines, question and context"
    )
    parser.add_argument("--check", type=int, default=5000, metavar="N", help="rows whose answers are compared")
    parser.add_argument(
        "--models", type=str.split, metavar="NAMES", help="of fast and base, in one argument (default: both)"
    )
    parser.add_argument("--seconds", type=float, default=45, help="for each runner, at most, without its start")
    parser.add_argument("--minutes", type=float, default=8, help="for all: no step begins after that, or runs on")
    out = os.environ.get("OUT") or "result"
    parser.add_argument(
        "--out", type=Path, default=Path(out), metavar="DIR", help="where results go (default: $OUT, or result)"
    )
    parser.add_argument("--scratch", metavar="DIR", help="a folder with 1 GB of room, where programs may run")
    return parser.parse_args()


class Failed(Exception):
    """Why a step has no figures."""


class Measurement:
    def __init__(self, args, folder):
        self.args = args
        self.folder = folder
        self.end = time.monotonic() + 60 * args.minutes
        self.steps = []
        (args.out / "raw.jsonl").write_text("", encoding="utf-8")

    def run(self):
        args = self.args
        torch = machine.torch_here()
        libraries = [*torch.pop("folders"), os.environ.get("LD_LIBRARY_PATH", "")]
        self.step("machine", lambda: machine.describe() | torch | {"count": args.count, "device_asked": args.device})
        if not torch["torch"].startswith(f"{BUILT_FOR}."):
            sys.exit(f"the program is built for torch {BUILT_FOR}, and {sys.executable} has {torch['torch']}")
        if args.device == "cuda" and not torch["device"]:
            sys.exit(f"torch {torch['torch']} sees no GPU; --device cpu tries the kit without one")
        self.kit = Unpacked(HERE / "kit.tar.gz", self.folder / "kit", args.device)
        self.environment = os.environ | {"PYTHONPATH": str(self.kit.python)}
        # With the torch of this Python.
        self.bertqa = ["env", "LD_LIBRARY_PATH=" + ":".join(filter(None, libraries)), self.kit.program]
        self.step("program", self.program)
        self.rows = args.rows or self.folder / "rows.jsonl"
        if not args.rows:
            rows.make(self.kit.samples, self.rows, args.count)
        with open(self.rows, "rb") as file:
            self.count = sum(1 for _ in file)
        self.step("windows", self.windows)
        self.step("peak", lambda: self.python("peak.py", args.device))
        for model in args.models or ["fast", "base"]:
            self.model(model)

    def model(self, name):
        folder = self.kit.model(name)
        config = read_json(folder / "config.json")
        windows = self.figures("windows")

        def share(figures, tokens_per_second, lengths=windows):
            """With the share of the peak, by the work that tokens of windows of such lengths need."""
            peak = self.figures("peak").get("flops")
            if peak and lengths:
                work = flops(config, lengths["tokens"], lengths["squares"]) / lengths["tokens"]
                figures["share_of_peak"] = work * tokens_per_second / peak
            return figures

        def run():
            figures = self.answer(folder, self.folder / f"{name}-bertqa.jsonl")
            return share(figures, figures["steady_tokens_per_second"])

        def bench():
            figures = self.bench(folder)
            last = figures["shapes"][-1]
            length = last["length"]
            return share(figures, last["tokens_per_second"], {"tokens": length, "squares": length * length})

        def peer(kind, *options):
            figures = self.peer(kind, folder, *options)
            figures["rows_per_second"] = figures["windows_per_second"] * windows["rows"] / windows["windows"]
            return share(figures, figures["tokens_per_second"])

        self.step(f"{name}: bertqa", run)
        self.step(f"{name}: bertqa bench", bench)
        self.step(f"{name}: eager", lambda: peer("eager"))
        best = self.figures(f"{name}: eager")
        options = ["--batch-size", best.get("batch_size", 128), "--order", best.get("order", "length")]
        self.step(f"{name}: compile", lambda: peer("compile", *options))
        self.step(f"{name}: reference", lambda: peer("reference", "--batch-size", 32))
        self.step(f"{name}: same", lambda: self.same(name))

    def step(self, name, run):
        """Notes what a step gives, or why it gives nothing, and all that is known by then."""
        began = time.monotonic()
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            figures = run()
        except Exception as error:
            figures = {"stopped": str(error) if isinstance(error, Failed) else repr(error)}
        figures = {"step": name, "took_seconds": round(time.monotonic() - began, 2)} | figures
        self.steps.append(figures)
        with open(self.args.out / "raw.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(figures, ensure_ascii=False) + "\n")
        (self.args.out / "result.md").write_text(report.markdown(self.steps), encoding="utf-8")
        print(figures.get("stopped", f"{figures['took_seconds']} s"), file=sys.stderr, flush=True)

    def figures(self, name):
        return next((step for step in self.steps if step["step"] == name and "stopped" not in step), {})

    def call(self, command, start=120):
        """Runs a program for as long as a runner may, and `start` seconds to start."""
        left = self.end - time.monotonic()
        if left < 5:
            raise Failed("not run: the time was over")
        command = list(map(str, command))
        try:
            limit = min(left, self.args.seconds + start)
            done = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"ended after {limit:.0f} s") from None
        except OSError as error:
            raise Failed(str(error)) from error
        if done.returncode != 0:
            raise Failed(f"status {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
        return done

    def python(self, program, *arguments):
        done = self.call([sys.executable, HERE / program, *arguments])
        return json.loads(done.stdout.splitlines()[-1])

    def program(self):
        devices = self.call([*self.bertqa, "devices", "--json"]).stdout
        return {"version": self.call([*self.bertqa, "--version"]).stdout.strip(), "devices": json.loads(devices)}

    def windows(self):
        # One tokenizer is that of all models.
        tokenizer = self.kit.model(self.kit.models()[0]) / "tokenizer.json"
        return self.python("rows.py", self.rows, tokenizer, self.folder / "windows.pt", "--check", self.args.check)

    def answer(self, model, answers):
        """A tenth of the rows first, then all that there is time for: what the second has more is without its start."""
        few = self.run_once(model, answers, max(1, self.count // 10))
        infer = next(stage for stage in few["stages"] if stage["stage"] == "infer")
        # The share of a thread that was busy for so long says how long it ran, from the first row to the last.
        elapsed = infer["busy_seconds"] / max(infer["busy_percent"] / 100, 0.001)
        many = min(self.count, max(2, int(few["rows"] / max(elapsed, 0.001) * self.args.seconds)))
        figures = self.run_once(model, answers, many)
        rows, seconds = (figures[name] - few[name] for name in ("rows", "seconds"))
        tokens = figures["tokens"] - few["tokens"]
        if rows > 0 and seconds > 0:
            figures |= {"steady_rows_per_second": rows / seconds, "steady_tokens_per_second": tokens / seconds}
        else:
            figures |= {f"steady_{name}": figures[name] for name in ("rows_per_second", "tokens_per_second")}
        return figures

    def run_once(self, model, answers, limit):
        # As transformers' pipeline decides, and the peers do: the most probable span.
        options = ["--columns", "", "--compat", "transformers", "--log-format", "json", "--profile"]
        command = [*self.bertqa, "run", self.rows, "-o", answers, "--force", "--model", model / "model.pt"]
        with machine.Watch() as watch:
            said = self.call([*command, "--device", self.args.device, "--limit", limit, *options]).stderr
        summary = next(line for line in reversed(said.splitlines()) if '"rows_per_second"' in line)
        stages = re.findall(r"^(\w+) +(\d+) +([\d.]+) +([\d.]+)$", said, re.MULTILINE)
        names = ("stage", "threads", "busy_seconds", "busy_percent")
        figures = [[name, int(threads), float(seconds), float(share)] for name, threads, seconds, share in stages]
        return json.loads(summary) | {"stages": [dict(zip(names, stage)) for stage in figures], "gpu": watch.means()}

    def bench(self, model):
        """Full rows, from one to a batch."""
        most = read_json(model / "model.json")["batch_size"]
        sizes = ",".join(map(str, sorted({1, max(1, most // 8), most})))
        command = [*self.bertqa, "bench", "--json", "--model", model / "model.pt", "--device", self.args.device]
        done = self.call([*command, "--batch-sizes", sizes, "--duration", 3])
        return {"shapes": json.loads(done.stdout)}

    def peer(self, kind, model, *options):
        settings = ["--device", self.args.device, "--seconds", self.args.seconds, *options]
        answers = self.folder / f"{model.name}-{kind}.json"
        with machine.Watch() as watch:
            figures = self.python("peer.py", kind, model, self.folder / "windows.pt", answers, *settings)
        return figures | {"gpu": watch.means()}

    def same(self, name):
        """Of the rows that both have answered, how many have the same span as the reference, and as torch eager."""
        answers = {}
        for kind in ("reference", "eager", "compile"):
            path = self.folder / f"{name}-{kind}.json"
            if path.exists():
                answers[kind] = {int(row): tuple(span) for row, span in read_json(path).items()}
        path = self.folder / f"{name}-bertqa.jsonl"
        if path.exists():
            with open(path, encoding="utf-8") as file:
                lines = (json.loads(next(file, "null")) for _ in range(self.args.check))
                answers["bertqa"] = {row: (line["start"], line["end"]) for row, line in enumerate(lines) if line}
        return {f"{runner}, {other}": compared(answers, runner, other) for runner, other in PAIRS}


def flops(config, tokens, squares):
    """What the network needs for windows with so many tokens and so large a sum of squared lengths: two operations for
    each product of the matrices, nothing for padding."""
    layers, hidden, inner = (config[name] for name in ("num_hidden_layers", "hidden_size", "intermediate_size"))
    matrices = 4 * hidden * hidden + 2 * hidden * inner
    return layers * (2 * matrices * tokens + 4 * hidden * squares) + 4 * hidden * tokens


def compared(answers, runner, other):
    both = answers.get(runner, {}).keys() & answers.get(other, {}).keys()
    same = sum(answers[runner][row] == answers[other][row] for row in both)
    return {"rows": len(both), "same": same, "share": same / len(both) if both else None}


if __name__ == "__main__":
    main()
