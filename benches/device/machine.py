"""What the machine is, where its torch has its libraries, and how busy its GPU is."""

import json
import os
import platform
import re
import subprocess
import sys
import threading
from pathlib import Path

# Prints what torch is, and the folders of the libraries that it opened and that no loader finds by itself.
TORCH = """
import json, platform, re, torch
cuda = torch.cuda.is_available()
if cuda:
    torch.ones(8, 8, device="cuda") @ torch.ones(8, 8, device="cuda")
package = torch.__path__[0].rsplit("/", 1)[0]
files = {line.split(maxsplit=5)[-1].strip() for line in open("/proc/self/maps") if ".so" in line}
folders = {f.rsplit("/", 1)[0] for f in files if re.search(r"/lib(torch|c10|cu|nv|nccl)[^/]*$", f)}
system = ("/lib/", "/lib64", "/usr/lib/", "/usr/lib64")
print(json.dumps({
    "python": platform.python_version(),
    "torch": torch.__version__,
    "cuda": torch.version.cuda,
    "device": torch.cuda.get_device_name() if cuda else None,
    "compute_capability": torch.cuda.get_device_capability() if cuda else None,
    "folders": [torch.__path__[0] + "/lib"] + sorted(f for f in folders if not f.startswith(system)),
}))
"""
GPU = "name,driver_version,memory.total,power.limit,clocks.max.sm"
BUSY = {"utilization.gpu": "busy", "power.draw": "watts", "clocks.sm": "mhz", "memory.used": "mib"}


def describe():
    return {
        "system": platform.platform(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "glibc": platform.libc_ver()[1],
        "gpu": (said("nvidia-smi", f"--query-gpu={GPU}", "--format=csv,noheader") or "none").splitlines(),
    }


def processor():
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found[1] if found else platform.machine()


def said(*command):
    """What a program prints; None where there is none, or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def torch_here():
    done = subprocess.run([sys.executable, "-c", TORCH], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{sys.executable} has no torch:\n{done.stderr}")
    return json.loads(done.stdout)


class Watch:
    """How busy the first GPU was, as nvidia-smi says some times a second; nothing where there is none."""

    def __enter__(self):
        self.samples, self.ended = [], threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def look(self):
        while not self.ended.is_set():
            line = said("nvidia-smi", "-i", "0", f"--query-gpu={','.join(BUSY)}", "--format=csv,noheader,nounits")
            if line is None:
                return
            self.samples.append([number(part) for part in line.split(",")])
            self.ended.wait(0.2)

    def means(self):
        """From the first time at which the GPU did something to the last: the rest is a program's start or end."""
        at_work = [place for place, sample in enumerate(self.samples) if sample[0] > 0]
        if not at_work:
            return None
        samples = self.samples[at_work[0] : at_work[-1] + 1]
        return {name: sum(column) / len(samples) for name, column in zip(BUSY.values(), zip(*samples))}


def number(text):
    try:
        return float(text)
    except ValueError:
        return 0.0
