"""BERT for question answering in plain torch, with the weights of a traced graph."""

import torch
from torch import nn
from torch.nn import functional

# As bertqa has it by itself.
MAX_ANSWER_LEN = 15


class Layer(nn.Module):
    def __init__(self, weights, heads, eps):
        super().__init__()
        self.heads = heads
        attention = [weights.below(f"attention.self.{name}") for name in ("query", "key", "value")]
        # One product instead of three.
        self.qkv = linear(*(torch.cat([part[name] for part in attention]) for name in ("weight", "bias")))
        self.out = weights.linear("attention.output.dense")
        self.attention_norm = weights.norm("attention.output.LayerNorm", eps)
        self.up = weights.linear("intermediate.dense")
        self.down = weights.linear("output.dense")
        self.norm = weights.norm("output.LayerNorm", eps)

    def forward(self, hidden, mask):
        batch, tokens, size = hidden.shape
        qkv = self.qkv(hidden).view(batch, tokens, 3, self.heads, size // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*qkv.unbind(0), attn_mask=mask)
        mixed = mixed.transpose(1, 2).reshape(batch, tokens, size)
        hidden = self.attention_norm(hidden + self.out(mixed))
        return self.norm(hidden + self.down(functional.gelu(self.up(hidden))))


class Network(nn.Module):
    """Takes padded windows, and gives the best span of each: its probability, first and last token."""

    def __init__(self, config, state):
        super().__init__()
        weights, eps = Weights(state), config["layer_norm_eps"]
        embeddings = weights.below("base.embeddings")
        self.words = embeddings.embedding("word_embeddings")
        self.positions = embeddings.embedding("position_embeddings")
        self.types = embeddings.embedding("token_type_embeddings")
        self.norm = embeddings.norm("LayerNorm", eps)
        self.layers = nn.ModuleList(
            Layer(weights.below(f"base.encoder.layer.{number}"), config["num_attention_heads"], eps)
            for number in range(config["num_hidden_layers"])
        )
        self.head = weights.linear("head")

    def forward(self, ids, types, lengths, starts, ends):
        columns = torch.arange(ids.shape[1], device=ids.device)
        mask = (columns < lengths[:, None])[:, None, None]
        hidden = self.norm(self.words(ids) + self.positions(columns) + self.types(types))
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return best_spans(self.head(hidden).float(), columns, starts, ends)


def best_spans(logits, columns, starts, ends):
    """Of the context's tokens; the first of the window, too, has a share of the probability."""
    context = (columns >= starts[:, None]) & (columns < ends[:, None])
    logits = logits.masked_fill(~(context | (columns == 0))[..., None], -1e4)
    logarithms = logits.log_softmax(1).masked_fill(~context[..., None], -1e9)
    first, last = logarithms.unbind(2)
    # What ends 0, 1, ... tokens after each.
    last = functional.pad(last, (0, MAX_ANSWER_LEN - 1), value=-1e9).unfold(1, MAX_ANSWER_LEN, 1)
    score, place = (first[..., None] + last).flatten(1).max(1)
    start = place // MAX_ANSWER_LEN
    return score.exp(), start, start + place % MAX_ANSWER_LEN


class Weights(dict):
    """Parameters by their names."""

    def below(self, name):
        return Weights({key[len(name) + 1 :]: value for key, value in self.items() if key.startswith(f"{name}.")})

    def linear(self, name):
        return linear(self[f"{name}.weight"], self[f"{name}.bias"])

    def embedding(self, name):
        return nn.Embedding.from_pretrained(self[f"{name}.weight"])

    def norm(self, name, eps):
        weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
        return filled(nn.LayerNorm(weight.shape, eps, device="meta"), weight, bias)


def linear(weight, bias):
    return filled(nn.Linear(weight.shape[1], weight.shape[0], device="meta"), weight, bias)


def filled(layer, weight, bias):
    layer.weight, layer.bias = nn.Parameter(weight, requires_grad=False), nn.Parameter(bias, requires_grad=False)
    return layer
