"""The archive of the kit, unpacked: where everything is."""

import json
import tarfile
from pathlib import Path

SEED = 0
# As BERT is initialized.
DEVIATION = 0.02


class Unpacked:
    def __init__(self, archive, folder, device):
        self.folder = folder
        with tarfile.open(archive) as members:
            members.extractall(folder)
        self.program = folder / "bertqa"
        self.samples = folder / "samples.jsonl"
        self.python = folder / "python"
        for model in self.models():
            prepare(self.model(model), device)

    def models(self):
        return sorted(path.name for path in (self.folder / "models").iterdir())

    def model(self, name):
        return self.folder / "models" / name


def prepare(model, device):
    """Makes the weights that are not carried, and lets the graph, which names no device, run where it is measured."""
    import torch

    if (model / "random-weights").exists():
        graph = torch.jit.load(str(model / "model.pt"), map_location="cpu")
        generator = torch.Generator().manual_seed(SEED)
        with torch.no_grad():
            for _, weight in sorted(graph.named_parameters()):
                if weight.dim() > 1:
                    weight.copy_(DEVIATION * torch.randn(weight.shape, generator=generator))
        graph.save(str(model / "model.pt"))
    path = model / "model.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    # As docker/trace.py has it for the processor.
    manifest |= {"device": "cpu", "batch_size": 8} if device == "cpu" else {"device": "gpu"}
    path.write_text(json.dumps(manifest), encoding="utf-8")


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))
