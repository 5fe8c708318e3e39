"""Servers as the scripts here start and end them, and `bertqa bench` against them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120


def binary():
    """The binary to measure: $BERTQA, or the release build."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get("BERTQA", target / "release/bertqa")).resolve()
    if not os.access(path, os.X_OK):
        sys.exit(f"no {path}: cargo build --release, or name the binary by BERTQA")
    return str(path)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A process that answers POST /inferences at `url`; its messages go to the file `log`."""

    def __init__(self, command, port, log, ready):
        self.url = f"http://127.0.0.1:{port}"
        self.log = Path(log)
        with open(log, "wb") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        self.wait(f"{self.url}{ready}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def wait(self, url):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                sys.exit(f"{' '.join(self.process.args)}: status {self.process.returncode}\n{self.log.read_text()}")
            try:
                urllib.request.urlopen(url, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        sys.exit(f"{' '.join(self.process.args)}: not ready after {START_SECONDS} s\n{self.log.read_text()}")

    def terminate(self):
        """Sends SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def resident(self):
        """Resident memory in bytes; None when the process is gone."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE")


def serve(log, *options):
    """`bertqa serve` on a free port, ready."""
    port = free_port()
    command = [binary(), "serve", "--port", str(port), "--log-format", "json", *map(str, options)]
    return Server(command, port, log, "/ready")


def bench(url, *options):
    """Starts `bertqa bench`; `report` takes its figures."""
    command = [binary(), "bench", "--url", url, "--json", *map(str, options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def report(process):
    """The figures of a `bench`; a status of 1 is told by them."""
    printed, _ = process.communicate()
    if process.returncode not in (0, 1):
        sys.exit(f"{' '.join(process.args)}: status {process.returncode}")
    return json.loads(printed)
