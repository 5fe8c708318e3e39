"""The sample application's way to serve, for serve.sh: FastAPI around one row at a time, padded to 512 tokens,
through a traced model, and the best start and end logit as the answer.

Needs torch, transformers, fastapi and uvicorn.
"""

import argparse
import os

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

MAX_LENGTH = 512


class Logits(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, input_ids, attention_mask):
        output = self.network(input_ids, attention_mask)
        return output.start_logits, output.end_logits


class Inference(BaseModel):
    question: str
    context: str


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
    network = AutoModelForQuestionAnswering.from_pretrained(args.model, dtype=torch.float32).eval()

    def tokenize(question, context):
        return tokenizer(
            question,
            context,
            return_tensors="pt",
            max_length=MAX_LENGTH,
            padding="max_length",
            truncation=True,
            return_offsets_mapping=True,
        )

    example = tokenize("Who?", "Bell did.")
    with torch.inference_mode():
        inputs = (example["input_ids"], example["attention_mask"])
        traced = torch.jit.trace(Logits(network), inputs, check_trace=False)
        traced(*inputs)

    app = FastAPI()

    @app.post("/inferences")
    def infer(row: Inference):
        tokens = tokenize(row.question, row.context)
        with torch.inference_mode():
            start_logits, end_logits = traced(tokens["input_ids"], tokens["attention_mask"])
        offsets = tokens["offset_mapping"][0].tolist()
        start, end = offsets[int(start_logits.argmax())][0], offsets[int(end_logits.argmax())][1]
        return {"answer": row.context[start:end], "score": None, "start": start, "end": end}

    uvicorn.run(app, host="127.0.0.1", port=args.port, log_level="warning")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


if __name__ == "__main__":
    main()
