"""Rows of questions and contexts, and their tokens as the peers get them.

usage: rows.py ROWS.jsonl TOKENIZER.json WINDOWS.pt [--check N]
"""

import argparse
import json
import random
import re
from array import array

# As bertqa has them by itself.
MAX_SEQ_LEN = 512
DOC_STRIDE = 128
# Sentences of others around those of a row: about as many tokens as rows of JSQuAD and JaQuAD have.
MOST_SENTENCES = 10
CHUNK = 2000


def make(samples, path, count, seed=0):
    """Writes rows that differ: each is a question of the samples, its context, and sentences of other contexts around
    it. Japanese sentences follow each other without a space, so that no tokenizer knows them again."""
    rng = random.Random(seed)
    with open(samples, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    # As it reads, the lighthouse that is two windows long.
    short = [row for row in rows if len(row["context"]) < 1000]
    sentences = {
        lang: sorted({part for row in rows if row["lang"] == lang for part in split(row["context"])})
        for lang in {row["lang"] for row in rows}
    }
    with open(path, "w", encoding="utf-8") as out:
        for number in range(count):
            row = rng.choice(short)
            others = rng.sample(sentences[row["lang"]], rng.randint(0, MOST_SENTENCES))
            place = rng.randint(0, len(others))
            parts = [*others[:place], row["context"], *others[place:]]
            context = (" " if row["lang"] == "en" else "").join(parts)
            out.write(json.dumps({"id": number, "question": row["question"], "context": context}, ensure_ascii=False))
            out.write("\n")


def split(context):
    return [part.strip() for part in re.split(r"(?<=[。.])(?:\s+|(?<=。))", context) if part.strip()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows")
    parser.add_argument("tokenizer")
    parser.add_argument("windows")
    parser.add_argument("--check", type=int, default=0, help="rows of which characters are kept, too")
    args = parser.parse_args()

    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(args.tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_SEQ_LEN, stride=DOC_STRIDE, strategy="only_second")
    ids, types = array("i"), array("b")
    # One for each window.
    lengths, rows, starts, ends = array("i"), array("i"), array("i"), array("i")
    # Of each window of the rows to check: the characters of its tokens.
    characters = []
    count = 0
    for texts in chunks(args.rows):
        for encoding in tokenizer.encode_batch(texts):
            for window in [encoding, *encoding.overflowing]:
                sequences = window.sequence_ids
                ids.extend(window.ids)
                types.extend(window.type_ids)
                lengths.append(len(sequences))
                rows.append(count)
                starts.append(sequences.index(1))
                ends.append(len(sequences) - sequences[::-1].index(1))
                if count < args.check:
                    characters.append(window.offsets)
            count += 1
    windows = {
        "ids": torch.frombuffer(ids, dtype=torch.int32),
        "types": torch.frombuffer(types, dtype=torch.int8),
        "lengths": torch.frombuffer(lengths, dtype=torch.int32),
        "rows": torch.frombuffer(rows, dtype=torch.int32),
        "starts": torch.frombuffer(starts, dtype=torch.int32),
        "ends": torch.frombuffer(ends, dtype=torch.int32),
        "characters": characters,
        "count": count,
    }
    torch.save(windows, args.windows)
    sizes = windows["lengths"].double()
    figures = {
        "rows": count,
        "windows": len(lengths),
        "tokens": len(ids),
        "mean_tokens": float(sizes.mean()),
        "least_tokens": int(sizes.min()),
        "most_tokens": int(sizes.max()),
        # Of which the work of attention is made.
        "squares": float((sizes * sizes).sum()),
    }
    print(json.dumps(figures))


def chunks(path):
    texts = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            texts.append((row["question"], row["context"]))
            if len(texts) == CHUNK:
                yield texts
                texts = []
    if texts:
        yield texts


if __name__ == "__main__":
    main()
