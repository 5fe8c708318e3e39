"""Makes the tiny model in model/ and the inputs in corpus/ with which fuzzing begins.

pip install torch==2.13.0 pyarrow==22.0.0 safetensors
python fuzz/corpus.py
"""

import gzip
import json
import shutil
from collections import OrderedDict
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests/fixtures"
CORPUS = HERE / "corpus"
MODEL = HERE / "model"


def seed(target, name, content):
    """An input of a target; text is UTF-8."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def seed_json(target, name, *values):
    seed(target, name, "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))


# The model: a BERT of some hundred numbers.

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [
    *SPECIAL,
    "who",
    "wrote",
    "it",
    "ada",
    "the",
    "first",
    "##s",
    "##e",
    "in",
    ".",
    "?",
    "京",
    "タ",
    "##ワ",
    "a",
    "e",
    "s",
]
HIDDEN, POSITIONS = 4, 32
CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForQuestionAnswering"],
    "vocab_size": len(WORDS),
    "hidden_size": HIDDEN,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "intermediate_size": HIDDEN,
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [
        {
            "id": id,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for id, token in enumerate(SPECIAL)
    ],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    "decoder": None,
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {word: id for id, word in enumerate(WORDS)},
    },
}


def weights():
    torch.manual_seed(0)
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
    }
    layer = "encoder.layer.0."
    norms = ["embeddings.LayerNorm", layer + "attention.output.LayerNorm", layer + "output.LayerNorm"]
    dense = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
    for name in [layer + part for part in [*dense, "intermediate.dense", "output.dense"]]:
        shapes[name + ".weight"] = (HIDDEN, HIDDEN)
    tensors = {"bert." + name: torch.randn(shape) for name, shape in shapes.items()}
    for name in [name for name in shapes if name.startswith(layer)]:
        tensors["bert." + name.replace("weight", "bias")] = torch.zeros(HIDDEN)
    for norm in norms:
        tensors[f"bert.{norm}.weight"] = torch.ones(HIDDEN)
        tensors[f"bert.{norm}.bias"] = torch.zeros(HIDDEN)
    return tensors | {"qa_outputs.weight": torch.randn(2, HIDDEN), "qa_outputs.bias": torch.zeros(2)}


def model():
    MODEL.mkdir(exist_ok=True)
    (MODEL / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    (MODEL / "tokenizer.json").write_text(json.dumps(TOKENIZER, ensure_ascii=False, indent=1) + "\n")
    tensors = weights()
    save_file(tensors, MODEL / "model.safetensors")

    seed("safetensors", "model", (MODEL / "model.safetensors").read_bytes())
    path = MODEL / "temporary"
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.int8):
        save_file({"qa_outputs.weight": torch.zeros(2, 2, dtype=dtype)}, path)
        seed("safetensors", str(dtype).removeprefix("torch."), path.read_bytes())
    state = OrderedDict(tensors)
    state._metadata = OrderedDict({"": {"version": 1}})
    few = {name: tensor.t() for name, tensor in list(tensors.items())[:2]} | {"step": 1, "half": torch.zeros(2).half()}
    for name, value, is_zip in [
        ("zip", state, True),
        ("legacy", state, False),
        ("few", few, True),
        ("few-legacy", few, False),
    ]:
        torch.save(value, path, _use_new_zipfile_serialization=is_zip)
        seed("state_dict", name, path.read_bytes())
    path.unlink()
    for name in ("legacy", "plain", "zip"):
        shutil.copy(TESTS / f"weights/hostile/{name}.bin", CORPUS / f"state_dict/hostile-{name}")

    seed_json("config", "model", CONFIG)
    for name in (
        "modernbert",
        "roberta",
        "deberta-v2",
        "distilbert",
        "convbert",
        "mobilebert",
        "roformer",
        "longformer",
        "albert",
    ):
        config = json.loads((TESTS / f"families/{name}/config.json").read_text())
        seed_json("config", name, config)

    tokenizers()
    manifest = {
        "format": 1, "model": "m", "model_type": "bert", "device": "inf2", "batch_size": 4, "seq_len": 128,
        "inputs": ["input_ids", "sequence_ids", "position_ids"], "packed": True, "precision": "bf16",
        "torch": "2.9.1", "sdk": "2.9.0.1", "pad_token_id": 3,
    }  # fmt: skip
    seed_json("manifest", "packed", manifest)
    seed_json(
        "manifest",
        "cpu",
        manifest | {"device": "cpu", "inputs": ["input_ids", "attention_mask"], "packed": False, "sdk": None},
    )


def tokenizers():
    """Their first line says which file of which class they are."""
    small = json.dumps(TOKENIZER, ensure_ascii=False)
    seed("tokenizer", "wordpiece-json", "json\n" + small)
    pieces = [["<unk>", 0.0], ["\u2581a", -1.5], ["\u2581", -2.0], ["a", -2.5], ["e", -3.0]]
    normalizers = [
        {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
        {"type": "Prepend", "prepend": "\u2581"}, {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "Precompiled", "precompiled_charsmap": None},
    ]  # fmt: skip
    template = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "a", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"a": {"id": "a", "ids": [3], "tokens": ["a"]}},
    }
    models = {
        "unigram": {"type": "Unigram", "unk_id": 0, "vocab": pieces, "byte_fallback": False},
        "bpe": {
            "type": "BPE",
            "vocab": {"a": 0, "e": 1, "ae": 2, "<unk>": 3},
            "merges": ["a e"],
            "unk_token": "<unk>",
            "byte_fallback": True,
            "dropout": None,
            "fuse_unk": False,
        },
        "words": {"type": "WordLevel", "vocab": {"a": 0, "e": 1, "<unk>": 2}, "unk_token": "<unk>"},
    }
    splits = [
        {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": "\\s+"}, "behavior": "Isolated", "invert": False},
                {"type": "Digits", "individual_digits": True},
                {"type": "Punctuation", "behavior": "MergedWithPrevious"},
            ],
        },
    ]
    for (name, model), split in zip(models.items(), splits, strict=True):
        made = TOKENIZER | {
            "model": model,
            "pre_tokenizer": split,
            "post_processor": template,
            "normalizer": {"type": "Sequence", "normalizers": normalizers[:5]},
            "added_tokens": [],
            "padding": {
                "strategy": {"Fixed": 16},
                "direction": "Left",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "a",
            },
            "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 2},
        }
        seed("tokenizer", f"{name}-json", "json\n" + json.dumps(made, ensure_ascii=False))
    config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "cls_token": "[CLS]",
        "sep_token": {"content": "[SEP]", "lstrip": True},
        "added_tokens_decoder": {
            "4": {"content": "[MASK]", "special": True, "lstrip": True},
            "22": {"content": "<new>", "special": False},
        },
        "additional_special_tokens": ["<x>"],
        "padding_side": "right",
        "truncation_side": "left",
        "model_max_length": 32,
    }
    seed("tokenizer", "config", "config\n" + json.dumps(config))
    seed(
        "tokenizer",
        "special-tokens",
        'special\n{"cls_token": {"content": "[CLS]"}, "additional_special_tokens": ["<y>"]}',
    )
    seed("tokenizer", "added-tokens", 'added\n{"<z>": 22, "<new>": 23}')
    vocab = "\n".join(WORDS)
    for kind in ("bert", "mpnet", "splinter", "japanese"):
        seed("tokenizer", f"{kind}-txt", f"{kind}\n{vocab}\n")
    bpe = {
        token: id
        for id, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "e", "\u0120", "\u0120a", "ae"])
    }
    for kind in ("roberta", "deberta"):
        seed("tokenizer", f"{kind}-bpe", f"{kind}\n{json.dumps(bpe)}\n\n#version: 0.2\n\u0120 a\na e\n")
    for kind in ("xlmr", "albert", "t5"):
        seed("tokenizer", f"{kind}-model", f"{kind}\n".encode() + small_pieces(kind != "t5"))


def small_pieces(is_unigram):
    """A model of SentencePiece, in Protocol Buffers by hand: pieces, trainer_spec, normalizer_spec."""

    def field(number, payload):
        return bytes([number << 3 | 2, len(payload)]) + payload

    def piece(text, score, kind):
        return field(
            1, field(1, text.encode()) + b"\x15" + torch.tensor([score]).numpy().tobytes() + bytes([0x18, kind])
        )

    pieces = [
        ("<unk>", 0.0, 2),
        ("<s>", 0.0, 3),
        ("</s>", 0.0, 3),
        ("\u2581a", -1.0, 1),
        ("a", -2.0, 1),
        ("e", -2.5, 1),
        ("<0x41>", -3.0, 6),
        ("\u2581", -3.0, 4),
    ]
    trainer = field(2, bytes([0x18, 1 if is_unigram else 2]))
    normalizer = field(3, field(1, b"identity") + bytes([0x18, 1, 0x20, 1, 0x28, 1]))
    return b"".join(piece(*each) for each in pieces) + trainer + normalizer


# Rows.

ONE = {"id": 1, "question": "Who wrote it?", "context": "Ada wrote it.", "n": [1, None, {"x": 1.50}]}
TWO = {"question": "誰?", "context": '東京\u3000タワー\n"は', "answers": {"text": ["東京"], "answer_start": [0]}}
SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "t",
            "paragraphs": [
                {"context": "c d", "qas": [{"id": "a", "question": "q?", "answers": []}, {"id": "b", "question": "r?"}]}
            ],
        }
    ],
}


def texts():
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in (ONE, TWO))
    seed("json_lines", "rows", lines)
    seed("json_lines", "windows", "\ufeff" + lines.replace("\n", "\r\n"))
    seed(
        "json_lines",
        "bad",
        '{"question": "q", "context": null}\n\n{"question": 1}\n[1]\n{"a": NaN}\n{"question": "\\ud800"\n',
    )
    seed("json_lines", "gzip", gzip.compress(lines.encode(), mtime=0))
    seed("json_lines", "utf-16", lines.encode("utf-16"))
    seed_json(
        "json_lines",
        "mrqa",
        {"header": {"dataset": "X"}},
        {"id": "", "context": "c", "qas": [{"qid": 1, "question": "q", "detected_answers": [{"text": "c"}]}]},
    )
    seed_json(
        "json_lines", "several", {"context": "c", "question": ["q", "r"], "n": 1}, {"passage": "c", "questions": ["q"]}
    )

    seed_json("json", "squad", SQUAD)
    seed_json("json", "list", [ONE, TWO, 5, None])
    seed("json", "indented", json.dumps(SQUAD["data"], indent=1))
    seed_json("json", "lines", ONE, TWO)
    seed_json("json", "columns", {"question": ["q", "r"], "context": ["c", "d"], "id": [1, 2]})
    seed_json("json", "pandas", {"question": {"0": "q"}, "context": {"0": "c"}})
    seed_json("json", "split", {"columns": ["context", "question"], "index": [0], "data": [["c", "q"]]})
    seed_json("json", "table", {"schema": {"fields": [{"name": "question"}]}, "data": [ONE]})
    seed_json("json", "page", {"features": [{"name": "id"}], "rows": [{"row_idx": 0, "row": ONE}]})
    seed_json("json", "by-id", {"a": ONE, "b": TWO})
    seed_json(
        "json",
        "label-studio",
        [
            {"id": 1, "data": {"text": "c", "question": "q"}, "annotations": []},
            {"text": "c", "question": "q", "annotator": 1},
        ],
    )
    seed_json("json", "prodigy", [{"text": "c", "meta": {"question": "q"}, "_task_hash": 1, "answer": "accept"}])
    seed_json(
        "json",
        "haystack",
        [{"query": "q", "document": {"content": "c"}}, {"query": "r", "documents": [{"paragraphs": ["c", "d"]}]}],
    )
    seed_json("json", "cmrc", [{"context_id": "1", "context_text": "c", "qas": [{"query_id": 1, "query_text": "q"}]}])
    seed_json(
        "json", "several", [{"context": ["c", "d"], "question": ["q", "r"]}, {"context": "c", "questions": ["q", "r"]}]
    )
    seed_json("json", "mrqa", {"header": {"dataset": "X"}}, {"context": "c", "qas": [{"question": "q"}]})

    seed("csv", "plain", 'id,question,context\n1,Who?,"Ada, ""she"" did.\nYes."\n2,q,c\n')
    seed("csv", "semicolon", "question;context\r\nq;c\r\n")
    seed("csv", "excel", "\ufeffsep=|\nquestion|context\nq|c\n")
    seed("csv", "mac", "question,context\rq,c\r")
    seed("csv", "index", ",question,context,\n0,q,c,\n\n1,q\n2,q,c,d,e\n")
    seed("csv", "quotes", 'question,context\nq,"open\nq,c\n"a"b,c\n')
    seed("csv", "tab", "question\tcontext\nq\tc\n")
    seed("csv", "latin", "question,context\nq,caf\xe9\n".encode("latin-1"))


def tables():
    table = pa.table({
        "id": pa.array([1, 2, None], pa.int64()),
        "question": ["q", "r", None],
        "context": pa.array(["c", "d", "e"]).dictionary_encode(),
        "x": pa.array([[1.5], [], None], pa.list_(pa.float32())),
        "y": pa.array([{"a": True}, None, {"a": None}], pa.struct([("a", pa.bool_())])),
        "t": pa.array([0, 1, None], pa.timestamp("us", "Asia/Tokyo")),
        "b": pa.array([b"a", None, b""], pa.binary()),
    })  # fmt: skip
    few = table.select(["question", "context"])
    path = MODEL / "temporary"
    for name, rows, options in [
        (
            "plain",
            few,
            {"compression": "none", "use_dictionary": False, "write_statistics": False, "store_schema": False},
        ),
        ("checked", few, {"compression": "snappy", "write_page_checksum": True}),
        ("groups", few, {"compression": "zstd", "row_group_size": 2, "data_page_version": "2.0"}),
        ("types", table, {"compression": "gzip"}),
        (
            "deltas",
            few,
            {
                "use_dictionary": False,
                "column_encoding": {"question": "DELTA_BYTE_ARRAY", "context": "DELTA_LENGTH_BYTE_ARRAY"},
                "compression": "none",
            },
        ),
    ]:
        pq.write_table(rows, path, **options)
        seed("parquet", name, path.read_bytes())
    for name, rows, compression in [("plain", few, None), ("lz4", few, "lz4"), ("zstd", table, "zstd")]:
        options = pa.ipc.IpcWriteOptions(compression=compression)
        for kind, writer in [("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)]:
            with writer(path, rows.schema, options=options) as sink:
                sink.write_table(rows, 2)
            seed("arrow", f"{name}-{kind}", path.read_bytes())
    path.unlink()
    for kind in ("xlsx", "ods"):
        (CORPUS / "sheets").mkdir(exist_ok=True)
        shutil.copy(TESTS / f"sheets/questions.{kind}", CORPUS / f"sheets/{kind}")


def requests():
    """Their first line is a route, its query, and the content type."""

    def request(name, line, *values):
        body = b"".join(
            value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode() + b"\n"
            for value in values
        )
        seed("requests", name, line.encode() + b"\n" + body)

    json_type, lines_type = "application/json", "application/x-ndjson"
    request("one", f"/inferences {json_type}", ONE | {"top_k": 2, "topk": 2})
    request("list", f"/inferences {json_type}", [ONE, TWO, {"question": "q"}, 5])
    request("several", f"/inferences {json_type}", {"question": ["q", "r"], "context": "c d", "id": [1, "b"]})
    request(
        "inputs",
        f"/ {json_type}",
        {
            "inputs": [ONE],
            "parameters": {"top_k": 2, "padding": True, "handle_impossible_answer": True},
            "options": {"x": 1},
        },
    )
    request(
        "options",
        f"/predict {json_type}",
        TWO
        | {
            "doc_stride": 2,
            "max_answer_len": 3,
            "max_seq_len": 16,
            "max_question_len": 4,
            "align_to_words": True,
            "compat": "transformers",
            "no_answer_threshold": 0.5,
        },
    )
    request("sagemaker", f"/invocations {json_type}", [ONE])
    request("sagemaker-lines", "/invocations application/jsonlines", ONE, {"inputs": ONE}, TWO)
    request("stream", f"/inferences/stream?top_k=2&doc_stride=4 {lines_type}", ONE, TWO, {"question": ""}, b"{\n")
    request("stream-csv", "/inferences/stream?max_answer_len=3 text/csv", b"question,context\nq,c\nr\n")
    request("stream-gzip", f"/inferences/stream {lines_type}", gzip.compress(json.dumps(ONE).encode(), mtime=0))
    request("no-route", f"/nowhere {json_type}", {})
    request("no-type", "/inferences text/plain", ONE)


shutil.rmtree(CORPUS, ignore_errors=True)
model()
texts()
tables()
requests()
