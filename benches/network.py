"""The network by itself, without tokenizing: tokens per second of bertqa and of ONNX Runtime and OpenVINO, on a model
with random weights and windows of one length, so that nobody pads.

usage: network.py [--family bert] [--hidden 768] [--layers N] [--shapes 8x128,4x512] [--rounds 3] [--threads 2]
                  [--bertqa BINARY]

Needs torch, transformers, onnx, onnxruntime and openvino. The runners take turns; the table has medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModelForQuestionAnswering, BertConfig, DebertaV2Config, ModernBertConfig

# What distinguishes the base models of each family: configuration, layers, and how much wider a layer is inside.
FAMILIES = {
    "bert": (BertConfig, 12, 4, {}),
    # DeBERTa v3.
    "deberta-v2": (
        DebertaV2Config,
        12,
        4,
        {
            "relative_attention": True,
            "position_buckets": 256,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
            "layer_norm_eps": 1e-7,
        },
    ),
    "modernbert": (ModernBertConfig, 22, 1.5, {"max_position_embeddings": 8192}),
}
ROOT = Path(__file__).resolve().parent.parent


def arguments():
    parser = argparse.ArgumentParser(prog="network.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("--family", choices=FAMILIES, default="bert")
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--layers", type=int, help="default: as the family's base model has")
    parser.add_argument("--shapes", default="8x128,4x512", help="windows x tokens, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="to measure each for")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--bertqa", default=os.environ.get("BERTQA", ROOT / "target/release/bertqa"))
    return parser.parse_args()


class Logits(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, input_ids, attention_mask):
        out = self.network(input_ids, attention_mask)
        return out.start_logits, out.end_logits


def models(args, folder):
    """Writes the network as a Hugging Face folder with the default tokenizer, and as ONNX in f32 and int8."""
    torch.manual_seed(0)
    tokenizer = ROOT / "tokenizer/tokenizer.json"
    vocabulary = len(json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"])
    configuration, layers, width, options = FAMILIES[args.family]
    config = configuration(
        vocab_size=vocabulary,
        hidden_size=args.hidden,
        num_hidden_layers=args.layers or layers,
        num_attention_heads=12,
        intermediate_size=int(width * args.hidden),
        pad_token_id=0,
        attn_implementation="eager",
        **options,
    )
    network = AutoModelForQuestionAnswering.from_config(config).eval()
    network.save_pretrained(folder)
    for file in (ROOT / "tokenizer").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    example = torch.ones(2, 32, dtype=torch.long)
    names = ["input_ids", "attention_mask", "start", "end"]
    torch.onnx.export(
        Logits(network),
        (example, example),
        str(folder / "f32.onnx"),
        input_names=names[:2],
        output_names=names[2:],
        dynamic_axes={n: {0: "batch", 1: "length"} for n in names},
        dynamo=False,
        opset_version=17,
    )
    quantize_dynamic(folder / "f32.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True)
    return vocabulary


def onnx_runtime(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)


def openvino_runtime(path, precision, threads):
    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()
    return request.infer


def measure(forward, shape, vocabulary, seconds):
    windows, tokens = shape
    rng = np.random.default_rng(0)
    inputs = {
        "input_ids": rng.integers(5, vocabulary, (windows, tokens)),
        "attention_mask": np.ones((windows, tokens), dtype=np.int64),
    }
    forward(inputs)
    begin, passes = time.perf_counter(), []
    while len(passes) < 3 or time.perf_counter() - begin < seconds:
        each = time.perf_counter()
        forward(inputs)
        passes.append(time.perf_counter() - each)
    return windows * tokens / statistics.median(passes)


def bertqa(args, folder, shape, precision):
    windows, tokens = shape
    command = [
        str(args.bertqa),
        "bench",
        "--json",
        "--model",
        str(folder),
        "--lengths",
        str(tokens),
        "--batch-sizes",
        str(windows),
        "--threads",
        str(args.threads),
        "--duration",
        str(args.seconds),
        "--precision",
        precision,
    ]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(out)[0]["tokens_per_second"]


def main():
    args = arguments()
    shapes = [tuple(int(n) for n in shape.split("x")) for shape in args.shapes.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary = models(args, folder)
        peers = {
            "ONNX Runtime int8": onnx_runtime(str(folder / "int8.onnx"), args.threads),
            "ONNX Runtime f32": onnx_runtime(str(folder / "f32.onnx"), args.threads),
        }
        try:
            for precision in ("bf16", "f32"):
                peers[f"OpenVINO {precision}"] = openvino_runtime(str(folder / "f32.onnx"), precision, args.threads)
        except RuntimeError as error:
            # Of DeBERTa, it refuses a part whose rank it does not know.
            print(f"OpenVINO refuses the network: {error}", file=sys.stderr)
        speeds = {}
        for number in range(args.rounds):
            for shape in shapes:
                runs = {f"bertqa {p}": lambda p=p, s=shape: bertqa(args, folder, s, p) for p in ("int8", "bf16", "f32")}
                runs |= {n: lambda f=f, s=shape: measure(f, s, vocabulary, args.seconds) for n, f in peers.items()}
                for runner, run in runs.items():
                    speeds.setdefault(runner, {}).setdefault(shape, []).append(run())
                    print(f"round {number + 1}, {shape}: {runner} {speeds[runner][shape][-1]:.0f}", file=sys.stderr)
    print(f"| runner | {' | '.join(f'{w} × {t} tokens' for w, t in shapes)} |")
    print(f"| --- |{' ---: |' * len(shapes)}")
    for runner, of_shape in speeds.items():
        print(f"| {runner} | {' | '.join(f'{statistics.median(of_shape[shape]):,.0f}' for shape in shapes)} |")


if __name__ == "__main__":
    main()
