"""The Neuron targets, with modules that stand in for torch_neuron and torch_neuronx (tests/neuron)."""

import sys
import unittest
from pathlib import Path
from unittest import mock

import torch
from support import TraceTestCase

from tracing import targets

STAND_INS = str(Path(__file__).resolve().parent / "neuron")


class Neuron(TraceTestCase):
    def setUp(self):
        super().setUp()
        modules = mock.patch.dict(sys.modules)
        modules.start()
        self.addCleanup(modules.stop)
        path = mock.patch.object(sys, "path", [STAND_INS, *sys.path])
        path.start()
        self.addCleanup(path.stop)

    def device(self):
        (self.folder / "neuron0").touch()
        return mock.patch.object(targets, "NEURON_DEVICES", str(self.folder / "neuron[0-9]*"))

    def no_device(self):
        return mock.patch.object(targets, "NEURON_DEVICES", str(self.folder / "none[0-9]*"))

    def calls(self, package):
        return sys.modules[package].calls

    def test_inf1(self):
        with self.device():
            manifest, said = self.trace("inf1")
        self.assertEqual(self.calls("torch_neuron"), [{"compiler_args": ["--fast-math", "fp32-cast-matmult-bf16"]}])
        self.assertEqual((manifest["device"], manifest["precision"]), ("inf1", "bf16"))
        self.assertEqual(manifest["sdk"], "1.13.1.2.11.13.0")
        self.assertIn("on NeuronCore", said)
        self.assertNotIn("torch_neuronx", sys.modules)

    def test_inf2_trn1_and_trn2(self):
        for target in ("inf2", "trn1", "trn2"):
            with self.device():
                manifest, _ = self.trace(target, precision="f32", compiler_args="--optlevel 3")
            call = self.calls("torch_neuronx").pop()
            self.assertEqual(call["compiler_args"][:2], ["--target", target])
            self.assertEqual(call["compiler_args"][-4:], ["--auto-cast", "none", "--optlevel", "3"])
            self.assertFalse(call["cpu_backend"])
            self.assertEqual((manifest["device"], manifest["precision"]), (target, "f32"))
        self.assertNotIn("torch_neuron", sys.modules)

    def test_takes_its_batch_only(self):
        with self.device():
            manifest, _ = self.trace("inf2", batch_size=2)
        compiled = torch.jit.load(str(self.output / "model.pt"))
        inputs = [torch.ones(3, 128, dtype=torch.int64) for _ in manifest["inputs"]]
        compiled(*(tensor[:2] for tensor in inputs))
        with self.assertRaises(RuntimeError):
            compiled(*inputs)

    def test_without_a_device(self):
        with self.no_device():
            self.refused("no Neuron device here", "inf2")
            manifest, said = self.trace("inf2", compile_only=True, precision="f16")
        (call,) = self.calls("torch_neuronx")
        self.assertTrue(call["cpu_backend"])
        self.assertEqual(call["compiler_args"][-1], "fp16")
        self.assertIn("the compiled model is not checked", said)

    def test_without_the_package(self):
        with mock.patch.dict(sys.modules, {"torch_neuron": None}), self.device():
            self.refused("pip install .* torch-neuron$", "inf1")

    def test_other_targets_import_neither(self):
        self.trace("cpu")
        self.assertFalse({"torch_neuron", "torch_neuronx"} & set(sys.modules))


if __name__ == "__main__":
    unittest.main()
