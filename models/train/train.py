"""Trains the default model; see README.md for the commands."""

import argparse
import json
import os
import pathlib
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy
import tokenizers
import torch
import transformers

import base
import data
import vocabulary

transformers.logging.disable_progress_bar()

LENGTHS = [(160, 0.42), (224, 0.35), (384, 0.23)]  # most tokens of an example, and the share of examples


def vocabulary_command(arguments):
    paragraphs = [paragraph for article in data.articles(arguments.texts) for paragraph in article["paragraphs"]]
    texts = [paragraph["context"] for paragraph in paragraphs]
    texts += [qa["question"] for paragraph in paragraphs for qa in paragraph["qas"]]
    template = json.loads(pathlib.Path(arguments.tokenizer).read_text())
    pathlib.Path(arguments.output).write_text(vocabulary.cut(template, texts, arguments.pieces))


def network(pieces, dropout):
    """A network of the base's architecture, its weights at random."""
    config = transformers.BertConfig(
        vocab_size=pieces, hidden_size=384, num_hidden_layers=12, num_attention_heads=12,
        intermediate_size=1536, max_position_embeddings=512, type_vocab_size=2, layer_norm_eps=1e-12,
        pad_token_id=data.PAD, hidden_dropout_prob=dropout, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return transformers.BertForQuestionAnswering(config)


def start_model(arguments, tokenizer):
    """The base network with the embeddings of the tokenizer's pieces; over it, where given, an earlier model."""
    pieces, state = base.load(arguments.base)
    rows = {piece: row for row, piece in enumerate(pieces)}
    vocabulary = [tokenizer.id_to_token(index) for index in range(tokenizer.get_vocab_size())]
    words = state["embeddings.word_embeddings.weight"][[rows[piece] for piece in vocabulary]]
    model = network(len(vocabulary), arguments.dropout)
    state["embeddings.word_embeddings.weight"] = words
    missing = model.bert.load_state_dict(state, strict=False)
    if missing.missing_keys or missing.unexpected_keys:
        raise ValueError(f"the base does not fit: {missing}")
    if arguments.start:
        earlier = transformers.BertForQuestionAnswering.from_pretrained(arguments.start, dtype=torch.float32)
        known = tokenizers.Tokenizer.from_file(os.path.join(arguments.start_tokenizer, "tokenizer.json"))
        state = earlier.state_dict()
        learnt = state.pop("bert.embeddings.word_embeddings.weight")
        for index, piece in enumerate(vocabulary):
            if (row := known.token_to_id(piece)) is not None:
                words[index] = learnt[row]
        model.load_state_dict(state | {"bert.embeddings.word_embeddings.weight": words})
    return model


def pad(examples):
    length = max(len(ids) for ids, _ in examples)
    ids = torch.full((len(examples), length), data.PAD)
    for row, (tokens, _) in enumerate(examples):
        ids[row, : len(tokens)] = torch.as_tensor(numpy.asarray(tokens))
    places = torch.tensor([place for _, place in examples])
    return ids, ids.ne(data.PAD).long(), places


def loss_of(model, ids, mask, places):
    """Sum over the batch of the mean of start's and end's cross entropy."""
    output = model(input_ids=ids, attention_mask=mask)
    nowhere = (mask == 0) | (ids == data.SEP)
    logits = [output.start_logits, output.end_logits]
    logits = [side.float().masked_fill(nowhere, -1e4) for side in logits]
    return (
        sum(torch.nn.functional.cross_entropy(side, places[:, i], reduction="sum") for i, side in enumerate(logits)) / 2
    )


def parts(examples, part_tokens):
    """Examples of like lengths together, as many as padded to the same length are at most `part_tokens`."""
    part = []
    for example in sorted(examples, key=lambda example: -len(example[0])):
        if part and (len(part) + 1) * len(part[0][0]) > part_tokens:
            yield part
            part = []
        part.append(example)
    yield part


def rate(step, arguments):
    """Learning rate: up, level, and down to 0 over the last `decay` steps. A level run can be continued."""
    up = min(1.0, (step + 1) / arguments.warmup)
    down = min(1.0, (arguments.steps - step) / max(1, arguments.decay))
    return arguments.rate * up * down


def has_bf16():
    """Whether the processor has instructions for bf16, which then are about twice as fast as those for f32."""
    return torch.cpu.get_capabilities().get("avx512_bf16", False)


def train(arguments):
    torch.manual_seed(arguments.seed)
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    # On a processor, one thread a part of the batch keeps cores busier than one operator on all cores.
    pool = ThreadPoolExecutor(1 if cuda else arguments.threads, initializer=lambda: torch.set_num_threads(1))
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(arguments.tokenizer, "tokenizer.json"))
    rows = data.Rows(arguments.data, tokenizer)
    model = start_model(arguments, tokenizer).to(device).train()
    plain = [p for p in model.parameters() if p.dim() == 1]
    matrices = [p for p in model.parameters() if p.dim() > 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=arguments.rate, betas=(0.9, 0.98), fused=True)
    parameters = matrices + plain
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = folder / "checkpoint.pt", folder / "log.jsonl"
    step, drawn, tokens = 0, 0, 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step, drawn, tokens = saved["step"], saved["drawn"], saved["tokens"]
        print(f"goes on at step {step}", flush=True)
    lock, mix = Lock(), data.Mix()
    mixed = torch.autocast(device.type, torch.bfloat16, enabled=cuda or has_bf16())

    def part(examples):
        ids, mask, places = pad(examples)
        with mixed:
            loss = loss_of(model, ids.to(device), mask.to(device), places.to(device))
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        with lock, torch.no_grad():
            for parameter, gradient in zip(parameters, gradients):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        return loss.item(), len(ids), int(mask.sum())

    saved_at, shown_at, window = time.time(), time.time(), []
    while step < arguments.steps:
        optimizer.zero_grad()
        examples = rows.draw(drawn, arguments.batch_size, LENGTHS, mix, arguments.seed)
        results = list(pool.map(part, parts(examples, arguments.part_tokens)))
        losses, counts, sizes = (sum(values) for values in zip(*results))
        torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], 1 / counts)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, arguments)
        optimizer.step()
        step += 1
        drawn += counts
        tokens += sizes
        window.append((losses, counts, sizes))
        if step % 20 == 0 or step == arguments.steps:
            losses, counts, sizes = (sum(values) for values in zip(*window))
            line = {
                "step": step,
                "tokens": tokens,
                "loss": round(losses / counts, 4),
                "rate": rate(step - 1, arguments),
            }
            line["tokens_per_second"] = round(sizes / (time.time() - shown_at))
            print(json.dumps(line), flush=True)
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            window, shown_at = [], time.time()
        if time.time() - saved_at > 60 * arguments.save_minutes or step == arguments.steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            state |= {"step": step, "drawn": drawn, "tokens": tokens}
            torch.save(state, folder / "checkpoint.new")
            os.replace(folder / "checkpoint.new", checkpoint)
            saved_at = time.time()


def export(arguments):
    """Writes the checkpoint as a Hugging Face folder in f16."""
    state = torch.load(arguments.checkpoint, map_location="cpu")["model"]
    model = network(len(state["bert.embeddings.word_embeddings.weight"]), dropout=0.1)
    model.load_state_dict(state)
    model.config.attention_probs_dropout_prob = 0.1
    model.half().save_pretrained(arguments.output)


def average(arguments):
    """Writes the mean of models' weights, which often answers better than each of them."""
    models = [
        transformers.BertForQuestionAnswering.from_pretrained(folder, dtype=torch.float32)
        for folder in arguments.models
    ]
    states = [model.state_dict() for model in models]
    mean = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    models[0].load_state_dict(mean)
    models[0].half().save_pretrained(arguments.output)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("vocabulary", help="cut the tokenizer")
    command.add_argument("--tokenizer", required=True, help="XLM-R's tokenizer.json")
    command.add_argument("--texts", required=True, help="SQuAD-format file or folder to count pieces over")
    command.add_argument("--pieces", type=int, default=30000)
    command.add_argument("--output", required=True, help="tokenizer.json to write")
    command.set_defaults(run=vocabulary_command)

    command = commands.add_parser("train", help="train, or go on where the last run was stopped")
    command.add_argument("--base", required=True, help="e5-small-q4.bin")
    command.add_argument("--tokenizer", required=True, help="folder of the cut tokenizer.json")
    command.add_argument("--data", nargs="+", required=True, help="SQuAD-format files or folders; PATH*3: three times")
    command.add_argument("--start", help="folder of a model to start from, instead of the base alone")
    command.add_argument("--start-tokenizer", help="folder of that model's tokenizer.json")
    command.add_argument("--output", required=True, help="folder for checkpoint.pt and log.jsonl")
    command.add_argument("--steps", type=int, required=True)
    command.add_argument("--warmup", type=int, default=60)
    command.add_argument("--decay", type=int, default=0, help="steps at the end that go down to a rate of 0")
    command.add_argument("--rate", type=float, default=2e-4)
    command.add_argument("--dropout", type=float, default=0.1)
    command.add_argument("--batch-size", type=int, default=32, help="examples of a step")
    command.add_argument("--part-tokens", type=int, default=1152, help="most tokens in memory at a time, a thread")
    command.add_argument("--threads", type=int, default=os.cpu_count())
    command.add_argument("--save-minutes", type=float, default=5)
    command.add_argument("--seed", type=int, default=1)
    command.set_defaults(run=train)

    command = commands.add_parser("export", help="write a checkpoint as a Hugging Face folder")
    command.add_argument("--checkpoint", required=True)
    command.add_argument("--output", required=True)
    command.set_defaults(run=export)

    command = commands.add_parser("average", help="write the mean of models of the same vocabulary and shape")
    command.add_argument("models", nargs="+", help="Hugging Face folders")
    command.add_argument("--output", required=True)
    command.set_defaults(run=average)

    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
