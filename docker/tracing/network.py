"""The network that is compiled: a question-answering model whose attention stays within each window."""

from __future__ import annotations

import torch

from . import Refused, families
from .shape import Shape
from .source import Model

# Added to the scores of tokens that are not seen: their weight becomes exactly 0, also where f16 has no larger number.
UNSEEN = -10000.0


class Network(torch.nn.Module):
    """Takes the inputs of a `Shape`, in its order; gives start and end logits in f32, [batch_size, seq_len] each.

    Nothing in it knows the size of the batch or a device, so that its trace takes any batch on any device.
    """

    def __init__(self, model: Model, shape: Shape) -> None:
        super().__init__()
        self.family = families.FAMILIES[model.config.model_type]
        self.base = model.base_model
        self.head = self.family.head(model)
        self.shape = shape
        self.padding_idx: int | None = None
        if self.family.after_padding:
            self.padding_idx = self.base.embeddings.padding_idx
        with torch.no_grad():
            self.family.prepare(self.base, shape.seq_len)
        self.register_buffer("columns", torch.arange(shape.seq_len)[None])

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = dict(zip(self.shape.inputs, tensors))
        input_ids = inputs["input_ids"]
        # Without packing, a row is one window: its tokens are numbered 1, and padding 0.
        sequence_ids = inputs["sequence_ids"] if self.shape.packed else inputs["attention_mask"]
        # Without packing, a token's position is its column.
        position_ids = inputs.get("position_ids", self.columns.expand_as(input_ids))
        # Padding sees padding, so that every token sees one at least and no softmax is over nothing.
        same_window = sequence_ids[:, :, None] == sequence_ids[:, None, :]
        numbered = position_ids
        if self.padding_idx is not None:
            numbered = after_padding(input_ids, position_ids, same_window, self.padding_idx)

        embedded = {
            "input_ids": input_ids,
            "token_type_ids": inputs.get("token_type_ids", input_ids * 0),
            "position_ids": numbered,
        }
        hidden = self.family.embed(self.base.embeddings, embedded)
        mask = (1 - same_window[:, None].to(hidden.dtype)) * UNSEEN
        hidden = self.family.encode(self.base, hidden, families.Rows(position_ids, same_window, mask))
        logits = self.head(hidden).float()
        return logits[..., 0], logits[..., 1]


def after_padding(
    input_ids: torch.Tensor, position_ids: torch.Tensor, same_window: torch.Tensor, padding_idx: int
) -> torch.Tensor:
    """Positions as RoBERTa numbers them: text that reads like a padding token is one, and is not counted."""
    up_to_here = same_window & (position_ids[:, None, :] <= position_ids[:, :, None])
    real = (input_ids != padding_idx).to(input_ids.dtype)
    return (up_to_here * real[:, None, :]).sum(-1) * real + padding_idx


def most_positions(model: Model) -> int:
    config = model.config
    offset = config.pad_token_id + 1 if families.FAMILIES[config.model_type].after_padding else 0
    return config.max_position_embeddings - offset


def require_family(model_type: str) -> None:
    if model_type in families.NOT_COMPILED:
        raise Refused(f"models of type {model_type} cannot be compiled: {families.NOT_COMPILED[model_type]}")
    if model_type not in families.FAMILIES:
        known = ", ".join(sorted(families.FAMILIES))
        raise Refused(f"models of type {model_type} are not supported; these are: {known}")


def require_positions(model: Model, seq_len: int) -> None:
    if seq_len > most_positions(model):
        raise Refused(f"the model takes at most {most_positions(model)} tokens, --seq-len is {seq_len}")
    reason = families.FAMILIES[model.config.model_type].refuses(model.config)
    if reason:
        raise Refused(reason)
