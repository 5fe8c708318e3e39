"""Does bertqa answer as the reference does? See parity.sh, which runs this over whole data sets.

    python parity.py reference ROWS.jsonl REFERENCE.jsonl --model DIR --tokenizer DIR [--top-k 5 ...]
    python parity.py compare ROWS.jsonl REFERENCE.jsonl BERTQA.jsonl --model DIR --tokenizer DIR [--top-k 5 ...]

`reference` writes the reference's answers. `compare` holds bertqa's output, made with the same options, against them:
answer, start and end must be the same, scores within 1e-4. Each row that differs is put to the reference model again
for an explanation. Exit status 1: fewer than 99.9 % of rows the same, or a difference without an explanation.
"""

import argparse
import json
import sys

import numpy as np
import torch
from transformers.pipelines.question_answering import select_starts_ends

import reference

SAME_SHARE = 0.999
SCORE_TOLERANCE = 1e-4
TIE = 1e-5
LOGIT_NOISE = 1e-5
TRIALS = 200


def main():
    settings = argparse.ArgumentParser(add_help=False)
    settings.add_argument("--model", required=True)
    settings.add_argument("--tokenizer", required=True)
    settings.add_argument("--threads", type=int)
    settings.add_argument("--max-seq-len", type=int, default=512)
    settings.add_argument("--doc-stride", type=int, default=128)
    settings.add_argument("--max-answer-len", type=int, default=15)
    settings.add_argument("--top-k", type=int, default=1)
    settings.add_argument("--handle-impossible-answer", action="store_true")
    settings.add_argument("--align-to-words", action="store_true")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("reference", parents=[settings])
    make.add_argument("rows")
    make.add_argument("output")
    check = commands.add_parser("compare", parents=[settings])
    check.add_argument("rows")
    check.add_argument("reference")
    check.add_argument("bertqa")
    check.add_argument("--name", default="bertqa", help="what the line of the table is called")
    args = parser.parse_args()
    options = {
        name: getattr(args, name)
        for name in (
            "max_seq_len",
            "doc_stride",
            "max_answer_len",
            "top_k",
            "handle_impossible_answer",
            "align_to_words",
        )
    }
    if args.command == "reference":
        write_reference(args, options)
    else:
        sys.exit(compare(args, options))


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_reference(args, options):
    qa = reference.load(args.model, args.tokenizer, args.threads)
    with open(args.output, "w", encoding="utf-8") as out:
        for row in read(args.rows):
            answers = reference.ask(qa, row, **options)
            out.write(json.dumps({"id": row["id"], "answers": answers}, ensure_ascii=False) + "\n")


def answers_of(row):
    """The answers of an output row, best first; none for a row with an error."""
    if row.get("answers") is not None:
        return row["answers"]
    return [row] if row.get("answer") is not None else []


def same_spans(a, b):
    return [(x["answer"], x["start"], x["end"]) for x in a] == [(x["answer"], x["start"], x["end"]) for x in b]


def score_difference(a, b):
    """The largest difference of scores, rank by rank; infinite where one has more answers than the other."""
    if len(a) != len(b):
        return float("inf")
    return max((abs(x["score"] - y["score"]) for x, y in zip(a, b)), default=0.0)


def compare(args, options):
    rows, expected, found = read(args.rows), read(args.reference), read(args.bertqa)
    if not [r["id"] for r in rows] == [r["id"] for r in expected] == [r["id"] for r in found]:
        raise SystemExit("the three files do not hold the same ids in the same order")
    qa, same, unexplained, largest, differing = None, 0, 0, 0.0, 0
    for row, want, got in zip(rows, map(answers_of, expected), found):
        answers = answers_of(got)
        difference = score_difference(want, answers)
        if same_spans(want, answers):
            same += 1
            largest = max(largest, difference)
            if difference <= SCORE_TOLERANCE:
                continue
        differing += 1
        reason = f"error: {got['error']}" if got.get("error") else None
        if reason is None:
            qa = qa or reference.load(args.model, args.tokenizer, args.threads)
            tie = explain(qa, row, want, answers, options)
            unexplained += tie is None
            reason = tie or "unexplained"
        else:
            unexplained += 1
        print(f"{row['id']}: {reason}\n  reference {brief(want)}\n  bertqa    {brief(answers)}")
    share = same / len(rows)
    passed = share >= SAME_SHARE and not unexplained
    print(
        f"| {args.name} | {len(rows)} | {same} | {100 * share:.3f} % | {largest:.1e} "
        f"| {differing} | {unexplained} | {'pass' if passed else 'FAIL'} |"
    )
    return 0 if passed else 1


def brief(answers):
    return "  ".join(f"{a['answer']!r} {a['start']}..{a['end']} {a['score']:.7f}" for a in answers)


def explain(qa, row, want, got, options):
    """Why two f32 implementations may differ on this row, from the reference model itself; None if they may not."""
    outputs = windows(qa, row, options)
    return tied_spans(qa, outputs, want, got, options) or tied_logits(qa, outputs, got, options)


def windows(qa, row, options):
    """What the reference's network gives for each window of the row."""
    inputs = qa.preprocess(
        qa.create_sample(row["question"], row["context"]),
        max_seq_len=options["max_seq_len"],
        doc_stride=options["doc_stride"],
    )
    return [qa.forward(window) for window in inputs]


def tied_spans(qa, outputs, want, got, options):
    """The reference's own scores of the spans that differ, where each pair is within TIE."""
    if options["align_to_words"] or same_spans(want, got) or score_difference(want, got) > SCORE_TOLERANCE:
        return None
    scores = span_scores(qa, outputs, options)
    pairs = []
    for a, b in zip(want, got):
        first, second = (scores.get((x["start"], x["end"])) for x in (a, b))
        if (a["start"], a["end"]) == (b["start"], b["end"]):
            continue
        if first is None or second is None or abs(first - second) > TIE:
            return None
        pairs.append(f"{first:.8f} and {second:.8f}")
    return "tie: the reference scores the two spans " + ", ".join(pairs) if pairs else None


def span_scores(qa, outputs, options):
    """The reference's score of every span, by its place in the context: the best over the windows."""
    scores = {}
    for output in outputs:
        starts, ends, values, _ = select_starts_ends(
            output["start"].numpy(),
            output["end"].numpy(),
            output["p_mask"].numpy(),
            output["attention_mask"].numpy(),
            top_k=output["start"].shape[-1] ** 2 + 1,
            max_answer_len=options["max_answer_len"],
        )
        for start, end, value in zip(starts, ends, values):
            place = qa.get_indices(output["encoding"], start, end, 1, False)
            scores[place] = max(scores.get(place, 0.0), float(value))
    return scores


def tied_logits(qa, outputs, got, options):
    """Whether the reference gives bertqa's answers when its logits move by no more than f32 rounding does.

    It finds the ties that change which windows' scores add up, and those at the cut of the best spans of a window.
    """
    random = np.random.default_rng(0)
    keep = {key: options[key] for key in ("top_k", "handle_impossible_answer", "max_answer_len", "align_to_words")}
    for _ in range(TRIALS):
        moved = [
            output | {side: output[side] + noise(random, output[side]) for side in ("start", "end")}
            for output in outputs
        ]
        answers = qa.postprocess(moved, **keep)
        answers = answers if isinstance(answers, list) else [answers]
        if same_spans(answers, got) and score_difference(answers, got) <= SCORE_TOLERANCE:
            return f"tie: the reference answers the same when its logits move by {LOGIT_NOISE}"
    return None


def noise(random, logits):
    return torch.from_numpy(random.choice(np.float32([-LOGIT_NOISE, LOGIT_NOISE]), size=tuple(logits.shape)))


if __name__ == "__main__":
    main()
