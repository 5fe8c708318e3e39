#!/usr/bin/env python3
"""Compares the words and ids of Japanese tokenizers with those of fugashi and transformers 4.57.1.

    python benches/mecab.py jsquad-valid.json MODEL...

MODEL is a folder with vocab.txt and a tokenizer_config.json of BertJapaneseTokenizer. Texts are the contexts and
questions of files in SQuAD's format, or of JSON Lines. Needs fugashi and the dictionaries' packages.
"""

import argparse
import importlib
import json
import os
import subprocess
import tempfile
import time
import unicodedata
from pathlib import Path

import fugashi
from transformers import AutoTokenizer


def texts(path):
    content = path.read_text()
    if path.suffix == ".jsonl":
        rows = map(json.loads, content.splitlines())
        return [text for row in rows for text in (row["context"], row["question"])]
    paragraphs = (paragraph for article in json.loads(content)["data"] for paragraph in article["paragraphs"])
    return [
        text
        for paragraph in paragraphs
        for text in (paragraph["context"], *(question["question"] for question in paragraph["qas"]))
    ]


def compare(model, rows, limit):
    settings = json.loads((model / "tokenizer_config.json").read_text())
    package = importlib.import_module((settings.get("mecab_kwargs") or {}).get("mecab_dic", "unidic_lite"))
    mecab = fugashi.GenericTagger(f'-d "{package.DICDIR}" -r "{package.DICDIR}/mecabrc"')
    tokenizer = AutoTokenizer.from_pretrained(model)
    began = time.perf_counter()
    words = [[word.surface for word in mecab(unicodedata.normalize("NFKC", text))] for text in rows]
    speed = sum(map(len, rows)) / (time.perf_counter() - began)
    print(f"{model.name}, {package.__name__}: fugashi takes {speed:,.0f} characters/s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        golden = Path(folder) / "golden.jsonl"
        with golden.open("w") as file:
            for number, (text, found) in enumerate(zip(rows, words)):
                ids = tokenizer(text, add_special_tokens=False)["input_ids"] if number < limit else None
                file.write(json.dumps({"text": text, "words": found, "ids": ids}) + "\n")
        own = {"GOLDEN": str(golden), "MODEL": str(model.resolve()), "DICTIONARY": package.DICDIR}
        command = os.environ.get("BERTQA_TESTS", "cargo test --release --locked --lib --").split()
        command += [
            "--ignored",
            "--exact",
            "model::tokenizer::japanese::tests::a_data_set_is_split_alike",
            "--nocapture",
        ]
        subprocess.run(command, env={**os.environ, **{f"BERTQA_TEST_{k}": v for k, v in own.items()}}, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--ids", type=int, default=2000, help="of how many texts ids are compared [%(default)s]")
    arguments = parser.parse_args()
    rows = list(dict.fromkeys(texts(arguments.data)))
    for model in arguments.models:
        compare(model, rows, arguments.ids)


main()
