"""The families of models that can be compiled, and how each of them runs."""

from __future__ import annotations

import functools
import inspect
import math
from typing import Any, Callable, Mapping, NamedTuple

import torch

Tensor = torch.Tensor

# Added to the scores of tokens that are too far away to be seen.
FAR = -10000.0


class Rows(NamedTuple):
    """How the windows of a batch lie in its rows."""

    # Of a token within its window, [batch_size, seq_len].
    position_ids: Tensor
    # Which tokens share a window, [batch_size, seq_len, seq_len].
    same_window: Tensor
    # Added to the scores of attention, [batch_size, 1, seq_len, seq_len].
    mask: Tensor


class Table(torch.nn.Module):
    """Values by position, computed once: where they are computed in the graph, it names the device."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("values", values)

    def forward(self, position_ids: Tensor) -> Tensor:
        return torch.nn.functional.embedding(position_ids, self.values)


class Rotary(torch.nn.Module):
    """In place of ModernBERT's module of this purpose, of one kind of layers."""

    def __init__(self, cos: Tensor, sin: Tensor) -> None:
        super().__init__()
        self.cos = Table(cos[0])
        self.sin = Table(sin[0])

    def forward(self, hidden: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        return self.cos(position_ids).to(hidden.dtype), self.sin(position_ids).to(hidden.dtype)


def nothing(base: Any, seq_len: int) -> None:
    pass


def embed(embeddings: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Those of the inputs that the family has."""
    taken = inspect.signature(embeddings.forward).parameters
    return embeddings(**{name: values for name, values in inputs.items() if name in taken})


def embed_ernie(embeddings: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """As transformers has it, but for the name of the device that it puts into the graph; every task is the first."""
    hidden = embeddings.word_embeddings(inputs["input_ids"])
    hidden = hidden + embeddings.token_type_embeddings(inputs["token_type_ids"])
    hidden = hidden + embeddings.position_embeddings(inputs["position_ids"])
    if embeddings.use_task_id:
        hidden = hidden + embeddings.task_type_embeddings(inputs["input_ids"] * 0)
    return embeddings.LayerNorm(hidden)


def encoder(base: Any, hidden: Tensor, rows: Rows) -> Tensor:
    """As BERT."""
    return base.encoder(hidden, rows.mask)[0]


def projected(base: Any, hidden: Tensor, rows: Rows) -> Tensor:
    """Embeddings may be narrower than layers."""
    projection = getattr(base, "embeddings_project", None)
    return encoder(base, hidden if projection is None else projection(hidden), rows)


def pre_norm(base: Any, hidden: Tensor, rows: Rows) -> Tensor:
    return base.LayerNorm(encoder(base, hidden, rows))


def luke(base: Any, hidden: Tensor, rows: Rows) -> Tensor:
    """Without entities."""
    return base.encoder(hidden, None, attention_mask=rows.mask)[0]


def prepare_mpnet(base: Any, seq_len: int) -> None:
    size = base.config.hidden_size
    base.encoder.register_buffer("bias_by_distance", base.encoder.compute_position_bias(torch.zeros(1, seq_len, size)))


def mpnet(base: Any, hidden: Tensor, rows: Rows) -> Tensor:
    for layer in base.encoder.layer:
        hidden = layer(hidden, rows.mask, position_bias=base.encoder.bias_by_distance)[0]
    return hidden


def prepare_roformer(base: Any, seq_len: int) -> None:
    base.encoder.rotary_table = Table(base.encoder.embed_positions(torch.Size([1, seq_len])))


def roformer(base: Any, hidden: Tensor, rows: Rows) -> Tensor:
    projection = getattr(base, "embeddings_project", None)
    hidden = hidden if projection is None else projection(hidden)
    rotary = base.encoder.rotary_table(rows.position_ids)[:, None]
    for layer in base.encoder.layer:
        hidden = layer(hidden, rows.mask, rotary)[0]
    return hidden


def prepare_deberta(base: Any, seq_len: int) -> None:
    distances = base.encoder.get_rel_pos(torch.zeros(1, seq_len, base.config.hidden_size))
    if distances is None:
        return
    distances = distances.view(1, seq_len, seq_len)
    base.encoder.register_buffer("distances", distances)
    for layer in base.encoder.layer:
        attention = layer.attention.self
        attention.disentangled_attention_bias = functools.partial(disentangled_bias, attention)


def disentangled_bias(
    attention: Any, query: Tensor, key: Tensor, distances: Tensor, embeddings: Tensor, scale_factor: int
) -> Tensor:
    """What distances add to the scores, as transformers computes it, but for the name of the device that it puts into
    the graph. `query` and `key` are [batch_size * heads, seq_len, head size]."""
    span = attention.pos_ebd_size
    shared = attention.share_att_key

    def scores(content: Tensor, projection: Any, indices: Tensor) -> Tensor:
        heads = attention.num_attention_heads
        by_distance = attention.transpose_for_scores(projection(embeddings[None, : 2 * span]), heads)
        by_distance = by_distance.repeat(content.size(0) // heads, 1, 1)
        found = torch.bmm(content, by_distance.transpose(-1, -2))
        indices = indices.clamp(0, 2 * span - 1).expand(content.size(0), -1, -1)
        return torch.gather(found, -1, indices) / math.sqrt(content.size(-1) * scale_factor)

    total = torch.zeros_like(query[:, :, :1])
    if "c2p" in attention.pos_att_type:
        projection = attention.key_proj if shared else attention.pos_key_proj
        total = total + scores(query, projection, distances + span)
    if "p2c" in attention.pos_att_type:
        projection = attention.query_proj if shared else attention.pos_query_proj
        total = total + scores(key, projection, span - distances).transpose(-1, -2)
    return total


def deberta(base: Any, hidden: Tensor, rows: Rows) -> Tensor:
    """It makes its own mask of which tokens see which."""
    return base.encoder(hidden, rows.same_window, relative_pos=getattr(base.encoder, "distances", None))[0]


def prepare_modernbert(base: Any, seq_len: int) -> None:
    hidden = torch.zeros(1, seq_len, base.config.hidden_size)
    columns = torch.arange(seq_len)[None]
    for layer in base.layers:
        if hasattr(base, "rotary_emb"):
            # transformers 5
            layer.rotary = Rotary(*base.rotary_emb(hidden, columns, layer.attention_type))
        else:
            layer.attn.rotary_emb = Rotary(*layer.attn.rotary_emb(hidden, columns))


def modernbert(base: Any, hidden: Tensor, rows: Rows) -> Tensor:
    positions = rows.position_ids
    far = (positions[:, :, None] - positions[:, None, :]).abs() > base.config.local_attention // 2
    near_mask = rows.mask + far[:, None].to(rows.mask.dtype) * FAR
    for layer in base.layers:
        if hasattr(layer, "rotary"):
            mask = near_mask if layer.attention_type == "sliding_attention" else rows.mask
            hidden = layer(hidden, attention_mask=mask, position_embeddings=layer.rotary(hidden, positions))
        else:
            hidden = layer(hidden, attention_mask=rows.mask, sliding_window_mask=near_mask, position_ids=positions)[0]
    return base.final_norm(hidden)


def linear_head(model: Any) -> torch.nn.Module:
    return model.qa_outputs


def modernbert_head(model: Any) -> torch.nn.Module:
    return torch.nn.Sequential(model.head, model.classifier)


def absolute_positions(config: Any) -> str | None:
    kind = getattr(config, "position_embedding_type", "absolute")
    return None if kind == "absolute" else f"position_embedding_type {kind} is not supported"


def no_convolution(config: Any) -> str | None:
    if getattr(config, "conv_kernel_size", 0):
        return "a convolution (conv_kernel_size) would mix the windows of a row"
    return None


class Family(NamedTuple):
    embed: Callable[[Any, Mapping[str, Tensor]], Tensor] = embed
    # From embeddings to the last hidden states.
    encode: Callable[[Any, Tensor, Rows], Tensor] = encoder
    # What is computed before, of the encoder and the length of a row.
    prepare: Callable[[Any, int], None] = nothing
    head: Callable[[Any], torch.nn.Module] = linear_head
    # Whether positions are numbered from padding_idx + 1, and padding tokens have padding_idx.
    after_padding: bool = False
    # Why a model of it cannot be compiled, by its configuration.
    refuses: Callable[[Any], str | None] = absolute_positions


ROBERTA = Family(after_padding=True)

FAMILIES = {
    "albert": Family(),
    "bert": Family(),
    "camembert": ROBERTA,
    "data2vec-text": ROBERTA,
    "deberta-v2": Family(encode=deberta, prepare=prepare_deberta, refuses=no_convolution),
    "distilbert": Family(),
    "electra": Family(encode=projected),
    "ernie": Family(embed=embed_ernie),
    "luke": Family(encode=luke, after_padding=True),
    "megatron-bert": Family(),
    "modernbert": Family(encode=modernbert, prepare=prepare_modernbert, head=modernbert_head),
    "mpnet": Family(encode=mpnet, prepare=prepare_mpnet, after_padding=True),
    "nezha": Family(),
    "rembert": Family(),
    "roberta": ROBERTA,
    "roberta-prelayernorm": Family(encode=pre_norm, after_padding=True),
    "roformer": Family(encode=roformer, prepare=prepare_roformer),
    "xlm-roberta": ROBERTA,
    "xlm-roberta-xl": ROBERTA,
}

# Those that bertqa runs on the processor, and why they are not compiled.
NOT_COMPILED = {
    "big_bird": "which tokens see which depends on the length of a window",
    "convbert": "its convolutions would mix the windows of a row, and windows and padding",
    "ibert": "it is for integers, which transformers simulates",
    "longformer": "its attention depends on where the question ends, which a trace does not follow",
    "mobilebert": "its embeddings would mix the windows of a row, and windows and padding",
    "splinter": "its head looks for the one question of a row",
}
