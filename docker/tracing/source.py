"""Finds a model's files and loads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
import transformers

from . import Refused

# What bertqa reads of a tokenizer: tokenizer.json, or else the vocabulary that its class has.
VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "sentencepiece.model",
)
TOKENIZER_FILES = VOCABULARIES + ("merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")

# Names of heads begin with these.
HEADS = ("qa_outputs.", "classifier.", "head.")

Model = transformers.PreTrainedModel


class Source(NamedTuple):
    folder: Path
    tokenizer: Path
    name: str
    # As in config.json.
    model_type: str

    def tokenizer_files(self) -> list[Path]:
        return [path for path in (self.tokenizer / name for name in TOKENIZER_FILES) if path.is_file()]


def find(model: str, revision: str | None, tokenizer: Path | None, name: str | None) -> Source:
    if Path(model).is_dir():
        if revision:
            raise Refused(f"--revision is for models of the hub; {model} is a folder")
        folder = Path(model).resolve()
        default_name = folder.name
    else:
        folder = fetch(model, revision)
        default_name = model
    if not (folder / "config.json").is_file() or not any((folder / file).is_file() for file in WEIGHTS):
        raise Refused(f"{model} has no config.json with weights ({' or '.join(WEIGHTS[::2])}) beside it")
    tokenizer = tokenizer or folder
    if not any((tokenizer / name).is_file() for name in VOCABULARIES):
        raise Refused(f"{tokenizer} has no tokenizer.json and no vocabulary; name a folder that has with --tokenizer")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return Source(folder, tokenizer, name or default_name, config.get("model_type", "of no type"))


def fetch(model: str, revision: str | None) -> Path:
    """Fetches the files of a hub model; the variables of huggingface_hub (HF_HOME, HF_TOKEN, ...) are respected."""
    import huggingface_hub

    def snapshot(*patterns: str) -> Path:
        return Path(huggingface_hub.snapshot_download(model, revision=revision, allow_patterns=list(patterns)))

    try:
        folder = snapshot("*.json", "*.safetensors", *VOCABULARIES, "merges.txt")
        if not list(folder.glob("*.safetensors")):
            folder = snapshot("pytorch_model*.bin")
    except Exception as error:
        raise Refused(f"there is no folder {model}, and the hub does not give it either: {error}") from error
    return folder


def load(source: Source, attention: str | None) -> Model:
    """The eager model, in f32. `attention` names transformers' implementation; None is its choice."""
    try:
        model, loading = transformers.AutoModelForQuestionAnswering.from_pretrained(
            source.folder, output_loading_info=True, **attention_option(attention)
        )
    except (OSError, ValueError) as error:
        raise Refused(f"cannot load {source.folder}: {error}") from error
    absent = [key for key in loading["missing_keys"] if key.startswith(HEADS)]
    if absent:
        raise Refused(f"{source.name} was not trained to answer questions: it has no {', '.join(sorted(absent))}")
    return model.float().eval().requires_grad_(False)


def attention_option(attention: str | None) -> dict[str, str]:
    # Before there was a choice, there was only "eager".
    version = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    return {"attn_implementation": attention} if attention and version >= (4, 36) else {}


def passes_token_types(source: Source) -> bool:
    """Whether the tokenizer may give token types to the model. Where it makes none, bertqa gives zeros."""
    path = source.tokenizer / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return "token_type_ids" in config.get("model_input_names", ["token_type_ids"])


def as_bert(model: Model, attention: str | None) -> Model:
    """DistilBERT as the BERT that it is, with token types of zero: by itself, transformers 4 takes no mask for pairs of
    tokens."""
    config = model.config
    bert = transformers.AutoModelForQuestionAnswering.from_config(
        transformers.BertConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.dim,
            num_hidden_layers=config.n_layers,
            num_attention_heads=config.n_heads,
            intermediate_size=config.hidden_dim,
            hidden_act=config.activation,
            max_position_embeddings=config.max_position_embeddings,
            type_vocab_size=1,
            layer_norm_eps=1e-12,
            pad_token_id=config.pad_token_id,
        ),
        **attention_option(attention),
    )
    names = {
        "distilbert.embeddings": "bert.embeddings",
        "distilbert.transformer.layer": "bert.encoder.layer",
        "attention.q_lin": "attention.self.query",
        "attention.k_lin": "attention.self.key",
        "attention.v_lin": "attention.self.value",
        "attention.out_lin": "attention.output.dense",
        "sa_layer_norm": "attention.output.LayerNorm",
        "ffn.lin1": "intermediate.dense",
        "ffn.lin2": "output.dense",
        "output_layer_norm": "output.LayerNorm",
    }
    weights = {}
    for name, weight in model.state_dict().items():
        for old, new in names.items():
            name = name.replace(old, new)
        weights[name] = weight
    weights["bert.embeddings.token_type_embeddings.weight"] = torch.zeros(1, config.dim)
    # Some versions keep the numbers of positions as a buffer.
    left_out = bert.load_state_dict(weights, strict=False)
    if any(not name.endswith("_ids") for name in left_out.missing_keys + left_out.unexpected_keys):
        raise Refused(f"the weights are not DistilBERT's: {left_out}")
    return bert.float().eval().requires_grad_(False)
