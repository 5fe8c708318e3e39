"""Compiles a question-answering model for a device, into a folder that `bertqa --model` takes.

    python docker/trace.py cpu models/default --tokenizer tokenizer --output models/cpu
    python docker/trace.py inf2 deepset/roberta-base-squad2 --batch-size 4 --output models/inf2

The folder holds model.pt (TorchScript), model.json (what it takes) and the tokenizer's files. Nothing is written
unless the compiled model gives the logits of the eager one, window by window, packed or not.

Runs with torch 1.13 and transformers 4.30 up to torch 2.13 and transformers 5.2, and imports nothing of a device that
it does not compile for: torch_neuron for inf1, torch_neuronx for inf2, trn1 and trn2.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tracing import Refused, shape
from tracing.targets import PRECISIONS, TARGETS


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS, help="what to compile for")
    parser.add_argument("model", help="a Hugging Face folder, or a hub id such as deepset/roberta-base-squad2")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder to write")
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help="folder of the tokenizer, if not the model's own")
    parser.add_argument("--revision", help="branch, tag or commit of a hub model")
    parser.add_argument("--name", help="name of the model in messages (default: the hub id, or the folder's name)")
    parser.add_argument(
        "--batch-size",
        type=shape.positive,
        metavar="N",
        help="rows of a batch: at most for cpu and gpu, exactly for Neuron (default: 8; gpu: 64)",
    )
    parser.add_argument(
        "--seq-len", type=shape.positive, default=512, metavar="N", help="tokens of a row (default: 512)"
    )
    packing = parser.add_mutually_exclusive_group()
    packing.add_argument(
        "--packed", dest="packed", action="store_true", default=True, help="several windows share a row (default)"
    )
    packing.add_argument("--no-packed", dest="packed", action="store_false", help="each window has a row for itself")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of the matrix products (default: f32 for cpu, f16 for gpu, bf16 for Neuron; inf1 has no f32)",
    )
    parser.add_argument(
        "--compile-only",
        action="store_true",
        help="for Neuron, where there is no such device to check on: checks the network before it is compiled, only",
    )
    parser.add_argument("--compiler-args", default="", metavar="ARGS", help="more arguments for Neuron's compiler")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    target = TARGETS[options.target]
    try:
        target.prepare(options)
        # After the quick refusals: importing torch and transformers takes seconds.
        from tracing import job

        job.run(target, options)
    except Refused as reason:
        sys.exit(f"trace.py: {reason}")


if __name__ == "__main__":
    # The folder of this file, whose name is also that of a module of the standard library.
    sys.path.pop(0)
    main()
