"""The highest speed of f16 products of matrices, in operations a second: peak.py DEVICE."""

import json
import sys
import time

import torch

SECONDS = 2


def main():
    device = sys.argv[1]
    speeds = {size: speed(size, device) for size in ((1024,) if device == "cpu" else (4096, 8192, 16384))}
    print(json.dumps({"flops": max(speeds.values()), "by_size": speeds}))


def speed(size, device):
    """Of the fastest of several turns: clocks fall when a device gets warm."""
    generator = torch.Generator(device).manual_seed(0)
    left, right = (torch.randn(size, size, generator=generator, device=device).half() for _ in range(2))
    synchronize = torch.cuda.synchronize if device != "cpu" else lambda: None
    out = torch.mm(left, right)
    synchronize()
    best, end = 0, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        for _ in range(10):
            torch.mm(left, right, out=out)
        synchronize()
        best = max(best, 10 * 2 * size**3 / (time.perf_counter() - began))
    return best


if __name__ == "__main__":
    main()
