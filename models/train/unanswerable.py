"""Makes a balanced set out of a SQuAD-format one: each question once with its own context, once with another's.

The other context is one of the same article (`--same-article`) or of any other, and does not have the answer's text.
"""

import argparse
import json
import random

import data


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gold", help="SQuAD-format file or folder")
    parser.add_argument("output", help="SQuAD-format file to write")
    parser.add_argument("--same-article", action="store_true", help="hard: the other context is of the same article")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    choose = random.Random(arguments.seed)
    articles = list(data.articles(arguments.gold))
    contexts = [(number, p["context"]) for number, article in enumerate(articles) for p in article["paragraphs"]]
    left_out = 0
    for number, article in enumerate(articles):
        others = []
        for paragraph in article["paragraphs"]:
            kept = []
            for qa in paragraph["qas"]:
                texts = [answer["text"] for answer in qa["answers"]]
                candidates = [
                    context
                    for other, context in contexts
                    if (other == number) == arguments.same_article and not any(text in context for text in texts)
                ]
                if not candidates:
                    left_out += 1
                    continue
                kept.append(qa)
                unanswerable = {"id": f"{qa['id']}-unanswerable", "question": qa["question"], "answers": []}
                others.append({"context": choose.choice(candidates), "qas": [unanswerable | {"is_impossible": True}]})
            paragraph["qas"] = kept
        article["paragraphs"] += others
    with open(arguments.output, "w") as file:
        json.dump({"version": "unanswerable", "data": articles}, file, ensure_ascii=False)
    if left_out:
        print(f"{left_out} questions were left out: no other context lacks their answer")


if __name__ == "__main__":
    main()
