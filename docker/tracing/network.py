"""The network that is compiled: a question-answering model whose attention stays within each window."""

from __future__ import annotations

import torch

from . import Refused
from .shape import Shape
from .source import Model

# Families that number positions from padding_idx + 1, and give padding tokens padding_idx.
POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta", "camembert")
FAMILIES = ("bert", "distilbert", "electra", "albert") + POSITIONS_AFTER_PADDING

# Added to the scores of tokens that are not seen: their weight becomes exactly 0, also where f16 has no larger number.
UNSEEN = -10000.0


class Network(torch.nn.Module):
    """Takes the inputs of a `Shape`, in its order; gives start and end logits in f32, [batch_size, seq_len] each.

    Nothing in it knows the size of the batch or a device, so that its trace takes any batch on any device.
    """

    def __init__(self, model: Model, shape: Shape) -> None:
        super().__init__()
        self.embeddings = model.base_model.embeddings
        # ELECTRA's, where embeddings are narrower than layers.
        self.projection = getattr(model.base_model, "embeddings_project", torch.nn.Identity())
        self.encoder = model.base_model.encoder
        self.head = model.qa_outputs
        self.shape = shape
        self.padding_idx: int | None = None
        if model.config.model_type in POSITIONS_AFTER_PADDING:
            self.padding_idx = self.embeddings.padding_idx

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = dict(zip(self.shape.inputs, tensors))
        input_ids = inputs["input_ids"]
        # Without packing, a row is one window: its tokens are numbered 1, and padding 0.
        sequence_ids = inputs["sequence_ids"] if self.shape.packed else inputs["attention_mask"]
        position_ids = inputs.get("position_ids")
        # Padding sees padding, so that every token sees one at least and no softmax is over nothing.
        same_window = sequence_ids[:, :, None] == sequence_ids[:, None, :]
        if position_ids is not None and self.padding_idx is not None:
            position_ids = after_padding(input_ids, position_ids, same_window, self.padding_idx)

        hidden = self.embeddings(
            input_ids=input_ids,
            token_type_ids=inputs.get("token_type_ids", input_ids * 0),
            position_ids=position_ids,
        )
        hidden = self.projection(hidden)
        mask = (1 - same_window[:, None].to(hidden.dtype)) * UNSEEN
        hidden = self.encoder(hidden, mask)[0]
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
    offset = config.pad_token_id + 1 if config.model_type in POSITIONS_AFTER_PADDING else 0
    return config.max_position_embeddings - offset


def require_family(model_type: str) -> None:
    if model_type not in FAMILIES:
        raise Refused(f"models of type {model_type} are not supported; these are: {', '.join(sorted(FAMILIES))}")


def require_positions(model: Model, seq_len: int) -> None:
    kind = getattr(model.config, "position_embedding_type", "absolute")
    if kind != "absolute":
        raise Refused(f"position_embedding_type {kind} is not supported")
    if seq_len > most_positions(model):
        raise Refused(f"the model takes at most {most_positions(model)} tokens, --seq-len is {seq_len}")
