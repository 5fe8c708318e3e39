"""What the graph takes."""

from __future__ import annotations

import argparse
from typing import NamedTuple


class Shape(NamedTuple):
    """Every input is int64, [batch_size, seq_len]."""

    batch_size: int
    seq_len: int
    packed: bool
    # Names, in the order of the graph.
    inputs: tuple[str, ...]


def input_names(packed: bool, token_types: bool) -> tuple[str, ...]:
    names = ("input_ids", "position_ids", "sequence_ids") if packed else ("input_ids", "attention_mask")
    return names + ("token_type_ids",) if token_types else names


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
