"""Compares what was compiled with the eager model, window by window."""

from __future__ import annotations

from typing import Callable, NamedTuple, Sequence, Tuple

import torch

from . import Refused
from .shape import Shape
from .source import Model

Logits = Tuple[torch.Tensor, torch.Tensor]


class Window(NamedTuple):
    """Tokens at random, in the row and from the column where they lie, and what the eager model makes of them alone."""

    row: int
    column: int
    input_ids: torch.Tensor
    token_type_ids: torch.Tensor
    start: torch.Tensor
    end: torch.Tensor

    def columns(self) -> slice:
        return slice(self.column, self.column + len(self.input_ids))


class Sample(NamedTuple):
    windows: list[Window]
    inputs: tuple[torch.Tensor, ...]
    # The range of the eager logits, which errors of 16-bit numbers grow with.
    scale: float


def sample(model: Model, shape: Shape) -> Sample:
    """A batch with rows of every kind: several windows and padding, one window that fills the row, none at all."""
    generator = torch.Generator().manual_seed(0)
    windows = []
    for row in range(shape.batch_size):
        for column, length in layout(row, shape, generator):
            windows.append(window(model, shape, row, column, length, generator))
    logits = torch.cat([torch.cat([window.start, window.end]) for window in windows])
    return Sample(windows, lay_out(windows, shape, model.config.pad_token_id or 0), float(logits.abs().max()))


def layout(row: int, shape: Shape, generator: torch.Generator) -> list[tuple[int, int]]:
    """Column and length of each window of a row."""
    kind = row % 3
    if kind == 1:
        return [(0, shape.seq_len)]
    if kind == 2:
        return []
    if not shape.packed:
        return [(0, max(1, shape.seq_len // 3))]
    places = []
    column = 0
    while column < shape.seq_len * 3 // 4:
        longest = min(shape.seq_len - column, max(2, shape.seq_len // 2))
        length = int(torch.randint(1, longest + 1, (1,), generator=generator))
        places.append((column, length))
        column += length
    return places


def window(model: Model, shape: Shape, row: int, column: int, length: int, generator: torch.Generator) -> Window:
    # Any token, also the padding one, which some families number in their own way.
    input_ids = torch.randint(0, model.config.vocab_size, (length,), generator=generator)
    token_type_ids = torch.zeros_like(input_ids)
    options = {}
    if "token_type_ids" in shape.inputs:
        token_type_ids[length // 2 :] = model.config.type_vocab_size - 1
        options["token_type_ids"] = token_type_ids[None]
    with torch.no_grad():
        output = model(input_ids=input_ids[None], attention_mask=torch.ones(1, length, dtype=torch.int64), **options)
    return Window(row, column, input_ids, token_type_ids, output.start_logits[0], output.end_logits[0])


def lay_out(windows: Sequence[Window], shape: Shape, padding: int) -> tuple[torch.Tensor, ...]:
    size = (shape.batch_size, shape.seq_len)
    tensors = {name: torch.zeros(size, dtype=torch.int64) for name in shape.inputs}
    tensors["input_ids"].fill_(padding)
    numbers = [0] * shape.batch_size
    for window in windows:
        place = (window.row, window.columns())
        numbers[window.row] += 1
        values = {
            "input_ids": window.input_ids,
            "attention_mask": 1,
            "token_type_ids": window.token_type_ids,
            "position_ids": torch.arange(len(window.input_ids)),
            "sequence_ids": numbers[window.row],
        }
        for name in shape.inputs:
            tensors[name][place] = values[name]
    return tuple(tensors[name] for name in shape.inputs)


def largest_difference(forward: Callable[..., Logits], sample: Sample, rows: int, device: str) -> float:
    """How far the logits of the first `rows` rows of the sample are from those of their windows alone.

    Infinite if any of them is not a number.
    """
    with torch.no_grad():
        start, end = forward(*(tensor[:rows].contiguous().to(device) for tensor in sample.inputs))
    largest = 0.0
    for window in sample.windows:
        if window.row < rows:
            place = (window.row, window.columns())
            for logits, alone in ((start, window.start), (end, window.end)):
                difference = (logits[place].float().cpu() - alone).abs().max()
                largest = max(largest, float("inf") if difference.isnan() else float(difference))
    return largest


def require_same(
    what: str, forward: Callable[..., Logits], sample: Sample, batches: Sequence[int], tolerance: float, device: str
) -> float:
    """The largest difference over batches of these sizes, if it is within the tolerance."""
    largest = 0.0
    for rows in batches:
        difference = largest_difference(forward, sample, rows, device)
        if not difference <= tolerance:
            raise Refused(
                f"the logits of {what} differ by {difference:.2g} from the eager model's, over {tolerance:.2g}, "
                f"for a batch of {rows}; nothing is saved"
            )
        largest = max(largest, difference)
    return largest
