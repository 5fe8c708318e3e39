"""From a model to a folder: load, compile, check, save."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import transformers

from . import check, source
from .network import Network, require_family, require_positions
from .shape import Shape, input_names

FORMAT = 1
# How far logits may be from the eager model's in f32: absolutely in f32, as a part of their range in 16 bits, where
# the numbers have 10 and 7 bits behind the point and errors add up over the layers.
F32_TOLERANCE = 1e-4
TOLERANCES = {"f16": 0.02, "bf16": 0.1}
# Rows that are compared, where the graph takes any number of them.
SAMPLED_ROWS = 8


def run(target: Any, options: argparse.Namespace) -> None:
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    found = source.find(options.model, options.revision, options.tokenizer, options.name)
    require_family(found.model_type)
    model = source.load(found, target.attention)
    require_positions(model, options.seq_len)

    token_types = getattr(model.config, "type_vocab_size", 0) > 1 and source.passes_token_types(found)
    inputs = input_names(options.packed, token_types)
    shape = Shape(options.batch_size, options.seq_len, options.packed, inputs)

    # Before the weights are turned to another precision.
    rows = shape.batch_size if target.exact_batch else min(shape.batch_size, SAMPLED_ROWS)
    sample = check.sample(model, shape._replace(batch_size=rows))
    body = source.as_bert(model, target.attention) if found.model_type == "distilbert" else model
    network = Network(body, shape).eval()
    difference = check.require_same("the network", network, sample, [rows], F32_TOLERANCE, "cpu")
    say(f"network: logits within {difference:.1g} of each window alone")

    device = target.device()
    network.to(device=device, dtype=target.dtype(options.precision))
    say(f"compiling for {target.name} with torch {torch.__version__}")
    compiled = target.compile(network, tuple(tensor.to(device) for tensor in sample.inputs), options)

    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".trace.", dir=options.output.parent) as folder:
        work = Path(folder)
        torch.jit.save(compiled, str(work / "model.pt"))
        if options.compile_only:
            say("the compiled model is not checked: --compile-only")
        else:
            # What is checked is what will be read.
            loaded = torch.jit.load(str(work / "model.pt"))
            batches = [rows] if target.exact_batch else sorted({1, (rows + 1) // 2, rows})
            allowed = tolerance(options.precision, sample.scale)
            difference = check.require_same("the compiled model", loaded, sample, batches, allowed, device)
            say(f"compiled: logits within {difference:.2g} of each window alone, on {device_name(target, device)}")
        manifest = describe(found, model, target, shape, options)
        (work / "model.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for path in found.tokenizer_files():
            shutil.copyfile(path, work / path.name)
        publish(work, options.output)
    say(f"{options.output}: {shape.batch_size} x {shape.seq_len}, {', '.join(shape.inputs)}, {options.precision}")


def tolerance(precision: str, scale: float) -> float:
    return F32_TOLERANCE if precision == "f32" else TOLERANCES[precision] * scale


def device_name(target: Any, device: str) -> str:
    return "NeuronCore" if target.exact_batch else device


def describe(
    found: source.Source, model: source.Model, target: Any, shape: Shape, options: argparse.Namespace
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "model": found.name,
        "model_type": found.model_type,
        "device": target.name,
        "batch_size": shape.batch_size,
        "seq_len": shape.seq_len,
        "inputs": list(shape.inputs),
        "packed": shape.packed,
        "precision": options.precision,
        # Without the build: 2.13.0+cu130 is 2.13.0.
        "torch": torch.__version__.split("+")[0],
        "sdk": target.sdk(),
        "pad_token_id": model.config.pad_token_id or 0,
    }


def publish(work: Path, output: Path) -> None:
    """Moves the files to their folder, the manifest last: a model with a manifest is whole."""
    output.mkdir(exist_ok=True)
    manifest = output / "model.json"
    if manifest.exists():
        manifest.unlink()
    for path in sorted(work.iterdir(), key=lambda path: path.name == "model.json"):
        os.replace(path, output / path.name)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
