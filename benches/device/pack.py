"""Makes the kit of device.sh: pack.py PROGRAM DIR. Needs torch and transformers, which trace the models."""

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import tokenizers
import torch
import transformers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LARGEST = 64_000_000

# What runs there.
PROGRAMS = ("measure.py", "bert.py", "machine.py", "peak.py", "peer.py", "report.py", "rows.py", "unpacked.py")


def main():
    program, kit = Path(sys.argv[1]), Path(sys.argv[2])
    # An older kit, but nothing else.
    if kit.exists() and any(kit.iterdir()) and not (kit / "measure.py").is_file():
        sys.exit(f"{kit} is there and is no kit")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        shutil.copy(program, work / "bertqa")
        shutil.copy(ROOT / "samples/questions.jsonl", work / "samples.jsonl")
        carry_tokenizers(work / "python")
        models = work / "models"
        trace(ROOT / "models/fast", models / "fast")
        random_network(work / "random", models / "base")
        shutil.rmtree(work / "random")

        shutil.rmtree(kit, ignore_errors=True)
        kit.mkdir(parents=True)
        for program in PROGRAMS:
            shutil.copy(HERE / program, kit)
        with tarfile.open(kit / "kit.tar.gz", "w:gz") as archive:
            for path in sorted(work.iterdir()):
                archive.add(path, path.name)
    size = sum(path.stat().st_size for path in kit.iterdir())
    if size > LARGEST:
        sys.exit(f"{kit} has {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}")
    print(f"{kit}: {size / 1e6:.1f} MB. Carry it to the machine with the GPU, and there: python3 measure.py")


def carry_tokenizers(folder):
    """The package that the peers' tokens are made with: it needs no other, and fits every Python from 3.9 on."""
    package = Path(tokenizers.__file__).parent
    if not list(package.glob("*.abi3.so")):
        sys.exit(f"{package} is for one version of Python only")
    shutil.copytree(package, folder / "tokenizers", ignore=shutil.ignore_patterns("__pycache__"))


def trace(source, output):
    """The model of a folder, traced in f16, with the configuration of which the peers make the same network."""
    output.parent.mkdir(exist_ok=True)
    command = [sys.executable, ROOT / "docker/trace.py", "gpu", source, "--precision", "f16", "--output", output]
    subprocess.run(list(map(str, command)), check=True)
    shutil.copy(source / "config.json", output)


def random_network(source, output):
    """BERT base with the tokenizer of models/fast. Its weights are random numbers, which are made again there."""
    vocabulary = json.loads((ROOT / "models/fast/config.json").read_text(encoding="utf-8"))
    config = transformers.BertConfig(vocab_size=vocabulary["vocab_size"], pad_token_id=vocabulary["pad_token_id"])
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    transformers.AutoModelForQuestionAnswering.from_config(config).save_pretrained(source)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "models/fast" / name, source)
    trace(source, output)
    graph = torch.jit.load(str(output / "model.pt"))
    with torch.no_grad():
        for weight in graph.parameters():
            if weight.dim() > 1:
                weight.zero_()
    graph.save(str(output / "model.pt"))
    (output / "random-weights").touch()


if __name__ == "__main__":
    main()
