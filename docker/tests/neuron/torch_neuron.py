"""Stands in for AWS's torch_neuron: `trace` with its documented arguments. Nothing is compiled.

`calls` has the options of each call.
"""

import fixed_shape

__version__ = "1.13.1.2.11.13.0"
calls = []


def trace(
    model,
    example_inputs,
    *,
    compiler_args=None,
    compiler_timeout=None,
    compiler_workdir=None,
    subgraph_builder_function=None,
    minimum_segment_size=2,
    single_fusion_ratio_threshold=0.6,
    fallback=True,
    dynamic_batch_size=False,
    optimizations=None,
    strict=True,
):
    calls.append({"compiler_args": compiler_args})
    return fixed_shape.trace(model, example_inputs)
