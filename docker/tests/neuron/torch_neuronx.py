"""Stands in for AWS's torch_neuronx: `trace` with its documented arguments. Nothing is compiled.

`calls` has the options of each call.
"""

import fixed_shape

__version__ = "2.9.0.2.13.24727"
calls = []


def trace(
    func,
    example_inputs,
    *_,
    input_output_aliases={},  # noqa: B006, as documented
    compiler_workdir=None,
    compiler_args=None,
    partitioner_config=None,
    inline_weights_to_neff=True,
    cpu_backend=False,
):
    if cpu_backend and "--target" not in compiler_args:
        raise ValueError("cpu_backend needs --target")
    calls.append({"compiler_args": compiler_args, "cpu_backend": cpu_backend})
    return fixed_shape.trace(func, example_inputs)
