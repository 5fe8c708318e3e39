"""Makes the other files of this folder from questions.jsonl, which is written by hand.

Needs `pip install pyarrow`. Run it from anywhere: python samples/make.py
"""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
COLUMNS = ["id", "lang", "question", "context", "gold", "note"]


def main():
    text = (HERE / "questions.jsonl").read_bytes()
    rows = [json.loads(line) for line in text.decode().splitlines()]

    with pa.CompressedOutputStream(str(HERE / "questions.jsonl.zst"), "zstd") as out:
        out.write(text)

    with open(HERE / "questions.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    pq.write_table(pa.Table.from_pylist(rows, schema), HERE / "questions.parquet", compression="zstd")

    (HERE / "questions.json").write_text(json.dumps(squad(rows), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (HERE / "bad-rows.jsonl").write_bytes(b"".join(line + b"\n" for line in bad_rows(rows)))


def squad(rows):
    """SQuAD 1.1: one article, one paragraph for each context; `answer_start` counts code points."""
    paragraphs = {}
    for row in rows:
        context, gold = row["context"], row["gold"]
        if context.count(gold) != 1:
            raise ValueError(f"{row['id']}: the context must hold the answer {gold!r} exactly once")
        answer = {"text": gold, "answer_start": context.index(gold)}
        qa = {"id": row["id"], "question": row["question"], "answers": [answer]}
        paragraphs.setdefault(context, []).append(qa)
    paragraphs = [{"context": context, "qas": qas} for context, qas in paragraphs.items()]
    return {"version": "1.1", "data": [{"title": "bertqa samples", "paragraphs": paragraphs}]}


def bad_rows(rows):
    """Every kind of row that cannot be answered, with good rows before, between and after."""
    question, context = rows[1]["question"], rows[1]["context"]
    good = iter(rows)

    def line(row):
        return json.dumps(row, ensure_ascii=False).encode()

    def next_good():
        row = next(good)
        return line({key: row[key] for key in ("id", "question", "context")})

    # Longer than a window of 512 tokens.
    long_question = "".join(row["context"] for row in rows[:12]) + "このうち最も高いものは何ですか?"

    yield next_good()
    yield line({"id": "malformed-json", "question": question, "context": context})[:-2]
    yield line(["not-an-object", question, context])
    yield next_good()
    yield line({"id": "missing-question", "context": context})
    yield line({"id": "missing-context", "question": question})
    yield line({"id": "null-question", "question": None, "context": context})
    yield line({"id": "null-context", "question": question, "context": None})
    yield next_good()
    yield line({"id": "empty-question", "question": "", "context": context})
    yield line({"id": "empty-context", "question": question, "context": ""})
    yield line({"id": "question-not-a-string", "question": 3776, "context": context})
    yield line({"id": "context-not-a-string", "question": question, "context": [context]})
    yield next_good()
    yield line({"id": "invalid-utf8", "question": question, "context": "?"}).replace(b'"?"', b'"\x95\x78\x8e\x6d\xff"')
    yield line({"id": "lone-surrogate", "question": question, "context": "?"}).replace(b'"?"', b'"\\ud83d"')
    yield line({"id": "question-leaves-no-room", "question": long_question, "context": context})
    yield line({"id": "context-only-blanks", "question": question, "context": " \t\n\u3000 "})
    yield next_good()


if __name__ == "__main__":
    main()
