"""What docker/trace.py writes, and what it refuses to write."""

import json
import os
import shutil
import subprocess
import sys
import unittest
from unittest import mock

import torch
from support import DOCKER, FAMILIES, ROOT, TraceTestCase

from tracing import job, network, targets


class Folder(TraceTestCase):
    def test_is_self_contained(self):
        manifest, said = self.trace(batch_size=4, seq_len=64)
        self.assertEqual(
            manifest,
            {
                "format": 1,
                "model": "bert",
                "model_type": "bert",
                "device": "cpu",
                "batch_size": 4,
                "seq_len": 64,
                "inputs": ["input_ids", "position_ids", "sequence_ids", "token_type_ids"],
                "packed": True,
                "precision": "f32",
                "torch": torch.__version__.split("+")[0],
                "sdk": None,
                "pad_token_id": 0,
            },
        )
        self.assertEqual(
            sorted(path.name for path in self.output.iterdir()),
            ["model.json", "model.pt", "tokenizer.json", "tokenizer_config.json"],
        )
        self.assertRegex(said, r"compiled: logits within \S+ of each window alone, on cpu")

    def test_unpacked_takes_an_attention_mask(self):
        manifest, _ = self.trace(model=FAMILIES / "roberta", packed=False)
        self.assertEqual(manifest["inputs"], ["input_ids", "attention_mask"])
        self.assertEqual((manifest["packed"], manifest["pad_token_id"]), (False, 1))

    def test_precisions(self):
        self.trace(precision="bf16")
        start, end = torch.jit.load(str(self.output / "model.pt"))(*[torch.ones(1, 128, dtype=torch.int64)] * 4)
        self.assertEqual((start.dtype, end.dtype), (torch.float32, torch.float32))

    def test_gpu(self):
        # On a machine without one, the graph is checked on the processor.
        if not torch.cuda.is_available() and torch.__version__.startswith("1."):
            self.refused("has no f16 on processors; .* or with --precision bf16 or f32", "gpu")
            return
        manifest, _ = self.trace("gpu", batch_size=64)
        self.assertEqual((manifest["device"], manifest["precision"], manifest["batch_size"]), ("gpu", "f16", 64))

    def test_replaces_an_older_one(self):
        self.trace(seq_len=64)
        self.assertEqual(self.trace(seq_len=32)[0]["seq_len"], 32)
        self.assertEqual(list(self.folder.iterdir()), [self.output], "something was left behind")

    def test_tokenizer_of_another_folder(self):
        model = self.folder / "model"
        model.mkdir()
        for name in ("config.json", "model.safetensors"):
            shutil.copy(FAMILIES / "bert" / name, model)
        self.refused("no tokenizer.json", model=model)
        self.trace(model=model, tokenizer=FAMILIES / "bert", name="tiny")
        self.assertTrue((self.output / "tokenizer.json").is_file())


class Refusals(TraceTestCase):
    def test_a_vocabulary_in_place_of_tokenizer_json(self):
        model = self.folder / "model"
        shutil.copytree(FAMILIES / "bert", model, ignore=shutil.ignore_patterns("tokenizer.json"))
        (model / "vocab.txt").write_text("[PAD]\n", encoding="utf-8")
        self.trace(model=model)
        self.assertEqual((self.output / "vocab.txt").read_text(encoding="utf-8"), "[PAD]\n")

    def test_windows_that_see_each_other(self):
        with mock.patch.object(network, "UNSEEN", 0.0):
            self.refused("logits of the network differ")

    def test_a_compiled_model_that_differs(self):
        def another(self, network, inputs, options):
            with torch.no_grad():
                network.head.bias.add_(0.01)
            return torch.jit.trace(network, inputs, check_trace=False)

        with mock.patch.object(targets.Target, "compile", another):
            self.refused("logits of the compiled model differ")

    def test_logits_that_are_no_numbers(self):
        with mock.patch.object(network, "UNSEEN", float("nan")):
            self.refused("differ by inf")

    def test_a_batch_size_that_is_baked_in(self):
        class Baked(network.Network):
            def forward(self, *inputs):
                start, end = super().forward(*inputs)
                return start, end.view(3, 128)

        with mock.patch.object(job, "Network", Baked), self.assertRaisesRegex(RuntimeError, "shape|size"):
            self.trace()
        self.assertFalse(self.output.exists())

    def test_a_device_that_is_baked_in(self):
        class Baked(network.Network):
            def forward(self, *inputs):
                start, end = super().forward(*inputs)
                return start + torch.zeros(1, device="cpu"), end

        with mock.patch.object(job, "Network", Baked):
            self.refused("one device only")

    def test_what_cannot_be(self):
        self.refused("takes at most 128 tokens", seq_len=129)
        self.refused("inf1 has no f32", "inf1", precision="f32")
        self.refused("are for Neuron", compile_only=True)
        self.refused("--revision is for models of the hub", revision="main")
        self.refused("no config.json", model=self.folder)

    def test_roberta_keeps_positions_for_padding(self):
        self.refused("takes at most 128 tokens", model=FAMILIES / "roberta", seq_len=129)

    def edited(self, **changes):
        model = self.folder / "edited"
        shutil.copytree(FAMILIES / "bert", model)
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        config.update(changes)
        (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return model

    def test_a_family_that_bertqa_does_not_know(self):
        self.refused("type xlnet are not supported", model=self.edited(model_type="xlnet"))

    def test_a_model_that_was_not_trained_to_answer(self):
        from safetensors.torch import load_file, save_file

        model = self.edited()
        weights = load_file(str(model / "model.safetensors"))
        weights = {name: weight for name, weight in weights.items() if not name.startswith("qa_outputs")}
        save_file(weights, str(model / "model.safetensors"), metadata={"format": "pt"})
        self.refused("not trained to answer questions: it has no qa_outputs.bias, qa_outputs.weight", model=model)


class Command(TraceTestCase):
    def run_trace(self, *arguments, **environment):
        command = [sys.executable, str(DOCKER / "trace.py"), *map(str, arguments), "--output", str(self.output)]
        return subprocess.run(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})

    def test_default_model(self):
        model = ROOT / "models" / "default"
        done = self.run_trace("cpu", model, "--tokenizer", ROOT / "tokenizer", "--batch-size", 2)
        self.assertEqual(done.returncode, 0, done.stderr)
        manifest = json.loads((self.output / "model.json").read_text(encoding="utf-8"))
        # Its tokenizer passes no token types, so the graph takes none.
        self.assertEqual(manifest["inputs"], ["input_ids", "position_ids", "sequence_ids"])
        self.assertEqual((manifest["model"], manifest["seq_len"], manifest["pad_token_id"]), ("default", 512, 1))

    def test_model_of_the_hub(self):
        # As huggingface_hub lays its cache out; nothing is fetched.
        repository = self.folder / "hub" / "models--tiny--bert"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("0" * 40)
        shutil.copytree(FAMILIES / "bert", repository / "snapshots" / ("0" * 40))
        offline = {"HF_HOME": str(self.folder), "HF_HUB_CACHE": str(repository.parent), "HF_HUB_OFFLINE": "1"}
        done = self.run_trace("cpu", "tiny/bert", "--seq-len", 64, "--batch-size", 1, **offline)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads((self.output / "model.json").read_text(encoding="utf-8"))["model"], "tiny/bert")

    def test_says_why_not(self):
        done = self.run_trace("cpu", self.folder / "absent", HF_HUB_OFFLINE="1")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^trace\.py: there is no folder ")
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
