"""The soak behind soak.sh: see there."""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from attacks import Attacks
from server import bench, binary, report, serve

# Few enough that twice the load goes beyond it soon, and enough that batches are full.
MOST_REQUESTS = 128
CLIENTS = 256
# Of a process that does the same all the time, resident memory still moves by so much.
MEMORY_SLACK = 1.05
# After attacks it may have grown by so much, and not while the same goes on.
MEMORY_AFTER_ATTACKS = 1.2
SAMPLE_SECONDS = 1
SETTLE_SECONDS = 30
DRAIN_SECONDS = 20
TERMINATE_AFTER_SECONDS = 5


def main():
    args = arguments()
    work = Path(tempfile.mkdtemp(prefix="bertqa-soak-"))
    answers = work / "answers.jsonl"
    say(f"answers of bertqa run to {args.rows}")
    subprocess.run([binary(), "run", args.rows, "-o", answers, "--quiet", "--columns", ""], check=False)

    options = ["--max-concurrent-requests", MOST_REQUESTS, *args.serve_options]
    with serve(work / "serve.log", *options) as server:
        say(f"{args.capacity_seconds} s with 32 clients: how much it can take")
        capacity = report(bench(server.url, args.rows, "--concurrency", 32, "--duration", args.capacity_seconds))
        rate = 2 * capacity["requests_per_second"]
        load = ["--concurrency", CLIENTS, "--rate", rate, "--check", answers]

        say(f"{args.minutes} min at {rate:.1f} requests/s, twice what it can take")
        with Memory(server) as memory:
            soaked = report(bench(server.url, args.rows, *load, "--duration", 60 * args.minutes))
        if args.attacks:
            say(f"{args.minutes} min of the same, with attacks")
            before = server.resident()
            with Memory(server) as attacked, Attacks(server.url) as attacks:
                defended = report(bench(server.url, args.rows, *load, "--duration", 60 * args.minutes))
            say(f"{SETTLE_SECONDS} s of rest")
            time.sleep(SETTLE_SECONDS)
            after = server.resident()
        say(f"SIGTERM after {TERMINATE_AFTER_SECONDS} s more of it")
        logged_before = server.log.stat().st_size
        process = bench(server.url, args.rows, *load, "--duration", DRAIN_SECONDS, "--warm-up", 0)
        time.sleep(TERMINATE_AFTER_SECONDS)
        server.terminate()
        status = server.process.wait(timeout=120)
        drained = report(process)
        with open(server.log, encoding="utf-8") as log:
            log.seek(logged_before)
            logged = statuses(log)

    print(f"capacity   {capacity['requests_per_second']:.1f} requests/s")
    print(
        f"soak       {soaked['statuses']} in {soaked['seconds']:.0f} s, {soaked['checked']} answers checked, "
        f"{soaked['mismatches']} differ, errors {soaked['errors']}"
    )
    print(f"latency    {soaked['latency_ms']}")
    print(f"memory     {memory}")
    checks = []
    if args.attacks:
        print(
            f"attacked   {defended['statuses']} in {defended['seconds']:.0f} s, {defended['checked']} answers checked, "
            f"{defended['mismatches']} differ, errors {defended['errors']}; latency {defended['latency_ms']}"
        )
        for attack, counts in attacks.statuses.items():
            print(f"           {attack}: {dict(counts)}")
        print(f"           {before / 1e6:.0f} MB before, {attacked}, {after / 1e6:.0f} MB after")
        checks = [
            (
                set(defended["statuses"]) <= {"200", "429", "503"} and "200" in defended["statuses"],
                "under attack, others saw statuses than 200, 429 and 503, or no answers",
            ),
            (not defended["errors"], "under attack, requests of others had no answer"),
            (defended["mismatches"] == 0, "under attack, answers differ from those of bertqa run"),
            (after <= MEMORY_AFTER_ATTACKS * before, "the attacks left memory behind"),
            (
                not any(
                    status.startswith("5") and status != "503"
                    for counts in attacks.statuses.values()
                    for status in counts
                ),
                "an attack had a status of 5xx other than 503",
            ),
        ]
    print(
        f"SIGTERM    exit status {status}, clients saw {drained['statuses']} and {drained['errors']}, "
        f"the server answered {dict(logged)}"
    )
    print(f"logs       {work}")
    fail(
        [
            *checks,
            (
                set(soaked["statuses"]) == {"200", "429"},
                "there are other statuses than 200 and 429, or one of them is missing",
            ),
            (not soaked["errors"], "requests had no answer"),
            (soaked["checked"] == soaked["requests"] and soaked["requests"] > 0, "not every answer was checked"),
            (soaked["mismatches"] == 0 and drained["mismatches"] == 0, "answers differ from those of bertqa run"),
            (memory.is_flat(), "memory grew"),
            (status == 0, "the server did not end with status 0"),
            # What came after the signal may find no server, but whatever the server answered has arrived.
            (
                set(drained["statuses"]) <= {"200", "429", "503"},
                "there are other statuses than 200, 429 and 503 at the end",
            ),
            (
                all(drained["statuses"].get(key, 0) == logged[key] for key in ("200", "429")),
                "the server answered what did not arrive",
            ),
            (logged["none"] == 0, "the server took on requests that it did not answer"),
            (
                set(drained["errors"]) <= {"connection refused", "connection closed without an answer"},
                "requests failed otherwise than for want of a server",
            ),
        ]
    )


def statuses(log):
    """How many requests were answered with which status, by the server's own log; `none` for those that broke off."""
    lines = (json.loads(line) for line in log)
    return Counter(str(line.get("status", "none")) for line in lines if line.get("message") == "request")


class Memory:
    """Resident memory of a server, sampled while this is open."""

    def __init__(self, server):
        self.server = server
        self.samples = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def sample(self):
        while not self.ended.wait(SAMPLE_SECONDS):
            resident = self.server.resident()
            if resident is not None:
                self.samples.append(resident)

    def quarters(self):
        """The peak of each quarter of the time, in bytes."""
        size = max(1, len(self.samples) // 4)
        return [max(self.samples[at : at + size]) for at in range(0, 4 * size, size) if self.samples[at : at + size]]

    def is_flat(self):
        quarters = self.quarters()
        # The first quarter fills buffers.
        return len(quarters) == 4 and quarters[3] <= MEMORY_SLACK * quarters[1]

    def __str__(self):
        return "peaks of its quarters " + ", ".join(f"{peak / 1e6:.0f} MB" for peak in self.quarters())


def say(text):
    print(text, file=sys.stderr)


def fail(checks):
    wrong = [message for passed, message in checks if not passed]
    for message in wrong:
        print(f"FAILED     {message}")
    if wrong:
        sys.exit(1)
    print("passed")


def arguments():
    parser = argparse.ArgumentParser(
        prog="soak.sh",
        description="Soaks bertqa serve at twice the load that it can take.",
        epilog="What stands after -- is for bertqa serve.",
    )
    parser.add_argument("rows", help="rows of question and context, in any format that bertqa reads")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--capacity-seconds", type=float, default=30)
    parser.add_argument("--attacks", action="store_true", help="the same time again, with clients that mean no good")
    # By itself argparse does not let options stand before `--`.
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    return parser.parse_args(sys.argv[1:end], argparse.Namespace(serve_options=sys.argv[end + 1 :]))


if __name__ == "__main__":
    main()
