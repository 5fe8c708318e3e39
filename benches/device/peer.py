"""Runs the same network in torch, on the same windows: eager or torch.compile, in f16 over padded batches; or the
reference, in f32, on the rows that are checked. Their tokens are given, and no text is read or written in the time that
is measured.

usage: peer.py eager|compile|reference MODEL_DIR WINDOWS.pt ANSWERS.json [--device cuda] [--seconds 60]
                [--batch-size N --order given|length]
"""

import argparse
import json
import time

import torch
from bert import Network
from unpacked import read_json

# Among so many windows those of like length are put together.
CHUNK = 16384
# What is tried on the first windows.
BATCH_SIZES = (32, 128, 512)
ORDERS = ("given", "length")
# As products of matrices in f16 like it.
MULTIPLE = 8


def main():
    args = arguments()
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = False
    windows = torch.load(args.windows)
    if args.peer == "reference":
        # Windows stand in the order of rows.
        few = len(windows["characters"])
        for name in ("lengths", "rows", "starts", "ends"):
            windows[name] = windows[name][:few]
    peer = Peer(args, windows)
    trials = {}
    if args.batch_size:
        size, order = args.batch_size, args.order
    else:
        part = args.seconds / 4 / len(BATCH_SIZES) / len(ORDERS)
        for size in BATCH_SIZES:
            for order in ORDERS:
                # The first batch makes room.
                peer.run(size, order, 0)
                trials[f"{size}, {order}"] = peer.run(size, order, part)["tokens_per_second"]
        best = max(trials, key=trials.get)
        size, order = best.split(", ")
        size = int(size)
    began = time.perf_counter()
    peer.warm_up(size, order)
    warm_up = time.perf_counter() - began
    figures = peer.run(size, order, args.seconds)
    peer.write_answers(args.answers)
    print(json.dumps(figures | {"batch_size": size, "order": order, "warm_up_seconds": warm_up, "trials": trials}))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=("eager", "compile", "reference"))
    parser.add_argument("model")
    parser.add_argument("windows")
    parser.add_argument("answers")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=60, help="to measure for, at most")
    parser.add_argument("--batch-size", type=int, help="without it, the best of several, in the best order")
    parser.add_argument("--order", choices=ORDERS, default="length")
    return parser.parse_args()


class Peer:
    def __init__(self, args, windows):
        self.device = args.device
        self.generator = torch.Generator().manual_seed(0)
        self.windows = windows
        lengths = windows["lengths"].long()
        self.first = lengths.cumsum(0) - lengths
        self.takes_types = "token_type_ids" in read_json(f"{args.model}/model.json")["inputs"]
        state = torch.jit.load(f"{args.model}/model.pt", map_location=self.device).state_dict()
        precision = torch.float32 if args.peer == "reference" else torch.float16
        state = {name: value.to(precision) for name, value in state.items() if value.is_floating_point()}
        self.network = Network(read_json(f"{args.model}/config.json"), state).eval()
        if args.peer == "compile":
            self.network = torch.compile(self.network, dynamic=True)

    def batches(self, size, order):
        count = len(self.windows["lengths"])
        for first in range(0, count, CHUNK):
            numbers = torch.arange(first, min(first + CHUNK, count))
            if order == "length":
                numbers = numbers[self.windows["lengths"][numbers].argsort()]
            batches = numbers.split(size)
            # Of any length at any time, for runs that are cut short.
            yield from (batches[place] for place in torch.randperm(len(batches), generator=self.generator))

    @torch.inference_mode()
    def run(self, size, order, seconds):
        """Of all windows, or as many as there is time for. A batch is laid out while the device runs others."""
        self.spans = []
        windows = tokens = 0
        self.synchronize()
        began = time.perf_counter()
        for numbers in self.batches(size, order):
            inputs = self.lay_out(numbers)
            self.spans.append((numbers, self.network(*inputs)))
            windows += len(numbers)
            tokens += int(self.windows["lengths"][numbers].sum())
            if time.perf_counter() - began > seconds:
                break
        self.synchronize()
        elapsed = time.perf_counter() - began
        return {
            "windows": windows,
            "tokens": tokens,
            "seconds": elapsed,
            "windows_per_second": windows / elapsed,
            "tokens_per_second": tokens / elapsed,
        }

    @torch.inference_mode()
    def warm_up(self, size, order):
        """The first, the last, and some batches between."""
        batches = list(self.batches(size, order))
        for numbers in [*batches[:: max(1, len(batches) // 8)], batches[-1]]:
            self.network(*self.lay_out(numbers))
        self.synchronize()

    def lay_out(self, numbers):
        lengths = self.windows["lengths"][numbers]
        width = -(-int(lengths.max()) // MULTIPLE) * MULTIPLE
        columns = torch.arange(width)
        real = columns < lengths[:, None]
        places = torch.where(real, self.first[numbers][:, None] + columns, 0)
        ids = self.windows["ids"][places]
        types = self.windows["types"][places].int() if self.takes_types else torch.zeros_like(ids)
        inputs = [ids * real, types * real, lengths, self.windows["starts"][numbers], self.windows["ends"][numbers]]
        if self.device == "cpu":
            return inputs
        return [tensor.pin_memory().to(self.device, non_blocking=True) for tensor in inputs]

    def synchronize(self):
        if self.device != "cpu":
            torch.cuda.synchronize()

    def write_answers(self, path):
        """Of the rows that are checked, each its start and end in characters, of its best window."""
        answers, best = {}, {}
        characters, rows = self.windows["characters"], self.windows["rows"]
        for numbers, spans in self.spans:
            for number, score, first, last in zip(numbers.tolist(), *(tensor.tolist() for tensor in spans)):
                row = int(rows[number])
                if number < len(characters) and score > best.get(row, -1):
                    best[row] = score
                    answers[row] = [characters[number][first][0], characters[number][last][1]]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(answers, file)


if __name__ == "__main__":
    main()
