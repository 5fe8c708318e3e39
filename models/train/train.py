"""Trains the default model; see README.md for the commands."""

import argparse
import functools
import json
import os
import pathlib
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy
import tokenizers
import torch
import torch.nn.functional as functional
import transformers

import base
import data
import vocabulary

transformers.logging.disable_progress_bar()

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
WORDS = "bert.embeddings.word_embeddings.weight"
LENGTHS = [(160, 0.42), (224, 0.35), (384, 0.23)]  # most tokens of an example, and the share of examples


def vocabulary_command(arguments):
    paragraphs = [paragraph for article in data.articles(arguments.texts) for paragraph in article["paragraphs"]]
    texts = [paragraph["context"] for paragraph in paragraphs]
    texts += [qa["question"] for paragraph in paragraphs for qa in paragraph["qas"]]
    template = json.loads(pathlib.Path(arguments.tokenizer).read_text())
    pathlib.Path(arguments.output).write_text(vocabulary.cut(template, texts, arguments.pieces))


def network(pieces, dropout, layers=12):
    """A network of the base's architecture, its weights at random."""
    config = transformers.BertConfig(
        vocab_size=pieces, hidden_size=384, num_hidden_layers=layers, num_attention_heads=12,
        intermediate_size=1536, max_position_embeddings=512, type_vocab_size=2, layer_norm_eps=1e-12,
        pad_token_id=data.PAD, hidden_dropout_prob=dropout, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = transformers.BertForQuestionAnswering(config)
    if DEVICE.type == "cpu":
        # The fused attention takes up to four times as long, in its backward pass.
        model.set_attn_implementation("eager")
    return model


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
        state, known = trained(arguments.start), read_tokenizer(arguments.start_tokenizer)
        learnt = state.pop(WORDS)
        for index, piece in enumerate(vocabulary):
            if (row := known.token_to_id(piece)) is not None:
                words[index] = learnt[row]
        model.load_state_dict(state | {WORDS: words})
    return model


def trained(folder):
    """The weights of a Hugging Face folder, in f32."""
    return transformers.BertForQuestionAnswering.from_pretrained(folder, dtype=torch.float32).state_dict()


def read_tokenizer(folder):
    return tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))


def teacher_and_student(arguments, tokenizer):
    """The teacher with the embeddings of the tokenizer's pieces, and a network of some of its layers.

    The student keeps the teacher's embeddings: only its layers are trained.
    """
    state, known = trained(arguments.teacher), read_tokenizer(arguments.teacher_tokenizer)
    rows = [known.token_to_id(tokenizer.id_to_token(index)) for index in range(tokenizer.get_vocab_size())]
    if None in rows:
        raise ValueError("the tokenizer has pieces that the teacher's lacks: cut the teacher's own")
    state[WORDS] = state[WORDS][rows]
    teacher = network(len(rows), dropout=0.0)
    teacher.load_state_dict(state)
    student = network(len(rows), 0.0, len(arguments.layers))
    for old, new in zip(arguments.layers, student.bert.encoder.layer, strict=True):
        new.load_state_dict(teacher.bert.encoder.layer[old - 1].state_dict())
    student.bert.embeddings.load_state_dict(teacher.bert.embeddings.state_dict())
    student.bert.embeddings.requires_grad_(False)
    student.qa_outputs.load_state_dict(teacher.qa_outputs.state_dict())
    return teacher.requires_grad_(False).eval(), student


def pad(examples):
    length = max(len(ids) for ids, _ in examples)
    ids = torch.full((len(examples), length), data.PAD)
    for row, (tokens, _) in enumerate(examples):
        ids[row, : len(tokens)] = torch.as_tensor(numpy.asarray(tokens))
    places = torch.tensor([place for _, place in examples])
    return ids, ids.ne(data.PAD).long(), places


def logits_of(output, ids, mask):
    """Start's and end's logits, where an answer can be."""
    nowhere = (mask == 0) | (ids == data.SEP)
    return [side.float().masked_fill(nowhere, -1e4) for side in (output.start_logits, output.end_logits)]


def gold_loss(logits, places):
    """Sum over the batch of the mean of start's and end's cross entropy."""
    return sum(functional.cross_entropy(side, places[:, i], reduction="sum") for i, side in enumerate(logits)) / 2


def training_loss(model, ids, mask, places):
    return gold_loss(logits_of(model(input_ids=ids, attention_mask=mask), ids, mask), places)


def distillation_loss(teacher, layers, state_weight, student, ids, mask, places):
    """Sum over the batch of what the student has yet to learn of the teacher and of the gold answers.

    Of the teacher: the states after the layers that each of the student's stands for, as a share of their variance,
    and the distributions of start and end (Kullback-Leibler divergence).
    """
    with torch.no_grad():
        shown = teacher(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    output = student(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    tokens = mask.bool()
    states = 0.0
    for layer, state in zip(layers, output.hidden_states[1:], strict=True):
        aim = shown.hidden_states[layer][tokens].float()
        states = states + (state[tokens].float() - aim).square().mean() / aim.var()
    logits = logits_of(output, ids, mask)
    answers = sum(
        functional.kl_div(side.log_softmax(-1), aim.softmax(-1), reduction="sum")
        for side, aim in zip(logits, logits_of(shown, ids, mask))
    )
    return state_weight * len(ids) * states + answers / 2 + 0.1 * gold_loss(logits, places)


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
    tokenizer = read_tokenizer(arguments.tokenizer)
    optimize(start_model(arguments, tokenizer), training_loss, tokenizer, arguments)


def distill(arguments):
    tokenizer = read_tokenizer(arguments.tokenizer)
    teacher, student = teacher_and_student(arguments, tokenizer)
    teacher = teacher.to(DEVICE)
    loss_of = functools.partial(distillation_loss, teacher, arguments.layers, arguments.state_weight)
    optimize(student, loss_of, tokenizer, arguments)


def optimize(model, loss_of, tokenizer, arguments):
    """Trains what of the model is to be trained, on examples of the data, from the last checkpoint if there is one."""
    torch.manual_seed(arguments.seed)
    cuda = DEVICE.type == "cuda"
    # On a processor, one thread a part of the batch keeps cores busier than one operator on all cores.
    pool = ThreadPoolExecutor(1 if cuda else arguments.threads, initializer=lambda: torch.set_num_threads(1))
    rows = data.Rows(arguments.data, tokenizer)
    model = model.to(DEVICE).train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    plain = [p for p in trainable if p.dim() == 1]
    matrices = [p for p in trainable if p.dim() > 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=arguments.rate, betas=(0.9, 0.98), fused=True)
    parameters = matrices + plain
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = folder / "checkpoint.pt", folder / "log.jsonl"
    step, drawn, tokens = 0, 0, 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=DEVICE)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step, drawn, tokens = saved["step"], saved["drawn"], saved["tokens"]
        print(f"goes on at step {step}", flush=True)
    lock, mix = Lock(), data.Mix()
    mixed = torch.autocast(DEVICE.type, torch.bfloat16, enabled=cuda or has_bf16())

    def part(examples):
        ids, mask, places = pad(examples)
        with mixed:
            loss = loss_of(model, ids.to(DEVICE), mask.to(DEVICE), places.to(DEVICE))
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
    write(torch.load(arguments.checkpoint, map_location="cpu")["model"], arguments.output)


def average(arguments):
    """Writes the mean of models' weights, which often answers better than each of them."""
    states = [trained(folder) for folder in arguments.models]
    mean = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    write(mean, arguments.output)


def write(state, folder):
    """Writes weights as a Hugging Face folder in f16."""
    layers = sum(name.endswith("attention.self.query.weight") for name in state)
    model = network(len(state[WORDS]), 0.1, layers)
    model.load_state_dict(state)
    model.config.attention_probs_dropout_prob = 0.1
    model.half().save_pretrained(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("vocabulary", help="cut the tokenizer")
    command.add_argument("--tokenizer", required=True, help="the tokenizer.json to cut")
    command.add_argument("--texts", required=True, help="SQuAD-format file or folder to count pieces over")
    command.add_argument("--pieces", type=int, default=30000)
    command.add_argument("--output", required=True, help="tokenizer.json to write")
    command.set_defaults(run=vocabulary_command)

    training = argparse.ArgumentParser(add_help=False)
    training.add_argument("--tokenizer", required=True, help="folder of the cut tokenizer.json")
    training.add_argument("--data", nargs="+", required=True, help="SQuAD-format files or folders; PATH*3: three times")
    training.add_argument("--output", required=True, help="folder for checkpoint.pt and log.jsonl")
    training.add_argument("--steps", type=int, required=True)
    training.add_argument("--warmup", type=int, default=60)
    training.add_argument("--decay", type=int, default=0, help="steps at the end that go down to a rate of 0")
    training.add_argument("--rate", type=float, default=2e-4)
    training.add_argument("--batch-size", type=int, default=32, help="examples of a step")
    training.add_argument("--part-tokens", type=int, default=1152, help="most tokens in memory at a time, a thread")
    training.add_argument("--threads", type=int, default=os.cpu_count())
    training.add_argument("--save-minutes", type=float, default=5)
    training.add_argument("--seed", type=int, default=1)

    command = commands.add_parser("train", parents=[training], help="train, or go on where the last run was stopped")
    command.add_argument("--base", required=True, help="e5-small-q4.bin")
    command.add_argument("--start", help="folder of a model to start from, instead of the base alone")
    command.add_argument("--start-tokenizer", help="folder of that model's tokenizer.json")
    command.add_argument("--dropout", type=float, default=0.1)
    command.set_defaults(run=train)

    command = commands.add_parser("distill", parents=[training], help="train a shallower model to do as a trained one")
    command.add_argument("--teacher", required=True, help="folder of the trained model")
    command.add_argument("--teacher-tokenizer", required=True, help="folder of its tokenizer.json")
    command.add_argument("--layers", nargs="+", type=int, default=[2, 4, 6, 8, 10, 12], help="layers to start from")
    command.add_argument("--state-weight", type=float, default=1.0, help="of the layers' states beside the answers")
    command.set_defaults(run=distill)

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
