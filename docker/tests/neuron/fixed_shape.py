"""TorchScript that takes one shape only, as Neuron's graphs do."""

import torch


class FixedShape(torch.nn.Module):
    def __init__(self, model, example_inputs):
        super().__init__()
        self.model = model
        self.shape = tuple(example_inputs[0].shape)

    def forward(self, *inputs):
        return self.model(*(tensor.view(self.shape) for tensor in inputs))


def trace(model, example_inputs):
    return torch.jit.trace(FixedShape(model, example_inputs), example_inputs, check_trace=False)
