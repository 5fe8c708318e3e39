"""What the tests of docker/trace.py share. They need torch and transformers."""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

DOCKER = Path(__file__).resolve().parent.parent
ROOT = DOCKER.parent
FAMILIES = ROOT / "tests" / "fixtures" / "families"

if str(DOCKER) not in sys.path:
    sys.path.insert(0, str(DOCKER))

import torch  # noqa: E402

from tracing import Refused, job  # noqa: E402
from tracing.targets import TARGETS  # noqa: E402


class TraceTestCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.output = self.folder / "compiled"

    def trace(self, target="cpu", model=FAMILIES / "bert", **options):
        """Does what trace.py does with these options; gives the manifest and what was said."""
        values = {
            "model": str(model),
            "output": self.output,
            "tokenizer": None,
            "revision": None,
            "name": None,
            "batch_size": 3,
            "seq_len": 128,
            "packed": True,
            "precision": None,
            "compile_only": False,
            "compiler_args": "",
        }
        assert set(options) <= set(values), options
        values.update(options)
        options = argparse.Namespace(**values)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            TARGETS[target].prepare(options)
            job.run(TARGETS[target], options)
        return json.loads((self.output / "model.json").read_text(encoding="utf-8")), said.getvalue()

    def refused(self, reason, *args, **options):
        with self.assertRaisesRegex(Refused, reason):
            self.trace(*args, **options)
        self.assertFalse(self.output.exists(), "something was saved")


def golden(model):
    """The windows of a family, and the reference's logits for each by itself."""
    return json.loads((model / "golden.json").read_text(encoding="utf-8"))["windows"]


def largest_difference(folder, manifest, windows, batch_size):
    """How far the logits of the saved model are from the reference's, for windows laid out in rows as bertqa does."""
    compiled = torch.jit.load(str(folder / "model.pt"))
    seq_len = manifest["seq_len"]
    rows = [[]]
    for window in windows:
        used = sum(len(other["input_ids"]) for other in rows[-1])
        if rows[-1] and (not manifest["packed"] or used + len(window["input_ids"]) > seq_len):
            rows.append([])
        rows[-1].append(window)

    largest = 0.0
    for first in range(0, len(rows), batch_size):
        batch = rows[first : first + batch_size]
        tensors = {name: torch.zeros(batch_size, seq_len, dtype=torch.int64) for name in manifest["inputs"]}
        tensors["input_ids"].fill_(manifest["pad_token_id"])
        places = []
        for row, windows_of_row in enumerate(batch):
            column = 0
            for number, window in enumerate(windows_of_row, 1):
                length = len(window["input_ids"])
                place = (row, slice(column, column + length))
                values = {
                    "input_ids": torch.tensor(window["input_ids"]),
                    "token_type_ids": torch.tensor(window["token_type_ids"]),
                    "position_ids": torch.arange(length),
                    "sequence_ids": torch.tensor(number),
                    "attention_mask": torch.tensor(1),
                }
                for name in tensors:
                    tensors[name][place] = values[name]
                places.append((place, window))
                column += length
        start, end = compiled(*tensors.values())
        assert start.isfinite().all() and end.isfinite().all(), "padding gives what is no number"
        for place, window in places:
            for logits, reference in ((start, window["start"]), (end, window["end"])):
                largest = max(largest, float((logits[place] - torch.tensor(reference)).abs().max()))
    return largest, len(rows)
