"""What there is to compile for. Imports what a target needs when it is used, and nothing of the others."""

from __future__ import annotations

import argparse
import glob
import importlib
import shlex
import warnings
from typing import Any, NamedTuple

from . import Refused

PRECISIONS = ("f32", "f16", "bf16")
NEURON_DEVICES = "/dev/neuron[0-9]*"


class Target(NamedTuple):
    """Plain TorchScript, in the precision that its weights are turned to."""

    name: str
    precisions: tuple[str, ...]
    batch_size: int
    # transformers' implementation of attention; None is its choice.
    attention: str | None = None

    @property
    def exact_batch(self) -> bool:
        return False

    def prepare(self, options: argparse.Namespace) -> None:
        """Fills in the defaults, and refuses what can be refused at once."""
        fill_in(self, options)
        if options.compile_only or options.compiler_args:
            raise Refused(f"--compile-only and --compiler-args are for Neuron, not for {self.name}")

    def device(self) -> str:
        import torch

        return "cuda" if self.name == "gpu" and torch.cuda.is_available() else "cpu"

    def dtype(self, precision: str) -> Any:
        import torch

        return {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[precision]

    def sdk(self) -> str | None:
        return None

    def compile(self, network: Any, inputs: tuple[Any, ...], options: argparse.Namespace) -> Any:
        import torch

        with warnings.catch_warnings():
            # That what depends on the inputs could become constant is found by the checks, on batches of several sizes.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            try:
                compiled = torch.jit.trace(network, inputs, check_trace=False)
            except RuntimeError as error:
                if "not implemented for 'Half'" not in str(error):
                    raise
                raise Refused(
                    f"torch {torch.__version__} has no f16 on processors; compile where there is a GPU, "
                    f"or with --precision {' or '.join(kind for kind in self.precisions if kind != 'f16')}"
                ) from error
        devices = [node for node in compiled.inlined_graph.nodes() if names_device(node)]
        if devices:
            raise Refused(f"the graph would run on one device only: {devices[0]}")
        return compiled


def names_device(node: Any) -> bool:
    return any(value.type().str() == "Device" for value in node.outputs())


class NeuronTarget(NamedTuple):
    """A graph for NeuronCores; weights stay in f32, and the compiler casts."""

    name: str
    precisions: tuple[str, ...]
    batch_size: int
    package: str
    # Arguments of the compiler for each of the precisions.
    casts: tuple[tuple[str, ...], ...]
    target_args: tuple[str, ...] = ()
    attention: str | None = "eager"

    @property
    def exact_batch(self) -> bool:
        return True

    def prepare(self, options: argparse.Namespace) -> None:
        fill_in(self, options)
        if not options.compile_only and not glob.glob(NEURON_DEVICES):
            raise Refused(
                "there is no Neuron device here to check the compiled model on; "
                "--compile-only saves it without, or run this where there is one"
            )
        self.module()

    def module(self) -> Any:
        try:
            return importlib.import_module(self.package)
        except ImportError as error:
            raise Refused(
                f"{self.name} needs the Python package {self.package} ({error}); it is in AWS's Neuron images, "
                "or: pip install --extra-index-url https://pip.repos.neuron.amazonaws.com "
                f"{self.package.replace('_', '-')}"
            ) from error

    def device(self) -> str:
        return "cpu"

    def dtype(self, precision: str) -> Any:
        import torch

        return torch.float32

    def sdk(self) -> str | None:
        return getattr(self.module(), "__version__", None)

    def compile(self, network: Any, inputs: tuple[Any, ...], options: argparse.Namespace) -> Any:
        casts = self.casts[self.precisions.index(options.precision)]
        compiler_args: list[str] = [*self.target_args, *casts, *shlex.split(options.compiler_args)]
        keywords = {"compiler_args": compiler_args}
        if self.package == "torch_neuronx" and options.compile_only:
            keywords["cpu_backend"] = True
        return self.module().trace(network, inputs, **keywords)


def fill_in(target: Any, options: argparse.Namespace) -> None:
    options.batch_size = options.batch_size or target.batch_size
    options.precision = options.precision or target.precisions[0]
    if options.precision not in target.precisions:
        raise Refused(f"{target.name} has no {options.precision}; --precision {' or '.join(target.precisions)}")


NEURON_X_CASTS = (
    ("--auto-cast", "matmult", "--auto-cast-type", "bf16"),
    ("--auto-cast", "matmult", "--auto-cast-type", "fp16"),
    ("--auto-cast", "none"),
)
NEURON_CASTS = (("--fast-math", "fp32-cast-matmult-bf16"), ("--fast-math", "fp32-cast-matmult-fp16"))


def neuron_x(name: str) -> NeuronTarget:
    arguments = ("--target", name, "--model-type", "transformer")
    return NeuronTarget(name, ("bf16", "f16", "f32"), 8, "torch_neuronx", NEURON_X_CASTS, arguments)


# The first precision of a target is its default.
TARGETS = {
    target.name: target
    for target in (
        Target("cpu", ("f32", "bf16", "f16"), 8),
        Target("gpu", ("f16", "bf16", "f32"), 64),
        NeuronTarget("inf1", ("bf16", "f16"), 8, "torch_neuron", NEURON_CASTS),
        neuron_x("inf2"),
        neuron_x("trn1"),
        neuron_x("trn2"),
    )
}
